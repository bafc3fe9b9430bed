# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Results of tasks as plain values, in real runs; and the texts in them."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible import (
    task_references,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible.outcomes import (
    CENSORED,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible.result_texts import (
    clean,
    readable_fields,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.cores import Core
from tests.tools.playbooks import Workspace

from .conftest import Fact, Observed, observe

PROJECT = {
    "deploy/site.yml": r"""
        - name: Texts
          hosts: web,db
          ignore_errors: true
          vars:
            secret: hunter2
          tasks:
            - name: Let one host end well, since a playbook ends where all fail
              ansible.builtin.meta: end_host
              when: inventory_hostname == 'db'
            - name: Words
              ansible.builtin.fail:
                msg: Broken.
            - name: A mapping
              ansible.builtin.fail:
                msg: {disk: [full, "äö"]}
            - name: A list
              ansible.builtin.fail:
                msg: [one, two]
            - name: Nothing
              ansible.builtin.fail:
                msg: ""
            - name: Command
              ansible.builtin.command:
                argv:
                  - sh
                  - -c
                  - printf '\033[31mred\033[0m\r\n\007out'; printf 'bad \b byte' >&2; exit 3
              environment:
                TOKEN: environment-secret
              vars:
                also: variable-secret
            - name: Long
              ansible.builtin.command:
                cmd: sh -c 'echo first; seq 5000; echo last; exit 1'
            - name: By condition
              ansible.builtin.command:
                cmd: "true"
              failed_when: true
            - name: Crash
              crash:
                password: argument-secret
            - name: Undefined
              ansible.builtin.debug:
                msg: "{{ nowhere }}"
            - name: Say {{ secret }}
              ansible.builtin.fail:
              no_log: true
            - name: Show {{ inventory_hostname }}
              ansible.builtin.fail:
            - name: Loop
              ansible.builtin.command:
                cmd: "sh -c 'echo {{ item.name }} >&2; exit {{ item.rc }}'"
              loop: [{name: a, rc: 0}, {name: b, rc: 1}, {name: c, rc: 2}]
              loop_control:
                label: "{{ item.name }}"
            - name: Loop without labels
              ansible.builtin.fail:
                msg: Item.
              loop: [plain, {key: value}]
            - name: Loop with secrets
              ansible.builtin.fail:
                msg: "Password {{ item }}."
              loop: [hunter3, open]
              no_log: "{{ item == 'hunter3' }}"
            - name: Loop all in secret
              ansible.builtin.fail:
                msg: "Password {{ item }}."
              loop: [hunter4]
              no_log: true
            - name: Not ignored after all
              ansible.builtin.fail:
              ignore_errors: false

        - name: Places
          hosts: away,db
          ignore_unreachable: true
          tasks:
            - name: Elsewhere
              ansible.builtin.fail:
              delegate_to: other
              ignore_errors: true
            - name: Elsewhere in secret
              ansible.builtin.fail:
              delegate_to: "{{ 'hunter5' }}"
              no_log: true
              ignore_errors: true
            - name: Away
              ansible.builtin.ping:
              vars:
                ansible_connection: gone
              when: inventory_hostname == 'away'
            - name: Away in a loop
              ansible.builtin.ping:
              vars:
                ansible_connection: gone
              loop: [a, b]
              when: inventory_hostname == 'away'
            - name: Rehearsed
              ansible.builtin.command:
                cmd: "false"
              check_mode: true
              failed_when: true
              ignore_errors: true
            - name: Missing
              ansible.builtin.include_tasks: missing.yml
              when: inventory_hostname == 'away'

        - hosts: db
          vars:
            module: ping
          handlers:
            - name: Handle {{ inventory_hostname }}
              ansible.builtin.fail:
              listen: it
          tasks:
            - ping:
            - name: Templated action
              action: "{{ module }}"
            - name: Debug
              ansible.builtin.debug:
            - name: Ask another
              ansible.builtin.ping:
              delegate_to: localhost
            - name: Ask itself
              ansible.builtin.ping:
              delegate_to: db
            - name: Include
              ansible.builtin.include_tasks: ../shared/common.yml
            - name: Import
              ansible.builtin.import_tasks: parts/part.yml
            - name: Role
              ansible.builtin.include_role:
                name: app
            - name: Role of a collection
              ansible.builtin.import_role:
                name: acme.tools.agent
            - name: Notify
              ansible.builtin.debug:
              changed_when: true
              notify: it
        """,
    "deploy/parts/part.yml": "- name: In a part\n  ansible.builtin.debug:\n",
    "shared/common.yml": "- name: In common\n  ansible.builtin.include_tasks: deeper.yml\n",
    "shared/deeper.yml": "- name: Deeper\n  ansible.builtin.debug:\n",
    "deploy/roles/app/tasks/main.yml": "- name: In a role\n  ansible.builtin.debug:\n",
    "collections/ansible_collections/acme/tools/roles/agent/tasks/main.yml": (
        "- name: In a collection\n  ansible.builtin.debug:\n"
    ),
    "deploy/library/crash.py": """
        from ansible.module_utils.basic import AnsibleModule
        AnsibleModule({"password": {"no_log": True}})
        print("before the crash")
        raise RuntimeError("crashed")
        """,
}


def check_out(folder: Path, core: Core) -> Observed:
    """Put the project into a folder, and run it."""
    folder.mkdir(parents=True)
    workspace = Workspace(folder, core)
    for name, text in PROJECT.items():
        workspace.write(name, text)
    collections = folder / "collections"
    path = f"{core.environment(folder)['ANSIBLE_COLLECTIONS_PATH']}:{collections}"
    return observe(folder, core, "deploy/site.yml", ANSIBLE_COLLECTIONS_PATH=path)


@pytest.fixture(scope="module")
def seen(core: Core, tmp_path_factory: pytest.TempPathFactory) -> Observed:
    """What was seen of the project."""
    return check_out(tmp_path_factory.mktemp("here") / "project", core)


@pytest.fixture(scope="module")
def seen_elsewhere(core: Core, tmp_path_factory: pytest.TempPathFactory) -> Observed:
    """The same in another checkout, where the files have other absolute paths."""
    return check_out(tmp_path_factory.mktemp("there") / "some" / "where" / "else", core)


def cleaned(value: object) -> object:
    """Return the texts in a value as they leave."""
    if isinstance(value, list):
        return [cleaned(each) for each in value]
    return clean(value) if isinstance(value, str) else value


# --- Texts of results


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Words", "Broken."),
        ("A mapping", '{"disk": ["full", "äö"]}'),
        ("A list", "one\ntwo"),
    ],
)
def test_a_message_becomes_text(seen: Observed, name: str, message: str) -> None:
    outcome = seen.outcome(name)

    assert outcome["message"].endswith(message)
    assert (outcome["host"], outcome["status"]) == ("web", "failed")
    assert (outcome["ignored"], outcome["censored"]) == (True, False)


