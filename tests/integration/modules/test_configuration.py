# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the connection options come from, and TLS, client certificates and proxies."""

from __future__ import annotations

import json
import subprocess
import typing as t

import pytest

from tests.emulator.control import Emulator
from tests.tools.playbooks import CALLBACK

from .conftest import Answers, Playground, Tagged, Task

WRONG_KEY = "0123456789abcdef0123456789abcdef"


def send(playground: Playground, key: str, /, **options: t.Any) -> Task:
    event = {
        "title_rule": "x",
        "event_status": "Info",
        "alert_key": key,
        "retries": 0,
    }
    return playground.task("alert_event", **{**event, **options})


def change(playground: Playground, key: str, /, **options: t.Any) -> Task:
    event = {
        "title": "x",
        "change_status": "Done",
        "change_key": key,
        "retries": 0,
    }
    return playground.task("change_event", **{**event, **options})


def diagnose(playground: Playground, **options: t.Any) -> Task:
    return playground.task("connection_info", **options)


def arrived(flashduty: Emulator) -> list[str]:
    return [event["alert_key"] for event in flashduty.events()]


def changed(answers: Answers) -> dict[str, bool]:
    return {
        name: result.get("changed", False) for name, result in answers.results.items()
    }


@pytest.fixture(scope="module")
def by_defaults(playground: Playground) -> Answers:
    flashduty = playground.flashduty
    playground.write("keys/alert", f"{flashduty.alert_key}\n")
    group = {"integration_key_file": "keys/alert", "api_url": flashduty.url}
    return playground.perform(
        {
            "from the group": send(playground, "group"),
            "info takes the group's options": playground.task("outbox_info"),
            "flush takes the group's options": playground.task("outbox_flush"),
            "diagnosis takes the group's options": diagnose(playground),
            "change has its own": change(playground, "own"),
            "change from the target": change(
                playground, "own from the target", send_from="target"
            ),
            "no key of a change": {
                **change(playground, "no"),
                "module_defaults": {"group/flashcat.flashduty.flashduty": group},
            },
            "a key for this task": {
                **change(
                    playground, "task's own", integration_key=flashduty.change_key
                ),
                "module_defaults": {"group/flashcat.flashduty.flashduty": group},
            },
            "the task comes first": send(
                playground, "first", api_url="http://127.0.0.1:9"
            ),
        },
        play={
            "module_defaults": {
                "group/flashcat.flashduty.flashduty": {
                    **group,
                    "change_integration_key": flashduty.change_key,
                }
            }
        },
        environment={
            "FLASHDUTY_INTEGRATION_KEY": WRONG_KEY,
            "FLASHDUTY_API_URL": "http://127.0.0.1:9",
        },
    )


class TestDefaultsOfModules:
    def test_the_action_group_sets_options_of_all_modules(
        self, by_defaults: Answers, started_flashduty: Emulator
    ) -> None:
        assert changed(by_defaults) == {
            "from the group": True,
            "info takes the group's options": False,
            "flush takes the group's options": False,
            "diagnosis takes the group's options": False,
            "change has its own": True,
            "change from the target": True,
            "no key of a change": False,
            "a key for this task": True,
            "the task comes first": False,
        }
        assert [name for name, r in by_defaults.results.items() if r.get("failed")] == [
            "no key of a change",
            "the task comes first",
        ]
        assert "a key of its own" in by_defaults["no key of a change"]["msg"]
        assert "group" in arrived(started_flashduty)
        assert {"own", "own from the target", "task's own"} <= {
            event["change_key"] for event in started_flashduty.change_events()
        }

    def test_the_diagnosis_says_so(self, by_defaults: Answers) -> None:
        alert = by_defaults["diagnosis takes the group's options"]["alert"]

        assert alert["sources"]["integration_key"] == "integration_key_file"
        assert alert["sources"]["api_url"] == "api_url"


