# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""alert_event and change_event: what arrives, what comes back, and what is refused before it is sent."""

from __future__ import annotations

import datetime
import time
import typing as t

import pytest

from tests.emulator.control import Emulator

from .conftest import Answers, Playground, Result, Tagged, Task

pytestmark = pytest.mark.each_core

# The example of the service's documentation.
DOCUMENTED: Result = {
    "event_status": "Warning",
    "alert_key": "64f6b9df2007be4b0bfe56f6",
    "description": "cpu idle low than 20%",
    "title_rule": "$cluster::$resource::$check",
    "labels": {
        "resource": "es.nj.01",
        "check": "cpu.idle<20%",
        "service": "engine",
        "cluster": "nj",
        "metric": "node_cpu_seconds_total",
    },
}
DOCUMENTED_CHANGE: Result = {
    "change_key": "CHG-4711",
    "change_status": "Processing",
    "title": "Kernel update",
    "event_time": 1795419427,
    "description": "Of the database cluster\nin two steps",
    "link": "https://tickets.example.com/CHG-4711",
    "labels": {"service": "db", "env": "production"},
}
UNICODE = "磁盘满了 💾 «ß» \"'\\ {curly} %d 100%"
TEMPLATE = "[TPL]{{.Labels.resource}} / ${check}"
SENT = {
    "documented": DOCUMENTED,
    "smallest": {"title_rule": "Smallest", "event_status": "Info"},
    "alias": {"title": "By its alias", "event_status": "Info", "alert_key": "alias"},
    "recovery": {
        "title_rule": "Smallest",
        "event_status": "Ok",
        "alert_key": "{{ result_1.alert_key }}",
    },
    "scalars": {
        "title_rule": "Scalars",
        "event_status": "Info",
        "alert_key": "scalars",
        "labels": {
            "yes": True,
            "no": False,
            "number": 3,
            "float": 1.5,
            "nothing": None,
            "text": "true",
            "empty": "",
            "date": datetime.date(2026, 11, 23),
            7: "number as name",
        },
    },
    "unicode": {
        "title_rule": UNICODE,
        "event_status": "Info",
        "alert_key": "unicode-é",
        "description": UNICODE,
        "labels": {"größe": UNICODE},
    },
    "service's variables": {
        "title_rule": Tagged("!unsafe", TEMPLATE),
        "event_status": "Info",
        "alert_key": "variables",
        "labels": {"resource": "web1", "check": "disk"},
    },
    "time as text": {
        "title_rule": "Time",
        "event_status": "Info",
        "alert_key": "time",
        "event_time": "{{ 1795419427 }}",
    },
    "images": {
        "title_rule": "Images",
        "event_status": "Info",
        "alert_key": "images",
        "images": [
            {
                "src": "https://e.example/1.png",
                "alt": "one",
                "href": "https://e.example/",
            },
            {"src": "image_key_of_flashduty"},
        ],
    },
    "long": {
        "title_rule": "t" * 600,
        "event_status": "Info",
        "alert_key": "long",
        "description": "ö" * 3000,
        "labels": {"n" * 200: "short", "value": "v" * 3000, "fits": "f" * 2048},
    },
    "exactly": {
        "title_rule": "t" * 512,
        "event_status": "Info",
        "alert_key": "k" * 255,
        "description": "ö" * 2048,
        "labels": {f"{number:03}{'n' * 125}": "v" * 2048 for number in range(50)},
    },
}
REFUSED: dict[str, tuple[Result, str, str]] = {
    "status": (
        {"event_status": "critical"},
        "event_status",
        "Critical, Warning, Info, Ok",
    ),
    "no title": ({"title_rule": None}, "title_rule", "missing"),
    "empty title": ({"title_rule": " "}, "title_rule", "empty"),
    "Ok without a key": ({"event_status": "Ok", "alert_key": None}, "alert_key", "Ok"),
    "long key": ({"alert_key": "k" * 256}, "alert_key", "255"),
    "milliseconds": ({"event_time": 1795419427000}, "event_time", "seconds"),
    "time as words": ({"event_time": "tomorrow"}, "event_time", "int"),
    "nested label": ({"labels": {"a": {"b": "c"}}}, "'a'", "dictionary"),
    "list in a label": ({"labels": {"a": [1]}}, "'a'", "list"),
    "many labels": ({"labels": {f"l{n}": "" for n in range(51)}}, "labels", "50"),
    "labels as text": ({"labels": "text"}, "labels", "dict"),
    "image without src": ({"images": [{"alt": "a"}]}, "src", "images"),
    "image with a file": ({"images": [{"src": "file:///a"}]}, "images", "http"),
}
MISCONFIGURED: dict[str, tuple[Result, str, str]] = {
    "unknown option": ({"severity": "Critical"}, "severity", "There is no such option"),
    "timeout": ({"timeout": 0}, "timeout", "greater than 0"),
    "retries": ({"retries": -1}, "retries", "0 or more"),
    "boolean": ({"validate_certs": "perhaps"}, "validate_certs", "bool"),
    "send_from": ({"send_from": "moon"}, "send_from", "controller, target"),
    "contradiction": (
        {"integration_key": "another-key"},
        "integration_key",
        "push_url",
    ),
    "two servers": ({"api_url": "https://e.example"}, "api_url", "push_url"),
    "key file": (
        {"integration_key_file": "/not/there"},
        "integration_key_file",
        "/not/there",
    ),
    "ca file": ({"ca_path": "/not/there.pem"}, "ca_path", "/not/there.pem"),
}


