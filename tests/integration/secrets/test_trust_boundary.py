# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a managed machine says decides nothing: it is text to report."""

from __future__ import annotations

import json
import textwrap
import typing as t

import pytest

from tests.emulator.control import Emulator

from .conftest import Leaks, our_lines

pytestmark = pytest.mark.each_core

# A machine that has been taken over answers to any module with facts of its own.
MODULE = """\
    #!/bin/sh
    cat {facts}
    """


@pytest.fixture
def attacker() -> t.Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


def say_with_facts(leaks: Leaks, facts: dict[str, t.Any]) -> None:
    """Let the module ``look`` return these facts on every host."""
    answer = leaks.write("answer.json", json.dumps({"ansible_facts": facts}))
    leaks.write("library/look", MODULE.format(facts=answer)).chmod(0o755)


def hostile_facts(attacker: Emulator) -> dict[str, t.Any]:
    return {
        "flashduty_push_url": attacker.push_url.partition("=")[0] + "=",
        "flashduty_integration_key": "an-attackers-key",
        "flashduty_labels": {"layer_person_reset_0_emails": "evil@example.com"},
        "flashduty_status": "Info",
        "flashduty_enabled": False,
        "flashduty_description": "all is well",
        "flashduty_alert_namespace": "elsewhere",
        "team": "nobody",
        "owners": ["evil@example.com"],
        "ansible_owner": "evil@example.com",
        "ansible_distribution": "Debian",
        "services": {"nginx": "[TPL]$check {{ 1 }}"},
        # Names of others, and so many that to look for each would take minutes.
        "evil_tokens": [
            *("web1", "web2", "disk full", "storage", "Check", "playbook.yml"),
            *(f"%41{number:06}" for number in range(20_000)),
        ],
    }


INVENTORY = """\
    all:
      vars:
        ansible_connection: local
        team: storage
        owners: [ana@example.com]
        ansible_owner: bo@example.com
        flashduty_labels:
          layer_person_reset_0_emails: "{{ owners | join(',') }}"
          owner: "{{ ansible_owner }}"
          by_way_of_hostvars: "{{ hostvars[inventory_hostname].team }}"
          system: "{{ ansible_distribution }}"
          nginx: "{{ ansible_facts.services.nginx }}"
          chosen: "{{ chosen | default('not set') }}"
      hosts:
        web1:
        web2:
    """

PLAYBOOK = """\
    - hosts: all
      gather_facts: false
      tasks:
        - look:
        - ansible.builtin.set_fact:
            chosen: by the author
            flashduty_description: "{description} And see the wiki."
    - name: Work
      hosts: all
      gather_facts: false
      tasks:
        - name: Check
          ansible.builtin.fail:
            msg: disk full
    """


def check_alerts(leaks: Leaks, attacker: Emulator, description: str) -> None:
    assert attacker.requests() == []
    alerts = leaks.flashduty.alerts()
    assert {alert["severity"] for alert in alerts} == {"Critical"}
    assert len(alerts) == 2
    for payload in leaks.flashduty.events():
        assert description in payload["description"]
        assert "all is well" not in payload["description"]
        labels = payload["labels"]
        assert labels["team"] == "storage"
        assert labels["layer_person_reset_0_emails"] == "ana@example.com"
        assert labels["owner"] == "bo@example.com"
        assert labels["by_way_of_hostvars"] == "storage"
        assert "[hidden]" not in payload["title_rule"] + payload["description"]


def test_facts_decide_nothing(leaks: Leaks, attacker: Emulator) -> None:
    say_with_facts(leaks, hostile_facts(attacker))
    hosts = leaks.write("hosts.yml", INVENTORY)
    # The key is in the inventory, where a push URL without one would find it.
    environment = {
        "FLASHDUTY_LABEL_VARS": "team",
        "FLASHDUTY_PUSH_URL": "",
        "FLASHDUTY_API_URL": leaks.flashduty.url,
        "ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(leaks.folder / "facts"),
    }
    key = ["-e", f"flashduty_integration_key={leaks.flashduty.alert_key}"]
    leaks.write(
        "group_vars/all.yml",
        f"flashduty_integration_key: {leaks.flashduty.alert_key}\n",
    )

    run = leaks.play(PLAYBOOK, inventory=hosts, environment=environment)

    assert run.hosts_with("failed") == {"web1", "web2"}
    check_alerts(leaks, attacker, "disk full")
    labels = leaks.flashduty.events()[0]["labels"]
    assert labels["system"] == "Debian"
    assert labels["chosen"] == "by the author"
    assert "And see the wiki." in leaks.flashduty.events()[0]["description"]
    # The text of a machine is text, and no template of Flashduty's.
    assert labels["nginx"].replace("\u2060", "") == "[TPL]$check {{ 1 }}"
    for part in ("[TPL]", "$check", "{{"):
        assert part not in labels["nginx"]
    assert "because of a bug" not in run.output
    said = " ".join(our_lines(run).split())
    for host in ("web1", "web2"):
        assert f"{host} has set the variable flashduty_push_url as a fact" in said
        assert f"{host} has set the variable team as a fact" in said
    assert said.count("web1 has set the variable team") == 1

    # The same from the cache, and with a key that nobody can forget.
    leaks.flashduty.reset()
    run = leaks.play(
        "- name: Work" + textwrap.dedent(PLAYBOOK).partition("- name: Work")[2],
        *key,
        inventory=hosts,
        environment=environment,
    )

    assert run.hosts_with("failed") == {"web1", "web2"}
    assert leaks.flashduty.events(), run.output
    check_alerts(leaks, attacker, "disk full")