@pytest.fixture(scope="module")
def by_environment(playground: Playground) -> Answers:
    flashduty = playground.flashduty
    return playground.perform(
        {
            "alert": send(playground, "environment"),
            "change": change(playground, "environment"),
            "other key": send(playground, "other", integration_key=WRONG_KEY),
            "diagnosis": diagnose(playground),
            "state": playground.task("outbox_info"),
        },
        environment={
            "FLASHDUTY_PUSH_URL": flashduty.push_url,
            "FLASHDUTY_CHANGE_INTEGRATION_KEY": flashduty.change_key,
            "FLASHDUTY_TIMEOUT": "7",
            "FLASHDUTY_STATE_PATH": "~/state",
            "ANSIBLE_CALLBACKS_ENABLED": CALLBACK,
        },
        config=f"[flashduty]\nintegration_key = {WRONG_KEY}\ntimeout = 8\nretries = 9\n",
    )


class TestEnvironment:
    def test_it_comes_before_the_configuration_file(
        self, by_environment: Answers, started_flashduty: Emulator
    ) -> None:
        assert by_environment["alert"]["changed"] is True
        assert "environment" in arrived(started_flashduty)

    def test_changes_have_a_key_of_their_own_and_the_host_of_the_alerts(
        self, by_environment: Answers, started_flashduty: Emulator
    ) -> None:
        assert by_environment["change"]["changed"] is True
        assert "environment" in [
            event["change_key"] for event in started_flashduty.change_events()
        ]

    def test_the_task_comes_before_it(self, by_environment: Answers) -> None:
        assert by_environment["other key"]["error"]["code"] == "InvalidParameter"

    def test_the_diagnosis_names_the_places_and_no_key(
        self, by_environment: Answers, playground: Playground
    ) -> None:
        result = by_environment["diagnosis"]
        file = str(playground.folder / "ansible.cfg")

        assert result["changed"] is False
        assert result["alert"]["sources"] == {
            "integration_key": "FLASHDUTY_PUSH_URL",
            "api_url": "FLASHDUTY_PUSH_URL",
            "validate_certs": "default",
            "ca_path": "default",
            "client_cert": "default",
            "client_key": "default",
            "use_proxy": "default",
            "timeout": "FLASHDUTY_TIMEOUT",
            "retries": f"retries in section [flashduty] of {file}",
        }
        assert (
            result["change"]["sources"]["integration_key"]
            == "FLASHDUTY_CHANGE_INTEGRATION_KEY"
        )
        assert result["alert"]["configured"] and result["change"]["configured"]
        assert result["alert"]["options"]["timeout"] == 7.0
        assert result["alert"]["url"] == playground.flashduty.push_url.partition("?")[0]
        # Sent without TLS, here.
        assert result["alert"]["authorities"] is None
        assert result["config_file"] == file
        assert result["callback_enabled"] is True
        assert result["requests_version"].startswith("2.")
        assert result["python"].startswith(str(playground.core.root))
        assert result["state_path"] == str(playground.home / "state")
        assert result["state_writable"] is True
        assert result["problems"] == []

    def test_the_state_can_be_elsewhere(
        self, by_environment: Answers, playground: Playground
    ) -> None:
        assert by_environment["state"]["state_path"] == str(playground.home / "state")

    def test_the_keys_stand_nowhere(
        self, by_environment: Answers, started_flashduty: Emulator
    ) -> None:
        for key in (
            started_flashduty.alert_key,
            started_flashduty.change_key,
            WRONG_KEY,
        ):
            assert key not in by_environment.written


@pytest.mark.any_core
def test_variables_of_the_play_choose_the_integration_of_alerts(
    playground: Playground,
) -> None:
    flashduty = playground.flashduty
    answers = playground.perform(
        {
            "from the variable": send(playground, "from the variable"),
            "the task comes first": send(
                playground, "no", integration_key=WRONG_KEY, api_url=flashduty.url
            ),
            "diagnosis": diagnose(playground),
            "flush": playground.task("outbox_flush"),
            "close": playground.task("close_alerts", older_than="1s"),
            "change": change(playground, "no key of its own"),
            "bare": send(playground, "no")
            | {"vars": {"flashduty_push_url": f"{flashduty.url}/x"}},
        },
        play={"vars": {"flashduty_push_url": flashduty.push_url}},
        environment={
            "FLASHDUTY_INTEGRATION_KEY": WRONG_KEY,
            "FLASHDUTY_API_URL": "http://127.0.0.1:9",
        },
    )

    assert answers["from the variable"]["changed"] is True
    assert "from the variable" in arrived(flashduty)
    assert answers["the task comes first"]["error"]["code"] == "InvalidParameter"
    alert = answers["diagnosis"]["alert"]
    assert alert["sources"]["integration_key"] == "flashduty_push_url"
    assert [name for name in ("flush", "close") if answers[name].get("failed")] == []
    assert "a key of its own" in answers["change"]["msg"]
    assert "flashduty_push_url has no integration_key" in answers["bare"]["msg"]
    assert flashduty.alert_key not in answers.written


