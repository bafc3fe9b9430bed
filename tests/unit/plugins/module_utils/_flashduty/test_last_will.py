# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run could not send any more is sent after its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import typing as t
from dataclasses import asdict
from pathlib import Path

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils import _flashduty
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty import (
    last_will,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    AlertEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    Outbox,
)

from tests.emulator.control import Emulator

from .conftest import connection_to

ALERT = {
    "kind": "alert",
    "fields": {
        "title_rule": "Deployment failed",
        "event_status": "Critical",
        "alert_key": "a",
    },
}
CHANGE = {
    "kind": "change",
    "fields": {
        "title": "Deploy",
        "change_status": "Canceled",
        "change_key": "c",
        "labels": {"env": "test"},
    },
}
HOME = Path(str(_flashduty.__file__)).parents[1]


def execute(state: t.Any, flashduty: Emulator, folder: Path, **options: t.Any) -> None:
    connections = {kind: connection_to(flashduty, kind) for kind in ("alert", "change")}
    last_will.execute(state, connections, str(folder), **options)


def test_the_will_is_sent(flashduty: Emulator, tmp_path: Path) -> None:
    execute({"will": [ALERT, CHANGE]}, flashduty, tmp_path)

    assert [alert["title"] for alert in flashduty.alerts()] == ["Deployment failed"]
    assert [change["status"] for change in flashduty.changes()] == ["Canceled"]


def test_without_a_will_nothing_happens(flashduty: Emulator, tmp_path: Path) -> None:
    execute({"will": []}, flashduty, tmp_path / "state")
    execute({}, flashduty, tmp_path / "state")

    assert flashduty.requests() == []
    assert not (tmp_path / "state").exists()


def test_what_nobody_wants_is_not_sent(flashduty: Emulator, tmp_path: Path) -> None:
    connections = {"change": connection_to(flashduty, "change")}

    last_will.execute({"will": [ALERT, CHANGE]}, connections, str(tmp_path))

    assert flashduty.alerts() == []
    assert len(flashduty.changes()) == 1


def test_what_is_urgent_and_waits_is_sent(flashduty: Emulator, tmp_path: Path) -> None:
    with Outbox(str(tmp_path)) as outbox:
        event = AlertEvent.create(**ALERT["fields"])  # type: ignore[arg-type]
        outbox.add(connection_to(flashduty).fingerprint, [event])

    execute({"urgent": True}, flashduty, tmp_path)

    assert len(flashduty.alerts()) == 1


def test_a_service_that_is_away_for_a_moment_is_waited_for(
    flashduty: Emulator, tmp_path: Path
) -> None:
    flashduty.misbehave({"kind": "error", "code": "InternalError", "times": 2})

    execute({"will": [ALERT]}, flashduty, tmp_path, patience=30.0)

    assert len(flashduty.alerts()) == 1


def test_what_cannot_be_sent_waits_in_the_outbox(
    flashduty: Emulator, tmp_path: Path
) -> None:
    flashduty.misbehave({"kind": "error", "code": "InternalError", "times": 0})
    try:
        execute({"will": [ALERT]}, flashduty, tmp_path, patience=0.5)
    finally:
        flashduty.behave()

    with Outbox(str(tmp_path)) as outbox:
        assert [row["key"] for row in outbox.events(refused=False)] == ["a"]


def test_an_outbox_that_is_of_no_use_is_done_without(
    flashduty: Emulator, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")

    execute({"will": [ALERT, CHANGE]}, flashduty, tmp_path / "file")

    assert len(flashduty.alerts()) == len(flashduty.changes()) == 1


@pytest.mark.parametrize("content", ["", "{", "[1]", "null"])
def test_a_file_that_was_being_written_says_nothing(
    tmp_path: Path, content: str
) -> None:
    file = tmp_path / "state"
    file.write_text(content)
    descriptor = os.open(file, os.O_RDONLY)
    try:
        assert last_will.read_state(descriptor) == {}
    finally:
        os.close(descriptor)


def test_a_process_that_is_gone_is_not_waited_for() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()

        last_will.wait_for_end(process.pid)


def test_systems_that_tell_of_no_end_are_asked_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(last_will, "_INTERVAL", 0.01)
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    answers = iter([True, True, False])
    monkeypatch.setattr(last_will, "_lives", lambda _pid: next(answers))

    last_will.wait_for_end(os.getpid())

    assert next(answers, "all were asked for") == "all were asked for"


def test_the_process_sends_it_when_the_run_has_ended_even_if_the_file_is_gone(
    flashduty: Emulator, tmp_path: Path
) -> None:
    file = tmp_path / "state"
    file.write_text("{}")
    descriptor = os.open(file, os.O_RDONLY)
    with subprocess.Popen(["sleep", "60"]) as run, subprocess.Popen(
        [sys.executable, "-m", "_flashduty.last_will"],
        stdin=subprocess.PIPE,
        env={"PYTHONPATH": str(HOME), "NO_PROXY": "127.0.0.1"},
        pass_fds=[descriptor],
    ) as process:
        assert process.stdin is not None
        told = {
            "run_pid": run.pid,
            "file": descriptor,
            "folder": str(tmp_path / "outbox"),
            "connections": {"alert": asdict(connection_to(flashduty))},
        }
        process.stdin.write(json.dumps(told).encode())
        process.stdin.close()
        file.write_text(json.dumps({"will": [ALERT]}))
        file.unlink()
        time.sleep(0.2)
        assert process.poll() is None
        assert flashduty.alerts() == []

        run.terminate()
        run.wait()

        assert process.wait(30) == 0
    os.close(descriptor)
    assert len(flashduty.alerts()) == 1
