# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each kind of alert closes when it should, and not before."""

from __future__ import annotations

import pytest

from .conftest import Story, begin_slow, playbook_of

PLAYBOOK = playbook_of("First", "Second")
HOSTS = ["h1", "h2", "h3"]


@pytest.mark.any_core
def test_scope_host_has_one_alert_a_host_until_all_its_tasks_work(story: Story) -> None:
    run = story.play(PLAYBOOK, hosts=["h1 broken=First", "h2 gone", "h3"])
    assert "Flashduty: 2 alerts raised.\n" in run.output

    run = story.play(PLAYBOOK, hosts=["h1 broken=Second", "h2 gone", "h3"])
    assert "Flashduty: 2 alerts still open.\n" in run.output
    assert story.open == ["h1", "h2"]

    # First works again, and Second was not reached.
    story.play(PLAYBOOK, "--tags", "first", hosts=HOSTS)
    assert story.open == ["h1"]

    run = story.play(PLAYBOOK, hosts=HOSTS)
    assert story.open == []
    assert "Flashduty: 1 alert recovered.\n" in run.output
    assert len(story.flashduty.alerts()) == 2

    run = story.play(PLAYBOOK, hosts=HOSTS)
    assert "Flashduty" not in run.output


@pytest.mark.any_core
def test_the_recovery_has_key_title_and_labels_of_what_it_closes(story: Story) -> None:
    story.play(
        PLAYBOOK, hosts=["h1 broken=First team=edge"], options={"label_vars": "team"}
    )
    story.play(PLAYBOOK, hosts=["h1 team=edge"])

    opened, closed = story.flashduty.events()
    assert closed["event_status"] == "Ok"
    assert closed["alert_key"] == opened["alert_key"]
    assert closed["title_rule"] == opened["title_rule"]
    assert closed["labels"].items() <= opened["labels"].items()
    assert closed["labels"]["team"] == "edge"


@pytest.mark.any_core
def test_a_failure_opens_anew_what_a_person_closed_by_hand(story: Story) -> None:
    story.play(PLAYBOOK, hosts=["h1 broken=First"])
    story.flashduty.close_by_hand(story.only_alert["alert_key"])

    story.play(PLAYBOOK, hosts=["h1 broken=First"])
    assert story.open == ["h1"]

    story.play(PLAYBOOK, hosts=["h1"])
    assert story.open == []


@pytest.mark.any_core
def test_a_failure_that_lasts_is_one_alert_and_its_repeats_are_dropped_as_such(
    story: Story,
) -> None:
    for _run in range(3):
        story.play(PLAYBOOK, hosts=["h1 broken=First", "h2 gone"])

    assert story.outcomes == {"opened": 2, "updated": 4}


@pytest.mark.any_core
def test_scope_task_closes_each_task_by_itself(story: Story) -> None:
    options = {"alert_scope": "task"}
    story.play(PLAYBOOK, hosts=["h1 broken=First", "h2"], options=options)
    story.play(PLAYBOOK, hosts=["h1 broken=Second", "h2"], options=options)
    # First has worked in the second run.
    assert [a["labels"]["check"] for a in story.alerts("recovered")] == ["First"]
    assert [a["labels"]["check"] for a in story.alerts("open")] == ["Second"]

    story.play(PLAYBOOK, hosts=["h1 broken=First", "h2"], options=options)
    assert story.outcomes == {"opened": 3, "closed": 1}

    story.play(PLAYBOOK, "--tags", "second", hosts=["h1", "h2"], options=options)
    assert [a["labels"]["check"] for a in story.alerts("open")] == ["First"]

    story.play(PLAYBOOK, hosts=["h1", "h2"], options=options)
    assert story.open == []


@pytest.mark.any_core
@pytest.mark.thorough
def test_scope_playbook_is_one_alert_that_names_all_hosts_at_the_end(
    story: Story,
) -> None:
    options = {"alert_scope": "playbook"}
    broken = ["h1 broken=First", "h2 gone", "h3 broken=Second", "h4"]
    run = story.play(PLAYBOOK, hosts=broken, options=options)
    assert "Flashduty: 1 alert raised.\n" in run.output
    alert = story.only_alert
    assert alert["title"] == "playbook.yml failed"
    assert alert["labels"]["hosts"] == "h1,h2,h3"
    assert alert["description"].startswith("3 hosts: h1, h2, h3\n\nOn h1: ")
    assert [event["outcome"] for event in alert["events"]] == ["opened", "merged"]

    # The same failures again; the end is what it was.
    story.play(PLAYBOOK, hosts=broken, options=options)
    assert story.only_alert["description"] == alert["description"]

    story.play(PLAYBOOK, "--limit", "h4", hosts=["h1", "h4"], options=options)
    story.play(PLAYBOOK, hosts=["h1 broken=Second", "h4"], options=options)
    assert story.open == ["playbook.yml"]

    # Hosts that took no part are left out, whatever the reason.
    story.play(PLAYBOOK, hosts=["h1", "h4"], options=options)
    assert story.open == ["playbook.yml"]

    # What was proven before is remembered.
    story.play(PLAYBOOK, hosts=["h2", "h3"], options=options)
    assert story.open == []
    assert len(story.flashduty.alerts()) == 1


@pytest.mark.any_core
@pytest.mark.thorough
def test_two_statuses_are_two_alerts(story: Story) -> None:
    """The service fixes the severity of an alert when it opens."""
    options = {"failed_status": "Warning"}
    story.play(PLAYBOOK, hosts=["h1 gone", "h2"], options=options)
    story.play(PLAYBOOK, hosts=["h1 broken=First", "h2"], options=options)
    assert [a["severity"] for a in story.alerts("open")] == ["Critical", "Warning"]

    story.play(PLAYBOOK, hosts=["h1", "h2"], options=options)
    assert story.outcomes == {"opened": 2, "closed": 2}


