# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The emulator on a real socket: answers, faults, and what it shows of them."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import threading
import time
import typing as t

import pytest

from tests.emulator.control import Emulator, EmulatorError
from tests.emulator.service import ERRORS

if t.TYPE_CHECKING:
    from .conftest import Client

REQUEST_ID = re.compile(r"[0-9a-f]{32}\Z")


# --- answers ---


def test_an_accepted_event_is_answered_with_request_id_and_alert_key(
    client: Client,
) -> None:
    answer = client.push()

    assert answer.status == 200
    assert answer.json == {
        "request_id": answer.headers["Flashcat-Request-Id"],
        "data": {"alert_key": "disk"},
    }
    assert REQUEST_ID.match(answer.json["request_id"])
    assert answer.headers["Content-Type"] == "application/json"


def test_an_accepted_change_is_answered_with_the_request_id(client: Client) -> None:
    answer = client.push_change()

    assert answer.status == 200
    assert answer.json == {"request_id": answer.headers["Flashcat-Request-Id"]}


def test_a_wrong_key_is_answered_as_documented(
    emulator: Emulator, client: Client
) -> None:
    answer = client.push(url=emulator.push_url.replace(emulator.alert_key, "wrong"))

    assert answer.status == 400
    assert answer.json == {
        "request_id": answer.headers["Flashcat-Request-Id"],
        "error": {
            "code": "InvalidParameter",
            "message": "integration_key is not a valid one",
        },
    }
    assert emulator.requests()[-1]["key_valid"] is False


@pytest.mark.parametrize("kind", ["alert", "change"])
def test_the_key_of_the_other_kind_is_a_wrong_key(
    emulator: Emulator, client: Client, kind: str
) -> None:
    alert_url = emulator.push_url.replace(emulator.alert_key, emulator.change_key)
    change_url = emulator.change_push_url.replace(
        emulator.change_key, emulator.alert_key
    )

    answer = (
        client.push(url=alert_url)
        if kind == "alert"
        else client.push_change(url=change_url)
    )

    assert answer.json["error"]["message"] == "integration_key is not a valid one"
    assert emulator.requests()[-1]["key_valid"] is False


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_another_method_is_not_allowed(client: Client, method: str) -> None:
    answer = client.send(method)

    assert answer.status == 400
    assert answer.json["error"]["code"] == "MethodNotAllowed"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/"),
        ("POST", "/event/push/alert"),
        ("POST", "/event/push/alert/standard/"),
        ("GET", "/favicon.ico"),
    ],
)
def test_another_path_is_not_found(client: Client, method: str, path: str) -> None:
    answer = client.send(method, f"{client.emulator.url}{path}")

    assert answer.status == 404
    assert answer.json["error"]["code"] == "RouteNotFound"


def test_another_content_type_is_refused(client: Client) -> None:
    answer = client.send(body=b"{}", headers={"Content-Type": "text/plain"})

    assert answer.status == 400
    assert answer.json["error"]["code"] == "InvalidContentType"


def test_a_huge_body_is_refused(client: Client) -> None:
    answer = client.send(body=b'{"title_rule": "' + b"x" * 2_000_000 + b'"}')

    assert answer.status == 400
    assert answer.json["error"]["message"] == "the body is too large"


def test_a_connection_serves_many_requests(emulator: Emulator, client: Client) -> None:
    connection = client.connect()
    body = json.dumps({"title_rule": "t", "event_status": "Info"}).encode()

    answers = [client.send(body=body, connection=connection) for _index in range(5)]
    connection.close()

    assert [answer.status for answer in answers] == [200] * 5
    assert emulator.counts()["connections"] == 1
    assert len({request["client"] for request in emulator.requests()}) == 1


def test_requests_through_a_proxy_are_served(
    emulator: Emulator, client: Client
) -> None:
    connection = client.connect()
    body = json.dumps({"title_rule": "t", "event_status": "Info"})
    connection.request(
        "POST",
        "http://api.example.com/event/push/alert/standard"
        f"?integration_key={emulator.alert_key}",
        body,
        {"Content-Type": "application/json", "Host": "api.example.com"},
    )

    status = connection.getresponse().status
    connection.close()

    assert status == 200
    assert emulator.requests()[-1]["absolute"] is True


# --- what is shown ---


def test_accepted_events_are_shown_as_they_came(
    emulator: Emulator, client: Client
) -> None:
    answer = client.push(labels={"host": "db1"})

    (event,) = emulator.events()
    assert event["title_rule"] == "Disk full"
    assert event["labels"] == {"host": "db1"}
    assert event["request_id"] == answer.json["request_id"]
    assert time.time() - event["received_at"] < 60
    assert emulator.change_events() == []


def test_requests_are_shown_with_what_they_were_answered(
    emulator: Emulator, client: Client
) -> None:
    answer = client.push(event_status="bad")

    (request,) = emulator.requests()
    assert request["method"] == "POST"
    assert request["path"] == "/event/push/alert/standard"
    assert request["query"] == {}
    assert request["headers"]["Content-Type"] == "application/json"
    assert request["body"]["event_status"] == "bad"
    assert request["key_valid"] is True
    assert request["status"] == 400
    assert request["answer"] == answer.json
    assert request["received_at"] <= request["answered_at"]
    assert emulator.events() == []