@pytest.fixture(scope="module")
def by_file(playground: Playground) -> Answers:
    flashduty = playground.flashduty
    playground.write("keys/change", f" {flashduty.change_key} ")
    return playground.perform(
        {
            "alert": send(playground, "file"),
            "change": change(playground, "file"),
            "diagnosis": diagnose(playground),
        },
        # The percent sign is nothing special, and a semicolon begins a comment, as Ansible has it.
        config=(
            "[flashduty]\n"
            f"push_url = {flashduty.push_url}&note=100%25%s ; copied\n"
            "change_integration_key_file = keys/change\n"
            "client_cert =\n"
            "use_proxy = no\n"
        ),
    )


class TestConfigurationFile:
    def test_everything_can_be_there(
        self, by_file: Answers, started_flashduty: Emulator
    ) -> None:
        assert by_file["alert"]["changed"] and by_file["change"]["changed"]
        assert "file" in arrived(started_flashduty)

    def test_the_diagnosis_says_so(self, by_file: Answers) -> None:
        result = by_file["diagnosis"]

        assert result["alert"]["options"]["use_proxy"] is False
        assert result["alert"]["sources"]["integration_key"].startswith(
            "push_url in section"
        )
        assert result["callback_enabled"] is False


@pytest.fixture(scope="module")
def unconfigured(playground: Playground) -> Answers:
    return playground.perform(
        {
            "alert": send(playground, "nothing"),
            "change": change(playground, "nothing"),
            "diagnosis": diagnose(playground),
            "bad place for the state": diagnose(
                playground, state_path="/dev/null/state"
            ),
        },
        environment={"FLASHDUTY_TIMEOUT": "for ever"},
    )


class TestNothingConfigured:
    def test_what_is_missing_is_said(self, unconfigured: Answers) -> None:
        for name, variable in {
            "alert": "FLASHDUTY_INTEGRATION_KEY",
            "change": "FLASHDUTY_CHANGE_INTEGRATION_KEY",
        }.items():
            result = unconfigured[name]
            assert result["error"]["code"] == "InvalidConfiguration"
            assert variable in result["msg"]
            assert "There is no integration key" in result["msg"]

    def test_the_diagnosis_does_not_fail(self, unconfigured: Answers) -> None:
        result = unconfigured["diagnosis"]

        assert result["failed"] is False
        assert result["alert"]["configured"] is False
        assert result["alert"]["url"] is None
        (problem,) = result["problems"]
        assert problem == result["alert"]["problem"]
        assert "There is no integration key" in problem

    def test_a_state_that_cannot_be_written_is_a_problem(
        self, unconfigured: Answers
    ) -> None:
        result = unconfigured["bad place for the state"]

        assert result["state_writable"] is False
        assert "/dev/null/state" in result["problems"][-1]


ENCRYPT = """
import sys
from ansible.parsing.vault import VaultLib, VaultSecret

vault = VaultLib([("default", VaultSecret(b"not-a-secret"))])
print("\\0".join(vault.encrypt(text).decode() for text in sys.argv[1:]))
"""


def encrypt(playground: Playground, texts: t.Sequence[str]) -> list[Tagged]:
    """Return texts as Ansible Vault encrypts them for a playbook."""
    answer = subprocess.run(
        [playground.core.python, "-c", ENCRYPT, *texts],
        env=playground.core.environment(playground.home),
        capture_output=True,
        text=True,
        check=True,
    )
    return [Tagged("!vault", text) for text in answer.stdout.split("\0")]


