# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Maintenance as it happens: a patch of many hosts, a run that is killed, a deployment that silences."""

from __future__ import annotations

import json
import signal
import time
import typing as t

import pytest

from tests.emulator.control import Emulator
from tests.tools.playbooks import Workspace, inventory_of

pytestmark = pytest.mark.any_core

HOSTS = [f"db{number:02}" for number in range(1, 21)]
CALLBACK = "flashcat.flashduty.alert_on_failure"

PATCH = """
    - hosts: all
      gather_facts: false
      tasks:
        - block:
            - name: Silence
              flashcat.flashduty.silence:
                channel_id: 1001
                name: "patch {{ inventory_hostname }}"
                labels: {resource: "{{ inventory_hostname }}"}
                for: 2h
            - name: Patch
              ansible.builtin.assert:
                that: inventory_hostname != 'db07'
                fail_msg: The package is broken.
          always:
            - name: Let an alert arrive while it is silenced
              flashcat.flashduty.outbox_flush:
                wait: 30
              failed_when: false
            - name: Page again
              flashcat.flashduty.silence:
                channel_id: 1001
                name: "patch {{ inventory_hostname }}"
                state: absent
"""
HANGS = """
    - hosts: all
      gather_facts: false
      tasks:
        - flashcat.flashduty.silence:
            channel_id: 1001
            name: patch
            labels: {resource: db01}
            for: 2h
        - ansible.builtin.pause: {seconds: 300}
"""
DEPLOY = """
    - hosts: all
      gather_facts: false
      serial: 1
      tasks:
        - ansible.builtin.include_role:
            name: flashcat.flashduty.deployment
          vars:
            flashduty_deployment_name: shop
            flashduty_deployment_tasks: deploy.yml
            flashduty_deployment_silence: %s
"""


def environment(flashduty: Emulator, **more: str) -> dict[str, str]:
    return {
        "FLASHDUTY_PUSH_URL": flashduty.push_url,
        "FLASHDUTY_APP_KEY": flashduty.app_key,
        **more,
    }


def silence_calls(flashduty: Emulator) -> list[str]:
    return [
        request["path"].rpartition("/")[2]
        for request in flashduty.requests()
        if request["path"].startswith("/channel/silence/rule/")
    ]


def test_a_patch_of_20_hosts_pages_nobody_until_it_is_over(
    workspace: Workspace, flashduty: Emulator
) -> None:
    settings = environment(
        flashduty, ANSIBLE_CALLBACKS_ENABLED=CALLBACK, ANSIBLE_FORKS="5"
    )
    inventory = inventory_of(*HOSTS)

    first = workspace.run(PATCH, inventory=inventory, environment=settings, timeout=300)
    [held_back] = flashduty.alerts()
    left = flashduty.silences()
    second = workspace.run(
        # The host is still broken, and nothing is silenced any more.
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - name: Look\n"
        "      ansible.builtin.assert: {that: inventory_hostname != 'db07'}\n",
        inventory=inventory,
        environment=settings,
        timeout=300,
    )

    assert first.hosts_with("failed") == second.hosts_with("failed") == {"db07"}
    assert held_back["labels"]["resource"] == "db07"
    assert held_back["silenced_by"] == "patch db07"
    assert held_back["paged_at"] is None
    assert left == []
    assert silence_calls(flashduty).count("create") == len(HOSTS)
    # One alert for a playbook and host: it is the same one that pages now.
    assert [bool(alert["paged_at"]) for alert in flashduty.alerts()] == [True]


@pytest.mark.thorough
def test_an_alert_that_was_silenced_pages_with_the_next_run_of_the_same_playbook(
    workspace: Workspace, flashduty: Emulator
) -> None:
    playbook = """
        - hosts: all
          gather_facts: false
          tasks:
            - flashcat.flashduty.silence:
                channel_id: 1001
                name: patch
                labels: {resource: db07}
                for: 2h
                state: "{{ state }}"
            - ansible.builtin.fail: {msg: Still broken.}
    """
    settings = environment(flashduty, ANSIBLE_CALLBACKS_ENABLED=CALLBACK)

    paged = []
    for state in ("present", "present", "absent"):
        extra = json.dumps({"state": state})
        workspace.run(
            playbook, "-e", extra, inventory=inventory_of("db07"), environment=settings
        )
        paged.append([bool(alert["paged_at"]) for alert in flashduty.alerts()])

    assert paged == [[False], [False], [True]]
    [alert] = flashduty.alerts()
    assert (alert["ever_silenced"], alert["silenced_by"]) == (True, None)


