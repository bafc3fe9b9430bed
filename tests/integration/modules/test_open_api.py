# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules silence and alert_info against a Flashduty on loopback."""

from __future__ import annotations

import json
import time
import typing as t
import urllib.request
from urllib.parse import quote

import pytest

from tests.emulator.control import Emulator
from tests.tools.playbooks import CALLBACK
from tests.tools.published_api import problems_of_calls

from .conftest import Answers, Playground

CHANNEL = "Database on call"
HOUR = 3600
# What stands in a URL in another form.
APP_KEY = "4f9b/2c+d8e1a7&0c63b5"

Task = dict[str, t.Any]


@pytest.fixture(scope="module")
def started_flashduty() -> t.Iterator[Emulator]:
    """A Flashduty for all tests of this file, whose app key looks different in a URL."""
    with Emulator(app_keys=[APP_KEY]) as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def _anew(started_flashduty: Emulator) -> None:
    started_flashduty.reset()


def silence(**options: t.Any) -> Task:
    return {
        "flashcat.flashduty.silence": {
            "channel": CHANNEL,
            "name": "patch db1",
            "labels": {"resource": "db1"},
            **options,
        }
    }


def alerts(**options: t.Any) -> Task:
    return {"flashcat.flashduty.alert_info": options}


def perform(
    playground: Playground, tasks: dict[str, Task], *arguments: str, **more: t.Any
) -> Answers:
    environment = {
        "FLASHDUTY_APP_KEY": APP_KEY,
        "FLASHDUTY_BASE_URL": playground.flashduty.url,
        "FLASHDUTY_RETRIES": "0",
        **more.pop("environment", {}),
    }
    answers = playground.perform(tasks, *arguments, environment=environment, **more)
    for form in (APP_KEY, quote(APP_KEY, safe=""), quote(APP_KEY)):
        assert form not in answers.written
    return answers


def push(flashduty: Emulator, **fields: t.Any) -> None:
    content = {
        "title_rule": "Disk full",
        "event_status": "Critical",
        "labels": {"resource": "db1"},
        **fields,
    }
    request = urllib.request.Request(
        flashduty.push_url,
        data=json.dumps(content).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request):
        pass


def test_a_silence_is_set_kept_extended_and_removed(playground: Playground) -> None:
    flashduty = playground.flashduty
    before = int(time.time())

    answers = perform(
        playground,
        {
            "check": {**silence(**{"for": "2h"}), "check_mode": True, "diff": True},
            "set": {**silence(**{"for": "2h"}, comment="Change 4711"), "diff": True},
            "again": silence(**{"for": "2h"}),
            "shorter": silence(**{"for": "30m"}),
            "longer": silence(**{"for": "4h"}),
            "other labels": silence(
                **{"for": "4h"}, labels={"resource": ["db1", "db2"], "team": "dba"}
            ),
            "remove in check mode": {**silence(state="absent"), "check_mode": True},
            "remove": silence(state="absent"),
            "remove again": silence(state="absent"),
        },
    )

    changed = {name: result["changed"] for name, result in answers.results.items()}
    assert changed == {
        "check": True,
        "set": True,
        "again": False,
        "shorter": False,
        "longer": True,
        "other labels": True,
        "remove in check mode": True,
        "remove": True,
        "remove again": False,
    }
    first, longer = answers["set"]["silence"], answers["longer"]["silence"]
    assert answers["check"]["rule_id"] is None
    assert answers["check"]["diff"]["before"] == ""
    assert "rule_name: patch db1" in answers["set"]["diff"]["after"]
    assert answers["set"]["effective"] is True
    assert len(answers["set"]["request_id"]) == 32
    assert before <= first["time_filter"]["start_time"] <= time.time()
    assert first["is_auto_delete"] is True
    assert first["description"] == longer["description"] == "Change 4711"
    assert answers["again"]["silence"] == first
    assert longer["rule_id"] == first["rule_id"]
    assert longer["time_filter"]["start_time"] == first["time_filter"]["start_time"]
    assert longer["time_filter"]["end_time"] >= before + 4 * HOUR
    assert answers["longer"]["until"] == time.strftime(
        "%Y-%m-%dT%H:%M:%SZ", time.gmtime(longer["time_filter"]["end_time"])
    )
    assert answers["other labels"]["silence"]["filters"] == [
        [
            {"key": "labels.resource", "oper": "IN", "vals": ["db1", "db2"]},
            {"key": "labels.team", "oper": "IN", "vals": ["dba"]},
        ]
    ]
    assert answers["remove again"]["silence"] is None
    assert flashduty.silences() == []
    assert problems_of_calls(flashduty.requests()) == []
    assert all(request["key_valid"] for request in flashduty.requests())


