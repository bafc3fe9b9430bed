# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What inventories and playbooks say about alerts, with Ansible's own precedence, templated."""

from __future__ import annotations

import typing as t

import pytest

from tests.emulator.control import Item

from .conftest import Story, playbook_of

PLAYBOOK = """
- name: Play without anything
  hosts: all:!spoken_for
  gather_facts: false
  tasks:
    - name: Fail
      ansible.builtin.raw: "echo the reason; exit {{ 0 if inventory_hostname == 'spare' else 1 }}"

- name: Play with variables
  hosts: by_play,by_block,by_task,by_host_below_task,spare
  gather_facts: false
  vars:
    flashduty_status: Info
    flashduty_labels:
      level: play
  tasks:
    - name: Of the play
      ansible.builtin.raw: exit {{ 1 if inventory_hostname == 'by_play' else 0 }}
    - name: Block
      vars:
        flashduty_labels:
          level: block
      block:
        - name: Of the block
          ansible.builtin.raw: exit {{ 1 if inventory_hostname == 'by_block' else 0 }}
        - name: Of the task
          ansible.builtin.raw: exit {{ 0 if inventory_hostname == 'spare' else 1 }}
          vars:
            flashduty_labels:
              level: task
              name: "{{ inventory_hostname }}"
              number: 7
              yes_or_no: true
            flashduty_status: Warning
"""
INVENTORY = """
spare
unchanged
silent_host flashduty_enabled=false
status_of_host flashduty_status=Warning
templated tier=test flashduty_status="{{ 'Info' if tier == 'test' else 'Critical' }}" flashduty_enabled="{{ tier != 'x' }}"
labels_of_host flashduty_labels='{"owner": "Ann", "shift": "{{ 1 + 1 }}"}'
pairs_of_host flashduty_labels="owner=Ben,shift=3"
described flashduty_description="Call {{ inventory_hostname }}. ({description})"
wrong_status flashduty_status=critical
wrong_enabled flashduty_enabled=perhaps
wrong_labels flashduty_labels='["a"]'
wrong_template flashduty_status="{{ no_such_variable }}"

[quiet]
silent_group
loud_host_in_silent_group flashduty_enabled=true

[quiet:vars]
flashduty_enabled=no

[of_team]
status_of_group

[of_team:vars]
flashduty_status=Info

[spoken_for]
by_play
by_block
by_task
by_host_below_task flashduty_status=Critical

[all:vars]
ansible_connection=local
"""


class Told(t.NamedTuple):
    alerts: dict[str, Item]
    output: str


@pytest.fixture
def told(story: Story) -> Told:
    run = story.play(PLAYBOOK, inventory=INVENTORY)
    alerts = {alert["labels"]["host"]: alert for alert in story.alerts("open")}
    return Told(alerts, " ".join(run.output.split()))


def test_variables_of_each_level_are_heard(told: Told) -> None:
    alerts, output = told

    assert set(alerts) == {
        *("unchanged", "status_of_host", "templated", "labels_of_host"),
        *("pairs_of_host", "described", "loud_host_in_silent_group", "status_of_group"),
        *("by_play", "by_block", "by_task", "by_host_below_task"),
        # What is wrong costs a warning, not the alert.
        *("wrong_status", "wrong_enabled", "wrong_labels", "wrong_template"),
    }
    assert {
        host: alert["severity"]
        for host, alert in alerts.items()
        if alert["severity"] != "Critical"
    } == {
        "status_of_host": "Warning",
        "templated": "Info",
        "status_of_group": "Info",
        "by_play": "Info",
        "by_block": "Info",
        "by_task": "Warning",
        "by_host_below_task": "Warning",
    }
    levels = {
        h: a["labels"]["level"] for h, a in alerts.items() if "level" in a["labels"]
    }
    assert levels == {
        "by_play": "play",
        "by_block": "block",
        "by_task": "task",
        "by_host_below_task": "task",
    }
    by_task = alerts["by_task"]["labels"]
    assert (by_task["name"], by_task["number"], by_task["yes_or_no"]) == (
        *("by_task", "7", "true"),
    )
    for host, owner, shift in (
        ("labels_of_host", "Ann", "2"),
        ("pairs_of_host", "Ben", "3"),
    ):
        assert alerts[host]["labels"]["owner"] == owner
        assert alerts[host]["labels"]["shift"] == shift
    description = alerts["described"]["description"]
    assert description.startswith("Call described. (")
    assert "the reason" in description
    for warning in (
        "flashduty_status must be one of Critical, Warning, Info",
        "flashduty_enabled must be true or false",
        "flashduty_labels must be a dictionary or name=value pairs",
        "flashduty_status cannot be templated",
    ):
        assert output.count(warning) == 1