def test_keys_may_come_from_vault_and_what_else_does_stays_secret(
    playground: Playground,
) -> None:
    flashduty = playground.flashduty
    password = playground.write("password", "not-a-secret\n")
    key, label, inline, wrong = encrypt(
        playground, [flashduty.alert_key, "vaulted-1", "vaulted-2", WRONG_KEY]
    )
    answers = playground.perform(
        {
            "key": send(
                playground,
                "vault",
                integration_key="{{ vault_key }}",
                api_url=flashduty.url,
                labels={"secret": "{{ vault_label }}", "inline": inline},
            ),
            "wrong": send(playground, "vault", integration_key=wrong),
        },
        "--vault-password-file",
        str(password),
        play={"vars": {"vault_key": key, "vault_label": label}},
        environment={"FLASHDUTY_API_URL": flashduty.url},
    )

    assert answers["key"].get("msg") is None
    assert answers["key"]["event"]["labels"] == {
        "secret": "[hidden]",
        "inline": "[hidden]",
    }
    assert "vaulted" not in json.dumps(flashduty.events())
    assert answers["wrong"]["error"]["code"] == "InvalidParameter"
    assert flashduty.alert_key not in answers.written
    assert WRONG_KEY not in answers.written


@pytest.fixture(scope="module")
def secure() -> t.Iterator[Emulator]:
    """A Flashduty that asks for a certificate."""
    with Emulator(client_certificate=True) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def by_detours(playground: Playground, secure: Emulator) -> Answers:
    """A run with TLS for one server, and a proxy for the other."""
    url = {"push_url": secure.push_url}
    ca = {"ca_path": str(secure.ca_path)}
    client = {
        "client_cert": str(secure.client_cert),
        "client_key": str(secure.client_key),
    }
    far = playground.flashduty.push_url.replace(
        playground.flashduty.url, "http://flashduty.invalid"
    )
    proxy = playground.flashduty.url.replace("http://", "http://user:proxy-password@")
    return playground.perform(
        {
            "unknown authority": send(playground, "tls", **url, **client),
            "not verified": send(
                playground, "tls", **url, **client, validate_certs=False
            ),
            "no client certificate": send(playground, "tls", **url, **ca),
            "all there": send(playground, "tls", **url, **ca, **client),
            "key without certificate": send(
                playground, "tls", **url, client_key=client["client_key"]
            ),
            "diagnosis": diagnose(playground, **url, **ca),
            "diagnosis unverified": diagnose(playground, **url, validate_certs=False),
            "through the proxy": send(playground, "proxy", push_url=far),
            "no proxy wanted": send(playground, "proxy", push_url=far, use_proxy=False),
            "diagnosis of the proxy": diagnose(playground, push_url=far),
        },
        environment={"HTTP_PROXY": proxy, "http_proxy": proxy},
    )


def test_only_what_is_trusted_gets_the_key(by_detours: Answers) -> None:
    assert [name for name, sent in changed(by_detours).items() if sent] == [
        "not verified",
        "all there",
        "through the proxy",
    ]


def test_what_is_wrong_with_certificates_is_said(by_detours: Answers) -> None:
    assert "ca_path" in by_detours["unknown authority"]["msg"]
    assert by_detours["unknown authority"]["error"]["code"] == "ConnectionFailed"
    assert by_detours["no client certificate"]["error"]["code"] == "ConnectionFailed"
    assert "client_cert" in by_detours["key without certificate"]["msg"]
    assert "InsecureRequestWarning" not in by_detours.written


def test_a_proxy_counts_unless_it_is_not_wanted(
    by_detours: Answers, started_flashduty: Emulator
) -> None:
    assert "proxy" in arrived(started_flashduty)
    assert by_detours["no proxy wanted"]["error"]["code"] == "ConnectionFailed"


def test_the_diagnosis_shows_certificates_and_proxy(
    by_detours: Answers, started_flashduty: Emulator, secure: Emulator
) -> None:
    assert by_detours["diagnosis"]["alert"]["authorities"] == str(secure.ca_path)
    assert by_detours["diagnosis unverified"]["alert"]["authorities"] is None
    assert (
        by_detours["diagnosis of the proxy"]["alert"]["proxy"] == started_flashduty.url
    )


def test_no_secret_is_seen_on_detours(
    by_detours: Answers, started_flashduty: Emulator, secure: Emulator
) -> None:
    for secret in ("proxy-password", started_flashduty.alert_key, secure.alert_key):
        assert secret not in by_detours.written
