# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Flashduty away, slow, hanging, refusing: the run goes on as ever, and nothing is lost."""

from __future__ import annotations

import typing as t

import pytest

from tests.emulator.control import Emulator
from tests.tools.playbooks import PlaybookRun

from .conftest import (
    FAILING,
    PASSING,
    Stage,
    assert_same_run,
    closing_line,
    hosts_of,
    warnings_of,
)

ALL = {"host0": 1, "host1": 1, "host2": 1}
KEPT = "The next run tries again; they wait in ~/.ansible/flashduty."


def test_a_run_without_a_failure_says_nothing(
    stage: Stage, plain_passing: PlaybookRun
) -> None:
    run = stage.play(PASSING)

    assert (run.rc, closing_line(run), warnings_of(run)) == (0, "", "")
    assert_same_run(run, plain_passing)
    assert stage.flashduty.requests() == []
    assert not stage.state.exists()


PASSING_TROUBLES: dict[str, list[dict[str, t.Any]]] = {
    "nothing": [],
    "slow": [{"kind": "latency", "seconds": 1, "times": 0}],
    "resets": [{"kind": "reset", "times": 2}],
    "silence": [{"kind": "drop", "times": 2}],
    "silence after it was accepted": [{"kind": "drop", "accept": True}],
    "HTML": [{"kind": "html", "times": 2}],
    "an empty answer": [{"kind": "empty", "times": 2}],
    "a truncated answer": [{"kind": "truncated", "times": 2}],
    "a truncated answer after it was accepted": [{"kind": "truncated", "accept": True}],
    "errors": [{"kind": "error", "times": 2}],
    "a rate limit": [{"kind": "rate_limit", "times": 2}],
    "a rate limit with a time": [{"kind": "rate_limit", "retry_after": "1"}],
    "a redirect": [{"kind": "redirect"}],
}


@pytest.mark.parametrize("faults", PASSING_TROUBLES.values(), ids=PASSING_TROUBLES)
@pytest.mark.thorough(
    "HTML",
    "a redirect",
    "a truncated answer",
    "an empty answer",
    "silence after it was accepted",
    "slow",
    "resets",
    "a rate limit",
)
def test_a_trouble_that_passes_is_not_noticed(
    stage: Stage, faults: list[dict[str, t.Any]]
) -> None:
    stage.flashduty.misbehave(*faults)

    run = stage.play(FAILING)

    assert hosts_of(stage.flashduty.alerts()) == ALL
    assert closing_line(run) == "Flashduty: 3 alerts raised."
    assert warnings_of(run) == ""


def test_the_run_is_the_same_as_without_the_callback(
    stage: Stage, plain: PlaybookRun
) -> None:
    assert_same_run(stage.play(FAILING), plain)


LASTING_TROUBLES: dict[str, tuple[dict[str, t.Any], dict[str, t.Any], str]] = {
    "hanging": (
        {"kind": "hang", "seconds": 60, "times": 0},
        {"timeout": "1"},
        "no answer in time",
    ),
    "hanging for longer than anybody waits": (
        {"kind": "hang", "seconds": 60, "times": 0},
        {"timeout": "60"},
        "",
    ),
    "dribbling": (
        {"kind": "dribble", "seconds": 0.3, "times": 0},
        {"timeout": "1"},
        "no answer in time",
    ),
    "errors": (
        {"kind": "error", "times": 0},
        {},
        "InternalError, HTTP 500",
    ),
    "HTML": (
        {"kind": "html", "times": 0},
        {},
        "UnexpectedResponse, HTTP 502",
    ),
    "a rate limit for long": (
        {"kind": "rate_limit", "retry_after": "300", "times": 0},
        {},
        "RequestTooFrequently, HTTP 429",
    ),
}


@pytest.mark.parametrize(
    ("fault", "options", "reason"), LASTING_TROUBLES.values(), ids=LASTING_TROUBLES
)
@pytest.mark.thorough(
    "dribbling",
    "HTML",
    "hanging for longer than anybody waits",
    "a rate limit for long",
)
def test_what_cannot_be_delivered_is_kept_for_the_next_run(
    stage: Stage,
    plain: PlaybookRun,
    fault: dict[str, t.Any],
    options: dict[str, t.Any],
    reason: str,
) -> None:
    stage.flashduty.misbehave(fault)

    run = stage.play(FAILING, flush_timeout="8", **options)

    assert closing_line(run).startswith("Flashduty: 3 of 3 alerts NOT delivered: ")
    assert closing_line(run).endswith(KEPT)
    assert reason in closing_line(run)
    # Not for as long as some of these would take.
    assert run.duration < plain.duration + 8 + 20
    assert_same_run(run, plain)
    stage.flashduty.reset()
    later = stage.play_something_else()
    assert hosts_of(stage.flashduty.alerts()) == ALL
    assert (later.rc, closing_line(later)) == (0, "")


