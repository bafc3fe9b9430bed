# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is told of a failed task, and what is not. The variables are as ansible-core 2.16 and 2.21 have them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
    Redactor,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._deployment.failure import (
    failure_of,
    fingerprint,
    repeated_result,
    runs_once,
)

Facts = dict[str, t.Any]

TASK: Facts = {
    "name": "Restart the service",
    "action": "ansible.builtin.command",
    "args": {"_raw_params": "systemctl restart {{ item }}"},
    "no_log": False,
    "run_once": None,
    "any_errors_fatal": False,
}
RESULT: Facts = {
    "failed": True,
    "msg": "non-zero return code",
    "rc": 5,
    "stdout": "Restarting",
    "stderr": "boom",
    "cmd": ["systemctl", "restart", "shop"],
    "invocation": {"module_args": {"password": "swordfish"}},
}


def variables(*, task: Facts | None = None, result: Facts | None = None) -> Facts:
    return {
        "ansible_failed_task": {**TASK, **(task or {})},
        "ansible_failed_result": {**RESULT, **(result or {})},
    }


def test_what_a_person_needs_is_told() -> None:
    failure = failure_of("web1", variables(), Redactor())

    assert (failure.host, failure.task, failure.action) == (
        "web1",
        "Restart the service",
        "ansible.builtin.command",
    )
    for words in (
        "non-zero return code (rc 5)",
        "boom",
        "Restarting",
        "Restart the service",
    ):
        assert words in failure.text


def test_arguments_are_never_told() -> None:
    failure = failure_of("web1", variables(), Redactor())

    assert "systemctl" not in failure.text
    assert "swordfish" not in failure.text


@pytest.mark.parametrize(
    "hidden",
    [
        variables(task={"no_log": True}),
        # What a loop decides item by item
        variables(task={"no_log": "{{ item.secret }}"}),
        variables(result={"_ansible_no_log": True}),
        variables(result={"censored": "the output has been hidden"}),
    ],
)
def test_of_what_no_log_hides_only_the_module_is_told(hidden: Facts) -> None:
    failure = failure_of("web1", hidden, Redactor())

    assert failure.task == "a task with the module ansible.builtin.command"
    for words in ("non-zero", "boom", "Restart"):
        assert words not in failure.text
    assert set(repeated_result(hidden)) == {"failed", "msg"}
    assert "non-zero" not in repeated_result(hidden)["msg"]


def test_secrets_are_masked() -> None:
    secret = variables(
        task={"name": "Log in with swordfish"}, result={"stderr": "swordfish is wrong"}
    )

    failure = failure_of("web1", secret, Redactor(["swordfish"]))

    assert "swordfish" not in failure.text + failure.task


def test_the_host_fails_as_the_task_did() -> None:
    assert repeated_result(variables()) == {
        "failed": True,
        "msg": "non-zero return code",
        "rc": 5,
        "stdout": "Restarting",
        "stderr": "boom",
    }


def test_failed_items_of_a_loop_are_told() -> None:
    looped = variables(
        result={
            "msg": "One or more items failed",
            "results": [
                {"item": "one", "ansible_loop_var": "item", "changed": True},
                {
                    "item": "two",
                    "ansible_loop_var": "item",
                    "exception": "…",
                    "msg": "No two",
                },
            ],
        }
    )

    text = failure_of("web1", looped, Redactor()).text

    assert "two: No two" in text
    assert "one:" not in text


@pytest.mark.parametrize(
    ("keyword", "once"), [("run_once", True), ("any_errors_fatal", False)]
)
def test_some_tasks_stop_all_hosts(keyword: str, once: bool) -> None:
    stopping = variables(task={keyword: True})

    assert failure_of("web1", stopping, Redactor()).stops_all
    assert runs_once(stopping) is once
    assert not failure_of("web1", variables(), Redactor()).stops_all


def test_another_failure_is_told_from_an_earlier_one() -> None:
    assert fingerprint({}) == ""
    assert fingerprint(variables()) == fingerprint(variables())
    assert fingerprint(variables()) != fingerprint(variables(result={"rc": 6}))
    assert fingerprint(variables()) != fingerprint(variables(task={"name": "Another"}))


@pytest.mark.parametrize(
    "nonsense", [{}, {"ansible_failed_task": None}, {"ansible_failed_result": "text"}]
)
def test_nonsense_is_borne(nonsense: Facts) -> None:
    assert failure_of("web1", nonsense, Redactor()).text
    assert repeated_result(nonsense)["failed"] is True
