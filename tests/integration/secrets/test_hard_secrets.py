# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets that are hard to find: in crashes, across cuts, deep in data, of other hosts, in warnings, under other names."""

from __future__ import annotations

import json
import typing as t

import pytest
import yaml

from .conftest import (
    FAIL,
    SHELL,
    Canaries,
    Leaks,
    Task,
    canary,
    echo,
    our_lines,
    playbook_of,
)

pytestmark = pytest.mark.each_core

# A module with an option that is not to be shown, which shows it.
MODULE = """\
import os
import sys

from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule(argument_spec={"pin": {"no_log": True}, "way": {}, "other": {}})
    pin = module.params["pin"]
    if module.params["way"] == "uncaught":
        raise ValueError("refused " + pin)
    if module.params["way"] == "exit":
        print("refused " + pin)
        sys.stdout.flush()
        os._exit(3)
    if module.params["way"] == "stderr":
        sys.stderr.write("refused " + pin)
    try:
        try:
            raise ValueError("login as " + pin + " was refused")
        except ValueError as cause:
            raise RuntimeError("cannot log in") from cause
    except RuntimeError as error:
        if module.params["way"] == "chain":
            module.fail_json(msg="Cannot log in", exception=error)
    module.fail_json(msg="plain " + pin)


if __name__ == "__main__":
    main()
"""

# Longer than any text that is sent, and without a line break: such as a key store.
LONG = "".join(canary(f"long {n}") for n in range(1000))
KEY_LINES = [canary(f"line of a key {n}") * 3 for n in range(48)]
PRIVATE_KEY = "\n".join(
    ["-----BEGIN RSA PRIVATE KEY-----", *KEY_LINES, "-----END RSA PRIVATE KEY-----"]
)


def put_long_ones(canaries: Canaries) -> None:
    """Let a part of a long value count like the whole."""
    for n in range(0, len(LONG), 50):
        canaries.places[f"long {n}"] = LONG[n : n + 10]
    for number, line in enumerate(KEY_LINES):
        canaries.places[f"line of a key {number}"] = line[:10]


class Unsafe(str):
    """A text that is no template, whatever is in it."""


yaml.SafeDumper.add_representer(
    Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text))
)


def say(text: str) -> Task:
    """Return a task that fails with a text, on the controller, so that it takes no time."""
    return {FAIL: {"msg": text}}


def refuse(way: str, pin: str, **more: t.Any) -> Task:
    return {"refuse": {"pin": pin, "way": way}, **more}


def crashes(canaries: Canaries) -> dict[str, list[Task]]:
    """A module that ends in another way than by its own protocol masks nothing."""
    tasks = {
        f"crash_{way}": [refuse(way, canaries[f"crash_{way}"])]
        for way in ("uncaught", "exit", "stderr", "chain")
    }
    tasks["crash_of_default"] = [
        {
            "refuse": {"way": "uncaught"},
            "module_defaults": {"refuse": {"pin": canaries["crash_of_default"]}},
        }
    ]
    tasks["item_is_option"] = [
        refuse("none", "{{ item }}", loop=["first", canaries["item_is_option"]])
    ]
    return tasks


def cuts() -> dict[str, list[Task]]:
    """Half a secret is not recognised any more, so nothing is cut before it is masked."""
    filler = "x" * 2000
    return {
        "cut_long": [{FAIL: {"msg": "{{ long_value }}"}}],
        "cut_key_in_item": [
            {
                SHELL: "cat >&2; exit 1",
                "args": {"stdin": f"{filler}\n{PRIVATE_KEY}"},
                "loop": ["a", "b"],
            }
        ],
        "cut_several_keys": [
            {
                SHELL: "cat >&2; exit 1",
                "args": {"stdin": "\n".join([filler, *[PRIVATE_KEY] * 6])},
            }
        ],
        "cut_piled_up": [echo("{{ (piled_up ~ ' ') * 500 }}")],
        "cut_delegate": [
            {
                "ansible.builtin.ping": {},
                "delegate_to": "{{ 'd' * 190 }}{{ cut_delegate }}",
                "vars": {"ansible_connection": "gone"},
            }
        ],
    }


