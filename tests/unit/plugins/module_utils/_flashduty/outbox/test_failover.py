# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What serves in the place of a state folder that is of no use, and what is left of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty import (
    events,
)

CORE = Path(events.__file__).parents[1]
RUN = """
import os, sys
from _flashduty.events import AlertEvent
from _flashduty.outbox import OutboxLocation, open_failover

state, what = sys.argv[1:]
failover = open_failover(OutboxLocation(state), warn=print)

def store(outbox):
    print(outbox.place)
    event = AlertEvent.create(title_rule="t", event_status="Critical", alert_key="a")
    outbox.add("integration-1", [event])
    if what == "delivered":
        events, _pause = outbox.claim("integration-1", "me", limit=1, lease=60)
        outbox.settle(delivered=events)

failover.use(store, None)
if os.fork() == 0:
    # A worker of the run.
    sys.exit()
os.wait()
print(os.path.exists(failover.location.path))
failover.close()
"""


@pytest.mark.parametrize("what", ["delivered", "waiting"])
def test_a_temporary_folder_is_removed_when_no_event_is_left_in_it(
    tmp_path: Path, what: str
) -> None:
    state, temporary = tmp_path / "state", tmp_path / "temporary"
    state.mkdir()
    (state / "of another program").touch()
    state.chmod(0o777)
    temporary.mkdir()

    run = subprocess.run(
        # -u: the worker, too, would write what is not written yet.
        [sys.executable, "-u", "-c", RUN, str(state), what],
        cwd=CORE,
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )

    warning, place, there_after_fork, *others = run.stdout.splitlines()
    assert others == []
    assert warning.startswith(f"cannot use {state}: other users can write")
    assert f"go out by way of {place} instead" in warning
    assert place.startswith(str(temporary / "flashduty-"))
    assert there_after_fork == "True"
    assert Path(place).exists() is (what == "waiting")
    assert [path.name for path in state.iterdir()] == ["of another program"]


def test_a_state_folder_that_is_of_use_stays(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path / "state"), "delivered"],
        cwd=CORE,
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=300,
    )

    assert (tmp_path / "state" / "outbox.sqlite3").exists()