def refused_event(name: str, changes: Result) -> Result:
    event = {
        "title_rule": "Refused",
        "event_status": "Info",
        "alert_key": name,
        **changes,
    }
    return {option: value for option, value in event.items() if value is not None}


@pytest.fixture(scope="module")
def answers(playground: Playground) -> Answers:
    """One run with all the events above."""
    flashduty = playground.flashduty
    alert = {"push_url": flashduty.push_url}
    tasks: dict[str, Task] = {
        name: playground.task("alert_event", **alert, **event)
        for name, event in SENT.items()
    }
    tasks["both titles"] = playground.task(
        "alert_event",
        **alert,
        title="One",
        title_rule="Other",
        event_status="Info",
        alert_key="b",
    )
    tasks["change"] = playground.task(
        "change_event", push_url=flashduty.change_push_url, **DOCUMENTED_CHANGE
    )
    for name, (changes, *_rest) in {**REFUSED, **MISCONFIGURED}.items():
        options = {**alert, **refused_event(name, changes)}
        tasks[f"refused: {name}"] = playground.task("alert_event", **options)
    for name, options in {
        "change status": {"change_status": "Ok", "change_key": "refused", "title": "x"},
        "no change key": {"change_status": "Done", "title": "x"},
    }.items():
        tasks[f"refused: {name}"] = playground.task(
            "change_event", push_url=flashduty.change_push_url, **options
        )
    tasks["wrong url"] = playground.task(
        "change_event", push_url=flashduty.push_url, **DOCUMENTED_CHANGE
    )
    return playground.perform(tasks)


@pytest.fixture
def received(answers: Answers, started_flashduty: Emulator) -> dict[str, Result]:
    """What arrived, by its request id."""
    return {
        r["answer"]["request_id"]: r
        for r in started_flashduty.requests()
        if r["status"] == 200
    }


def body(answers: Answers, received: dict[str, Result], name: str) -> Result:
    return t.cast(Result, received[answers[name]["request_id"]]["body"])


def test_everything_valid_was_sent(answers: Answers) -> None:
    assert {
        name: answers[name].get("msg", "") for name in [*SENT, "change"]
    } == dict.fromkeys([*SENT, "change"], "")


def test_the_documented_example_arrives_as_documented(
    answers: Answers, received: dict[str, Result]
) -> None:
    event = body(answers, received, "documented")
    request = received[answers["documented"]["request_id"]]

    assert abs(event.pop("event_time") - time.time()) < 300
    assert event == DOCUMENTED
    assert request["method"] == "POST"
    assert request["path"] == "/event/push/alert/standard"
    assert request["headers"]["Content-Type"] == "application/json"


@pytest.mark.parametrize("name", [*SENT, "change"])
def test_what_comes_back_is_what_was_sent(
    answers: Answers, received: dict[str, Result], name: str
) -> None:
    result = answers[name]

    assert result["event"] == body(answers, received, name)
    assert (result["changed"], result["attempts"], result["http_status"]) == (
        True,
        1,
        200,
    )
    assert result["queued"] is False
    assert "error" not in result
    key = "change_key" if name == "change" else "alert_key"
    assert result[key] == result["event"][key]