def written_otherwise() -> dict[str, tuple[t.Any, list[Task]]]:
    """Values from Ansible Vault that differ from the text in which they stand, and the tasks that show them."""

    def show(place: str, how: str = "{}") -> list[Task]:
        return [say("{{ " + how.format(place) + " }}")]

    def value(place: str) -> str:
        return canary(place)

    return {
        "deep": (
            {"b": {"c": {"d": {"e": {"f": [value("deep")]}}}}},
            show("deep", "{}.b.c.d.e.f[0]"),
        ),
        "with_bom": ("\ufeff" + value("with_bom"), show("with_bom")),
        "with_controls": (
            value("with_controls")[:10] + "\x07" + value("with_controls")[10:],
            show("with_controls"),
        ),
        "with_spaces": (
            f"  {value('with_spaces')}  ",
            show("with_spaces", "{} | trim"),
        ),
        "with_braces": (
            Unsafe("{{" + value("with_braces") + "}}"),
            show("with_braces"),
        ),
        "like_an_address": (
            "0x" + value("like_an_address").encode().hex()[:16],
            show("like_an_address"),
        ),
        "like_a_file": (
            "/tmp/tmp" + value("like_a_file")[:8],
            show("like_a_file"),
        ),
        "for_a_shell": (
            f"it's {value('for_a_shell')}",
            show("for_a_shell", "{} | quote"),
        ),
        "for_html": (f"\"'<{value('for_html')}>'\"", show("for_html", "{} | e")),
        "a_number": (7351946284013, show("a_number")),
        "cut_delegate": (value("cut_delegate"), []),
        "piled_up": (value("piled_up"), []),
        "long_value": (LONG, []),
    }


def found_elsewhere() -> dict[str, list[Task]]:
    """Values from Ansible Vault that are no variables of the failing host."""
    return {
        "of_other_host": [say("{{ hostvars['spare'].pin_of_spare }}")],
        "by_lookup": [say("{{ lookup('ansible.builtin.file', 'looked_up.txt') }}")],
        "by_unvault": [
            echo("{{ lookup('ansible.builtin.unvault', 'unvaulted.txt') }}")
        ],
    }


def named(canaries: Canaries) -> dict[str, list[Task]]:
    """Variables whose names say that they are secret, and whose values are templates."""
    tasks = {
        "db_password": "{{ lookup('ansible.builtin.env', 'SOMETHING') }}",
        "rootpass": "{{ lookup('ansible.builtin.env', 'SOMETHING') }}-{{ plain_part }}",
        "bindpw": "{{ plain_part }}{{ plain_part }}",
        "signing_key": "{{ {'a': [plain_part]} }}",
        "otp": "{{ lookup('ansible.builtin.vars', 'plain_part') }}",
    }
    found: dict[str, list[Task]] = {
        name: [{**say("it is {{ " + name + " }}"), "vars": {name: value}}]
        for name, value in tasks.items()
    }
    found["in_environment"] = [
        {
            SHELL: "echo it is $API_TOKEN; exit 1",
            "environment": {"API_TOKEN": canaries["in_environment"]},
        }
    ]
    found["prompted"] = [say("{{ typed_in }}")]
    return found


def keys_of_others() -> dict[str, list[Task]]:
    """Integration keys that this run does not use."""
    return {
        "change_key": [
            echo(
                "x {{ lookup('ansible.builtin.env', 'FLASHDUTY_CHANGE_INTEGRATION_KEY') }}"
            )
        ],
        "key_in_file": [
            echo("x {{ lookup('ansible.builtin.file', 'key_of_changes') }}")
        ],
        "key_of_role": [
            {
                **say("x {{ flashduty_deployment_change_integration_key }}"),
                "vars": {
                    "flashduty_deployment_change_integration_key": canary("key_of_role")
                },
            }
        ],
    }


def hidden_before(canaries: Canaries) -> dict[str, list[Task]]:
    """What a task with no_log has returned, in a later one without it."""
    tasks: dict[str, list[Task]] = {
        "registered": [
            {
                SHELL: f"echo {canaries['registered']}",
                "no_log": True,
                "register": "hidden_one",
            },
            {FAIL: {"msg": "it said {{ hidden_one.stdout }}"}},
        ],
        "in_rescue": [
            {
                "block": [
                    {
                        SHELL: f"echo {canaries['in_rescue']} >&2; exit 1",
                        "no_log": True,
                    }
                ],
                "rescue": [
                    {FAIL: {"msg": "it said {{ ansible_failed_result.stderr }}"}}
                ],
            }
        ],
    }
    return tasks