def test_a_command_has_a_return_code_and_readable_output(seen: Observed) -> None:
    outcome = seen.outcome("Command")

    assert outcome["rc"] == 3
    assert clean(outcome["stdout"]) == "red\nout"
    assert "bad" in outcome["stderr"]
    assert "non-zero return code" in outcome["message"]


def test_long_output_is_whole(seen: Observed) -> None:
    stdout = seen.outcome("Long")["stdout"]

    assert stdout.startswith("first\n1\n2\n")
    assert "\n2500\n" in stdout
    assert stdout.endswith("4999\n5000\nlast")


def test_a_condition_that_fails_a_task_is_said(seen: Observed) -> None:
    outcome = seen.outcome("By condition")

    assert "failed_when" in outcome["message"]
    assert outcome["rc"] == 0


def test_a_module_that_crashes_says_how(seen: Observed) -> None:
    outcome = seen.outcome("Crash")

    texts = outcome["message"] + outcome["stderr"] + outcome["stdout"]
    assert "crashed" in texts


def test_an_undefined_variable_is_named(seen: Observed) -> None:
    assert "'nowhere' is undefined" in seen.outcome("Undefined")["message"]


def test_a_missing_file_is_named(seen: Observed) -> None:
    assert "missing.yml" in seen.outcome("Missing")["message"]


