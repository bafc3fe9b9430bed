# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Alerts that are closed by hand, and the housekeeping."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.playbooks import PlaybookRun

from .conftest import HOSTS, NIGHTLY, Controller

OTHER = NIGHTLY.replace("Converge", "Other")
BROKEN = ("-e", "broken=h1,h2,h3")


def titles(alerts: list[dict[str, object]]) -> list[str]:
    return sorted(str(alert["title"]) for alert in alerts)


@pytest.mark.thorough
def test_alerts_are_closed_by_what_selects_them(controller: Controller) -> None:
    controller.play(NIGHTLY, *BROKEN)
    controller.play(OTHER, "-e", "broken=h1", name="other.yml")
    keys = {a["labels"]["host"]: a["alert_key"] for a in controller.alerts("open")}

    young = controller.ask_all(
        predicted=("close_alerts", {"host": "h1", "check": True}),
        of_both=("close_alerts", {"host": "h1", "playbook": "other.yml"}),
        of_host=("close_alerts", {"host": ["h1"]}),
        by_key=("close_alerts", {"alert_key": keys["h2"]}),
        too_young=("close_alerts", {"older_than": "1h"}),
    )
    predicted, of_both, of_host, by_key, too_young = young.values()
    controller.age(7200)
    later = controller.ask_all(
        old=("close_alerts", {"older_than": "1h30m"}),
        again=("close_alerts", {"older_than": "1h30m"}),
        nothing=("close_alerts", {}),
        wrong=("close_alerts", {"older_than": "yesterday"}),
        left=("outbox_info", {}),
    )
    old, again, nothing, wrong, left = later.values()

    assert len(predicted["closed"]) == 2
    assert predicted["diff"]["before"].count("\n") == 4
    assert predicted["diff"]["after"].count("\n") == 2
    assert titles(of_both["closed"]) == ["Check failed on h1 (other.yml)"]
    assert titles(of_host["closed"]) == ["Check failed on h1 (nightly.yml)"]
    assert titles(by_key["closed"]) == ["Check failed on h2 (nightly.yml)"]
    assert (too_young["closed"], too_young["changed"]) == ([], False)
    assert titles(old["closed"]) == ["Check failed on h3 (nightly.yml)"]
    assert (again["closed"], again["changed"]) == ([], False)
    assert controller.open == []
    assert len(controller.recovered) == 4
    assert nothing["failed"]
    assert "No alert is selected: give one of alert_key, host" in nothing["msg"]
    assert "older_than is 'yesterday': it must be a duration such as" in wrong["msg"]
    # Forgotten, so that nothing closes it twice.
    assert left["open_alerts"] == []


@pytest.mark.any_core
@pytest.mark.thorough
def test_of_an_alert_for_many_hosts_only_some_are_taken_off(
    controller: Controller,
) -> None:
    controller.play(NIGHTLY, *BROKEN, storm_threshold="1")
    one = controller.ask("close_alerts", host="h3")
    open_then = len(controller.open)
    rest = controller.ask("close_alerts", host=list(HOSTS))

    assert (len(one["reduced"]), one["closed"], one["changed"]) == (1, [], True)
    assert one["reduced"][0]["hosts"] == ["h3"]
    assert open_then == 2
    assert len(rest["closed"]) == 2
    assert controller.open == []


@pytest.mark.any_core
def test_an_alert_of_an_integration_that_is_no_longer_in_force_is_only_forgotten(
    controller: Controller,
) -> None:
    controller.play(NIGHTLY, "-e", "broken=h1")
    controller.change("UPDATE flashduty_open_alerts SET fingerprint = 'another'")
    results = controller.ask_all(
        before=("outbox_info", {}),
        result=("close_alerts", {"host": "h1"}),
        left=("outbox_info", {}),
    )
    result = results["result"]

    assert results["before"]["table"][1].endswith("another")
    assert "not in force: " in results["before"]["table"][1]
    assert titles(result["forgotten"]) == ["Check failed on h1 (nightly.yml)"]
    assert (result["closed"], result["changed"]) == ([], True)
    assert "Close it in Flashduty: Check failed on h1" in str(result["warnings"])
    assert controller.open == ["failed"]
    assert results["left"]["open_alerts"] == []


