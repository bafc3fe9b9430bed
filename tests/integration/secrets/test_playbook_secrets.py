# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No secret of a playbook reaches the service, the state file, or a line that we print."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
import yaml

from .conftest import FAIL, SHELL, Canaries, Leaks, Task, echo, our_lines, playbook_of

pytestmark = pytest.mark.each_core

COMMAND = "ansible.builtin.command"
SPECIAL = "'ä\"\\{}<&> %s$"


def vaulted_tasks() -> dict[str, list[Task]]:
    """Values from Ansible Vault are known, so they are masked wherever they turn up."""
    return {
        "in_stdout": [echo("before {{ in_stdout }} after")],
        "in_stderr": [{SHELL: "cat >&2; exit 1", "args": {"stdin": "{{ in_stderr }}"}}],
        "in_msg": [{FAIL: {"msg": "cannot log in with {{ in_msg }}"}}],
        "in_task_name": [{"name": "Use {{ in_task_name }}", FAIL: {"msg": "no"}}],
        "in_item": [{SHELL: "echo {{ item }}; exit 1", "loop": ["a", "{{ in_item }}"]}],
        "in_item_of_dicts": [
            {
                FAIL: {"msg": "{{ item.value }}"},
                "loop": [
                    {"x": "y" * 150, "value": "{{ in_item_of_dicts }}", "z": "w" * 150}
                ],
            }
        ],
        "in_cause": [{COMMAND: "/no/such/{{ in_cause }}"}],
        "in_undefined": [{FAIL: {"msg": "{{ in_undefined.missing }}"}}],
        "in_when": [{FAIL: {"msg": "x"}, "when": "in_when | int > no_such_thing"}],
        "in_assert": [
            {
                "ansible.builtin.assert": {
                    "that": ["in_assert == 'x'"],
                    "fail_msg": "{{ in_assert }}",
                }
            }
        ],
        "in_data": [{FAIL: {"msg": {"deep": ["{{ in_data }}"]}}}],
        "with_special_characters": [echo("{{ with_special_characters }}")],
        "special_in_json": [echo("{{ {'x': special_in_json} | to_json }}")],
        "in_url": [echo("https://example.com/?q={{ in_url | urlencode }}")],
        "as_label": [{FAIL: {"msg": "see the labels"}}],
        "in_labels": [
            {
                FAIL: {"msg": "x"},
                "vars": {"flashduty_labels": {"way_in": "{{ in_labels }}"}},
            }
        ],
        "in_description": [
            {
                FAIL: {"msg": "x"},
                "vars": {"flashduty_description": "Use {{ in_description }}"},
            }
        ],
        "at_the_cut": [echo("x" * 3000 + "{{ at_the_cut }}" + "y" * 990)],
        "nested.inside": [{FAIL: {"msg": "{{ nested.inside }}"}}],
        "of_several_lines": [{FAIL: {"msg": "{{ of_several_lines.splitlines()[1] }}"}}],
        "ignored": [{**echo("{{ ignored }}"), "ignore_errors": True}],
        "rescued": [
            {
                "block": [echo("{{ rescued }}")],
                "rescue": [{"ansible.builtin.debug": {"msg": "rescued"}}],
            }
        ],
    }


def hidden_tasks() -> dict[str, list[Task]]:
    """Of a task with no_log nothing of its result is used, and its name as it is written."""
    tasks: dict[str, Task] = {
        "nolog_stdout": echo("{{ value }}"),
        "nolog_msg": {FAIL: {"msg": "{{ value }}"}},
        "nolog_cause": {COMMAND: "/no/such/{{ value }}"},
        "nolog_name": {"name": "Use {{ value }}", FAIL: {"msg": "x"}},
        "nolog_loop": {SHELL: "echo {{ item }}; exit 1", "loop": ["{{ value }}", "b"]},
        "nolog_label": {
            SHELL: "exit 1",
            "loop": ["{{ value }}"],
            "loop_control": {"label": "{{ item }}"},
        },
        "nolog_template": {SHELL: "echo {{ value }}; exit 1", "no_log": "{{ true }}"},
        "nolog_until": {
            **echo("{{ value }}"),
            "register": "result",
            "until": "result is success",
            "retries": 1,
            "delay": 0,
        },
        "nolog_undefined": {FAIL: {"msg": "{{ (value ~ 'x').missing.deep }}"}},
        "nolog_failed_when": {SHELL: "echo {{ value }}", "failed_when": True},
        "nolog_unknown_module_argument": {"ansible.builtin.ping": {"{{ value }}": "x"}},
        "nolog_ignored": {**echo("{{ value }}"), "ignore_errors": True},
        "nolog_delegated": {**echo("{{ value }}"), "delegate_to": "{{ value }}"},
    }
    return {host: [{"no_log": True, **task}] for host, task in tasks.items()}


