# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""recovery: stateless, for controllers that forget everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Story, playbook_of, rename_controller

pytestmark = pytest.mark.any_core

PLAYBOOK = playbook_of("First", "Second")
STATELESS = {"recovery": "stateless"}


def test_an_alert_closes_from_another_controller(story: Story, tmp_path: Path) -> None:
    one, two = rename_controller(tmp_path, "one"), rename_controller(tmp_path, "two")
    story.play(
        PLAYBOOK,
        hosts=["h1 broken=First", "h2 gone", "h3"],
        options=STATELESS,
        environment=one,
    )
    assert story.open == ["h1", "h2"]
    assert {a["labels"]["controller"] for a in story.alerts("open")} == {"one"}

    story.move_to_another_controller()
    story.play(
        PLAYBOOK,
        hosts=["h1", "h2", "h3 broken=Second"],
        options=STATELESS,
        environment=two,
    )
    assert story.open == ["h3"]
    assert story.recovered == ["h1", "h2"]


def test_only_a_complete_run_closes_and_only_hosts_that_passed(story: Story) -> None:
    story.play(
        PLAYBOOK, hosts=["h1 broken=Second", "h2 broken=First"], options=STATELESS
    )
    for part in (["--tags", "first"], ["--check"], ["--start-at-task", "Second"]):
        story.move_to_another_controller()
        run = story.play(PLAYBOOK, *part, hosts=["h1", "h2"], options=STATELESS)
        assert "Flashduty" not in run.output
    assert story.outcomes == {"opened": 2}

    story.play(PLAYBOOK, "--limit", "h1", hosts=["h1", "h2"], options=STATELESS)
    assert story.open == ["h2"]


@pytest.mark.thorough
def test_what_is_ignored_closes_no_alert_that_it_has_raised(story: Story) -> None:
    ignoring = "      ignore_errors: '{{ lax | default(true) }}'\n"
    options = {**STATELESS, "report_ignored": True}
    story.play(PLAYBOOK + ignoring, hosts=["h1 broken=Second"], options=options)
    assert story.open == ["h1"]
    story.play(PLAYBOOK + ignoring, hosts=["h1"], options=options)
    assert story.open == []

    # In one run it is not ignored.
    for lax in (False, True):
        story.play(
            PLAYBOOK + ignoring,
            hosts=[f"h1 broken=Second lax={lax}"],
            options=STATELESS,
        )
        assert story.open == ["h1"]


@pytest.mark.thorough
def test_an_extra_variable_that_decides_what_runs_and_where_closes_nothing(
    story: Story,
) -> None:
    story.write("some.yml", "- ansible.builtin.raw: 'true'\n")
    story.write("none.yml", "[]\n")
    playbook = """
    - hosts: h1
      gather_facts: false
      tasks:
        - ansible.builtin.raw: 'true'
          delegate_to: "{{ helper | default('h2') }}"
          changed_when: go | default(true) | bool
          notify: Restart
        - ansible.builtin.include_tasks: "{{ what | default('some') }}.yml"
      handlers:
        - name: Restart
          ansible.builtin.raw: 'true'
    """
    for chosen in ("helper=h1", "go=false", "what=none"):
        story.play(playbook, "-e", chosen, hosts=["h1", "h2"], options=STATELESS)
        assert not story.outcomes

    story.play(playbook, "-e", "colour=red", hosts=["h1", "h2"], options=STATELESS)
    assert story.outcomes


@pytest.mark.thorough
def test_alerts_of_every_status_in_use_are_closed(story: Story) -> None:
    options = {**STATELESS, "unreachable_status": "Info", "failed_status": "Warning"}
    story.play(PLAYBOOK, hosts=["h1 gone"], options=options)
    story.play(PLAYBOOK, hosts=["h1 broken=First"], options=options)
    story.play(
        PLAYBOOK.replace(
            "  tasks:", "  vars:\n    flashduty_status: Critical\n  tasks:"
        ),
        hosts=["h1 broken=First"],
        options=options,
    )
    assert sorted(a["severity"] for a in story.alerts("open")) == [
        "Critical",
        "Info",
        "Warning",
    ]

    story.play(
        PLAYBOOK.replace(
            "  tasks:", "  vars:\n    flashduty_status: Critical\n  tasks:"
        ),
        hosts=["h1"],
        options=options,
    )
    assert story.open == []


@pytest.mark.thorough
def test_a_status_that_only_one_task_or_host_sets_is_closed_too(story: Story) -> None:
    playbook = PLAYBOOK + "      vars:\n        flashduty_status: Info\n"
    story.play(
        playbook,
        hosts=["h1 broken=Second", "h2 broken=First flashduty_status=Warning"],
        options=STATELESS,
    )
    assert sorted(a["severity"] for a in story.alerts("open")) == ["Info", "Warning"]

    story.play(playbook, hosts=["h1", "h2 flashduty_status=Warning"], options=STATELESS)
    assert story.open == []


@pytest.mark.thorough
def test_scope_playbook_closes_after_a_run_without_failure(story: Story) -> None:
    options = {**STATELESS, "alert_scope": "playbook"}
    end = "ansible.builtin.meta: end_host\n      when: early is defined"
    playbook = PLAYBOOK.replace("  tasks:", f"  tasks:\n    - {end}")
    story.play(playbook, hosts=["h1 broken=First", "h2"], options=options)

    story.play(playbook, "--limit", "h2", hosts=["h1", "h2"], options=options)
    story.play(playbook, hosts=["h1 broken=Second", "h2"], options=options)
    story.play(playbook, hosts=["h1 early=true", "h2"], options=options)
    # A job of AWX may be one of several that share the inventory, and is not told so.
    job = {"AWX_HOST": "https://awx.example.com", "JOB_ID": "7"}
    story.play(playbook, hosts=["h1", "h2"], options=options, environment=job)
    assert story.recovered == []

    story.play(playbook, hosts=["h1", "h2"], options=options)
    assert story.open == []
    assert {event["title"] for event in story.only_alert["events"]} == {
        "playbook.yml failed"
    }


@pytest.mark.thorough
def test_a_storm_closes_when_nobody_fails(story: Story) -> None:
    options = {**STATELESS, "storm_threshold": 1}
    hosts = ["h1", "h2", "h3"]
    story.play(PLAYBOOK, hosts=[f"{h} broken=First" for h in hosts], options=options)
    assert len(story.alerts("open")) == 2

    story.play(PLAYBOOK, hosts=["h1", "h2", "h3 broken=First"], options=options)
    assert "playbook.yml" in story.open

    story.play(PLAYBOOK, hosts=hosts, options=options)
    assert story.open == []


def test_it_does_not_go_with_scope_task(story: Story) -> None:
    options = {**STATELESS, "alert_scope": "task"}

    run = story.play(PLAYBOOK, hosts=["h1 broken=First"], options=options)

    assert (
        "recovery is stateless, which goes with alert_scope host or playbook"
        in " ".join(run.output.split())
    )
    story.play(PLAYBOOK, hosts=["h1"], options=options)
    assert story.outcomes == {"opened": 1, "closed": 1}


def test_a_host_whose_alerts_are_off_gets_no_recovery(story: Story) -> None:
    story.play(PLAYBOOK, hosts=["h1 flashduty_enabled=false", "h2"], options=STATELESS)

    keys = {e["labels"].get("host") for e in story.flashduty.events()}
    assert keys - {None} == {"h2"}
