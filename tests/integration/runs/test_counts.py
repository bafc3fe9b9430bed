# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Failures that raise an alert only when they repeat, and alerts that close only when it works for a while."""

from __future__ import annotations

import pytest

from tests.tools.playbooks import PlaybookRun

from .conftest import Controller

PLAYBOOK = """
- name: Converge
  hosts: all
  gather_facts: false
  tasks:
    - name: First
      ansible.builtin.raw: "{{ 'exit 1' if inventory_hostname in broken | default('') else 'true' }}"
      tags: first
    - name: Second
      ansible.builtin.raw: "true"
      tags: second
"""
UNREACHABLE = "ansible_connection=ssh ansible_host=192.0.2.1 ansible_ssh_common_args=-oConnectTimeout=1"


def not_raised(run: PlaybookRun) -> str:
    """Return what the closing line says about failures that are only counted."""
    lines = [line for line in run.stdout.splitlines() if "not raised yet" in line]
    return lines[0] if lines else ""


def test_the_third_failure_in_a_row_raises_the_alert(controller: Controller) -> None:
    broken = ("-e", "broken=h1")

    first = controller.play(PLAYBOOK, *broken, failed_after="3")
    second = controller.play(PLAYBOOK, *broken, failed_after="3")
    pending = controller.ask("runs_info")["pending"]
    sent_before = controller.flashduty.events()
    third = controller.play(PLAYBOOK, *broken, failed_after="3")
    [alert] = controller.alerts("open")
    controller.play(PLAYBOOK, *broken, failed_after="3")
    mended = controller.play(PLAYBOOK, failed_after="3")

    assert not_raised(first) == "Flashduty: 1 failure not raised yet (1 of 3)."
    assert not_raised(second) == "Flashduty: 1 failure not raised yet (2 of 3)."
    assert [(one["count"], one["needed"]) for one in pending] == [(2, 3)]
    assert sent_before == []
    assert "Flashduty: 1 alert raised." in third.stdout
    assert "Failed in 3 runs in a row." in alert["description"]
    # The fourth says nothing new.
    assert [e["outcome"] for e in controller.flashduty.events()][1] in (
        "dropped",
        "updated",
    )
    assert "1 alert recovered" in mended.stdout
    assert controller.ask("runs_info")["pending"] == []


def test_a_run_in_which_it_works_starts_anew_and_one_that_does_not_come_to_it_counts_nothing(
    controller: Controller,
) -> None:
    broken = ("-e", "broken=h1")

    controller.play(PLAYBOOK, *broken, failed_after="2")
    # None of these says anything about it.
    controller.play(PLAYBOOK, "--tags", "second", failed_after="2")
    controller.play(PLAYBOOK, *broken, "--check", failed_after="2")
    controller.play(PLAYBOOK, "--limit", "h2", failed_after="2")
    still = controller.ask("runs_info")["pending"]
    controller.play(PLAYBOOK, failed_after="2")
    none = controller.ask("runs_info")["pending"]
    anew = controller.play(PLAYBOOK, *broken, failed_after="2")

    assert [one["count"] for one in still] == [1]
    assert none == []
    assert not_raised(anew).endswith("(1 of 2).")
    assert controller.flashduty.events() == []


def test_a_laptop_that_sleeps_wakes_nobody_up(controller: Controller) -> None:
    hosts = ("h1", f"laptop {UNREACHABLE}")
    options = {"unreachable_after": "2", "failed_after": "1"}

    first = controller.play(PLAYBOOK, "-e", "broken=h1", hosts=hosts, **options)
    second = controller.play(PLAYBOOK, "-e", "broken=h1", hosts=hosts, **options)

    assert "Flashduty: 1 alert raised." in first.stdout
    assert not_raised(first) == "Flashduty: 1 failure not raised yet (1 of 2)."
    assert "1 alert raised, 1 still open" in second.stdout
    about = {
        alert["labels"]["host"]: alert["description"]
        for alert in controller.alerts("open")
    }
    assert "Unreachable in 2 runs in a row." in about["laptop"]
    assert "in a row" not in about["h1"]


