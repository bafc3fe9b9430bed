# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playbooks are edited between two runs. The alerts of tasks that moved, or are gone, close when that is shown."""

from __future__ import annotations

import shutil

import pytest

from .conftest import Story

FAILS = """
    - name: {name}
      ansible.builtin.raw: "{{{{ 'exit 1' if {when} else 'true' }}}}"
      when: not avoid | default(false)
      tags: tag
"""
BREAKS = FAILS.format(name="Task", when="fails")
OTHER = """
    - name: Another task
      ansible.builtin.raw: "true"
"""
HEAD = """
- name: Play
  hosts: all
  gather_facts: false
  vars:
    fails: false
  tasks:
"""
BROKEN = ["-e", "{fails: true}"]
HOSTS = ["h1", "h2"]


@pytest.mark.parametrize(
    "scope", ["host", pytest.param("task", marks=pytest.mark.any_core)]
)
@pytest.mark.thorough("task")
def test_a_task_on_another_line_closes_when_it_works_there(
    story: Story, scope: str
) -> None:
    options = {"alert_scope": scope}
    moved = HEAD + OTHER + BREAKS
    story.play(HEAD + BREAKS + OTHER, *BROKEN, hosts=HOSTS, options=options)
    assert story.open == HOSTS

    story.play(moved, "-e", "avoid=true", hosts=HOSTS, options=options)
    assert story.recovered == []

    story.play(moved, "--tags", "tag", hosts=HOSTS, options=options)
    assert story.open == []


@pytest.mark.any_core
def test_a_task_on_another_line_keeps_its_alert_key(story: Story) -> None:
    options = {"alert_scope": "task"}

    story.play(HEAD + BREAKS, *BROKEN, hosts=["h1"], options=options)
    story.play(HEAD + OTHER + BREAKS, *BROKEN, hosts=["h1"], options=options)

    assert story.only_alert["status"] == "open"


@pytest.mark.any_core
@pytest.mark.parametrize(
    "new",
    [HEAD + OTHER, HEAD + FAILS.format(name="Task, renamed", when="fails")],
    ids=["removed", "renamed"],
)
@pytest.mark.thorough("removed")
def test_a_task_that_is_gone_closes_when_the_host_passes(
    story: Story, new: str
) -> None:
    story.play(HEAD + BREAKS + OTHER, *BROKEN, hosts=HOSTS)
    assert story.open == HOSTS

    story.play(new, "--skip-tags", "tag", hosts=HOSTS)
    assert story.recovered == []

    story.play(new, hosts=HOSTS)
    assert story.open == []


@pytest.mark.any_core
def test_a_task_whose_name_is_a_part_of_another_is_gone_all_the_same(
    story: Story,
) -> None:
    story.play(
        HEAD + FAILS.format(name="Another", when="fails") + OTHER, *BROKEN, hosts=["h1"]
    )
    assert story.open == ["h1"]

    story.play(HEAD + OTHER, hosts=["h1"])

    assert story.open == []


@pytest.mark.any_core
@pytest.mark.parametrize("scope", ["host", "task"])
@pytest.mark.thorough("task")
def test_twins_do_not_close_each_others_alerts(story: Story, scope: str) -> None:
    options = {"alert_scope": scope}
    first = FAILS.format(name="Twin", when="false").replace(
        "when: not avoid", "when: not never"
    )
    playbook = HEAD + first + FAILS.format(name="Twin", when="fails")
    story.play(playbook, *BROKEN, hosts=["h1"], options=options)
    assert story.outcomes == {"opened": 1}

    story.play(playbook, "-e", "avoid=true", hosts=["h1"], options=options)
    assert story.recovered == []

    edited = HEAD + OTHER + first + FAILS.format(name="Twin", when="fails")
    story.play(edited, "-e", "avoid=true", hosts=["h1"], options=options)
    assert story.recovered == []

    story.play(edited, hosts=["h1"], options=options)
    assert story.open == []


