# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""On the controller without a target, or on the target; in check mode, in a loop, on many hosts; and unseen."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import typing as t
import uuid
from pathlib import Path

import pytest

from tests.emulator.control import Emulator

from .conftest import Answers, Playground, Task

HOSTS = [f"web{number}" for number in range(12)]
# Nobody listens on this port, and there is no such Python.
UNREACHABLE = "\n".join(
    [
        "far ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1",
        "bare ansible_connection=local ansible_python_interpreter=/no/python",
        "device ansible_connection=ssh ansible_network_os=nowhere.none.os ansible_host=127.0.0.1 ansible_port=1",
        "",
    ]
)
SWITCHED_OFF = {"kind": "error", "code": "InternalError"}


def send(playground: Playground, key: str, /, **options: t.Any) -> Task:
    event = {
        "title_rule": "Title",
        "event_status": "Info",
        "alert_key": key,
        "retries": 0,
    }
    url = {"push_url": playground.flashduty.push_url}
    return playground.task("alert_event", **{**url, **event, **options})


def arrived(flashduty: Emulator) -> list[str]:
    return [event["alert_key"] for event in flashduty.events()]


def test_the_controller_needs_no_target(playground: Playground) -> None:
    """Neither a connection, nor Python, nor privileges there."""
    flashduty = playground.flashduty
    answers = playground.perform(
        {
            "event": send(playground, "no-target-{{ inventory_hostname }}"),
            "change": playground.task(
                "change_event",
                push_url=flashduty.change_push_url,
                change_key="no-target-{{ inventory_hostname }}",
                change_status="Done",
                title="x",
            ),
            "info": playground.task("outbox_info"),
            "flush": playground.task("outbox_flush", push_url=flashduty.push_url),
            "diagnosis": playground.task("connection_info"),
        },
        play={
            "become": True,
            "become_user": "nobody",
            "become_method": "ansible.builtin.su",
        },
        inventory=UNREACHABLE,
    )

    assert {host: counts["ok"] for host, counts in answers.run.recap.items()} == {
        "bare": 5,
        "device": 5,
        "far": 6,
    }
    assert {f"no-target-{host}" for host in ("far", "bare", "device")} <= set(
        arrived(flashduty)
    )
    assert "ESTABLISH" not in answers.run.output


@pytest.fixture(scope="module")
def bare_python(
    playground: Playground, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """A Python without requests."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run(
        [sys._base_executable, "-m", "venv", "--without-pip", str(folder)],  # type: ignore[attr-defined]
        check=True,
    )
    return str(folder / "bin" / "python")


BROKEN = """
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.base import ControllerAction
from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    connection_info_argument_spec,
)


class ActionModule(ControllerAction):
    def argument_spec(self):
        return connection_info_argument_spec()

    def perform(self, options, task_vars):
        self.resolve(self.layers(options), kind="alert")
        try:
            raise ValueError("https://user@host/?integration_key=" + options["integration_key"])
        except ValueError as exc:
            raise RuntimeError(options["integration_key"]) from exc
