# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs and couriers that are killed at any moment: no failure that the callback was told of is lost.

FLASHDUTY_TEST_KILLS tells how many are killed; a few by default.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
import typing as t
from pathlib import Path

import pytest

from tests.emulator.control import Emulator
from tests.tools.cores import Core

from .conftest import FAILING, Stage, closing_line, hosts_of

KILLS = int(os.environ.get("FLASHDUTY_TEST_KILLS") or 4)
HOSTS = 12
VICTIMS = ("run", "courier", "run and courier", "courier, then run")
# Hosts fail one after the other for some time, so that there are many moments to be killed in.
MANY_FAILURES = """
- name: Play
  hosts: all
  gather_facts: false
  strategy: free
  tasks:
    - name: Break
      ansible.builtin.raw: "sleep 0.{{ inventory_hostname[4:] }}; echo broken; exit 1"
"""


@pytest.mark.parametrize("number", range(KILLS))
def test_no_failure_is_lost_to_a_kill(
    tmp_path: Path, cores: list[Core], flashduty: Emulator, number: int
) -> None:
    chance = random.Random(number)
    core = cores[number % len(cores)]
    victims = VICTIMS[number // len(cores) % len(VICTIMS)]
    flashduty.misbehave({"kind": "latency", "seconds": 0.1, "times": 0})
    with contextlib.closing(Stage(tmp_path, core, flashduty)) as stage:
        kill_in_the_middle(stage, victims, chance)
        witnessed = stage.witnessed()
        stage.wait_for_couriers()
        flashduty.behave()

        # Most is there already; what a killed courier has left goes out with the next run.
        after = stage.play_something_else()

        alerts = flashduty.alerts()
        told = hosts_of(alerts)
        assert after.rc == 0
        assert set(witnessed) <= set(told), "nothing is lost"
        assert set(told.values()) <= {1}, "no alert opened twice"
        outcomes = [[event["outcome"] for event in alert["events"]] for alert in alerts]
        assert all(
            first == "opened" and set(others) <= {"dropped"}
            for first, *others in outcomes
        ), "what was sent again was the same, and dropped"
        assert not stage.couriers()


def kill_in_the_middle(stage: Stage, victims: str, chance: random.Random) -> None:
    running = stage.begin(
        MANY_FAILURES, HOSTS, recovery="never", ANSIBLE_FORKS=str(HOSTS)
    )
    stage.wait_for(lambda: stage.witnessed() or running.process.poll() is not None)
    time.sleep(chance.uniform(0, 1.2))
    if "courier" in victims:
        for courier in stage.couriers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(courier, signal.SIGKILL)
    if victims == "courier, then run":
        time.sleep(chance.uniform(0, 0.5))
    if "run" in victims:
        running.process.kill()
        running.process.wait()
        # Its workers live on for a moment, as they do.
    else:
        run = running.wait()
        assert run.rc == 2
        assert closing_line(run).startswith(f"Flashduty: {HOSTS} alerts raised.")


@pytest.mark.parametrize("group", [False, True], ids=["from AWX", "from a shell"])
def test_what_happened_before_a_termination_is_delivered(
    stage: Stage, group: bool
) -> None:
    running = begin_and_wait_for_a_failure(stage)

    running.signal(signal.SIGTERM, group=group)
    run = running.wait()

    assert run.rc == -signal.SIGTERM
    stage.wait_for_couriers()
    told = hosts_of(
        alert for alert in stage.flashduty.alerts() if "host" in alert["labels"]
    )
    assert told == {"host0": 1}
    assert [
        alert["labels"]["status"]
        for alert in stage.flashduty.alerts()
        if "host" not in alert["labels"]
    ] == ["aborted"]


def test_what_happened_before_ctrl_c_is_delivered(stage: Stage) -> None:
    running = begin_and_wait_for_a_failure(stage)

    running.signal(signal.SIGINT, group=True)
    run = running.wait()

    assert run.rc == 99, "as without the callback"
    stage.wait_for_couriers()
    assert hosts_of(stage.flashduty.alerts()) == {"host0": 1}


def begin_and_wait_for_a_failure(stage: Stage) -> t.Any:
    running = stage.begin(
        FAILING.replace(
            "  tasks:",
            "  tasks:\n    - name: One of them\n      ansible.builtin.fail: {msg: Early}\n"
            "      when: inventory_hostname == 'host0'\n"
            "    - name: Wait\n      ansible.builtin.command: sleep 30",
        )
    )
    stage.wait_for(stage.witnessed)
    # Waiting has begun.
    time.sleep(0.5)
    return running