def rendered_names(canaries: Canaries) -> dict[str, list[Task]]:
    """Of a task with no_log, nothing that a template has chosen is shown: not where it is, nor where it was delegated to."""

    def value(place: str) -> dict[str, str]:
        return {"value": canaries[place]}

    apply = {"no_log": True}
    return {
        "block_delegate": [
            {
                "block": [{SHELL: "exit 1", "no_log": True}],
                "delegate_to": "{{ value }}",
                "vars": {**value("block_delegate"), "ansible_connection": "local"},
            }
        ],
        "include_file": [
            {
                "ansible.builtin.include_tasks": {
                    "file": "{{ value }}.yml",
                    "apply": apply,
                },
                "vars": value("include_file"),
            }
        ],
        "include_role": [
            {
                "ansible.builtin.include_role": {
                    "name": "{{ value }}",
                    "apply": apply,
                },
                "vars": value("include_role"),
            }
        ],
        "import_role": [
            {
                "ansible.builtin.import_role": {"name": "{{ imported }}"},
                "no_log": True,
            }
        ],
        "missing_role": [
            {
                "ansible.builtin.include_role": {"name": "{{ value }}"},
                "no_log": True,
                "vars": value("missing_role"),
            }
        ],
    }


def in_warnings() -> dict[str, list[Task]]:
    """What is wrong with a variable is said, without the value that stands there."""
    return {
        "warn_status": [
            {**say("x"), "vars": {"flashduty_status": "{{ warn_status }}"}}
        ],
        "warn_enabled": [
            {**say("x"), "vars": {"flashduty_enabled": "{{ warn_enabled }}"}}
        ],
        "warn_labels": [
            {**say("x"), "vars": {"flashduty_labels": "{{ warn_labels }}"}}
        ],
        "warn_template": [
            {
                **say("x"),
                "vars": {"flashduty_description": "{{ {}[warn_template] }}"},
            }
        ],
        "warn_label": [
            {
                **say("x"),
                "vars": {"flashduty_labels": {"a": "{{ {}[warn_label].x }}"}},
            }
        ],
    }


def prepare(leaks: Leaks) -> None:
    """Write what the tasks read."""
    canaries = leaks.canaries
    put_long_ones(canaries)
    leaks.write("library/refuse.py", MODULE)
    deep = "[" * 600 + "]" * 600
    leaks.write(
        "library/nested", f"""#!/bin/sh\necho '{{"failed": true, "msg": {deep}}}'\n"""
    ).chmod(0o755)
    vaulted = {name: value for name, (value, _tasks) in written_otherwise().items()}
    vaulted.update({place: canaries[place] for place in in_warnings()})
    for name, value in vaulted.items():
        if name != "long_value":
            canaries.places[name] = value if isinstance(value, str) else canary(name)
    canaries.places["a_number"] = str(vaulted["a_number"])
    vaulted["part_of_name"] = "kestrel77"
    leaks.write("vault.yml", leaks.vault.encrypt(yaml.safe_dump(vaulted)))
    leaks.write(
        "host_vars/spare.yml",
        leaks.vault.encrypt(f"pin_of_spare: {canaries['of_other_host']}\n"),
    )
    leaks.write(
        "host_vars/with_address.yml",
        leaks.vault.encrypt(f"ansible_host: {canaries['with_address']}\n"),
    )
    for file, place in (
        ("looked_up.txt", "by_lookup"),
        ("unvaulted.txt", "by_unvault"),
    ):
        leaks.write(file, leaks.vault.encrypt(canaries[place]))
    leaks.write("key_of_changes", canaries["key_in_file"] + "\n")
    for place in ("key_of_role", "change_key", "SOMETHING", "plain_part"):
        assert canaries[place]
    failing = "- ansible.builtin.shell: exit 1\n"
    leaks.write(f"{canaries['include_file']}.yml", failing)
    for place in ("include_role", "import_role"):
        leaks.write(f"roles/{canaries[place]}/tasks/main.yml", failing)
    assert canaries["missing_role"]


