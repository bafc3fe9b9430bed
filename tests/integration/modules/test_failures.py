# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task says when Flashduty refuses, stumbles, or is not there; and that the key stands in none of it."""

from __future__ import annotations

import socket
import typing as t
from urllib.parse import quote

import pytest

from tests.emulator.control import Emulator

from .conftest import Answers, Playground, Result, Task

# What the service answers is no matter of ansible-core.
pytestmark = pytest.mark.any_core

# Error code: status and whether it is worth a retry, as in the service's documentation.
CODES = {
    "InvalidParameter": (400, False),
    "InvalidContentType": (400, False),
    "MethodNotAllowed": (400, False),
    "Unauthorized": (401, False),
    "AccessDenied": (403, False),
    "RequestTooFrequently": (429, True),
    "RouteNotFound": (404, False),
    "ResourceNotFound": (400, False),
    "NoLicense": (400, False),
    "InternalError": (500, True),
}
# What is wrong with the answer: the code in the result, its HTTP status, and words of the message.
DISTURBED: dict[str, tuple[Result, str, int | None, str]] = {
    "error in a success": (
        {"kind": "error", "code": "InternalError", "http": 200},
        "InternalError",
        200,
        "HTTP 200",
    ),
    "page": ({"kind": "html", "http": 502}, "UnexpectedResponse", 502, "an HTML page"),
    "page as success": (
        {"kind": "html", "http": 200},
        "UnexpectedResponse",
        200,
        "an HTML page",
    ),
    "empty": (
        {"kind": "empty", "http": 200},
        "UnexpectedResponse",
        200,
        "an empty body",
    ),
    "truncated": ({"kind": "truncated"}, "ConnectionFailed", None, "closed before"),
    "dropped": ({"kind": "drop"}, "ConnectionFailed", None, "closed before"),
    "reset": ({"kind": "reset"}, "ConnectionFailed", None, "reset"),
    "redirect": (
        {"kind": "redirect", "location": "http://elsewhere.example/"},
        "UnexpectedResponse",
        302,
        "elsewhere.example",
    ),
    "page with the url": (
        {"kind": "echo_url"},
        "UnexpectedResponse",
        502,
        "an HTML page",
    ),
    "error with the url": (
        {"kind": "answer", "http": 400, "body": ""},
        "InvalidParameter",
        400,
        "[hidden]",
    ),
    "hanging": ({"kind": "hang", "seconds": 5}, "Timeout", None, "0.5 seconds"),
}
# Each of these goes wrong once.
PASSING: dict[str, Result] = {
    "internal": {"kind": "error", "code": "InternalError"},
    "too-many": {"kind": "rate_limit", "retry_after": "1"},
    "gateway": {"kind": "html", "http": 502},
    "nothing": {"kind": "empty", "http": 200},
    "closed": {"kind": "drop"},
    "slow": {"kind": "hang", "seconds": 5},
}
# A key with all that is encoded in a URL: no form of it may be seen.
AWKWARD_KEY = "s3cr3t/K+y=ÄÖ%&?#k"


def unused_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@pytest.fixture(scope="module")
def answers(playground: Playground) -> Answers:
    """One run in which everything goes wrong."""
    flashduty = playground.flashduty
    body = (
        '{"request_id": "r-1", "error": {"code": "InvalidParameter", "message": "see '
        f'{flashduty.push_url}"' + "}}"
    )
    DISTURBED["error with the url"][0]["body"] = body
    flashduty.misbehave(
        *(
            {"kind": "error", "code": code, "match": {"alert_key": code}}
            for code in CODES
        ),
        *(
            {**fault, "match": {"alert_key": name}, "times": 0}
            for name, (fault, *_rest) in DISTURBED.items()
        ),
    )

    def send(name: str, **options: t.Any) -> Task:
        event = {"title_rule": name, "event_status": "Info", "alert_key": name}
        if "integration_key" not in options:
            event["push_url"] = flashduty.push_url
        return playground.task("alert_event", **{**event, "retries": 0, **options})

    tasks = {name: send(name) for name in [*CODES, *DISTURBED]}
    tasks["hanging"] = send("hanging", timeout=0.5)
    tasks["wrong key"] = send(
        "wrong key", integration_key=AWKWARD_KEY, api_url=flashduty.url
    )
    for name, url in {
        "refused": f"http://127.0.0.1:{unused_port()}",
        "unknown host": "https://flashduty.invalid",
        "no tls": flashduty.url.replace("http:", "https:"),
    }.items():
        tasks[name] = send(name, integration_key=AWKWARD_KEY, api_url=url)
    closed = f"http://127.0.0.1:{unused_port()}"
    tasks["retried in vain"] = send(
        "v", integration_key=AWKWARD_KEY, api_url=closed, retries=1
    )
    return playground.perform(tasks)