@pytest.mark.any_core
def test_a_wrong_silence_is_an_error_and_nothing_is_written(
    playground: Playground,
) -> None:
    wrong: dict[str, tuple[Task, str]] = {
        "long name": (silence(**{"for": "2h"}, name="x" * 40), "1 to 39"),
        "no end": (silence(), "exactly one of for and until"),
        "both ends": (silence(**{"for": "2h"}, until=2_000_000_000), "mutually"),
        "no zone": (silence(until="2036-12-01T04:00:00"), "time zone"),
        "no duration": (silence(**{"for": "soon"}), "for is"),
        "no condition": (silence(**{"for": "2h"}, labels={}), "labels or filters"),
        "wrong key": (
            silence(**{"for": "2h"}, filters=[[{"key": "resource", "vals": ["x"]}]]),
            "labels.resource",
        ),
        "no channel": (silence(**{"for": "2h"}, channel="Database"), "no channel"),
    }

    answers = perform(playground, {name: task for name, (task, _text) in wrong.items()})

    for name, (_task, text) in wrong.items():
        assert answers[name]["failed"] and text in answers[name]["msg"], answers[name]
    assert playground.flashduty.silences() == []


@pytest.mark.any_core
def test_until_and_filters_and_discard(playground: Playground) -> None:
    answers = perform(
        playground,
        {
            "set": silence(
                until="2036-12-01T04:00:00+08:00",
                filters=[[{"key": "severity", "oper": "NOTIN", "vals": ["Critical"]}]],
                discard=True,
            ),
            "again": silence(
                until=2_111_601_600,
                filters=[[{"key": "severity", "oper": "NOTIN", "vals": ["Critical"]}]],
                discard=True,
            ),
        },
    )

    assert answers["set"]["until"] == "2036-11-30T20:00:00Z"
    assert answers["set"]["silence"]["is_directly_discard"] is True
    assert answers["again"]["changed"] is False


# Each fault with what a person reads. The first call of each module meets it.
FAULTS: dict[str, tuple[Task, str, tuple[str, ...]]] = {
    "401": (
        {"kind": "error", "code": "Unauthorized"},
        "Unauthorized",
        ("refused the request", "(HTTP 401, request", "Check app_key"),
    ),
    "403": (
        {"kind": "error", "code": "AccessDenied"},
        "AccessDenied",
        ("(HTTP 403, request", "right to manage the channel"),
    ),
    "429": (
        {"kind": "rate_limit", "retry_after": "3"},
        "RequestTooFrequently",
        ("(HTTP 429, request", "50 a second and 1,000 a minute"),
    ),
    "500": ({"kind": "error"}, "InternalError", ("(HTTP 500, request", "later")),
    "HTML": ({"kind": "html"}, "UnexpectedResponse", ("an HTML page (HTTP 502)",)),
    "echo": ({"kind": "echo_url"}, "UnexpectedResponse", ("an HTML page (HTTP 502)",)),
    "redirect": (
        {"kind": "redirect", "location": "https://example.org/"},
        "UnexpectedResponse",
        ("redirect to example.org", "hand over the app key"),
    ),
    "hang": ({"kind": "hang"}, "Timeout", ("did not answer within 1 second",)),
    "reset": (
        {"kind": "reset"},
        "ConnectionFailed",
        ("Cannot reach http://127.0.0.1",),
    ),
}