@pytest.mark.any_core
def test_extra_variables_come_first(story: Story) -> None:
    playbook = playbook_of("First")
    hosts = ["h1 broken=First flashduty_status=Info", "h2"]
    story.play(playbook, "-e", "flashduty_enabled=false", hosts=hosts)
    assert story.outcomes == {}

    story.play(playbook, "-e", "flashduty_status=Warning", hosts=hosts)
    assert story.only_alert["severity"] == "Warning"


@pytest.mark.any_core
def test_an_alert_that_was_silenced_meanwhile_closes_all_the_same(story: Story) -> None:
    story.play(playbook_of("First"), hosts=["h1 broken=First"])
    assert story.open == ["h1"]

    story.play(playbook_of("First"), hosts=["h1 flashduty_enabled=false"])

    assert story.open == []


@pytest.mark.any_core
def test_labels_of_all_sources_are_merged_and_the_nearest_wins(story: Story) -> None:
    story.play(
        playbook_of("First"),
        inventory="""
h1 broken=First service='shop-{{ tier }}' flashduty_labels='{"tier": "gold", "zone": "z1"}'

[all:vars]
ansible_connection=local
tier=silver
team=["edge", "core"]
port=8080
nothing=
""",
        options={
            "labels": "zone=config,env=prod,service=config",
            "label_vars": "service, tier,team,port,nothing,no_such_variable",
        },
    )

    labels = story.only_alert["labels"]
    assert {
        name: labels.get(name)
        for name in ("service", "tier", "team", "zone", "env", "port", "nothing")
    } == {
        "service": "shop-silver",
        "tier": "gold",
        "team": "edge,core",
        "zone": "z1",
        "env": "prod",
        "port": "8080",
        "nothing": None,
    }
    assert "no_such_variable" not in labels


@pytest.mark.any_core
def test_labels_can_choose_who_is_paged(story: Story) -> None:
    emails = "layer_person_reset_0_emails"
    story.play(
        playbook_of("First"),
        inventory=f"""
h1 broken=First
[all:vars]
ansible_connection=local
flashduty_labels={{"{emails}": "ann@example.com"}}
""",
    )
    assert story.only_alert["routing"] == {emails: "ann@example.com"}

    story.play(playbook_of("First"), hosts=["h1"])
    assert story.only_alert["status"] == "recovered"
    assert emails not in story.only_alert["events"][-1]["labels"]


LOOP = """
- name: Play
  hosts: all
  gather_facts: false
  tasks:
    - name: Earlier
      ansible.builtin.raw: echo yesterday all was well
      register: said
    - name: Back up {{ item }} now
      ansible.builtin.raw: echo {{ item }} is broken; exit 1
      loop: [first, second]
      register: said
      vars:
        flashduty_labels: {which: "{{ item }}", gone: "{{ no_such_variable }}", team: shop}
        flashduty_description: "The backup said: {{ said.results[0].stdout | trim }}."
"""


def test_the_present_item_and_result_count_and_one_bad_label_costs_itself(
    story: Story,
) -> None:
    run = story.play(LOOP, hosts=["h1"])

    (event,) = story.flashduty.events()
    assert event["labels"]["which"] == "first"
    assert event["labels"]["team"] == "shop"
    assert "gone" not in event["labels"]
    assert "the label gone is left out" in " ".join(run.output.split())
    assert event["description"] == "The backup said: first is broken."
    assert event["title_rule"] == "Back up now failed on h1 (playbook.yml)"