@pytest.fixture(scope="module")
def passing(playground: Playground, answers: Answers) -> dict[str, Result]:
    """One run in which each host has a trouble of its own, which passes; all at the same time."""
    playground.flashduty.misbehave(
        *({**fault, "match": {"alert_key": name}} for name, fault in PASSING.items())
    )
    names = list(PASSING)
    send = playground.task(
        "alert_event",
        title_rule="{{ inventory_hostname }}",
        event_status="Info",
        alert_key="{{ inventory_hostname }}",
        push_url=playground.flashduty.push_url,
        retries=1,
        timeout=1.5,
    )
    collect = {
        "ansible.builtin.set_fact": {
            "all_results": "{{ dict(ansible_play_hosts | zip(ansible_play_hosts"
            " | map('extract', hostvars, 'result_0'))) }}"
        }
    }
    answers = playground.perform(
        {"Send": send, "Collect": collect},
        "-f",
        str(len(names)),
        inventory=" ".join(names),
    )
    assert playground.flashduty.alert_key not in answers.written
    return t.cast(
        "dict[str, Result]", answers["Collect"]["ansible_facts"]["all_results"]
    )


@pytest.mark.parametrize("code", CODES)
def test_each_error_of_the_service_is_reported_as_what_it_is(
    answers: Answers, code: str
) -> None:
    result = answers[code]
    error = result["error"]
    http_status, retryable = CODES[code]

    assert set(error) == {
        "code",
        "message",
        "http_status",
        "request_id",
        "retryable",
        "hint",
    }
    assert (error["code"], error["http_status"], error["retryable"]) == (
        code,
        http_status,
        retryable,
    )
    assert error["request_id"] == result["request_id"]
    for word in (code, f"HTTP {http_status}", error["request_id"], error["hint"]):
        assert word in result["msg"]
    assert (result["failed"], result["changed"], result["queued"]) == (
        True,
        False,
        False,
    )
    assert (result["attempts"], result["http_status"]) == (1, http_status)
    assert result["alert_key"] == code


def test_the_request_id_is_the_one_that_the_service_knows(
    answers: Answers, started_flashduty: Emulator
) -> None:
    known = {
        r["answer"]["request_id"]
        for r in started_flashduty.requests()
        if isinstance(r["answer"], dict)
    }

    assert {answers[code]["request_id"] for code in CODES} <= known


@pytest.mark.parametrize("name", DISTURBED)
def test_what_is_not_flashdutys_answer_is_reported_as_what_it_is(
    answers: Answers, name: str
) -> None:
    _fault, code, http_status, words = DISTURBED[name]
    result = answers[name]

    assert result["error"]["code"] == code
    assert result["error"]["http_status"] == http_status
    assert words in result["msg"]
    assert result["error"]["hint"] and result["error"]["hint"] in result["msg"]
    assert result["attempts"] == 1


def test_a_redirect_is_final(answers: Answers) -> None:
    assert answers["redirect"]["error"]["retryable"] is False


@pytest.mark.parametrize("name", ["refused", "unknown host", "no tls"])
def test_no_connection_is_an_error_of_its_own(answers: Answers, name: str) -> None:
    error = answers[name]["error"]

    assert (error["code"], error["retryable"]) == ("ConnectionFailed", True)
    assert (error["http_status"], error["request_id"]) == (None, None)
    assert answers[name]["msg"].startswith("Cannot reach ")


def test_a_wrong_key_is_said_to_be_wrong(answers: Answers) -> None:
    result = answers["wrong key"]

    assert result["error"]["code"] == "InvalidParameter"
    assert "integration_key" in result["error"]["hint"]


def test_attempts_are_counted(answers: Answers) -> None:
    assert answers["refused"]["attempts"] == 1
    assert answers["retried in vain"]["attempts"] == 2


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_tried_again(passing: dict[str, Result], name: str) -> None:
    result = passing[name]

    assert result.get("msg") is None
    assert (result["changed"], result["attempts"], result["http_status"]) == (
        True,
        2,
        200,
    )
    assert result["event"]["alert_key"] == name


def test_no_form_of_a_key_is_seen(
    answers: Answers, started_flashduty: Emulator
) -> None:
    forms = {
        form
        for key in (started_flashduty.alert_key, AWKWARD_KEY)
        for form in (key, quote(key), quote(key, safe=""), quote(key, safe="").lower())
    }

    assert [form for form in forms if form in answers.written] == []
