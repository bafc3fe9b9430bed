# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same failure has the same alert key: tomorrow, in another checkout, on another controller."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.emulator.control import Emulator
from tests.tools.cores import Core, configured_cores

from .conftest import Story, playbook_of, rename_controller

BROKEN = ["h1 broken=First", "h2"]
PLAYBOOK = playbook_of("First")
ROLE = """
- name: First
  ansible.builtin.raw: exit 1
- name: Never here
  ansible.builtin.raw: exit 1
"""
WITH_ROLE = "- name: Play\n  hosts: h1\n  gather_facts: false\n  roles: [base]\n"


@pytest.mark.any_core
@pytest.mark.parametrize("scope", ["host", "task", "playbook"])
@pytest.mark.thorough("task", "playbook")
def test_every_checkout_and_controller_has_the_same_keys(
    story: Story, scope: str
) -> None:
    options = {"alert_scope": scope}
    for name in ("one", "two"):
        checkout = story.folder / name / "checkout"
        (checkout / ".git").mkdir(parents=True)
        (checkout / "roles" / "base" / "tasks").mkdir(parents=True)
        (checkout / "roles" / "base" / "tasks" / "main.yml").write_text(ROLE)
        (checkout / "plays").mkdir()
        playbook = checkout / "plays" / "site.yml"
        playbook.write_text(WITH_ROLE)
        story.move_to_another_controller()
        story.play(
            playbook,
            hosts=["h1"],
            options=options,
            environment={
                **rename_controller(story.folder / name, name),
                "ANSIBLE_ROLES_PATH": str(checkout / "roles"),
            },
        )

    assert story.only_alert["alert_key"].startswith("ansible:v2:")
    assert story.outcomes == {"opened": 1, "updated": 1}


@pytest.mark.any_core
def test_without_git_another_folder_is_another_playbook(
    story: Story, tmp_path_factory: pytest.TempPathFactory
) -> None:
    story.play(PLAYBOOK, hosts=BROKEN)
    folder = tmp_path_factory.mktemp("elsewhere")
    elsewhere = Story(folder, story.core, story.flashduty)

    elsewhere.play(PLAYBOOK, hosts=BROKEN)

    assert story.outcomes == {"opened": 2}


@pytest.mark.any_core
@pytest.mark.thorough
def test_what_is_part_of_the_identity_makes_another_alert(story: Story) -> None:
    story.play(PLAYBOOK, hosts=BROKEN)
    for options in (
        {"alert_namespace": "staging"},
        {"playbook_id": "another"},
        {"alert_scope": "task"},
        {"failed_status": "Warning"},
    ):
        story.play(PLAYBOOK, hosts=BROKEN, options=options)
    story.play(story.write("other.yml", PLAYBOOK), hosts=BROKEN)
    story.play(PLAYBOOK, hosts=["h2 broken=First", "h1"], options={"recovery": "never"})

    keys = {alert["alert_key"] for alert in story.flashduty.alerts()}
    assert len(keys) == 7

    # The same playbook by another name.
    story.play(
        story.folder / "other.yml", hosts=BROKEN, options={"playbook_id": "another"}
    )
    assert len(story.flashduty.alerts()) == 7


@pytest.mark.any_core
def test_messages_and_times_are_no_part_of_it(story: Story) -> None:
    playbook = PLAYBOOK.replace("out of order", "' ~ message ~ '")
    for message in ("one", "two"):
        story.play(playbook, "-e", f"message={message}", hosts=BROKEN)

    assert story.outcomes == {"opened": 1, "merged": 1}


@pytest.mark.any_core
def test_two_installations_close_only_their_own(story: Story) -> None:
    staging = {"alert_namespace": "staging"}
    story.play(PLAYBOOK, hosts=BROKEN)
    story.play(PLAYBOOK, hosts=BROKEN, options=staging)

    story.play(PLAYBOOK, hosts=["h1", "h2"], options=staging)

    assert story.outcomes == {"opened": 2, "closed": 1}


def test_every_ansible_core_has_the_same_keys(
    tmp_path: Path, cores: list[Core], flashduty: Emulator
) -> None:
    for scope in ("host", "task"):
        for core in cores:
            story = Story(tmp_path, core, flashduty)
            story.write("roles/base/tasks/main.yml", ROLE)
            story.play(WITH_ROLE, hosts=["h1"], options={"alert_scope": scope})

    assert story.outcomes == {"opened": 2, "updated": 2 * (len(configured_cores()) - 1)}