@pytest.mark.thorough
def test_each_host_has_its_own_integration(leaks: Leaks) -> None:
    playbook = """\
        - hosts: all
          gather_facts: false
          tasks:
            - ansible.builtin.command: test -e works
        """
    with Emulator(alert_keys=["another-key-0123456789abcdef01"]) as other:
        inventory = textwrap.dedent(f"""\
            [web]
            web1
            web2
            [db]
            db1 flashduty_push_url={other.push_url}
            db2
            [all:vars]
            ansible_connection=local
            [db:vars]
            flashduty_push_url={other.push_url}
            """)

        leaks.play(playbook, inventory=inventory)

        assert {a["labels"]["host"] for a in leaks.flashduty.alerts()} == {
            "web1",
            "web2",
        }
        assert {a["labels"]["host"] for a in other.alerts()} == {"db1", "db2"}

        leaks.write("works", "")
        leaks.play(playbook, inventory=inventory)

        assert {a["status"] for a in leaks.flashduty.alerts()} == {"recovered"}
        assert {a["status"] for a in other.alerts()} == {"recovered"}


def test_labels_add_up_from_level_to_level(leaks: Leaks) -> None:
    leaks.write(
        "roles/checked/tasks/main.yml",
        """\
        - block:
            - ansible.builtin.fail:
                msg: no
              vars:
                flashduty_labels:
                  task: "yes"
                  who: task
                  lost: "{{ no_such_variable }}"
                  nested: [1, 2]
                  "": empty
                  of_item: "{{ result.item }}"
          vars:
            flashduty_labels: "inner=yes,who=inner block,text={{ hostile }}"
        """,
    )
    leaks.write(
        "roles/checked/vars/main.yml", "flashduty_labels: {role: 'yes', who: role}\n"
    )
    leaks.write(
        "roles/checked/defaults/main.yml",
        "flashduty_labels: {default: 'yes', who: default, team: default}\n",
    )
    leaks.write(
        "group_vars/storage.yml",
        "flashduty_labels: {group: 'yes', who: group, layer_person_reset_0_emails: ana@example.com}\n",
    )
    leaks.write(
        "hosts.yml",
        """\
        all:
          vars:
            ansible_connection: local
            flashduty_labels: {everybody: 'yes', who: all, team: storage}
          children:
            storage:
              hosts:
                web1:
                  flashduty_labels: {host: 'yes', who: host}
        """,
    )
    run = leaks.play(
        """\
        - hosts: all
          gather_facts: false
          vars:
            hostile: "Debian,layer_team=evil,x=y"
            result: {item: one}
            flashduty_labels: {play: "yes", who: play}
          tasks:
            - block:
                - ansible.builtin.include_role:
                    name: checked
              vars:
                flashduty_labels: {block: "yes", who: block}
        """,
        "-e",
        '{"flashduty_labels": {"extra": "yes"}}',
        inventory=leaks.folder / "hosts.yml",
    )

    (event,) = leaks.flashduty.events()
    labels = event["labels"]
    levels = [
        "default",
        "everybody",
        "group",
        "host",
        "play",
        "block",
        "role",
        "inner",
        "task",
        "extra",
    ]
    assert {level: labels.get(level) for level in levels} == dict.fromkeys(
        levels, "yes"
    )
    assert labels["who"] == "task"
    assert labels["team"] == "storage"
    assert labels["layer_person_reset_0_emails"] == "ana@example.com"
    assert labels["text"] == "Debian,layer_team=evil,x=y"
    assert labels["of_item"] == "one"
    assert not {"lost", "nested", "", "layer_team", "x"} & labels.keys()
    said = " ".join(our_lines(run).split())
    assert "the label lost is left out" in said
    assert "the label nested is left out" in said


DEPLOYMENTS = """\
    - hosts: all
      gather_facts: false
      tasks:
        - look:
        - flashcat.flashduty.alert_event:
            title: Explicit
            event_status: Info
        - ansible.builtin.include_role:
            name: flashcat.flashduty.deployment
          vars:
            flashduty_deployment_name: shop
            flashduty_deployment_tasks: deploy.yml
    """