@pytest.mark.any_core
def test_faults_are_said_and_the_app_key_is_not(playground: Playground) -> None:
    flashduty = playground.flashduty
    tasks: dict[str, Task] = {}
    for name in FAULTS:
        tasks[f"{name} silence"] = silence(**{"for": "2h"}, timeout=1)
        tasks[f"{name} alerts"] = alerts(timeout=1)
    flashduty.misbehave(
        *(
            {**fault, "match": {"kind": "open_api"}}
            for fault, _code, _texts in FAULTS.values()
            for _twice in range(2)
        )
    )

    answers = perform(playground, tasks)

    for name, (_fault, code, texts) in FAULTS.items():
        for module in ("silence", "alerts"):
            result = answers[f"{name} {module}"]
            assert result["failed"] and result["error"]["code"] == code, result
            assert not [text for text in texts if text not in result["msg"]], result


@pytest.mark.any_core
def test_a_wrong_or_missing_app_key_is_said(playground: Playground) -> None:
    key_file = playground.write("app_key", f"{APP_KEY}\n")
    tasks = {
        "wrong": alerts(app_key="f00dfeedf00dfeedf00dfeed"),
        "file": alerts(app_key_file="app_key"),
        "two": alerts(app_key="another", app_key_file=str(key_file)),
        "no file": alerts(app_key_file="nothing"),
    }

    answers = perform(playground, tasks)
    without = perform(
        playground, {"none": alerts()}, environment={"FLASHDUTY_APP_KEY": ""}
    )

    assert answers["wrong"]["error"]["code"] == "Unauthorized"
    assert "f00dfeed" not in answers.written
    assert answers["file"]["alerts"] == []
    assert "name different app keys" in answers["two"]["msg"]
    assert "cannot be read" in answers["no file"]["msg"]
    assert "There is no app key" in without["none"]["msg"]
    assert "FLASHDUTY_APP_KEY" in without["none"]["msg"]


@pytest.mark.any_core
def test_app_keys_of_all_places_are_masked_in_events(playground: Playground) -> None:
    """The callback and modules that do not use it know it all the same: its file, its option, its variable."""
    flashduty = playground.flashduty
    in_file, in_task = "c0ffee-in-a-file-0123", "c0ffee-in-a-task-4567"
    playground.write("keys/app_key", f"{in_file}\n")
    playground.write("keys/task", f"{in_task}\n")
    text = f"{APP_KEY} {quote(APP_KEY, safe='')} {in_file}"
    event = {
        "title_rule": "t",
        "event_status": "Info",
        "description": f"{text} {in_task}",
    }
    event_task = playground.task("alert_event", **event, app_key_file="keys/task")

    perform(
        playground,
        {
            "event": {**event_task, "no_log": True},
            "fails": {"ansible.builtin.fail": {"msg": f"Denied: {in_file}"}},
        },
        environment={
            "FLASHDUTY_PUSH_URL": flashduty.push_url,
            "ANSIBLE_CALLBACKS_ENABLED": CALLBACK,
            "FLASHDUTY_REPORT_IGNORED": "true",
        },
        config="[flashduty]\napp_key_file = keys/app_key\n",
    )

    descriptions = [one["description"] for one in flashduty.events()]
    assert descriptions[0] == "[hidden] [hidden] [hidden] [hidden]"
    assert "Denied: [hidden]\n" in descriptions[1]