def test_a_message_may_be_empty(seen: Observed) -> None:
    outcome = seen.outcome("Nothing")

    assert isinstance(outcome["message"], str)
    assert not outcome["censored"]


def test_failed_items_have_labels_and_messages(seen: Observed) -> None:
    items = seen.outcome("Loop")["failed_items"]

    assert [label for label, _message in items] == ["b", "c"]
    assert "non-zero return code" in items[0][1]
    assert items[0][1].endswith("\nb")


def test_items_without_labels_show_themselves(seen: Observed) -> None:
    items = seen.outcome("Loop without labels")["failed_items"]

    assert [label for label, _message in items] == ["plain", '{"key": "value"}']


def test_results_hold_nothing_but_the_chosen_fields(seen: Observed) -> None:
    outcomes = [
        {field: cleaned(value) for field, value in fact["outcome"].items()}
        for fact in seen.facts
        if fact["kind"] == "outcome"
    ]

    assert len(outcomes) > 15
    for secret in ("environment-secret", "variable-secret", "argument-secret"):
        assert secret not in json.dumps(outcomes)


def test_two_runs_say_the_same(seen: Observed, seen_elsewhere: Observed) -> None:
    """Temporary files and the like are evened out, since the service drops events that repeat the last one."""
    here, there = (
        [
            cleaned([fact["outcome"]["message"], fact["outcome"]["stderr"]])
            for fact in observed.facts
            if fact["kind"] == "outcome"
            and fact["outcome"]["task"]["identity"]["name"] != "Missing"
        ]
        for observed in (seen, seen_elsewhere)
    )

    assert here == there


# --- no_log


def test_no_log_hides_everything(seen: Observed) -> None:
    outcome = seen.outcome("Say {{ secret }}")

    assert outcome["censored"]
    assert outcome["message"] == CENSORED
    assert outcome["task"]["no_log"]
    assert outcome["task"]["display_name"] == "Say {{ secret }}"
    assert (outcome["stdout"], outcome["stderr"], outcome["rc"]) == ("", "", None)
    assert "hunter2" not in seen.text


@pytest.mark.parametrize("name", ["Loop with secrets", "Loop all in secret"])
def test_no_log_hides_items(seen: Observed, name: str) -> None:
    outcome = seen.outcome(name)

    assert outcome["censored"]
    assert outcome["failed_items"] == []
    assert "hunter3" not in seen.text
    assert "hunter4" not in seen.text


def test_no_log_hides_a_templated_delegation(seen: Observed) -> None:
    assert all(o["delegated_to"] is None for o in seen.outcomes("Elsewhere in secret"))
    assert "hunter5" not in seen.text


# --- What happened


def test_ignored_and_not_ignored(seen: Observed) -> None:
    assert seen.outcome("Words")["ignored"]
    assert not seen.outcome("Not ignored after all")["ignored"]


@pytest.mark.parametrize("name", ["Away", "Away in a loop"])
def test_unreachable(seen: Observed, name: str) -> None:
    outcome = seen.outcome(name)

    assert (outcome["host"], outcome["status"]) == ("away", "unreachable")
    assert outcome["ignored"]
    assert outcome["message"]


def test_the_items_that_did_not_answer(seen: Observed) -> None:
    items = seen.outcome("Away in a loop")["failed_items"]

    assert [label for label, _message in items] == ["a", "b"]
    assert "Nobody answers." in items[0][1]


def test_delegation(seen: Observed) -> None:
    assert {o["delegated_to"] for o in seen.outcomes("Elsewhere")} == {"other"}
    assert seen.outcome("Words")["delegated_to"] is None