def test_a_run_that_is_killed_leaves_a_silence_that_ends_by_itself(
    workspace: Workspace, flashduty: Emulator
) -> None:
    before = time.time()
    run = workspace.start(HANGS, environment=environment(flashduty))
    assert flashduty.wait_for(lambda emulator: emulator.silences(), timeout=60)

    run.signal(signal.SIGKILL, group=True)
    run.process.wait(30)

    [left] = flashduty.silences()
    assert left["is_auto_delete"] is True
    assert left["is_effective"] is True
    assert 0 < left["time_filter"]["end_time"] - before <= 2 * 3600 + 60


@pytest.mark.parametrize("outcome", ["success", "failure"])
def test_a_deployment_silences_what_it_causes(
    workspace: Workspace, flashduty: Emulator, outcome: str
) -> None:
    workspace.write(
        "deploy.yml",
        "- ansible.builtin.assert: {that: outcome == 'success'}\n",
    )
    silence = "{channel: Database on call, labels: {resource: [web1, web2]}, for: 30m}"

    run = workspace.run(
        DEPLOY % silence,
        "-e",
        f"outcome={outcome}",
        inventory=inventory_of("web1", "web2"),
        environment=environment(flashduty),
    )

    calls = silence_calls(flashduty)
    assert (run.rc == 0) is (outcome == "success"), run.output
    assert (calls.count("create"), calls.count("delete")) == (1, 1)
    assert flashduty.silences() == []
    assert "[WARNING]" not in run.output
    paged = [bool(alert["paged_at"]) for alert in flashduty.alerts()]
    assert paged == ([] if outcome == "success" else [True])


@pytest.mark.parametrize(
    ("silence", "problem"),
    [
        pytest.param(
            "{channel: Nowhere, labels: {resource: web1}, for: 30m}",
            "There is no channel",
            id="no-channel",
        ),
        pytest.param(
            "{channel_id: 1001, labels: {resource: web1}}",
            "exactly one of for and until",
            id="no-end",
        ),
        pytest.param(
            "{channel_id: 1001, label: {resource: web1}, for: 30m}",
            "label in the silence of a deployment does not exist",
            id="misspelt",
        ),
        pytest.param(
            "{channel_id: 1001, labels: {service: shop}, for: 30m}",
            "also matches the alert",
            id="own-alert",
        ),
    ],
)
@pytest.mark.thorough("no-channel", "no-end", "own-alert")
def test_a_deployment_goes_on_when_its_silence_does_not_work(
    workspace: Workspace, flashduty: Emulator, silence: str, problem: str
) -> None:
    workspace.write("deploy.yml", "- ansible.builtin.debug:\n")

    run = workspace.run(DEPLOY % silence, environment=environment(flashduty))

    assert run.rc == 0, run.output
    text = " ".join(run.output.split())
    assert "The silence deploy shop" in text and problem in text, run.output


def test_a_deployment_goes_on_when_flashduty_takes_no_calls(
    workspace: Workspace, flashduty: Emulator
) -> None:
    workspace.write("deploy.yml", "- ansible.builtin.debug:\n")
    flashduty.misbehave({"kind": "error", "times": 0, "match": {"kind": "open_api"}})

    run = workspace.run(
        DEPLOY % "{channel_id: 1001, labels: {resource: web1}, for: 30m}",
        environment=environment(flashduty),
    )

    assert run.rc == 0, run.output
    text = " ".join(run.output.split())
    for what in ("set", "removed"):
        assert f"The silence deploy shop could not be {what}." in text
    assert flashduty.app_key not in run.output


def test_module_defaults_serve_all_modules(
    workspace: Workspace, flashduty: Emulator
) -> None:
    playbook: dict[str, t.Any] = {
        "hosts": "all",
        "gather_facts": False,
        "module_defaults": {
            "group/flashcat.flashduty.flashduty": {
                "app_key": flashduty.app_key,
                "push_url": flashduty.push_url,
            }
        },
        "tasks": [
            {"flashcat.flashduty.alert_event": {"title": "a", "event_status": "Info"}},
            {"flashcat.flashduty.alert_info": {}},
            {"flashcat.flashduty.outbox_info": {}},
        ],
    }

    run = workspace.run(json.dumps([playbook]), "-vvvv")

    assert run.rc == 0, run.output
    assert flashduty.app_key not in run.output