def test_no_secret_gets_out_however_well_it_hides(leaks: Leaks) -> None:
    canaries = leaks.canaries
    prepare(leaks)
    hosts: dict[str, list[Task]] = {
        **crashes(canaries),
        **cuts(),
        **{
            name: tasks
            for name, (_value, tasks) in written_otherwise().items()
            if tasks
        },
        **found_elsewhere(),
        **named(canaries),
        **keys_of_others(),
        **hidden_before(canaries),
        **rendered_names(canaries),
        **in_warnings(),
        "kestrel77-prod": [say("the pin is {{ part_of_name }}")],
        # Nothing secret, but it may cost no alert either.
        "nested": [{"nested": {}}],
        "with_address": [say("no route to {{ ansible_host }}")],
    }
    playbook = json.loads(playbook_of(hosts))
    for play in playbook:
        host = play["hosts"].partition(",")[0]
        play["vars_files"] = ["vault.yml"]
        play["vars"] = {"plain_part": canaries["plain_part"]}
        if host == "prompted":
            play["vars_prompt"] = [
                {"name": "typed_in", "default": canaries["prompted"]}
            ]
    inventory = leaks.write("hosts.ini", "\n".join(["spare", *hosts, ""]))

    # The service is away, so everything is in the state file, and stays there.
    leaks.flashduty.stop()
    run = leaks.play(
        yaml.safe_dump(playbook, sort_keys=False),
        *("-v", "-e", f"imported={canaries['import_role']}"),
        inventory=inventory,
        environment={
            "ANSIBLE_CONNECTION": "local",
            "ANSIBLE_TRANSPORT": "local",
            "ANSIBLE_LOG_PATH": str(leaks.folder / "ansible.log"),
            "FLASHDUTY_FLUSH_TIMEOUT": "0.5",
            "FLASHDUTY_CHANGE_INTEGRATION_KEY": canaries["change_key"],
            "FLASHDUTY_CHANGE_INTEGRATION_KEY_FILE": str(
                leaks.folder / "key_of_changes"
            ),
            # A key that was pasted into the wrong place.
            "FLASHDUTY_LABELS": canaries["change_key"],
            "FLASHDUTY_REDACT_PATTERNS": f"({canaries['change_key']}",
            "SOMETHING": canaries["SOMETHING"],
        },
    )

    assert f"{len(hosts)} of {len(hosts)} alerts NOT delivered" in run.output
    # They were there to be taken.
    assert {"in_environment", "db_password"} <= {
        *canaries.found_in(run.output),
        "db_password",
    }
    said = our_lines(run)
    for variable in ("status", "enabled", "labels", "description"):
        assert f"flashduty_{variable}" in said
    assert canaries.found_in(said) == []
    assert canaries.found_in(leaks.stored()) == []

    leaks.flashduty.start()
    leaks.play(
        leaks.write("later.yml", "- hosts: spare\n  gather_facts: false\n"),
        inventory="spare ansible_connection=local\n",
    )

    alerts = {alert["labels"]["host"]: alert for alert in leaks.flashduty.alerts()}
    assert set(alerts) == set(hosts)
    found = {
        host: canaries.found_in(json.dumps(alert, ensure_ascii=False))
        for host, alert in alerts.items()
    }
    assert {host: places for host, places in found.items() if places} == {}
    # A machine keeps its name; what is the same elsewhere is a secret.
    named_like_it = alerts["kestrel77-prod"]
    assert named_like_it["labels"]["resource"] == "kestrel77-prod"
    assert "kestrel77" not in named_like_it["description"].replace("kestrel77-prod", "")
    assert alerts["nested"]["labels"]["check"] == "nested"
    # What was written is told.
    assert alerts["include_file"]["labels"]["task_path"].startswith("playbook.yml:")
    assert "delegated_to" not in alerts["block_delegate"]["labels"]


DEPLOYMENT = [
    {
        SHELL: "cat {{ playbook_dir }}/private_key >&2; exit 1",
        "when": "inventory_hostname == 'web1'",
    },
    {
        "refuse": {"pin": "{{ pin_of_deployment }}", "way": "{{ way }}"},
        "when": "way is defined",
    },
    {
        "name": "Use {{ vaulted }}",
        **say("[MD] {{ vaulted }} {{ 'x' * 900 }} password={{ plain }}{{ 'y' * 995 }}"),
        "when": "inventory_hostname == 'web4'",
    },
]


def event_of(module: str, **more: t.Any) -> Task:
    kind = "alert" if module == "alert_event" else "change"
    texts = (
        "{{ ansible_failed_result.stderr }} {{ vaulted }} password={{ plain }}"
        " {{ lookup('ansible.builtin.env', 'FLASHDUTY_INTEGRATION_KEY') }}"
        " {{ lookup('ansible.builtin.env', 'FLASHDUTY_CHANGE_INTEGRATION_KEY') | urlencode }}"
    )
    return {
        f"flashcat.flashduty.{module}": {
            "title": f"Title {texts}",
            f"{kind}_status" if kind == "change" else "event_status": (
                "Done" if kind == "change" else "Info"
            ),
            f"{kind}_key": f"key of {module}",
            "description": texts,
            "labels": {"a": texts, "{{ vaulted }}": "b"},
            **more,
        }
    }


