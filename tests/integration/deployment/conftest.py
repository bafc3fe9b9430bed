# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deployments with the role, and what Flashduty holds afterwards."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import pytest

from tests.emulator.control import Emulator, Item
from tests.tools.cores import Core, configured_cores
from tests.tools.couriers import couriers
from tests.tools.playbooks import PlaybookRun, RunningPlaybook, Workspace, inventory_of

# The variables say on which hosts what goes wrong. ``raw`` is the fastest there is, and needs no Python.
DEPLOY = """
- name: Unpack
  ansible.builtin.raw: "true"

- name: Restart the service
  ansible.builtin.raw: echo half way; echo boom >&2; exit 3
  when: inventory_hostname in broken | default([])

- name: Warm up
  ansible.builtin.raw: "true"
  vars:
    ansible_connection: "{{ 'gone' if inventory_hostname in gone | default([]) else 'local' }}"
"""

WITH_ROLE = """
    - name: Deploy
      ansible.builtin.include_role:
        name: flashcat.flashduty.deployment
      vars:
        flashduty_deployment_name: shop-api
        flashduty_deployment_version: 1.4.2
        flashduty_deployment_tasks: deploy.yml
"""
WITHOUT_ROLE = """
    - name: Deploy
      ansible.builtin.include_tasks: deploy.yml
"""
AFTERWARDS = """
    - name: Afterwards in the same play
      ansible.builtin.debug:
        msg: "same play {{ inventory_hostname }}"

- name: Afterwards
  hosts: all
  gather_facts: false
  tasks:
    - name: Afterwards in another play
      ansible.builtin.debug:
        msg: "other play {{ inventory_hostname }}"
"""


def site(*, deploy: str = WITH_ROLE, play: str = "", more: str = "") -> str:
    """Return a playbook that deploys, and goes on.

    :param play: keywords of the play.
    :param more: further variables of the role.
    """
    variables = "".join(f"        {line}\n" for line in more.splitlines())
    keywords = "".join(f"  {line}\n" for line in play.splitlines())
    return (
        f"- name: Shop\n  hosts: all\n  gather_facts: false\n{keywords}  tasks:{deploy}"
        + (variables if deploy is WITH_ROLE else "")
        + AFTERWARDS
    )


class Shop(Workspace):
    """A workspace with something to deploy."""

    def __init__(self, folder: Path, core: Core, flashduty: Emulator) -> None:
        super().__init__(folder, core)
        self.flashduty = flashduty
        self.write("deploy.yml", DEPLOY)

    def begin(
        self,
        playbook: str,
        *arguments: str,
        hosts: t.Sequence[str] = ("web1", "web2", "web3"),
        environment: t.Mapping[str, str | None] | None = None,
        **extra_vars: t.Any,
    ) -> RunningPlaybook:
        """Start a run. A variable of the environment that is None is not set."""
        all_variables: dict[str, str | None] = {
            "FLASHDUTY_PUSH_URL": self.flashduty.push_url,
            "FLASHDUTY_CHANGE_PUSH_URL": self.flashduty.change_push_url,
            **(environment or {}),
        }
        return self.start(
            playbook,
            *(["--extra-vars", json.dumps(extra_vars)] if extra_vars else []),
            *arguments,
            inventory=inventory_of(*hosts),
            environment={k: v for k, v in all_variables.items() if v is not None},
        )

    def deploy(self, playbook: str = "", *arguments: str, **more: t.Any) -> PlaybookRun:
        """Run to the end; the parameters are those of ``begin``."""
        return self.begin(playbook or site(), *arguments, **more).wait()

    def couriers(self) -> list[int]:
        """Return the process ids of the couriers that wait for the end of a run, or have something to send after it."""
        return [courier.pid for courier in couriers() if courier.serves(self.folder)]

    # -- what Flashduty heard

    def change_statuses(self) -> list[str]:
        return [event["change_status"] for event in self.flashduty.change_events()]

    def alert_statuses(self) -> list[str]:
        """The alert events that were not without effect."""
        return [
            event["event_status"]
            for event in self.flashduty.events()
            if event["outcome"] != "stray"
        ]

    def the_change(self) -> Item:
        (change,) = self.flashduty.changes()
        return change

    def the_alert(self) -> Item:
        (alert,) = self.flashduty.alerts()
        return alert


def hosts_that_said(run: PlaybookRun, words: str) -> set[str]:
    """Return the hosts whose debug task said these words."""
    return set(re.findall(rf'"{words} (\S+)"', run.stdout))


@pytest.fixture
def shop(tmp_path: Path, core: Core, flashduty: Emulator) -> t.Iterator[Shop]:
    """With every ansible-core."""
    shop = Shop(tmp_path, core, flashduty)
    yield shop
    shop.close()


@pytest.fixture
def one_shop(tmp_path: Path, flashduty: Emulator) -> t.Iterator[Shop]:
    """With the newest ansible-core only, for what does not depend on it."""
    shop = Shop(tmp_path, configured_cores()[-1], flashduty)
    yield shop
    shop.close()