def test_a_key_is_made_and_closes_the_alert(
    answers: Answers, started_flashduty: Emulator
) -> None:
    key = answers["smallest"]["alert_key"]
    (alert,) = [
        alert for alert in started_flashduty.alerts() if alert["alert_key"] == key
    ]

    assert len(key) >= 16
    assert alert["status"] == "recovered"


def test_labels_are_written_as_yaml_writes_them(
    answers: Answers, received: dict[str, Result]
) -> None:
    assert body(answers, received, "scalars")["labels"] == {
        "yes": "true",
        "no": "false",
        "number": "3",
        "float": "1.5",
        "nothing": "null",
        "text": "true",
        "empty": "",
        "date": "2026-11-23",
        "7": "number as name",
    }


def test_texts_arrive_as_they_are(
    answers: Answers, received: dict[str, Result]
) -> None:
    event = body(answers, received, "unicode")

    assert (
        event["title_rule"]
        == event["description"]
        == event["labels"]["größe"]
        == UNICODE
    )
    assert body(answers, received, "service's variables")["title_rule"] == TEMPLATE


def test_a_time_may_be_a_text(answers: Answers, received: dict[str, Result]) -> None:
    assert body(answers, received, "time as text")["event_time"] == 1795419427


def test_images_arrive(answers: Answers, received: dict[str, Result]) -> None:
    assert body(answers, received, "images")["images"] == SENT["images"]["images"]


def test_a_change_arrives_as_documented(
    answers: Answers, received: dict[str, Result]
) -> None:
    assert body(answers, received, "change") == DOCUMENTED_CHANGE
    assert (
        received[answers["change"]["request_id"]]["path"]
        == "/event/push/change/standard"
    )


def test_an_option_and_its_alias_are_warned_of(answers: Answers) -> None:
    assert answers["both titles"]["warnings"] == [
        "Both option title_rule and its alias title are set."
    ]


def test_what_is_too_long_is_cut_and_named(
    answers: Answers, received: dict[str, Result]
) -> None:
    result, event = answers["long"], body(answers, received, "long")
    name = "n" * 128

    assert result["truncated"] == [
        "title_rule",
        "description",
        f"labels.{name}",
        "labels.value",
    ]
    assert event["title_rule"] == "t" * 511 + "…"
    assert event["description"] == "ö" * 2047 + "…"
    assert event["labels"] == {
        name: "short",
        "value": "v" * 2047 + "…",
        "fits": "f" * 2048,
    }
    for field in result["truncated"]:
        assert any(
            warning.startswith(f"{field} was cut") for warning in result["warnings"]
        )
    assert "description was cut" in " ".join(answers.run.output.split())


def test_what_just_fits_is_not_cut(answers: Answers) -> None:
    assert answers["exactly"]["truncated"] == []
    assert "warnings" not in answers["exactly"]


@pytest.mark.parametrize("name", REFUSED)
def test_an_event_that_breaks_a_rule_is_not_sent(
    answers: Answers, started_flashduty: Emulator, name: str
) -> None:
    result = answers[f"refused: {name}"]
    _changes, *mentioned = REFUSED[name]

    assert result["failed"] is True
    assert result["changed"] is False
    assert result["error"]["code"] == "InvalidEvent"
    assert result["error"]["retryable"] is False
    assert [text for text in mentioned if text not in result["msg"]] == []
    assert "Refused" not in [
        event["title_rule"] for event in started_flashduty.events()
    ]


@pytest.mark.parametrize("name", MISCONFIGURED)
def test_a_wrong_option_is_named(answers: Answers, name: str) -> None:
    result = answers[f"refused: {name}"]
    _changes, *mentioned = MISCONFIGURED[name]

    assert result["failed"] is True
    assert result["error"]["code"] == "InvalidConfiguration"
    assert [text for text in mentioned if text not in result["msg"]] == []


def test_changes_are_checked_too(answers: Answers) -> None:
    assert "Planned, Ready" in answers["refused: change status"]["msg"]
    assert "change_key" in answers["refused: no change key"]["msg"]
    assert "push_url is the URL of an alert integration" in answers["wrong url"]["msg"]


def test_nothing_was_sent_but_what_was_valid(
    answers: Answers, started_flashduty: Emulator
) -> None:
    assert len(started_flashduty.requests()) == len(SENT) + len(
        ["change", "both titles"]
    )


def test_the_key_stands_nowhere(answers: Answers, started_flashduty: Emulator) -> None:
    assert started_flashduty.alert_key not in answers.written
    assert started_flashduty.change_key not in answers.written