def test_handlers(seen: Observed) -> None:
    outcome = seen.outcome("Handle {{ inventory_hostname }}")

    assert outcome["task"]["handler"]
    assert outcome["task"]["display_name"] == "Handle db"
    assert not seen.outcome("Words")["task"]["handler"]


@pytest.mark.parametrize(
    ("name", "answered"),
    [
        ("ping", True),
        ("Debug", False),
        ("Ask another", False),
        ("Ask itself", True),
        ("Include", False),
        ("Role", False),
    ],
)
def test_what_proves_that_a_host_answered(
    seen: Observed, name: str, answered: bool
) -> None:
    assert seen.answered(name) is answered


# --- Identities


def identity(play: str, role: str, file: str, name: str, action: str) -> Fact:
    return {"play": play, "role": role, "file": file, "name": name, "action": action}


DEBUG = "ansible.builtin.debug"


@pytest.mark.parametrize(
    "expected",
    [
        identity("Texts", "", "site.yml", "Words", "ansible.builtin.fail"),
        identity("Texts", "", "site.yml", "Say {{ secret }}", "ansible.builtin.fail"),
        identity("db", "", "site.yml", "ping", "ping"),
        identity("db", "", "site.yml", "Templated action", "{{ module }}"),
        identity("db", "", "parts/part.yml", "In a part", DEBUG),
        identity("db", "", "../shared/deeper.yml", "Deeper", DEBUG),
        identity("db", "app", "tasks/main.yml", "In a role", DEBUG),
        identity("db", "acme.tools.agent", "tasks/main.yml", "In a collection", DEBUG),
    ],
    ids=lambda expected: expected["name"],
)
def test_identities_are_as_written(seen: Observed, expected: Fact) -> None:
    assert seen.task(expected["name"])["identity"] == expected


def test_identities_are_the_same_everywhere(
    seen: Observed, seen_elsewhere: Observed
) -> None:
    here, there = (
        [
            (fact["task"]["identity"], fact["place"], fact["task"]["path"])
            for fact in observed.facts
            if fact["kind"] == "start"
        ]
        for observed in (seen, seen_elsewhere)
    )

    assert here == there


def test_results_and_starts_agree_on_identities(seen: Observed) -> None:
    started = [f["task"]["identity"] for f in seen.facts if f["kind"] == "start"]
    of_results = [f["task"]["identity"] for f in seen.facts if f["kind"] == "ok"]

    assert [found for found in of_results if found not in started] == []


def test_people_see_the_rendered_name_and_the_place(seen: Observed) -> None:
    task = seen.outcome("Show {{ inventory_hostname }}")["task"]

    assert task["display_name"] == "Show web"
    assert task["path"] == f"site.yml:{task['line']}"
    assert task["source"].endswith("/deploy/site.yml")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("In a role", "roles/app/tasks/main.yml:1"),
        ("In a collection", "acme.tools.agent:tasks/main.yml:1"),
        ("Deeper", "../shared/deeper.yml:1"),
    ],
)
def test_the_place_of_a_task(seen: Observed, name: str, path: str) -> None:
    assert seen.task(name)["path"] == path


def test_the_includes_around_a_task(seen: Observed) -> None:
    def includes(name: str) -> int:
        place = next(
            fact["place"]
            for fact in seen.facts
            if fact["kind"] == "start" and fact["task"]["identity"]["name"] == name
        )
        return len(place["includes"])

    assert includes("Deeper") == 2
    assert includes("In a role") == 1
    assert includes("In a part") == 0
    assert includes("In a collection") == 0