def test_neither_modules_nor_roles_nor_recoveries_send_a_secret(leaks: Leaks) -> None:
    canaries = leaks.canaries
    put_long_ones(canaries)
    leaks.write("library/refuse.py", MODULE)
    leaks.write("private_key", PRIVATE_KEY + "\n")
    leaks.write("dep.yml", json.dumps(DEPLOYMENT))
    leaks.write(
        "group_vars/all.yml",
        leaks.vault.encrypt(f"vaulted: {canaries['vaulted']}\n"),
    )
    leaks.write(
        "host_vars/spare.yml",
        'flashduty_labels: {pin: "{{ vaulted }}", team: shop}\n',
    )
    hosts = ["web1", "web2 way=uncaught", "web3 way=chain", "web4", "spare", "explicit"]
    inventory = leaks.write("hosts.ini", "\n".join([*hosts, ""]))
    keys = {
        "FLASHDUTY_INTEGRATION_KEY": leaks.flashduty.alert_key,
        "FLASHDUTY_CHANGE_INTEGRATION_KEY": leaks.flashduty.change_key,
    }
    canaries.places.update(keys)
    playbook = [
        {
            "hosts": "explicit",
            "gather_facts": False,
            "vars": {"plain": canaries["after_password"]},
            "tasks": [
                {
                    "block": [
                        {
                            SHELL: f"echo {canaries['hidden_stderr']} >&2; exit 1",
                            "no_log": True,
                        }
                    ],
                    "rescue": [
                        event_of("alert_event"),
                        event_of("change_event"),
                        # Nobody is there, and nobody else has this key, so that it stays in the outbox.
                        event_of(
                            "alert_event",
                            integration_key=canaries["key_of_task"],
                            api_url="http://127.0.0.1:9",
                            retries=0,
                            queue_on_failure=True,
                        ),
                    ],
                }
            ],
        },
        {
            "hosts": "spare",
            "gather_facts": False,
            "tasks": [{"ansible.builtin.debug": {"msg": "fine"}}],
        },
        {
            "hosts": "web1,web2,web3,web4",
            "gather_facts": False,
            "vars": {
                "plain": canaries["after_password"],
                "pin_of_deployment": canaries["pin_of_deployment"],
            },
            "tasks": [
                {
                    "ansible.builtin.include_role": {
                        "name": "flashcat.flashduty.deployment"
                    },
                    "vars": {
                        "flashduty_deployment_name": "[TPL]${resource} $check {{ vaulted }}",
                        "flashduty_deployment_description": "[TPL]$check {{ vaulted }}",
                        "flashduty_deployment_labels": {"pin": "{{ vaulted }}"},
                        "flashduty_deployment_tasks": "dep.yml",
                    },
                }
            ],
        },
    ]

    run = leaks.play(
        # In JSON, of which ansible-core shows no lines where a task has failed.
        json.dumps(playbook),
        "-v",
        inventory=inventory,
        environment={
            **keys,
            "ANSIBLE_TRANSPORT": "local",
            "FLASHDUTY_API_URL": leaks.flashduty.url,
            "FLASHDUTY_PUSH_URL": "",
            "FLASHDUTY_RECOVERY": "stateless",
        },
    )

    assert run.hosts_with("failed") == {"web1", "web2", "web3", "web4"}
    events = leaks.flashduty.events()
    found = {
        event.get("title_rule")
        or event["title"]: canaries.found_in(json.dumps(event, ensure_ascii=False))
        for event in events
    }
    assert {title: places for title, places in found.items() if places} == {}
    # What the modules return is on the screen; before them, ansible-core itself shows nothing.
    explicit = run.output.partition("PLAY [web1")[0]
    assert "key of alert_event" in explicit
    assert canaries.found_in(explicit) == []
    assert canaries.found_in(our_lines(run)) == []
    assert canaries.found_in(leaks.stored()) == []
    assert b"key of alert_event" in leaks.stored()

    (failed,) = [e for e in events if e.get("event_status") == "Critical"]
    for mark in ("[TPL]", "[MD]", "${resource}", "$check"):
        assert mark not in failed["title_rule"] + failed["description"]
    assert failed["labels"]["pin"] == "[hidden]"
    assert failed["description"].count("[hidden]") > 3
    (closed,) = [
        e
        for e in events
        if e.get("event_status") == "Ok" and e["labels"].get("host") == "spare"
    ]
    assert (closed["labels"]["pin"], closed["labels"]["team"]) == ("[hidden]", "shop")
