# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playbooks that are expected to run, and have not."""

from __future__ import annotations

import pytest

from .conftest import NIGHTLY, Controller

HOUR = 3600.0
DAILY = {"expected_every": "25h"}


def test_a_missed_run_raises_an_alert_that_the_next_complete_run_closes(
    controller: Controller,
) -> None:
    first = controller.play(NIGHTLY, **DAILY)
    in_time = controller.ask("runs_check")
    controller.age(25 * HOUR + 60)
    both = controller.ask_all(late=("runs_check", {}), again=("runs_check", {}))
    late, again = both["late"], both["again"]
    open_while_late = controller.open
    events = controller.flashduty.events()
    back = controller.play(NIGHTLY, **DAILY)

    assert (first.rc, "Flashduty:" in first.stdout) == (0, False)
    assert (in_time["missed"], in_time["expected"], in_time["changed"]) == (
        [],
        1,
        False,
    )
    [missed] = late["missed"]
    assert (missed["playbook"], missed["expected_every"]) == ("nightly.yml", "25h")
    assert (late["raised"], late["changed"]) == (1, True)
    assert open_while_late == ["missed"]
    # Still missed, and nothing that anybody has to hear twice.
    assert (len(again["missed"]), again["raised"], again["changed"]) == (1, 0, False)
    [event] = events
    assert event["title_rule"] == "nightly.yml has not run"
    assert "Last start: " in event["description"]
    assert "more than 25h ago" in event["description"]
    assert "Flashduty: 1 alert recovered." in back.stdout
    assert (controller.open, controller.recovered) == ([], ["missed"])


@pytest.mark.any_core
@pytest.mark.thorough
def test_a_whole_run_counts_whether_hosts_fail_or_not(controller: Controller) -> None:
    controller.play(NIGHTLY, **DAILY)
    controller.age(26 * HOUR)
    for arguments in (
        ("--limit", "h1"),
        ("--tags", "check"),
        ("--check",),
        ("--start-at-task", "Check"),
    ):
        controller.play(NIGHTLY, *arguments, **DAILY)
    # A run that reaches nobody has done nothing.
    controller.play(NIGHTLY.replace("hosts: all", "hosts: nobody"), **DAILY)
    missed = controller.ask("runs_check")["missed"]
    # Without the option, too.
    controller.play(NIGHTLY, "-e", "broken=h1")

    assert len(missed) == 1
    assert controller.ask("runs_check")["missed"] == []
    assert (controller.open, controller.recovered) == (["failed"], ["missed"])


def test_a_play_says_that_it_is_expected_and_the_first_one_that_does_decides(
    controller: Controller,
) -> None:
    second = NIGHTLY.replace(
        "  gather_facts",
        "  vars: {flashduty_expected_every: '{{ 2 * 30 }}m'}\n  gather_facts",
    )
    third = NIGHTLY.replace(
        "  gather_facts", "  vars: {flashduty_expected_every: 7d}\n  gather_facts"
    )
    controller.play(NIGHTLY + second + third, expected_every="2d")
    controller.age(HOUR + 60)

    [expected] = controller.ask("runs_info")["expected"]
    assert (expected["expected_every"], expected["missed"]) == ("1h", True)


@pytest.mark.any_core
def test_what_is_removed_for_good_is_forgotten_and_its_alert_closed(
    controller: Controller,
) -> None:
    controller.play(NIGHTLY, **DAILY)
    controller.age(26 * HOUR)
    forget = {"forget": ["nightly.yml"]}
    results = controller.ask_all(
        missed=("runs_check", {}),
        predicted=("runs_check", {**forget, "check": True}),
        forgotten=("runs_check", forget),
        again=("runs_check", forget),
    )
    forgotten, again = results["forgotten"], results["again"]

    assert len(results["missed"]["missed"]) == 1
    assert results["predicted"]["forgotten"] == forgotten["forgotten"]
    assert (forgotten["missed"], forgotten["changed"]) == ([], True)
    assert (controller.open, controller.recovered) == ([], ["missed"])
    assert (again["forgotten"], again["changed"]) == ([], False)


@pytest.mark.any_core
@pytest.mark.thorough
def test_a_clock_that_was_ahead_delays_nothing(controller: Controller) -> None:
    controller.play(NIGHTLY, **DAILY)
    # As if the machine had believed to be in another year.
    controller.age(-400 * 24 * HOUR)
    before = controller.ask("runs_check")
    controller.age(26 * HOUR)
    late = controller.ask("runs_check")

    assert (before["missed"], len(late["missed"])) == ([], 1)


@pytest.mark.any_core
@pytest.mark.thorough
def test_after_the_state_was_deleted_the_next_whole_run_closes_what_nobody_remembers(
    controller: Controller,
) -> None:
    controller.play(NIGHTLY, **DAILY)
    controller.age(26 * HOUR)
    late = controller.ask("runs_check")
    running = controller.begin_slow(**DAILY, max_duration="1s")
    controller.wait_until(lambda: controller.open == ["missed", "overlong"], running)
    for path in controller.state.parent.iterdir():
        path.unlink()
    nothing = controller.ask("runs_check")
    controller.go_on()
    run = running.wait()
    result = controller.ask("runs_check")

    assert (late["raised"], late["delivered"]) == (1, 1)
    assert (nothing["expected"], nothing["missed"]) == (0, [])
    assert run.rc == 0
    assert (result["expected"], result["missed"], result["lost"]) == (1, [], [])
    assert controller.open == [], run.output
    # Nobody knows whether they were open.
    assert "recovered" not in run.output


@pytest.mark.any_core
def test_what_is_no_duration_is_said_once_and_the_default_used(
    controller: Controller,
) -> None:
    playbook = NIGHTLY.replace(
        "  gather_facts", "  vars: {flashduty_max_duration: soon}\n  gather_facts"
    )
    run = controller.play(
        playbook + playbook, expected_every="daily", recover_after="0"
    )

    # What is printed is wrapped.
    warnings = " ".join(run.stderr.split())
    assert warnings.count("expected_every (FLASHDUTY_EXPECTED_EVERY) is 'daily'") == 1
    assert warnings.count("flashduty_max_duration is 'soon': it must be") == 1
    assert (
        "(FLASHDUTY_RECOVER_AFTER) is 0: it must be a whole number of runs" in warnings
    )
    assert run.rc == 0
    assert controller.ask("runs_check")["expected"] == 0