def test_a_service_that_is_away_gets_it_later_with_the_time_at_which_it_happened(
    stage: Stage,
) -> None:
    stage.flashduty.stop()
    run = stage.play(FAILING, flush_timeout="8")
    stage.flashduty.start()

    stage.play_something_else()

    assert f"connection refused at {stage.flashduty.url}." in closing_line(run)
    events = stage.flashduty.events()
    assert hosts_of(stage.flashduty.alerts()) == ALL
    assert all(event["event_time"] <= event["received_at"] - 1 for event in events)


@pytest.mark.any_core
def test_a_run_with_nothing_to_say_does_not_wait_for_a_service_that_is_away(
    stage: Stage,
) -> None:
    stage.flashduty.stop()
    stage.play(FAILING, flush_timeout="1")

    run = stage.play_something_else(flush_timeout="100")

    assert "NOT delivered: connection refused at" in closing_line(run)
    assert run.duration < 60
    stage.flashduty.start()
    assert closing_line(stage.play_something_else()) == ""
    assert hosts_of(stage.flashduty.alerts()) == ALL


def test_a_wrong_key_is_told_once_and_the_events_are_kept_aside(stage: Stage) -> None:
    wrong = stage.flashduty.push_url.replace(stage.flashduty.alert_key, "0" * 32)

    run = stage.play(FAILING, push_url=wrong)
    later = stage.play_something_else(push_url=wrong)

    line = closing_line(run)
    assert line == (
        "Flashduty: 3 alerts REFUSED: integration_key is not a valid one. Mend the key, then:"
        " ansible-playbook flashcat.flashduty.housekeeping -e retry=true"
    )
    assert "0" * 32 not in run.output
    assert run.duration < 60
    assert closing_line(later) == ""


def test_a_name_that_is_unknown_is_told(stage: Stage, plain: PlaybookRun) -> None:
    url = "http://flashduty.invalid/event/push/alert/standard?integration_key=abc"

    run = stage.play(FAILING, push_url=url, flush_timeout="8")

    assert (
        "3 of 3 alerts NOT delivered: name not resolved at http://flashduty.invalid"
        in closing_line(run)
    )
    assert_same_run(run, plain)


def test_a_certificate_that_is_not_trusted_is_told(stage: Stage) -> None:
    with Emulator(tls=True) as emulator:
        run = stage.play(FAILING, push_url=emulator.push_url, flush_timeout="8")
        assert emulator.requests() == []

        stage.play_something_else(
            push_url=emulator.push_url, ca_path=str(emulator.ca_path)
        )
        assert hosts_of(emulator.alerts()) == ALL

    assert "3 of 3 alerts NOT delivered: no TLS connection" in closing_line(run)


def test_a_missing_certificate_file_is_told(stage: Stage) -> None:
    run = stage.play(FAILING, ca_path="/nowhere/ca.pem", flush_timeout="5")

    assert run.rc == 2
    assert "/nowhere/ca.pem" in run.output
    assert run.duration < 60


def test_two_runs_at_once_share_the_way(stage: Stage) -> None:
    stage.flashduty.misbehave({"kind": "latency", "seconds": 0.05, "times": 0})
    other = FAILING.replace("name: Play", "name: Other play")
    stage.write("other.yml", other)
    runs = [
        stage.begin(FAILING, 20),
        stage.start(
            stage.folder / "other.yml",
            inventory=stage.folder / "inventory.ini",
            environment=stage.environment(playbook_id="other"),
        ),
    ]

    lines = [closing_line(run.wait()) for run in runs]

    assert lines == ["Flashduty: 20 alerts raised."] * 2
    alerts = stage.flashduty.alerts()
    assert hosts_of(alerts) == {f"host{number}": 2 for number in range(20)}
    assert len(stage.flashduty.events()) == 40, "each was told once"


def test_a_recovery_does_not_overtake_its_failure(stage: Stage) -> None:
    playbook = FAILING.replace(
        "ansible.builtin.fail: {msg", "ansible.builtin.debug: {msg"
    )
    stage.flashduty.misbehave({"kind": "error", "times": 0})
    stage.play(FAILING, flush_timeout="1")
    stage.flashduty.behave()

    stage.play(playbook)

    assert {alert["status"] for alert in stage.flashduty.alerts()} == {"recovered"}
    assert hosts_of(stage.flashduty.alerts()) == ALL