ROLES = """
- name: Play
  hosts: all
  gather_facts: false
  vars:
    fails: false
    notifies: true
  roles: {roles}
  tasks:
    - name: Include
      ansible.builtin.include_tasks: "tasks/more.yml"
"""
ROLE = """
- name: Notify
  ansible.builtin.raw: "true"
  changed_when: notifies
  notify: Handler of the role
"""
HANDLER = """
- name: Handler of the role
  ansible.builtin.raw: "{{ 'exit 1' if fails else 'true' }}"
"""
MORE = """
- name: Task of an included file
  ansible.builtin.raw: "{{ 'exit 1' if fails and inventory_hostname == 'h2' else 'true' }}"
  when: notifies
"""


BLOCK = """
    - name: Block
      block:
        - name: First
          ansible.builtin.raw: "{{ 'exit 1' if fails == 'first' else 'true' }}"
        - name: Second
          ansible.builtin.raw: "{{ 'exit 1' if fails == 'second' else 'true' }}"
"""
RESCUE = """
      rescue:
        - name: Rescue
          ansible.builtin.raw: "true"
"""


@pytest.mark.any_core
@pytest.mark.thorough
def test_a_block_that_got_a_rescue_and_is_left_early_closes_nothing(
    story: Story,
) -> None:
    story.play(HEAD + BLOCK, "-e", "fails=second", hosts=["h1"])
    assert story.open == ["h1"]

    story.play(HEAD + BLOCK + RESCUE, "-e", "fails=first", hosts=["h1"])
    assert story.open == ["h1"]

    # It fails, but that is provided for now: it is broken all the same.
    story.play(HEAD + BLOCK + RESCUE, "-e", "fails=second", hosts=["h1"])
    assert story.open == ["h1"]

    story.play(HEAD + BLOCK + RESCUE, hosts=["h1"])
    assert story.open == []


def write_roles(story: Story) -> None:
    story.write("roles/base/tasks/main.yml", ROLE)
    story.write("roles/base/handlers/main.yml", HANDLER)
    story.write("tasks/more.yml", MORE)


@pytest.mark.thorough
def test_another_checkout_of_the_same_playbook_closes_only_what_it_reaches(
    story: Story,
) -> None:
    """CI systems check out anew for each run, often into another folder."""
    write_roles(story)
    story.write(".git/config", '[remote "origin"]\nurl = https://x/example/shop\n')
    playbook = ROLES.format(roles="[base]")
    story.play(playbook, *BROKEN, hosts=["h1", "h2"])
    assert story.open == ["h1", "h2"]

    elsewhere = story.folder / "elsewhere"
    elsewhere.mkdir()
    for name in ("roles", "tasks", "playbook.yml", ".git"):
        shutil.move(story.folder / name, elsewhere / name)
    story.folder = elsewhere
    story.play(playbook, "-e", "{notifies: false}", hosts=["h1", "h2"])
    assert story.recovered == []

    story.play(playbook, hosts=["h1", "h2"])
    assert story.open == []


@pytest.mark.any_core
def test_a_role_that_is_not_used_any_more_closes_when_the_host_passes(
    story: Story,
) -> None:
    write_roles(story)
    story.play(ROLES.format(roles="[base]"), *BROKEN, hosts=["h1"])
    assert story.open == ["h1"]

    story.play(ROLES.format(roles="[]"), hosts=["h1"])

    assert story.open == []


@pytest.mark.any_core
def test_an_included_file_that_is_gone_closes_when_the_host_passes(
    story: Story,
) -> None:
    playbook = ROLES.format(roles="[]").replace("more", "{{ file }}")
    story.write("tasks/old.yml", HANDLER)
    story.write(
        "tasks/new.yml", ROLE.replace("notify: Handler of the role", "notify: []")
    )
    story.play(playbook, "-e", "file=old", *BROKEN, hosts=["h1"])
    assert story.open == ["h1"]

    story.play(playbook, "-e", "file=new", hosts=["h1"])
    assert story.recovered == []

    (story.folder / "tasks" / "old.yml").unlink()
    story.play(playbook, "-e", "file=new", hosts=["h1"])
    assert story.open == []