IGNORED = """
- name: Play
  hosts: all
  gather_facts: false
  tasks:
    - name: Ignored
      ansible.builtin.raw: "{{ 'exit 1' if 'Ignored' in broken | default('') else 'true' }}"
      ignore_errors: true
    - name: Rescued
      block:
        - name: In a block
          ansible.builtin.raw: "{{ 'exit 1' if 'Rescued' in broken | default('') else 'true' }}"
      rescue:
        - name: Rescue
          ansible.builtin.raw: "true"
    - name: Last
      ansible.builtin.raw: "{{ 'exit 1' if 'Last' in broken | default('') else 'true' }}"
"""


@pytest.mark.any_core
@pytest.mark.thorough
def test_warnings_for_what_was_handled_close_by_themselves(story: Story) -> None:
    options = {"report_ignored": True, "report_rescued": True}
    story.play(
        IGNORED,
        hosts=["h1 broken=Ignored,Last", "h2 broken=Rescued", "h3"],
        options=options,
    )
    assert sorted(
        (a["labels"]["host"], a["severity"]) for a in story.alerts("open")
    ) == [("h1", "Critical"), ("h1", "Warning"), ("h2", "Warning")]

    story.play(IGNORED, hosts=["h1 broken=Ignored", "h2", "h3"], options=options)
    assert [(a["labels"]["host"], a["severity"]) for a in story.alerts("open")] == [
        ("h1", "Warning")
    ]

    story.play(IGNORED, hosts=HOSTS, options=options)
    assert story.open == []
    assert "stray" not in story.outcomes


@pytest.mark.any_core
@pytest.mark.thorough
def test_recovery_never_leaves_alerts_open(story: Story) -> None:
    options = {"recovery": "never"}
    story.play(PLAYBOOK, hosts=["h1 broken=First"], options=options)
    story.play(PLAYBOOK, hosts=["h1"], options=options)
    assert story.outcomes == {"opened": 1}

    # Nor does it remember them.
    story.play(PLAYBOOK, hosts=["h1"])
    assert story.outcomes == {"opened": 1}


@pytest.mark.any_core
def test_alerts_are_closed_with_the_key_that_opened_them(story: Story) -> None:
    """An alert of one integration is unknown to another."""
    story.play(PLAYBOOK, hosts=["h1 broken=First"])
    other = story.flashduty.push_url.replace(story.flashduty.alert_key, "0" * 32)

    story.play(PLAYBOOK, hosts=["h1"], environment={"FLASHDUTY_PUSH_URL": other})
    assert story.outcomes == {"opened": 1}

    story.play(PLAYBOOK, hosts=["h1"])
    assert story.open == []


@pytest.mark.any_core
def test_what_the_service_never_heard_of_is_not_closed(story: Story) -> None:
    story.flashduty.misbehave({"kind": "error", "code": "InvalidParameter", "times": 1})
    run = story.play(PLAYBOOK, hosts=["h1 broken=First"])
    assert "1 alert REFUSED: " in run.output

    story.play(PLAYBOOK, hosts=["h1"])

    assert story.outcomes == {}


@pytest.mark.any_core
def test_an_outage_of_the_service_only_delays(story: Story) -> None:
    options = {"flush_timeout": 5}
    story.flashduty.stop()
    run = story.play(PLAYBOOK, hosts=["h1 broken=First"], options=options)
    assert "1 of 1 alert NOT delivered: connection refused at" in run.output
    story.play(PLAYBOOK, hosts=["h1"], options=options)

    story.flashduty.start()
    story.play(PLAYBOOK, hosts=["h1"])

    assert story.outcomes == {"opened": 1, "closed": 1}


@pytest.mark.any_core
def test_a_run_leaves_alone_what_another_has_opened_meanwhile(story: Story) -> None:
    """h1 has passed the task in the slow run before it fails in the other one."""
    story.play(PLAYBOOK, hosts=["h9 broken=First"], options={"playbook_id": "any"})
    slow = begin_slow(story)
    fails = story.folder / "playbook.yml"
    story.play(fails, "-e", "{fails: true}", "--tags", "now", hosts=["h1"])
    assert story.open == ["h1", "h9"]

    (story.folder / "go").touch()
    assert slow.wait().rc == 0

    assert story.open == ["h1", "h9"]


@pytest.mark.any_core
def test_a_check_run_that_reports_raises_and_never_closes(story: Story) -> None:
    options = {"report_check_mode": True}
    story.play(PLAYBOOK, hosts=["h1 broken=First"])
    playbook = PLAYBOOK.replace("tags: first", "check_mode: false\n      tags: first")
    story.play(playbook, "--check", hosts=["h1", "h2 broken=First"], options=options)
    assert story.open == ["h1", "h2"]

    story.play(playbook, hosts=["h1", "h2"])
    assert story.open == []


@pytest.mark.thorough
def test_facts_that_cannot_be_gathered(story: Story) -> None:
    playbook = """
    - hosts: all
      gather_subset: ["!all", "!min"]
      tasks:
        - name: Later
          ansible.builtin.raw: "true"
          tags: later
    """
    broken = "h3 ansible_python_interpreter=/no/such/python"
    story.play(playbook, hosts=["h1 gone", "h2", broken])
    assert story.open == ["h1", "h3"]
    alerts = {alert["labels"]["host"]: alert for alert in story.alerts("open")}
    assert alerts["h1"]["labels"]["check"] == "Gathering Facts"
    # The result itself names nothing but the module.
    assert "/no/such/python" in alerts["h3"]["description"]

    story.play(playbook, hosts=["h1", "h2", "h3"])
    assert story.open == []
