# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Complete runs close nothing that they have not reached, and close it once they reach it again."""

from __future__ import annotations

import pytest

from .conftest import Story, playbook_of

# Each host is a way not to reach a task. The variable "phase" is "break" in the first run, in which it fails, "avoid" in
# the second, and "heal" in the third, in which it works.
WAYS = {
    "when_false": """
        - name: Task of when_false
          ansible.builtin.raw: "{{ fails }}"
          when: phase != 'avoid'
""",
    "block_when_false": """
        - name: Block
          when: phase != 'avoid'
          block:
            - name: Task of block_when_false
              ansible.builtin.raw: "{{ fails }}"
""",
    "include_skipped": """
        - name: Include
          ansible.builtin.include_tasks: included.yml
          when: phase != 'avoid'
""",
    "import_skipped": """
        - name: Import
          ansible.builtin.import_tasks: included.yml
          when: phase != 'avoid'
""",
    "role_skipped": """
        - name: Include a role
          ansible.builtin.include_role:
            name: included
          when: phase != 'avoid'
""",
    "empty_loop": """
        - name: Task of empty_loop
          ansible.builtin.raw: "{{ fails }}"
          loop: "{{ [] if phase == 'avoid' else ['item'] }}"
""",
    "handler_not_notified": """
        - name: Notify
          ansible.builtin.raw: "true"
          changed_when: phase != 'avoid'
          notify: Handler
""",
    "ended_host": """
        - name: End
          ansible.builtin.meta: end_host
          when: phase == 'avoid'
        - name: Task of ended_host
          ansible.builtin.raw: "{{ fails }}"
""",
    "stopped_earlier": """
        - name: Another failure
          ansible.builtin.raw: "{{ 'exit 1' if phase == 'avoid' and inventory_hostname != 'healthy' else 'true' }}"
        - name: Task of stopped_earlier
          ansible.builtin.raw: "{{ fails }}"
""",
}
HEAD = """
- name: Play
  hosts: all
  gather_facts: false
  vars:
    fails: "{{ 'exit 1' if phase == 'break' else 'true' }}"
  tasks:
    - name: Everybody
      ansible.builtin.raw: "true"
"""
IN_BATCHES = HEAD.replace("  tasks:", "  serial: 1\n  tasks:")
# A play of its own for each way. A healthy host is with them, since a play without hosts ends the playbook.
PLAYBOOK = "".join(f"""
- name: Play of {host}
  hosts: {host},healthy
  gather_facts: false
  vars:
    fails: "{{{{ 'exit 1' if phase == 'break' and inventory_hostname == '{host}' else 'true' }}}}"
  tasks:{tasks}
  handlers:
    - name: Handler
      ansible.builtin.raw: "{{{{ fails }}}}"
""" for host, tasks in WAYS.items())
INCLUDED = """
- name: Included task
  ansible.builtin.raw: "{{ fails }}"
"""


def phase(name: str) -> list[str]:
    return ["-e", f"phase={name}"]


def test_a_task_that_is_not_reached_closes_nothing_until_it_is(story: Story) -> None:
    story.write("included.yml", INCLUDED)
    story.write("roles/included/tasks/main.yml", INCLUDED)
    hosts = [*WAYS, "healthy"]
    run = story.play(PLAYBOOK, *phase("break"), hosts=hosts)
    assert story.open == sorted(WAYS), run.output

    run = story.play(PLAYBOOK, *phase("avoid"), hosts=hosts)
    assert story.recovered == [], run.output
    assert story.open == sorted(WAYS)

    run = story.play(PLAYBOOK, *phase("heal"), hosts=hosts)
    assert story.open == [], run.output
    assert story.recovered == sorted(WAYS)
    assert "stray" not in story.outcomes


WHOLE_PLAYS = {
    "end_play": """
    - name: End
      ansible.builtin.meta: end_play
      when: phase == 'avoid'
""",
    "any_errors_fatal": """
    - name: Fatal
      ansible.builtin.raw: "{{ 'exit 1' if phase == 'avoid' and inventory_hostname == 'other' else 'true' }}"
      any_errors_fatal: true
""",
    "run_once": """
    - name: For all of them
      ansible.builtin.raw: "{{ 'exit 1' if phase == 'avoid' else 'true' }}"
      run_once: true
""",
}


@pytest.mark.parametrize("way", WHOLE_PLAYS)
@pytest.mark.thorough("run_once", "end_play")
def test_a_play_that_ends_early_closes_nothing(story: Story, way: str) -> None:
    playbook = f"""{HEAD}{WHOLE_PLAYS[way]}
    - name: Task
      ansible.builtin.raw: "{{{{ fails if inventory_hostname == 'fails' else 'true' }}}}"
"""
    hosts = ["other", "fails"]
    story.play(playbook, *phase("break"), hosts=hosts)
    assert story.open == ["fails"]

    run = story.play(playbook, *phase("avoid"), hosts=hosts)
    assert story.recovered == [], run.output

    story.play(playbook, *phase("heal"), hosts=hosts)
    assert story.open == []


@pytest.mark.thorough
def test_a_batch_that_ends_the_playbook_closes_nothing_of_the_next_one(
    story: Story,
) -> None:
    playbook = f"""{IN_BATCHES}
    - name: Task
      ansible.builtin.raw: "{{{{ 'exit 1' if inventory_hostname == fails_on else 'true' }}}}"

- name: Another play
  hosts: all
  gather_facts: false
  tasks:
    - name: Last
      ansible.builtin.raw: "true"
"""
    hosts = ["first", "second", "third"]
    story.play(playbook, *phase("break"), "-e", "fails_on=second", hosts=hosts)
    assert story.open == ["second"]

    run = story.play(playbook, *phase("avoid"), "-e", "fails_on=first", hosts=hosts)
    assert story.recovered == [], run.output
    assert story.open == ["first", "second"]

    story.play(playbook, *phase("heal"), "-e", "fails_on=nobody", hosts=hosts)
    assert story.open == []


RESCUE = """
- name: Play
  hosts: all
  gather_facts: false
  tasks:
    - name: Deployment
      block:
        - name: Deploy
          ansible.builtin.raw: "{{ 'exit 1' if phase == 'break' else 'true' }}"
      rescue:
        - name: Roll back
          ansible.builtin.raw: exit 1
    - name: Last
      ansible.builtin.raw: "true"
"""


@pytest.mark.thorough
def test_a_failed_rescue_is_closed_when_it_is_not_needed_any_more(
    story: Story,
) -> None:
    story.play(RESCUE, *phase("break"), hosts=["h1", "h2"])
    assert story.open == ["h1", "h2"]
    assert {alert["labels"]["check"] for alert in story.alerts("open")} == {"Roll back"}

    story.play(RESCUE, *phase("heal"), "--start-at-task", "Last", hosts=["h1", "h2"])
    assert story.recovered == []

    story.play(RESCUE, *phase("heal"), hosts=["h1", "h2"])
    assert story.open == []


@pytest.mark.any_core
def test_a_host_that_is_not_in_the_inventory_any_more_keeps_its_alert(
    story: Story,
) -> None:
    story.play(playbook_of("Task"), hosts=["gone broken=Task", "other"])

    run = story.play(playbook_of("Task"), hosts=["other"])

    assert story.open == ["gone"]
    assert "Flashduty" not in run.output
