# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state folder full, read-only, damaged, from the future; and clocks that jump."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

from tests.tools.environments import TREE
from tests.tools.playbooks import PlaybookRun, RunningPlaybook
from tests.tools.shared_memory import blocked_shared_memory

from .conftest import (
    FAILING,
    Stage,
    assert_same_run,
    closing_line,
    hosts_of,
    warnings_of,
)

ALL = {"host0": 1, "host1": 1, "host2": 1}
# One host fails at once, the others some seconds later.
ONE_EARLY = FAILING.replace(
    "  tasks:",
    """  tasks:
    - name: One of them
      ansible.builtin.fail: {msg: Early}
      when: inventory_hostname == 'host0'
    - name: Wait
      ansible.builtin.command: sleep 2""",
)


def outbox_of(folder: Path, **options: t.Any) -> t.Any:
    """Open an outbox, as the collection does."""
    if str(TREE) not in sys.path:
        sys.path.insert(0, str(TREE))
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        OutboxLocation,
        open_outbox,
    )

    return open_outbox(OutboxLocation(str(folder)), **options)


def wait_for_a_failure(stage: Stage, running: RunningPlaybook) -> None:
    stage.wait_for(lambda: stage.witnessed() or running.process.poll() is not None)
    assert running.process.poll() is None, running.stdout + running.stderr


def assert_all_went_out(stage: Stage, plain: PlaybookRun, **options: t.Any) -> str:
    """See to it that alerts go out whatever is wrong with the state; return the warnings."""
    run = stage.play(FAILING, **options)

    assert hosts_of(stage.flashduty.alerts()) == ALL
    assert closing_line(run).startswith("Flashduty: 3 alerts raised")
    assert_same_run(run, plain)
    return warnings_of(run)


def test_a_full_disk_keeps_no_alert_back(
    stage: Stage, plain: PlaybookRun, mount: t.Callable[[str, str], Path]
) -> None:
    place = mount("full", "size=64k")
    with contextlib.suppress(OSError):
        (place / "filler").write_bytes(b"x" * 65_536)

    said = assert_all_went_out(stage, plain, state_path=str(place / "state"))

    assert "cannot use" in said
    assert "go out by way of" in said


def test_a_disk_that_fills_up_during_the_run_loses_no_alert(
    stage: Stage, mount: t.Callable[[str, str], Path]
) -> None:
    # Enough for some events, and not for all.
    place = mount("small", "size=200k")
    state = str(place / "state")

    run = stage.play(FAILING, 60, state_path=state)

    assert run.rc == 2
    assert closing_line(run).startswith("Flashduty: 60 alerts raised")
    # What was written before can be worked off when there is room again.
    stage.wait_for_couriers()
    subprocess.run(["mount", "-o", "remount,size=2m", str(place)], check=True)
    stage.play_something_else(state_path=state)
    alerts = hosts_of(stage.flashduty.alerts())
    assert alerts == {f"host{number}": 1 for number in range(60)}


def test_a_read_only_folder_keeps_no_alert_back(
    stage: Stage, plain: PlaybookRun, mount: t.Callable[[str, str], Path]
) -> None:
    place = mount("readonly", "size=1m,ro")

    said = assert_all_went_out(stage, plain, state_path=str(place / "state"))

    assert "Read-only file system" in said


def test_a_folder_without_shared_memory_does_as_well(
    stage: Stage, plain: PlaybookRun
) -> None:
    with blocked_shared_memory(stage.state):
        assert assert_all_went_out(stage, plain) == ""


def test_a_damaged_file_is_moved_aside(stage: Stage, plain: PlaybookRun) -> None:
    stage.state.mkdir(parents=True)
    (stage.state / "outbox.sqlite3").write_bytes(b"nonsense" * 1000)

    said = assert_all_went_out(stage, plain)

    assert "is damaged" in said
    assert "It was moved to" in said
    assert len(list(stage.state.glob("outbox.sqlite3.damaged-*"))) == 1


def test_a_file_that_is_damaged_during_the_run_is_moved_aside(stage: Stage) -> None:
    running = stage.begin(ONE_EARLY)
    wait_for_a_failure(stage, running)
    stage.wait_for(stage.flashduty.alerts)
    for path in stage.state.glob("outbox.sqlite3*"):
        path.write_bytes(b"\0" * path.stat().st_size)

    run = running.wait()

    assert run.rc == 2
    assert closing_line(run).startswith("Flashduty: 3 alerts raised")


def test_a_file_of_a_newer_version_is_left_alone(
    stage: Stage, plain: PlaybookRun
) -> None:
    with outbox_of(stage.state):
        path = stage.state / "outbox.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    before = path.read_bytes()

    said = assert_all_went_out(stage, plain)

    assert "newer version" in said
    assert path.read_bytes() == before


def test_ten_thousand_waiting_events_hold_up_no_run(
    stage: Stage, plain: PlaybookRun
) -> None:
    integration = fingerprint_of(stage)
    with outbox_of(stage.state) as outbox:
        outbox.add(integration, [event_for(f"old{n}") for n in range(10_000)])

    run = stage.play(FAILING, flush_timeout="2", rate_limit="0")

    assert run.duration < plain.duration + 2 + 20
    assert_same_run(run, plain)
    delivered = len(stage.flashduty.events())
    assert delivered > 10
    with outbox_of(stage.state) as outbox:
        assert outbox.counts()["waiting"] + delivered >= 10_003
    assert "NOT delivered" in closing_line(run)


def fingerprint_of(stage: Stage) -> str:
    outbox_of(stage.folder / "unused").close()
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
        PATHS,
        Connection,
    )

    return Connection(
        stage.flashduty.alert_key, stage.flashduty.url + PATHS["alert"]
    ).fingerprint


def event_for(key: str) -> t.Any:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
        AlertEvent,
    )

    return AlertEvent.create(title_rule="t", event_status="Info", alert_key=key)


@pytest.mark.parametrize("offset", [-86400, -3600, 3600, 86400])
@pytest.mark.thorough("3600", "-3600")
def test_a_clock_that_was_set_keeps_nothing_back(stage: Stage, offset: int) -> None:
    integration = fingerprint_of(stage)
    with outbox_of(stage.state, now=lambda: time.time() + offset) as outbox:
        outbox.add(integration, [event_for("old"), event_for("sent"), event_for("old")])
        claimed, _pause = outbox.claim(
            integration, "elsewhere:1", limit=1, lease=60, rate_limit=10
        )
        sent, _pause = outbox.claim(integration, "elsewhere:1", limit=1, lease=60)
        outbox.settle(delivered=sent)

    run = stage.play(FAILING)

    keys = [event["alert_key"] for event in stage.flashduty.events()]
    assert keys.count("old") == 2
    assert "sent" not in keys
    assert hosts_of(a for a in stage.flashduty.alerts() if "host" in a["labels"]) == ALL
    assert closing_line(run) == "Flashduty: 3 alerts raised."


def test_what_a_run_leaves_behind_is_private(stage: Stage) -> None:
    stage.flashduty.stop()
    stage.state.mkdir(parents=True)
    stage.state.chmod(0o777)

    stage.play(FAILING, flush_timeout="1")

    assert {path.stat().st_mode & 0o777 for path in stage.state.iterdir()} == {0o600}
    assert stage.state.stat().st_mode & 0o777 == 0o700
    key = stage.flashduty.alert_key.encode()
    assert all(key not in path.read_bytes() for path in stage.state.iterdir())