OTHER_DEPLOYMENTS = """\
    - hosts: all
      gather_facts: false
      tasks:
        - look:
        - ansible.builtin.include_role:
            name: flashcat.flashduty.deployment
          vars:
            flashduty_deployment_name: search
            flashduty_deployment_alert: false
            {tasks}
    """


def test_facts_decide_nothing_about_a_task_or_a_deployment(
    leaks: Leaks, attacker: Emulator
) -> None:
    say_with_facts(
        leaks,
        {
            **hostile_facts(attacker),
            "flashduty_deployment_api_url": attacker.url,
            "flashduty_deployment_push_url": attacker.push_url,
            "flashduty_deployment_change_push_url": attacker.push_url,
            "flashduty_deployment_alert": False,
            "flashduty_deployment_alert_status": "Info",
            "flashduty_deployment_labels": {"team": "nobody"},
            "flashduty_deployment_hosts": ["nobody"],
            "flashduty_deployment_ca_path": "/etc/passwd",
            "flashduty_deployment_state_path": str(leaks.folder / "elsewhere"),
            "flashduty_deployment_tasks": "evil.yml",
            "awx_job_id": 666,
            "awx_job_template_name": "evil",
        },
    )
    leaks.write("deploy.yml", "- ansible.builtin.fail:\n    msg: no disk\n")
    leaks.write("evil.yml", "- ansible.builtin.debug:\n    msg: evil runs\n")
    inventory = 'web1 flashduty_labels=\'{"team": "storage"}\'\n[all:vars]\nansible_connection=local\n'
    # No key but this one, which a server named by a fact would get.
    environment = {
        "FLASHDUTY_PUSH_URL": "",
        "FLASHDUTY_API_URL": leaks.flashduty.url,
        "FLASHDUTY_INTEGRATION_KEY": leaks.flashduty.alert_key,
    }

    run = leaks.play(DEPLOYMENTS, inventory=inventory, environment=environment)

    assert run.rc == 2
    explicit, failed = leaks.flashduty.events()
    assert explicit["title_rule"] == "Explicit"
    assert (failed["title_rule"], failed["event_status"]) == (
        "Deployment of shop failed",
        "Critical",
    )
    assert "no disk" in failed["description"]
    assert failed["labels"]["team"] == "storage"
    assert "evil" not in json.dumps(failed)
    assert not {"job_id", "job_url"} & failed["labels"].keys()
    assert not (leaks.folder / "elsewhere").exists()

    # Where the deployment itself raises nothing, the callback does, whatever the machine says.
    run = leaks.play(
        OTHER_DEPLOYMENTS.format(tasks="flashduty_deployment_tasks: deploy.yml"),
        inventory=inventory,
        environment=environment,
    )

    paged = leaks.flashduty.events()[-1]
    assert (paged["event_status"], paged["labels"]["host"]) == ("Critical", "web1")
    assert "no disk" in paged["description"]

    # What is to run is nobody's choice but the author's.
    run = leaks.play(
        OTHER_DEPLOYMENTS.format(tasks="flashduty_deployment_version: '1'"),
        inventory=inventory,
        environment=environment,
    )

    assert run.hosts_with("failed") == {"web1"}
    assert "evil runs" not in run.output
    assert attacker.requests() == []


def test_a_machine_cannot_hide_the_words_of_the_author(leaks: Leaks) -> None:
    answer = {"db_password": "storage", "api_token": "Check", "secret": "s3cr3t-word"}
    leaks.write("answer.json", json.dumps(answer))
    leaks.write(
        "library/look", MODULE.format(facts=leaks.folder / "answer.json")
    ).chmod(0o755)
    hosts = leaks.write(
        "hosts.yml",
        """\
        all:
          vars:
            ansible_connection: local
            owner_of_all: storage
            flashduty_description: "See the page of storage."
            flashduty_labels:
              team: storage
              owner: "{{ owner_of_all }}"
              by_way_of_hostvars: "{{ hostvars[inventory_hostname].looked.db_password }}"
              said: "{{ looked.secret }}"
          hosts:
            web1:
        """,
    )

    leaks.play(
        """\
        - hosts: all
          gather_facts: false
          tasks:
            - look:
              register: looked
            - name: Check
              ansible.builtin.fail:
                msg: the word is s3cr3t-word
        """,
        inventory=hosts,
    )

    [event] = leaks.flashduty.events()
    assert event["title_rule"].startswith("Check failed on web1")
    assert "See the page of storage." in event["description"]
    assert "s3cr3t-word" not in json.dumps(event)
    shown = {name: event["labels"][name] for name in ("team", "owner")}
    assert shown == {"team": "storage", "owner": "storage"}
    for name in ("by_way_of_hostvars", "said"):
        assert event["labels"][name] == "[hidden]"