@pytest.mark.any_core
def test_an_alert_closes_after_two_good_runs_in_a_row(controller: Controller) -> None:
    def play(*arguments: str) -> list[str]:
        controller.play(PLAYBOOK, *arguments, recover_after="2")
        return controller.open

    assert play("-e", "broken=h1") == ["failed"]
    assert play() == ["failed"]
    assert play("-e", "broken=h1") == ["failed"]
    assert play() == ["failed"]
    # Says nothing about it.
    assert play("--limit", "h2") == ["failed"]
    assert play() == []


@pytest.mark.any_core
def test_variables_of_hosts_and_tasks_say_how_often(controller: Controller) -> None:
    playbook = PLAYBOOK.replace(
        "    - name: Second",
        """      vars:
        flashduty_failed_after: "{{ 1 + 1 if inventory_hostname == 'h1' else patience | default(omit) }}"
    - name: Second""",
    )
    hosts = ("h1", "h2 patience=3", "h3")

    controller.play(playbook, "-e", "broken=h1,h2,h3", hosts=hosts, storm_threshold="0")
    first = {alert["labels"]["host"] for alert in controller.alerts("open")}
    controller.play(playbook, "-e", "broken=h1,h2,h3", hosts=hosts, storm_threshold="0")
    second = {alert["labels"]["host"] for alert in controller.alerts("open")}

    assert first == {"h3"}
    assert second == {"h1", "h3"}


@pytest.mark.any_core
def test_a_storm_counts_what_its_hosts_count(controller: Controller) -> None:
    hosts = [f"h{number}" for number in range(6)]
    options = {"failed_after": "2", "storm_threshold": "2"}

    first = controller.play(
        PLAYBOOK, "-e", "broken=h0,h1,h2,h3", hosts=hosts, **options
    )
    second = controller.play(
        PLAYBOOK, "-e", "broken=h0,h1,h2,h3,h4", hosts=hosts, **options
    )
    storms = [a for a in controller.alerts("open") if "hosts" in a["labels"]]
    third = controller.play(
        PLAYBOOK, "-e", "broken=h0,h1,h2,h3,h5", hosts=hosts, **options
    )

    assert not_raised(first).startswith("Flashduty: 4 failures not raised yet (1 of 2)")
    # Two of the four have alerts of their own, two are in the storm; the new one is in none.
    assert "Flashduty: 3 alerts raised." in second.stdout
    assert not_raised(second) == "Flashduty: 1 failure not raised yet (1 of 2)."
    [storm] = storms
    assert "h4" not in storm["labels"]["hosts"].split(",")
    assert "1 failure not raised yet (1 of 2)" in third.stdout


@pytest.mark.any_core
def test_who_remembers_nothing_cannot_count_and_says_so_once(
    controller: Controller,
) -> None:
    playbook = PLAYBOOK.replace(
        "  gather_facts", "  vars: {flashduty_unreachable_after: 2}\n  gather_facts"
    )
    run = controller.play(
        playbook, "-e", "broken=h1,h2", recovery="stateless", failed_after="3"
    )
    warnings = " ".join(run.stderr.split())

    assert warnings.count(" failed_after must be 1 where recovery is stateless") == 1
    assert warnings.count("flashduty_unreachable_after must be 1 where") == 1
    assert len(controller.open) == 2


@pytest.mark.any_core
def test_who_never_closes_counts_failures_but_no_good_runs(
    controller: Controller,
) -> None:
    options = {"recovery": "never", "failed_after": "2", "recover_after": "2"}
    first = controller.play(PLAYBOOK, "-e", "broken=h1", **options)
    controller.play(PLAYBOOK, **options)
    third = controller.play(PLAYBOOK, "-e", "broken=h1", **options)
    fourth = controller.play(PLAYBOOK, "-e", "broken=h1", **options)
    controller.play(PLAYBOOK, **options)

    warnings = " ".join(first.stderr.split())
    assert warnings.count("recover_after must be 1 where recovery is never") == 1
    assert not_raised(third).endswith("(1 of 2).")
    assert "1 alert raised" in fourth.stdout
    assert controller.open == ["failed"]