# --- Texts


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"failed_when_result": True, "msg": "OK (9 bytes)"},
            "The condition in failed_when was met: OK (9 bytes)",
        ),
        ({"failed_when_result": True}, "The condition in failed_when was met."),
        (
            {"attempts": 3, "msg": "OK (9 bytes)", "rc": 0},
            "The condition in until was not met in 3 attempts: OK (9 bytes)",
        ),
        ({"attempts": 3, "msg": "no disk", "rc": 1}, "no disk"),
        (
            {
                "msg": "The following modules failed to execute: ansible.legacy.setup.",
                "failed_modules": {
                    "ansible.legacy.setup": {
                        "msg": "interpreter was not found",
                        "module_stderr": "/no/python: not found",
                        "rc": 127,
                    }
                },
            },
            "The following modules failed to execute: ansible.legacy.setup.\n"
            "ansible.legacy.setup: interpreter was not found\n/no/python: not found",
        ),
    ],
)
def test_what_a_message_begins_with(fields: dict[str, t.Any], message: str) -> None:
    assert readable_fields(fields, "failed")["message"] == message


def test_the_condition_of_an_item_comes_first() -> None:
    item = {"ansible_loop_var": "item", "item": "a", "msg": "OK"}
    fields = {"msg": "x", "results": [{**item, "failed_when_result": True}]}

    assert readable_fields(fields, "failed")["failed_items"] == (
        ("a", "The condition in failed_when was met: OK"),
    )


def test_what_is_nested_too_deeply_costs_no_alert() -> None:
    value: list[t.Any] = []
    for _level in range(200_000):
        value = [value]

    assert clean({"msg": value}) == "(nested too deeply to be shown)"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Copy << error 1 - 'item' is undefined >> there", "Copy there"),
        ("Copy {{ item.name }} there", "Copy there"),
        ("Copy it", "Copy it"),
    ],
)
def test_a_name_is_shown_without_what_cannot_be_rendered(name: str, shown: str) -> None:
    assert task_references._without_what_cannot_be_rendered(name) == shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (b"caf\xc3\xa9 \xff", "café \ufffd"),
        (3, "3"),
        (True, "true"),
        ("\x1b[1;31mred\x1b[0m \x1b]0;title\x07plain", "red plain"),
        ("one\r\ntwo\rthree\x00\x08", "one\ntwo\nthree"),
        ("lone \ud83d surrogate", "lone \ufffd surrogate"),
        ("gnp.\u202eexe", "gnp.exe"),
        ({"a": {1, 2}}, '{"a": "{1, 2}"}'),
        (["a", None], '["a", null]'),
    ],
)
def test_anything_becomes_readable_text(value: t.Any, text: str) -> None:
    assert clean(value) == text


@pytest.mark.parametrize(
    ("text", "evened_out"),
    [
        (
            "/root/.ansible/tmp/ansible-tmp-1763874096.0413-7512-21954/AnsiballZ_ping.py",
            "/root/.ansible/tmp/ansible-tmp-…/AnsiballZ_ping.py",
        ),
        (
            'File "/tmp/ansible_ansible.legacy.ping_payload_8x1c_2yk/ansible_ansible.legacy.ping_payload.zip/x.py"',
            'File "/tmp/ansible_ansible.legacy.ping_payload_…/ansible_ansible.legacy.ping_payload.zip/x.py"',
        ),
        ("could not find job j486213486213.12345", "could not find job j…"),
        ("Traceback\nShared connection to 10.0.0.7 closed.\n", "Traceback"),
        ("cannot write /tmp/tmpab12_xyz/file", "cannot write /tmp/tmp…/file"),
        ("<Thing object at 0x7fcf6cea6db0>", "<Thing object at 0x…>"),
        (
            "'x' is undefined\n\nThe error appears to be in '/a/b.yml': line 3, column 7,"
            " but may\nbe elsewhere\n\nThe offending line appears to be:\n\n"
            "        password: of another task\n      ^ here\n",
            "'x' is undefined",
        ),
        ("disk 0x1f at /tmp/template", "disk 0x1f at /tmp/template"),
    ],
)
def test_what_differs_from_run_to_run_is_evened_out(text: str, evened_out: str) -> None:
    assert clean(text) == evened_out


@given(st.text(alphabet=st.characters(), max_size=300))
def test_texts_can_be_sent(text: str) -> None:
    cleaned = clean(text)

    cleaned.encode("utf-8")
    assert "\x1b" not in cleaned