def test_no_key_is_shown_wherever_it_was(emulator: Emulator, client: Client) -> None:
    client.push(description=f"see {emulator.push_url}")
    client.push_change(description=emulator.change_key)
    client.send("GET", f"{emulator.url}/{emulator.alert_key}")
    emulator.misbehave({"kind": "echo_url"})
    client.push()

    page = client.send("GET", f"{emulator.url}/_emulator/page").body.decode()
    shown = json.dumps(emulator.state()) + page

    assert emulator.alert_key not in shown
    assert emulator.change_key not in shown
    assert [request["key_leaks"] for request in emulator.requests()] == [
        ["body"],
        ["body"],
        ["path"],
        [],
    ]


def test_only_the_parts_asked_for_are_given(emulator: Emulator) -> None:
    assert emulator.state("alerts", "faults") == {
        "version": emulator.state()["version"],
        "alerts": [],
        "faults": [],
    }


def test_the_most_requests_at_once_are_counted(
    emulator: Emulator, client: Client
) -> None:
    emulator.misbehave({"kind": "latency", "seconds": 0.5, "times": 3})
    threads = [threading.Thread(target=client.push) for _index in range(3)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert emulator.counts()["max_in_flight"] == 3
    assert emulator.counts()["in_flight"] == 0


def test_a_reset_forgets_events_requests_counts_and_faults(
    emulator: Emulator, client: Client
) -> None:
    client.push()
    emulator.misbehave({"kind": "error", "times": 0})

    emulator.reset()

    state = emulator.state()
    assert [state[part] for part in ("alerts", "events", "requests", "faults")] == [
        [],
        [],
        [],
        [],
    ]
    assert state["counts"]["requests"] == 0
    assert client.push().status == 200


def test_an_alert_can_be_closed_by_hand(emulator: Emulator, client: Client) -> None:
    client.push()

    assert emulator.close_by_hand("disk") == 1
    assert emulator.close_by_hand("disk") == 0
    assert emulator.alerts()[0]["closed_by_hand"] is True


def test_a_form_of_another_site_changes_nothing(
    emulator: Emulator, client: Client
) -> None:
    client.push()

    answer = client.send(
        "POST",
        f"{emulator.url}/_emulator/reset",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )

    assert answer.status == 415
    assert len(emulator.alerts()) == 1


def test_an_unknown_page_of_the_emulator_is_not_found(client: Client) -> None:
    answer = client.send("GET", f"{client.emulator.url}/_emulator/nothing")

    assert answer.status == 404


def test_a_stream_tells_of_changes(emulator: Emulator, client: Client) -> None:
    connection = client.connect()
    connection.request("GET", "/_emulator/stream")
    stream = connection.getresponse()
    first = stream.readline()
    stream.readline()

    client.push()

    assert re.fullmatch(rb"data: \d+\n", first)
    assert re.fullmatch(rb"data: \d+\n", stream.readline())
    connection.close()


# --- faults ---


@pytest.mark.parametrize("code", ERRORS)
def test_each_documented_error_comes_with_its_status(
    emulator: Emulator, client: Client, code: str
) -> None:
    emulator.misbehave({"kind": "error", "code": code})

    answer = client.push()

    assert answer.status == ERRORS[code][0]
    assert answer.json["error"]["code"] == code
    assert answer.json["request_id"] == answer.headers["Flashcat-Request-Id"]
    assert emulator.events() == []
    assert emulator.requests()[-1]["faults"] == ["error"]


def test_an_error_may_come_with_http_200_and_a_message(
    emulator: Emulator, client: Client
) -> None:
    emulator.misbehave(
        {"kind": "error", "code": "NoLicense", "http": 200, "message": "许可证不足"}
    )

    answer = client.push()

    assert answer.status == 200
    assert answer.json["error"] == {"code": "NoLicense", "message": "许可证不足"}


@pytest.mark.parametrize(
    "retry_after", ["2", "Fri, 31 Dec 2027 23:59:59 GMT", "soon", None]
)
def test_a_rate_limit_says_when_to_come_again(
    emulator: Emulator, client: Client, retry_after: str | None
) -> None:
    emulator.misbehave({"kind": "rate_limit", "retry_after": retry_after})

    answer = client.push()

    assert answer.status == 429
    assert answer.json["error"]["code"] == "RequestTooFrequently"
    assert answer.headers["Retry-After"] == retry_after


@pytest.mark.parametrize("status", [200, 502, 503, 504])
def test_a_proxy_answers_with_html(
    emulator: Emulator, client: Client, status: int
) -> None:
    emulator.misbehave({"kind": "html", "http": status})

    answer = client.push()

    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.body.startswith(b"<html>")


def test_an_answer_may_be_empty(emulator: Emulator, client: Client) -> None:
    emulator.misbehave({"kind": "empty", "http": 503})

    answer = client.push()

    assert (answer.status, answer.body) == (503, b"")


def test_an_answer_may_be_cut_short(emulator: Emulator, client: Client) -> None:
    emulator.misbehave({"kind": "truncated"})

    with pytest.raises(http.client.IncompleteRead):
        client.push()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_connection_may_be_dropped_without_an_answer(
    emulator: Emulator, client: Client, when: str
) -> None:
    emulator.misbehave({"kind": "drop", "when": when})

    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        client.push()

    (request,) = emulator.requests()
    assert request["status"] is None
    assert (request["body"] == "") is (when == "before")


def test_a_connection_may_be_reset(emulator: Emulator, client: Client) -> None:
    emulator.misbehave({"kind": "reset"})

    with pytest.raises(ConnectionResetError):
        client.push()


def test_a_hanging_request_is_let_go_when_the_emulator_shall_behave(
    emulator: Emulator, client: Client
) -> None:
    client.timeout = 0.3
    emulator.misbehave({"kind": "hang", "seconds": 60})
    started = time.monotonic()

    with pytest.raises(TimeoutError):
        client.push()
    emulator.behave()

    assert time.monotonic() - started < 5
    assert emulator.wait_for(lambda one: one.counts()["in_flight"] == 0)


def test_a_hanging_request_ends_without_an_answer(
    emulator: Emulator, client: Client
) -> None:
    emulator.misbehave({"kind": "hang", "seconds": 0.2})

    with pytest.raises(http.client.RemoteDisconnected):
        client.push()


def test_a_late_answer_is_a_right_one(emulator: Emulator, client: Client) -> None:
    emulator.misbehave({"kind": "latency", "seconds": 0.3})
    started = time.monotonic()

    answer = client.push()

    assert answer.status == 200
    assert time.monotonic() - started >= 0.3
    assert len(emulator.alerts()) == 1


def test_a_slow_body_is_a_right_one(emulator: Emulator, client: Client) -> None:
    emulator.misbehave({"kind": "dribble", "seconds": 0.05, "bytes": 20})
    started = time.monotonic()

    answer = client.push()

    assert answer.json["data"] == {"alert_key": "disk"}
    assert time.monotonic() - started >= 0.15


def test_a_redirect_points_elsewhere(emulator: Emulator, client: Client) -> None:
    emulator.misbehave({"kind": "redirect", "location": "http://elsewhere.example/"})

    answer = client.push()

    assert answer.status == 302
    assert answer.headers["Location"] == "http://elsewhere.example/"


def test_a_proxy_may_show_the_whole_url(emulator: Emulator, client: Client) -> None:
    emulator.misbehave({"kind": "echo_url"})

    answer = client.push()

    assert answer.status == 502
    assert emulator.push_url in answer.body.decode()


def test_a_body_may_be_huge(emulator: Emulator, client: Client) -> None:
    emulator.misbehave({"kind": "flood", "bytes": 3_000_000})

    assert len(client.push().body) == 3_000_000


def test_any_answer_can_be_given(emulator: Emulator, client: Client) -> None:
    emulator.misbehave(
        {"kind": "answer", "http": 418, "body": "[1]", "headers": {"X-Tea": "green"}}
    )

    answer = client.push()

    assert (answer.status, answer.json, answer.headers["X-Tea"]) == (418, [1], "green")


@pytest.mark.parametrize(
    "fault", [{"kind": "drop"}, {"kind": "html"}, {"kind": "hang", "seconds": 0.1}]
)
def test_an_event_may_arrive_although_the_answer_goes_wrong(
    emulator: Emulator, client: Client, fault: dict[str, t.Any]
) -> None:
    emulator.misbehave({**fault, "accept": True})

    with contextlib.suppress(OSError, http.client.HTTPException):
        client.push()
    client.push()

    assert [event["outcome"] for event in emulator.events()] == ["opened", "dropped"]


def test_a_fault_for_one_key_is_not_for_another(
    emulator: Emulator, client: Client
) -> None:
    emulator.misbehave({"kind": "error", "match": {"alert_key": "b"}, "times": 0})

    statuses = [client.push(alert_key=key).status for key in "abab"]

    assert statuses == [200, 500, 200, 500]


def test_a_fault_that_is_none_is_refused_with_a_reason(emulator: Emulator) -> None:
    with pytest.raises(EmulatorError, match="The kind of a fault must be one of"):
        emulator.misbehave({"kind": "error"}, {"kind": "meteor"})

    assert emulator.state("faults")["faults"] == []


def test_a_client_that_leaves_disturbs_nobody(
    emulator: Emulator, client: Client
) -> None:
    with socket.create_connection(("127.0.0.1", emulator.port)) as rude:
        rude.sendall(
            b"POST /event/push/alert/standard HTTP/1.1\r\nHost: x\r\n"
            b"Content-Length: 1000\r\n\r\nhalf"
        )

    assert client.push().status == 200
    assert emulator.wait_for(lambda one: one.counts()["in_flight"] == 0)