"""


@pytest.fixture(scope="module")
def from_target(playground: Playground, bare_python: str) -> Answers:
    flashduty = playground.flashduty
    flashduty.misbehave(
        {**SWITCHED_OFF, "match": {"alert_key": "target-queued"}},
        {**SWITCHED_OFF, "match": {"alert_key": "target-failing"}},
        {
            "kind": "error",
            "code": "AccessDenied",
            "match": {"alert_key": "target-refused"},
        },
        {"kind": "echo_url", "match": {"alert_key": "target-echo"}},
    )
    there = {"send_from": "target"}

    playground.write("action_plugins/broken.py", BROKEN)

    def order(alert_key: str, **options: t.Any) -> Task:
        return send(playground, alert_key, **there, **options)

    return playground.perform(
        {
            "sent": order(
                "target",
                description="ö" * 3000,
                event_time=1795419427,
                labels={"a": True, "b": "磁"},
                images=[{"src": "image_key"}],
                api_url=flashduty.url,
            ),
            "change": playground.task(
                "change_event",
                integration_key=flashduty.change_key,
                api_url=flashduty.url,
                change_key="target",
                change_status="Ready",
                title="x",
                link="https://e.example/1",
                **there,
            ),
            "failing": order("target-failing"),
            "refused": order("target-refused", queue_on_failure=True),
            "no answer": order(
                "target", push_url="http://127.0.0.1:1/?integration_key=hide-me-please"
            ),
            "echo": order("target-echo"),
            "invalid": order("target", event_time=1795419427000),
            "no ca": order("target", ca_path="~/not/there.pem"),
            "queued": order("target-queued", queue_on_failure=True),
            "in turn": order("target-queued", event_status="Ok"),
            "outbox": playground.task("outbox_info"),
            "check": {**order("target-check"), "check_mode": True},
            "no requests": {
                **order("target", queue_on_failure=True),
                "vars": {"ansible_python_interpreter": bare_python},
            },
            "no python": {
                **order("target", queue_on_failure=True),
                "vars": {"ansible_python_interpreter": "/no/python"},
            },
            "nothing configured": order("target", push_url=None),
            "broken": {"broken": {"integration_key": "sentinel-of-a-key"}},
        },
        # Faster; what happens without it is seen below.
        environment={"ANSIBLE_PIPELINING": "true"},
    )


class TestFromTarget:
    def test_the_event_is_the_same(
        self, from_target: Answers, started_flashduty: Emulator
    ) -> None:
        result = from_target["sent"]
        (event,) = [e for e in started_flashduty.events() if e["alert_key"] == "target"]

        assert result["changed"] is True
        assert {name: event[name] for name in result["event"]} == result["event"]
        assert result["event"]["description"] == "ö" * 2047 + "…"
        assert result["event"]["labels"] == {"a": "true", "b": "磁"}
        assert result["truncated"] == ["description"]
        assert len(result["warnings"]) == 1
        assert result["http_status"] == 200
        assert "target" in [
            event["change_key"] for event in started_flashduty.change_events()
        ]
        assert from_target["change"]["event"]["link"] == "https://e.example/1"

    def test_it_really_runs_there(self, from_target: Answers) -> None:
        assert "Using module file" in from_target.run.output
        assert "plugins/modules/alert_event.py" in from_target.run.output

    def test_errors_are_the_same(self, from_target: Answers) -> None:
        error = from_target["failing"]["error"]

        assert set(error) == {
            "code",
            "message",
            "http_status",
            "request_id",
            "retryable",
            "hint",
        }
        assert (error["code"], error["http_status"]) == ("InternalError", 500)
        assert error["request_id"] in from_target["failing"]["msg"]
        assert (
            from_target["failing"]["attempts"],
            from_target["failing"]["queued"],
        ) == (1, False)
        assert from_target["refused"]["error"]["code"] == "AccessDenied"
        assert from_target["refused"]["failed"] is True
        assert from_target["no answer"]["error"]["code"] == "ConnectionFailed"
        assert from_target["echo"]["error"]["code"] == "UnexpectedResponse"

    def test_what_is_wrong_is_found_before(self, from_target: Answers) -> None:
        assert from_target["invalid"]["error"]["code"] == "InvalidEvent"
        assert "There is no integration key" in from_target["nothing configured"]["msg"]

    def test_files_are_those_of_the_target(
        self, from_target: Answers, playground: Playground
    ) -> None:
        assert from_target["no ca"]["error"]["code"] == "InvalidConfiguration"
        assert str(playground.home / "not/there.pem") in from_target["no ca"]["msg"]

    def test_what_the_target_cannot_deliver_waits_on_the_controller(
        self, from_target: Answers, started_flashduty: Emulator
    ) -> None:
        result = from_target["queued"]
        statuses = [
            e["event_status"]
            for e in started_flashduty.events()
            if e["alert_key"] == "target-queued"
        ]

        assert (result["changed"], result["queued"], result["failed"]) == (
            True,
            True,
            False,
        )
        assert result["error"]["code"] == "InternalError"
        assert from_target["in turn"]["changed"] is True
        assert statuses == ["Info", "Ok"]
        assert from_target["outbox"]["counts"]["waiting"] == 0

    def test_nothing_runs_there_in_check_mode(
        self, from_target: Answers, started_flashduty: Emulator
    ) -> None:
        assert from_target["check"]["changed"] is True
        assert "target-check" not in arrived(started_flashduty)

    def test_a_missing_library_is_named_with_the_remedy(
        self, from_target: Answers
    ) -> None:
        result = from_target["no requests"]

        assert result["failed"] is True
        assert (result["changed"], result["queued"]) == (False, False)
        assert result["error"]["code"] == "InvalidConfiguration"
        assert "requests" in result["error"]["message"]
        assert "pip install requests" in result["msg"]

    def test_a_target_that_cannot_run_modules_is_an_ordinary_failure(
        self, from_target: Answers
    ) -> None:
        result = from_target["no python"]

        assert result["failed"] is True
        assert "error" not in result
        assert result["msg"]
        assert (result["alert_key"], result["queued"]) == ("target", False)

    def test_the_key_stands_nowhere(
        self, from_target: Answers, started_flashduty: Emulator
    ) -> None:
        for key in (
            started_flashduty.alert_key,
            started_flashduty.change_key,
            "hide-me-please",
        ):
            assert key not in from_target.written
        # 2.16 shows what a module was called with.
        if from_target["sent"].get("invocation"):
            shown = from_target["sent"]["invocation"]["module_args"]
            assert shown["integration_key"] == shown["push_url"]
            assert shown["push_url"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


@pytest.fixture(scope="module")
def checked(playground: Playground) -> Answers:
    return playground.perform(
        {
            "event": send(
                playground,
                "check",
                description="first line\nsecond line",
                labels={"name": playground.flashduty.alert_key},
            ),
            "made key": send(playground, "", alert_key=None),
            "change": playground.task(
                "change_event",
                push_url=playground.flashduty.change_push_url,
                change_key="check",
                change_status="Ready",
                title="Änderung",
            ),
            "invalid": send(playground, "check", event_time=1795419427000),
            "no key": send(playground, "check", push_url=None),
        },
        "--check",
        "--diff",
    )


class TestCheckModeAndDiff:
    def test_nothing_is_sent(
        self, checked: Answers, started_flashduty: Emulator
    ) -> None:
        assert "check" not in arrived(started_flashduty)
        assert "check" not in [
            event["change_key"] for event in started_flashduty.change_events()
        ]

    def test_the_result_is_what_it_would_be(self, checked: Answers) -> None:
        result = checked["event"]

        assert result["changed"] is True
        assert (result["attempts"], result["queued"], result["truncated"]) == (
            0,
            False,
            [],
        )
        assert (result["request_id"], result["http_status"]) == (None, None)
        assert result["alert_key"] == result["event"]["alert_key"] == "check"
        assert result["event"]["description"] == "first line\nsecond line"
        assert len(checked["made key"]["alert_key"]) >= 16

    def test_diff_shows_the_event(self, checked: Answers) -> None:
        assert checked["event"]["diff"]["before"] == ""
        for line in ("+title_rule: Title", "+event_status: Info", "+  second line"):
            assert f"\n{line}\n" in checked.run.stdout
        assert "\n+title: Änderung\n" in checked.run.stdout

    def test_what_is_wrong_fails_as_it_would(self, checked: Answers) -> None:
        assert checked["invalid"]["error"]["code"] == "InvalidEvent"
        assert checked["no key"]["error"]["code"] == "InvalidConfiguration"

    def test_the_key_is_not_even_in_a_label(
        self, checked: Answers, started_flashduty: Emulator
    ) -> None:
        assert checked["event"]["event"]["labels"] == {"name": "[hidden]"}
        assert started_flashduty.alert_key not in checked.written


def test_many_hosts_and_loops(playground: Playground) -> None:
    flashduty = playground.flashduty
    answers = playground.perform(
        {
            "hosts": send(playground, "many-{{ inventory_hostname }}"),
            "loop": {
                **send(playground, "loop-{{ item }}"),
                "loop": ["a", "b", "c"],
                "run_once": True,
            },
        },
        "-f",
        "6",
        inventory=" ".join(HOSTS),
        verbosity="",
    )

    keys = arrived(flashduty)
    assert sorted(key for key in keys if key.startswith("many-")) == sorted(
        f"many-{host}" for host in HOSTS
    )
    assert [key for key in keys if key.startswith("loop-")] == [
        "loop-a",
        "loop-b",
        "loop-c",
    ]
    assert [item["alert_key"] for item in answers["loop"]["results"]] == keys[-3:]
    assert answers.run.rc == 0


def test_no_process_shows_the_key(playground: Playground) -> None:
    """Neither in its arguments nor in its environment, while it waits for the answer."""
    key = uuid.uuid4().hex
    with Emulator(alert_keys=[key], latency=2.5) as flashduty:
        url = {"push_url": flashduty.push_url}
        variables = playground.write("variables.json", json.dumps(url))
        running = playground.start(
            """
            - hosts: all
              gather_facts: false
              tasks:
                - flashcat.flashduty.alert_event:
                    title: Slow
                    event_status: Info
                    alert_key: "{{ inventory_hostname }}"
                    push_url: "{{ push_url }}"
                    send_from: "{{ inventory_hostname }}"
            """,
            "-e",
            f"@{variables}",
            inventory="controller target",
        )
        seen: set[str] = set()
        while running.process.poll() is None:
            seen |= {text for text in texts_of_processes() if key in text}
            time.sleep(0.05)

        assert running.wait().rc == 0
        assert sorted(arrived(flashduty)) == ["controller", "target"]
    assert seen == set()


def texts_of_processes() -> t.Iterator[str]:
    """Return what ps can show of all processes but the emulator, which is told its keys."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().decode(errors="replace")
            environment = (process / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "--alert-key" not in arguments:
            yield arguments + environment


RUN_AS_MODULES = """
from importlib import import_module
from ansible.module_utils import basic

basic._ANSIBLE_ARGS = b'{"ANSIBLE_MODULE_ARGS": {}}'
basic._ANSIBLE_PROFILE = "legacy"
for name in ("outbox_info", "outbox_flush", "connection_info"):
    module = import_module(f"ansible_collections.flashcat.flashduty.plugins.modules.{name}")
    try:
        module.main()
    except SystemExit as exc:
        print(exc.code)
"""


def test_a_module_without_its_action_plugin_says_so(playground: Playground) -> None:
    environment = playground.core.environment(playground.home)
    environment["PYTHONPATH"] = environment["ANSIBLE_COLLECTIONS_PATH"]

    answer = subprocess.run(
        [playground.core.python, "-c", RUN_AS_MODULES],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert (
        answer.stdout.count("runs on the controller and cannot be run as a module") == 3
    )
    assert answer.stdout.split().count("1") == 3
