# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs that take too long, and runs that never tell of their end."""

from __future__ import annotations

import os
import signal

import pytest

from tests.tools.couriers import couriers
from tests.tools.playbooks import RunningPlaybook

from .conftest import NIGHTLY, SLOW, Controller


def couriers_of(pid: int) -> list[int]:
    """Return the couriers that a run has started."""
    return [courier.pid for courier in couriers() if courier.parent == pid]


def begin_overlong(controller: Controller) -> RunningPlaybook:
    """Start the slow playbook and return when its alert was raised at the task that it waits in."""
    for seconds in (4, 16, 64):
        running = controller.begin_slow(max_duration=f"{seconds}s")
        controller.wait_until(lambda: controller.open, running)
        [alert] = controller.alerts("open")
        if "Not reported from it (1 of 3 hosts): h1" in alert["description"]:
            return running
        # The machine was so slow that the time was over before.
        controller.go_on()
        running.wait()
        controller.flashduty.reset()
    raise AssertionError(alert["description"])


def test_a_run_that_takes_too_long_raises_an_alert_that_its_end_closes(
    controller: Controller,
) -> None:
    running = begin_overlong(controller)
    [alert] = controller.alerts("open")
    shown = controller.ask("runs_info")["runs"][0]
    controller.go_on()
    run = running.wait()

    assert alert["title"] == "nightly.yml is taking too long"
    assert alert["labels"]["status"] == "overlong"
    assert f"was to take {shown['max_duration']} at most" in alert["description"]
    assert "Started: " in alert["description"]
    assert "Play: Converge\nTask: Wait" in alert["description"]
    assert shown["status"] == "running"
    assert (run.rc, "Flashduty: 1 alert recovered." in run.stdout) == (0, True)
    assert (controller.open, controller.recovered) == ([], ["overlong"])


@pytest.mark.any_core
@pytest.mark.thorough
def test_a_run_that_is_terminated_has_an_alert_of_its_own_and_is_not_overlong(
    controller: Controller,
) -> None:
    running = controller.begin_slow(max_duration="1s")
    controller.wait_until(lambda: controller.open, running)
    running.signal(signal.SIGTERM)
    running.wait()
    controller.wait_until(lambda: controller.recovered == ["overlong"])
    controller.wait_until(lambda: controller.open == ["aborted"])

    assert controller.ask("runs_info")["runs"][0]["status"] == "aborted"


@pytest.mark.any_core
@pytest.mark.thorough
def test_a_run_that_is_killed_is_lost_and_not_overlong(controller: Controller) -> None:
    running = controller.begin_slow(max_duration="1s")
    controller.wait_until(lambda: controller.open, running)
    running.kill()
    controller.wait_until(lambda: controller.recovered == ["overlong"])
    controller.wait_until(lambda: controller.open == ["aborted"])

    assert controller.ask("runs_info")["runs"][0]["status"] == "lost"


def test_a_run_that_dies_with_its_courier_is_found_by_the_next_run(
    controller: Controller,
) -> None:
    running = controller.begin_slow(expected_every="25h")
    for pid in couriers_of(running.process.pid):
        os.kill(pid, signal.SIGKILL)
    running.kill()
    nobody_knows = controller.flashduty.events()
    shown = controller.ask("runs_info")["runs"]
    controller.play(NIGHTLY, expected_every="25h", hosts=["h1"])

    assert nobody_knows == []
    assert [run["status"] for run in shown] == ["lost"]
    # Found, and closed by the same run, because it is complete.
    assert (controller.open, controller.recovered) == ([], ["aborted"])


@pytest.mark.any_core
def test_a_run_on_another_controller_is_lost_when_nobody_renews_it(
    controller: Controller,
) -> None:
    running = controller.begin_slow(watch="true")
    couriers = couriers_of(running.process.pid)
    for pid in couriers:
        os.kill(pid, signal.SIGKILL)
    running.kill()
    controller.change("UPDATE flashduty_runs SET process = 'another:1:1'")
    early = controller.ask("runs_check")
    controller.age(100)
    results = controller.ask_all(
        predicted=("runs_check", {"check": True}),
        late=("runs_check", {}),
        later=("runs_check", {}),
    )
    late, later = results["late"], results["later"]

    assert (len(couriers), early["lost"], early["changed"]) == (1, [], False)
    assert len(late["lost"]) == 1, results
    [lost] = late["lost"]
    assert results["predicted"]["lost"] == [lost]
    assert (lost["playbook"], late["raised"]) == ("nightly.yml", 1)
    assert (later["lost"], later["changed"]) == ([], False)
    assert controller.open == ["aborted"]


@pytest.mark.any_core
@pytest.mark.thorough
def test_a_run_whose_courier_is_gone_is_not_lost_while_it_lives(
    controller: Controller,
) -> None:
    running = controller.begin_slow(watch="true")
    for pid in couriers_of(running.process.pid):
        os.kill(pid, signal.SIGKILL)
    controller.age(1000)
    result = controller.ask("runs_check")
    controller.go_on()
    run = running.wait()

    assert result["lost"] == []
    assert (run.rc, controller.flashduty.alerts()) == (0, [])


@pytest.mark.any_core
def test_a_run_without_these_options_starts_nothing_and_is_not_remembered(
    controller: Controller,
) -> None:
    running = controller.begin_slow()
    couriers = couriers_of(running.process.pid)
    controller.go_on()
    running.wait()

    assert couriers == []
    assert not controller.state.exists()


@pytest.mark.any_core
def test_a_person_who_presses_ctrl_c_is_told_of_no_run(controller: Controller) -> None:
    running = controller.begin_slow(expected_every="25h", max_duration="1h")
    running.signal(signal.SIGINT, group=True)
    running.wait()

    results = controller.ask_all(info=("runs_info", {}), check=("runs_check", {}))
    assert results["info"]["runs"][0]["status"] == "interrupted"
    assert results["check"]["lost"] == []
    assert controller.flashduty.alerts() == []


@pytest.mark.any_core
def test_a_check_run_is_remembered_and_raises_nothing(
    controller: Controller,
) -> None:
    running = controller.begin(SLOW, "--check", expected_every="25h", max_duration="1s")
    running.wait()
    info = controller.ask("runs_info")
    [run] = info["runs"]

    assert (run["status"], run["complete"]) == ("ok", False)
    assert info["expected"] == []
    assert controller.flashduty.alerts() == []
