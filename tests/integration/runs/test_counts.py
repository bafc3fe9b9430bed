# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Failures that raise an alert only when they repeat, and alerts that close only when it works for a while.

``tests/unit/plugins/plugin_utils/_alerts/test_any_sequence.py`` has all sequences.
"""

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


def test_alerts_open_and_close_after_so_many_runs_in_a_row(
    controller: Controller,
) -> None:
    counts = {"failed_after": "3", "recover_after": "2"}
    broken = ("-e", "broken=h1")

    first = controller.play(PLAYBOOK, *broken, **counts)
    second = controller.play(PLAYBOOK, *broken, **counts)
    # Neither of these says anything about it.
    controller.play(PLAYBOOK, "--tags", "second", **counts)
    controller.play(PLAYBOOK, *broken, "--check", **counts)
    pending = controller.ask("runs_info")["pending"]
    sent_before = controller.flashduty.events()
    third = controller.play(PLAYBOOK, *broken, **counts)
    [alert] = controller.alerts("open")
    good = controller.play(PLAYBOOK, **counts)
    better = controller.play(PLAYBOOK, **counts)

    assert not_raised(first) == "Flashduty: 1 failure not raised yet (1 of 3)."
    assert not_raised(second) == "Flashduty: 1 failure not raised yet (2 of 3)."
    assert [(one["count"], one["needed"]) for one in pending] == [(2, 3)]
    assert sent_before == []
    assert "Flashduty: 1 alert raised." in third.stdout
    assert "Failed in 3 runs in a row." in alert["description"]
    assert "recovered" not in good.stdout
    assert "1 alert recovered" in better.stdout
    assert controller.open == []


def test_a_laptop_that_sleeps_wakes_nobody_up(controller: Controller) -> None:
    """What variables say of a host or a task counts before the options."""
    playbook = PLAYBOOK.replace(
        "    - name: Second",
        """      vars:
        flashduty_failed_after: "{{ 1 + 1 if inventory_hostname == 'h2' else omit }}"
    - name: Second""",
    )
    hosts = ("h1", "h2", f"laptop {UNREACHABLE} flashduty_unreachable_after=2")

    first = controller.play(playbook, "-e", "broken=h1,h2", hosts=hosts)
    early = {alert["labels"]["host"] for alert in controller.alerts("open")}
    second = controller.play(playbook, "-e", "broken=h1,h2", hosts=hosts)

    assert "Flashduty: 1 alert raised." in first.stdout
    assert not_raised(first) == "Flashduty: 2 failures not raised yet (1 of 2)."
    assert early == {"h1"}
    assert "2 alerts raised, 1 still open" in second.stdout
    about = {
        alert["labels"]["host"]: alert["description"]
        for alert in controller.alerts("open")
    }
    assert "Unreachable in 2 runs in a row." in about["laptop"]
    assert "Failed in 2 runs in a row." in about["h2"]
    assert "in a row" not in about["h1"]


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

    assert not_raised(first).startswith("Flashduty: 4 failures not raised yet (1 of 2)")
    # Two of the four have alerts of their own, two are in the storm; the new one is in none.
    assert "Flashduty: 3 alerts raised." in second.stdout
    assert not_raised(second) == "Flashduty: 1 failure not raised yet (1 of 2)."
    [storm] = [a for a in controller.alerts("open") if "hosts" in a["labels"]]
    assert "h4" not in storm["labels"]["hosts"].split(",")


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
@pytest.mark.thorough
def test_who_never_closes_counts_failures_but_no_good_runs(
    controller: Controller,
) -> None:
    options = {"recovery": "never", "failed_after": "2", "recover_after": "2"}
    first = controller.play(PLAYBOOK, "-e", "broken=h1", **options)
    second = controller.play(PLAYBOOK, "-e", "broken=h1", **options)
    controller.play(PLAYBOOK, **options)

    warnings = " ".join(first.stderr.split())
    assert warnings.count("recover_after must be 1 where recovery is never") == 1
    assert not_raised(first).endswith("(1 of 2).")
    assert "1 alert raised" in second.stdout
    assert controller.open == ["failed"]