def test_the_housekeeping_delivers_checks_and_prints_what_is_open(
    controller: Controller,
) -> None:
    controller.play(NIGHTLY, "-e", "broken=h1", expected_every="25h")
    controller.play(OTHER, name="other.yml", expected_every="25h")
    controller.age(26 * 3600)
    metrics = controller.folder / "flashduty.prom"
    run = keep_house(controller, "-e", f"metrics_file={metrics}")
    text = metrics.read_text(encoding="utf-8")

    assert run.rc == 0, run.output
    assert "3 alerts open" in run.stdout
    assert "2 runs missed" in run.stdout
    lines = [line.strip(' ",') for line in run.stdout.splitlines()]
    [heading] = [line for line in lines if line.startswith("HOST ")]
    assert heading.split() == [
        "HOST",
        "CHECK",
        "SINCE",
        "(UTC)",
        "TIMES",
        "INTEGRATION",
    ]
    [row] = [line for line in lines if line.startswith("h1 ")]
    assert row.split()[1:2] == ["Check"]
    assert any(line.startswith("nightly.yml ") and " failed " in line for line in lines)
    assert 'flashduty_last_run_timestamp_seconds{playbook="nightly.yml",' in text
    assert 'flashduty_last_good_run_timestamp_seconds{playbook="other.yml",' in text
    assert (
        'flashduty_last_good_run_timestamp_seconds{playbook="nightly.yml",' not in text
    )
    assert "\nflashduty_open_alerts 3\n" in text
    assert "\nflashduty_waiting_events 0\n" in text


@pytest.mark.any_core
@pytest.mark.thorough
def test_the_housekeeping_does_all_before_it_tells_what_went_wrong(
    controller: Controller,
) -> None:
    controller.flashduty.misbehave({"kind": "error", "times": 0})
    controller.play(NIGHTLY, "-e", "broken=h1", expected_every="25h", flush_timeout="1")
    controller.flashduty.behave()
    controller.age(26 * 3600)
    run = keep_house(controller, "-e", "metrics_file=/nowhere/flashduty.prom")

    assert run.rc == 2
    line = next(one for one in run.stdout.splitlines() if " alerts open, " in one)
    assert "metrics_file /nowhere/flashduty.prom cannot be written: " in line
    # What waited, and what the check has raised.
    assert "2 alerts open, 0 events waiting, 0 undeliverable, 2 delivered now" in line
    assert "1 runs missed of 1 that are expected, 0 lost." in line
    assert controller.open == ["failed", "missed"]


@pytest.mark.any_core
@pytest.mark.thorough
def test_the_housekeeping_sends_once_more_what_was_refused(
    controller: Controller,
) -> None:
    controller.flashduty.misbehave({"kind": "error", "code": "AccessDenied"})
    controller.play(NIGHTLY, "-e", "broken=h1")
    kept = keep_house(controller)
    retried = keep_house(controller, "-e", "retry=true")

    assert "1 undeliverable" in kept.stdout
    assert "0 undeliverable" in retried.stdout
    assert (kept.rc, retried.rc) == (0, 0)
    assert controller.open == ["failed"]


@pytest.mark.any_core
def test_the_housekeeping_fails_when_nothing_can_be_delivered(
    controller: Controller, tmp_path: Path
) -> None:
    run = controller.run(
        "- ansible.builtin.import_playbook: flashcat.flashduty.housekeeping\n"
    )

    assert run.rc == 2
    assert "integration_key" in run.stdout


def keep_house(controller: Controller, *arguments: str) -> PlaybookRun:
    return controller.run(
        "- ansible.builtin.import_playbook: flashcat.flashduty.housekeeping\n",
        *arguments,
        environment={
            "ANSIBLE_CALLBACKS_ENABLED": "flashcat.flashduty.alert_on_failure",
            "FLASHDUTY_PUSH_URL": controller.flashduty.push_url,
        },
    )