@pytest.mark.any_core
def test_a_create_that_timed_out_and_arrived_is_not_made_twice(
    playground: Playground,
) -> None:
    flashduty = playground.flashduty
    late = {
        "kind": "hang",
        "accept": True,
        "seconds": 5,
        "match": {"rule_name": "patch db1"},
    }
    flashduty.misbehave(late)

    answers = perform(
        playground,
        {"set": silence(**{"for": "2h"}, timeout=1, retries=2)},
    )

    assert answers["set"]["changed"] is True
    assert len(flashduty.silences()) == 1


@pytest.mark.any_core
def test_what_is_read_back_otherwise_is_an_error_that_names_it(
    playground: Playground,
) -> None:
    flashduty = playground.flashduty
    other = {
        "rule_id": "65f0c0ffee65f0c0ffee0001",
        "rule_name": "patch db1",
        "description": "",
        "time_filter": {"start_time": 1, "end_time": 9_000_000_000},
        "filters": [[{"key": "labels.resource", "oper": "IN", "vals": ["db2"]}]],
        "status": "enabled",
    }
    body = json.dumps({"request_id": "r1", "data": {"items": [other]}})
    # The list before, and again after the update.
    flashduty.misbehave(
        {"kind": "answer", "body": body, "match": {"kind": "open_api"}},
        {"kind": "answer", "body": '{"request_id": "r2", "data": null}'},
        {"kind": "answer", "body": body, "match": {"kind": "open_api"}},
    )

    answers = perform(
        playground,
        {
            "set": {
                "flashcat.flashduty.silence": {
                    "channel_id": 1001,
                    "name": "patch db1",
                    "labels": {"resource": "db1"},
                    "for": "2h",
                }
            }
        },
    )

    assert answers["set"]["error"]["code"] == "SilenceDiffers"
    assert "filters is [[['labels.resource', 'IN', ['db2']]]]" in answers["set"]["msg"]


def test_alerts_are_listed_and_gate_a_deployment(playground: Playground) -> None:
    flashduty = playground.flashduty
    now = int(time.time())
    push(flashduty, alert_key="old", event_time=now - 40 * 86400)
    push(flashduty, alert_key="older", event_time=now - 100 * 86400)
    push(flashduty, alert_key="new", event_time=now - 60, labels={"service": "shop"})
    push(flashduty, alert_key="info", event_status="Info", event_time=now - 50)
    push(flashduty, alert_key="over", event_time=now - 45)
    push(flashduty, alert_key="over", event_status="Ok", event_time=now - 44)

    answers = perform(
        playground,
        {
            "all": alerts(),
            "in check mode": {**alerts(), "check_mode": True},
            "long ago": alerts(since="200d"),
            "severity": alerts(severity=["Critical"], since="1d"),
            "labels": alerts(labels={"service": ["shop", "search"]}),
            "keys": alerts(keys=["old", "info"], channel=CHANNEL),
            "no keys": alerts(keys=[]),
            "other channel": alerts(channel_id=1002),
            "closed, too": alerts(open=False, since="1d"),
            "limited": alerts(limit=2),
        },
    )

    found = {
        name: [alert["key"] for alert in result["alerts"]]
        for name, result in answers.results.items()
    }
    assert found == {
        "all": ["info", "new", "old"],
        "in check mode": ["info", "new", "old"],
        "long ago": ["info", "new", "old", "older"],
        "severity": ["new"],
        "labels": ["new"],
        "keys": ["info", "old"],
        "no keys": [],
        "other channel": [],
        "closed, too": ["over", "info", "new"],
        "limited": ["info", "new"],
    }
    assert [answers[name]["truncated"] for name in ("all", "limited")] == [False, True]
    assert not any(result["changed"] for result in answers.results.values())
    new = answers["labels"]["alerts"][0]
    assert new["incident"]["progress"] == "Triggered"
    assert new["incident"]["link"].endswith(new["incident"]["id"])
    assert (new["channel"], new["event_count"], new["open"]) == (CHANNEL, 1, True)
    assert problems_of_calls(flashduty.requests()) == []