def named_tasks() -> dict[str, list[Task]]:
    """What is called a secret is one: in variables, facts and the environment."""
    return {
        "db_password": [echo("{{ db_password }}")],
        "ansible_become_pass": [echo("{{ ansible_become_pass }}")],
        "settings.api_key": [echo("{{ settings.api_key }}")],
        "extra_token": [echo("{{ extra_token }}")],
        "fact_secret": [
            {
                "ansible.builtin.set_fact": {"fact_secret": "{{ value }}"},
                "no_log": True,
            },
            echo("{{ fact_secret }}"),
        ],
        "SERVICE_TOKEN": [{SHELL: "echo $SERVICE_TOKEN; exit 1"}],
    }


def shaped_tasks(canaries: Canaries) -> dict[str, list[Task]]:
    """What looks like a secret is one."""
    texts = {
        "shape_userinfo": "https://user:{}@example.com/x",
        "shape_token_in_query": "GET https://example.com/x?token={}&y=1",
        "shape_bearer": "Authorization: Bearer {}",
        "shape_password": "password={} rejected",
        "shape_option": "mysql --password {} failed",
        "shape_json": '{{"api_key": "{}"}}',
        "shape_key": "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
        # Of a long output the end is sent, and this began before it.
        "shape_long_key": "-----BEGIN RSA PRIVATE KEY-----\n"
        + "{}\n" * 200
        + "-----END RSA PRIVATE KEY-----\n",
    }
    tasks: dict[str, list[Task]] = {}
    for host, text in texts.items():
        tasks[host] = [
            echo(
                "{% raw %}"
                + text.replace("{}", canaries[host])
                .replace("{{", "{")
                .replace("}}", "}")
                + "{% endraw %}"
            )
        ]
    tasks["shape_uri"] = [
        {
            "ansible.builtin.uri": {
                "url": f"http://user:{canaries['shape_uri']}@127.0.0.1:9/?token={canaries['shape_uri_query']}"
            }
        }
    ]
    return tasks


def unused_tasks(canaries: Canaries) -> dict[str, list[Task]]:
    """Arguments, variables and environment are not read at all."""
    return {
        "arguments": [{SHELL: f"true {canaries['arguments']}; exit 1"}],
        "environment": [
            {SHELL: "exit 1", "environment": {"SOMETHING": canaries["environment"]}}
        ],
        "task_vars": [{SHELL: "exit 1", "vars": {"something": canaries["task_vars"]}}],
        "content": [
            {
                "ansible.builtin.copy": {
                    "content": canaries["content"],
                    "dest": "/no/such/folder/file",
                }
            }
        ],
    }


@pytest.fixture
def secretive(leaks: Leaks) -> t.Iterator[Leaks]:
    """All the values, and where they come from."""
    canaries = leaks.canaries
    vaulted: dict[str, t.Any] = {place: canaries[place] for place in vaulted_tasks()}
    vaulted["with_special_characters"] += SPECIAL
    vaulted["special_in_json"] += SPECIAL
    vaulted["in_url"] += SPECIAL
    vaulted["nested"] = {"inside": vaulted.pop("nested.inside")}
    lines = ["-- begin --", vaulted["of_several_lines"], "-- end --"]
    vaulted["of_several_lines"] = "\n".join(lines)
    leaks.write("vault.yml", leaks.vault.encrypt(yaml.safe_dump(vaulted)))
    leaks.write(
        "group_vars/all.json",
        json.dumps(
            {
                "ansible_connection": "local",
                "db_password": canaries["db_password"],
                "ansible_become_pass": canaries["ansible_become_pass"],
                "settings": {"api_key": canaries["settings.api_key"]},
            }
        ),
    )
    yield leaks


