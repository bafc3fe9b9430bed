# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two controllers that share a database: what one of them misses, the other one knows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tests.emulator.control import Emulator
from tests.postgres import PostgresServer, postgres
from tests.tools.cores import Core

from .conftest import NIGHTLY, Controller

__all__ = ["postgres"]

DAILY = {"expected_every": "25h", "playbook_id": "nightly"}
LATER = (
    "UPDATE flashduty_expected_playbooks SET since = since - 93600, started_at = started_at - 93600,"
    " completed_at = completed_at - 93600"
)


@pytest.mark.any_core
def test_a_run_is_missed_once_and_closed_by_whoever_does_it(
    tmp_path: Path, core: Core, flashduty: Emulator, postgres: PostgresServer
) -> None:
    url = postgres.new_schema()
    controllers = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(
            f"import socket\n\nsocket.gethostname = lambda: {name!r}\n"
        )
        controllers.append(
            Controller(
                folder,
                core,
                flashduty,
                FLASHDUTY_STATE_URL=url,
                PYTHONPATH=str(folder),
            )
        )
    first, second = controllers

    first.play(NIGHTLY, **DAILY)
    with psycopg.connect(url) as database:
        database.execute(LATER)
    with ThreadPoolExecutor(2) as both:
        found = list(both.map(lambda one: one.ask("runs_check"), controllers))
    [event] = flashduty.events()
    open_while_late = first.open
    back = second.play(NIGHTLY, **DAILY)
    after = first.ask_all(check=("runs_check", {}), info=("runs_info", {}))

    assert sum(one["raised"] for one in found) == 1
    assert open_while_late == ["missed"]
    assert " on first, more than 25h ago." in event["description"]
    assert "Flashduty: 1 alert recovered." in back.stdout
    assert (first.open, first.recovered) == ([], ["missed"])
    assert (after["check"]["missed"], after["check"]["raised"]) == ([], 0)
    assert [one["controller"] for one in after["info"]["runs"]] == ["second", "first"]
    for one in controllers:
        assert not one.state.exists()
        one.close()