def test_no_secret_gets_out(secretive: Leaks) -> None:
    leaks, canaries = secretive, secretive.canaries
    hosts = {
        **vaulted_tasks(),
        **hidden_tasks(),
        **named_tasks(),
        **shaped_tasks(canaries),
        **unused_tasks(canaries),
    }
    hosts = {host.replace(".", "_"): tasks for host, tasks in hosts.items()}
    playbook = json.loads(playbook_of(hosts))
    for play in playbook:
        play["vars_files"] = ["vault.yml"]
        host = play["hosts"].partition(",")[0]
        if host in {*hidden_tasks(), "fact_secret"}:
            play["vars"] = {"value": canaries[host]}
    inventory = leaks.write("hosts.ini", "\n".join(["spare", *hosts, ""]))

    # The service is away, so everything is in the state file, and stays there.
    leaks.flashduty.stop()
    run = leaks.run(
        json.dumps(playbook),
        *("-vvv", "-e", f"extra_token={canaries['extra_token']}"),
        *("-e", f"unused_extra={canaries['unused_extra']}"),
        inventory=inventory,
        environment={
            "ANSIBLE_CALLBACKS_ENABLED": "flashcat.flashduty.alert_on_failure",
            "ANSIBLE_VAULT_PASSWORD_FILE": str(leaks.vault.password_file),
            "FLASHDUTY_PUSH_URL": leaks.flashduty.push_url,
            "FLASHDUTY_FLUSH_TIMEOUT": "0.5",
            "FLASHDUTY_REPORT_IGNORED": "true",
            "FLASHDUTY_REPORT_RESCUED": "true",
            "FLASHDUTY_LABEL_VARS": "as_label",
            "SERVICE_TOKEN": canaries["SERVICE_TOKEN"],
            "UNUSED": canaries["unused_environment"],
        },
    )
    assert f"{len(hosts)} of {len(hosts)} alerts NOT delivered" in run.output
    # They were there to be taken.
    assert canaries["db_password"] in run.output
    assert canaries.found_in(leaks.stored()) == []
    assert canaries.found_in(our_lines(run)) == []
    assert "Flashduty" in our_lines(run)

    leaks.flashduty.start()
    leaks.play(
        "- hosts: spare\n  gather_facts: false\n  tasks: [{debug: {}}]\n",
        inventory="spare ansible_connection=local\n",
    )

    alerts = {alert["labels"]["host"]: alert for alert in leaks.flashduty.alerts()}
    assert set(alerts) == set(hosts)
    for request in leaks.flashduty.requests():
        assert canaries.found_in(json.dumps(request, ensure_ascii=False)) == [], request
    assert canaries.found_in(leaks.stored()) == []

    # What is not secret is still there.
    # From 2.22 on, ansible-core has masked it before we do.
    masked = re.compile(r"before (\[hidden\]|\$\u2060?REDACTED\$) after")
    assert len(masked.findall(alerts["in_stdout"]["description"])) == 1
    assert alerts["in_task_name"]["title"].startswith("Use [hidden] failed on")
    assert alerts["nolog_name"]["title"].startswith("Use {{ value }} failed on")
    assert alerts["as_label"]["labels"]["as_label"] == "[hidden]"
    assert "user:[hidden]@" in alerts["shape_userinfo"]["description"]
    for host in hidden_tasks():
        assert "no_log" in alerts[host]["description"], host


def test_redact_patterns_mask_what_only_the_user_knows(leaks: Leaks) -> None:
    value = leaks.canaries["own"]
    playbook = f"""
- hosts: all
  gather_facts: false
  tasks:
    - name: Patient {value}
      ansible.builtin.raw: echo card {value}; exit 1
"""
    run = leaks.play(
        playbook,
        inventory="h1 ansible_connection=local\n",
        environment={
            "FLASHDUTY_REDACT_PATTERNS": json.dumps(
                [r"card (?P<secret>\w+)", r"Patient \w{3,40}"]
            )
        },
    )

    assert "1 alert raised" in run.output
    assert leaks.canaries.found_in(str(leaks.flashduty.requests())) == []
    (alert,) = leaks.flashduty.alerts()
    assert "card [hidden]" in alert["description"]
    assert alert["title"] == "[hidden] failed on h1 (playbook.yml)"
