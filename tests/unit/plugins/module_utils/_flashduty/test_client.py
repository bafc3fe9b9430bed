# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client against a real server, on its good days and its bad ones."""

from __future__ import annotations

import email.utils
import json
import logging
import socket
import subprocess
import sys
import time
import traceback
import typing as t
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.api_errors import (
    API_ERRORS,
    ApiError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.client import (
    Client,
    parse_retry_after,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.clock import (
    Clock,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
    PATHS,
    Connection,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
    ConnectionFailed,
    FlashdutyError,
    TimeoutReached,
    UnexpectedResponse,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    AlertEvent,
    ChangeEvent,
)

from tests.emulator.control import Emulator

from .conftest import Proxy, Server, connection_to

EVENT = AlertEvent.create(
    title_rule="磁盘满 on wëb1 😀", event_status="Critical", alert_key="k1"
)


@dataclass
class PatientClock:
    """A clock that does not wait, and remembers for how long it should have."""

    waits: list[float] = field(default_factory=list)

    def clock(self) -> Clock:
        return Clock(sleep=self.waits.append, jitter=lambda: 0.0)


def send(emulator: Emulator, clock: Clock | None = None, **options: t.Any) -> t.Any:
    connection = connection_to(emulator, **options)
    with Client(connection, clock=clock or PatientClock().clock()) as client:
        return client.send(EVENT)


def failure(connection: Connection) -> FlashdutyError:
    """Return how one attempt ends."""
    with Client(connection) as client, pytest.raises(FlashdutyError) as caught:
        client.attempt(b"{}")
    return caught.value


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


# -- a good day


def test_an_accepted_event_has_a_receipt(flashduty: Emulator) -> None:
    receipt = send(flashduty)

    (request,) = flashduty.requests()
    assert receipt.request_id == flashduty.events()[0]["request_id"]
    assert (receipt.http_status, receipt.attempts) == (200, 1)
    assert receipt.alert_key == "k1"
    assert request["body"] == EVENT.payload()
    assert (request["method"], request["path"]) == ("POST", PATHS["alert"])


def test_the_event_arrives_as_unicode(flashduty: Emulator) -> None:
    send(flashduty)

    assert flashduty.alerts()[0]["title"] == "磁盘满 on wëb1 😀"


def test_a_change_goes_to_the_integration_for_changes(flashduty: Emulator) -> None:
    event = ChangeEvent.create(change_key="C1", change_status="Done", title="Deploy")

    with Client(connection_to(flashduty, "change")) as client:
        client.send(event)

    assert flashduty.change_events()[0]["change_key"] == "C1"


def test_a_client_keeps_its_connection(flashduty: Emulator) -> None:
    before = flashduty.counts()["connections"]

    with Client(connection_to(flashduty)) as client:
        for _number in range(5):
            client.send(EVENT)

    # One more is the question for the counts.
    assert flashduty.counts()["connections"] - before <= 2


def test_a_connection_that_the_server_has_closed_meanwhile_is_made_anew() -> None:
    with Emulator() as emulator, Client(connection_to(emulator)) as client:
        client.send(EVENT)
        emulator.restart()

        assert client.send(EVENT).attempts == 1


def test_a_key_with_odd_characters_arrives() -> None:
    key = "a b+c/d%e&f=é"
    with Emulator(alert_keys=[key]) as emulator:
        assert send(emulator).request_id


# -- no answer


def test_a_refused_connection_is_told_as_such() -> None:
    address = f"http://127.0.0.1:{unused_port()}"

    error = failure(Connection("key", f"{address}/x"))

    assert isinstance(error, ConnectionFailed)
    assert str(error) == (
        f"Cannot reach {address}: connection refused."
        " Check the network, the firewall and the proxy, and api_url or push_url."
    )
    assert (error.code, error.retryable) == ("ConnectionFailed", True)


def test_an_unknown_name_is_told_as_such() -> None:
    error = failure(Connection("key", "http://flashduty.invalid/x"))

    assert "flashduty.invalid: name not resolved" in str(error)
    assert error.code == "ConnectionFailed"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "reset"}, "connection reset"),
        (
            {"kind": "drop", "when": "before"},
            "connection closed before the answer was complete",
        ),
        (
            {"kind": "drop", "when": "after"},
            "connection closed before the answer was complete",
        ),
        ({"kind": "truncated"}, "connection closed before the answer was complete"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value.values()),
)
def test_a_broken_connection_is_told_as_such(
    flashduty: Emulator, connection: Connection, fault: dict[str, t.Any], words: str
) -> None:
    flashduty.misbehave(fault)

    error = failure(connection)

    assert isinstance(error, ConnectionFailed)
    assert words in str(error)
    assert error.retryable


def test_a_server_that_hangs_is_left_in_time(flashduty: Emulator) -> None:
    flashduty.misbehave({"kind": "hang", "seconds": 20})
    started = time.monotonic()

    error = failure(connection_to(flashduty, timeout=0.3))

    assert isinstance(error, TimeoutReached)
    assert str(error).startswith(f"{flashduty.url} did not answer within 0.3 seconds.")
    assert (error.code, error.retryable) == ("Timeout", True)
    assert time.monotonic() - started < 10
    flashduty.behave()


def test_an_answer_in_drops_is_not_waited_for_longer(flashduty: Emulator) -> None:
    flashduty.misbehave({"kind": "dribble", "seconds": 0.1})
    started = time.monotonic()

    error = failure(connection_to(flashduty, timeout=0.5))

    assert isinstance(error, TimeoutReached)
    assert time.monotonic() - started < 10


def test_a_slow_answer_in_time_is_one(flashduty: Emulator) -> None:
    flashduty.misbehave({"kind": "dribble", "seconds": 0.01, "bytes": 10})

    assert send(flashduty, timeout=5).attempts == 1


def test_headers_in_drops_are_not_waited_for_longer() -> None:
    def dribble(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(b"HTTP/1.1 200 OK\r\n")
        for _number in range(200):
            client.sendall(b"X-Drop: 1\r\n")
            time.sleep(0.05)

    with Server(dribble) as server:
        started = time.monotonic()
        error = failure(Connection("key", server.url, timeout=0.5))

    assert isinstance(error, TimeoutReached)
    assert time.monotonic() - started < 10


def test_a_connection_that_comes_not_about_is_given_up_in_time() -> None:
    with socket.socket() as full, socket.socket() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # The only place in the queue is taken, so the next one gets no answer.
        waiting.connect(full.getsockname())
        started = time.monotonic()

        error = failure(
            Connection("key", f"http://127.0.0.1:{full.getsockname()[1]}/", timeout=0.3)
        )

    assert isinstance(error, TimeoutReached)
    assert time.monotonic() - started < 10


def test_the_timeout_starts_anew_for_each_answer(flashduty: Emulator) -> None:
    flashduty.misbehave({"kind": "latency", "seconds": 0.4, "times": 3})

    with Client(connection_to(flashduty, timeout=0.8)) as client:
        for _number in range(3):
            client.attempt(b'{"title_rule": "t", "event_status": "Info"}')


# -- an answer that is not Flashduty's


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "html"}, "an HTML page (HTTP 502)"),
        ({"kind": "html", "http": 503}, "an HTML page (HTTP 503)"),
        ({"kind": "html", "http": 200}, "an HTML page (HTTP 200)"),
        ({"kind": "echo_url"}, "an HTML page (HTTP 502)"),
        ({"kind": "empty"}, "an empty body (HTTP 200)"),
        ({"kind": "empty", "http": 504}, "an empty body (HTTP 504)"),
        ({"kind": "flood"}, "something that is not JSON (application/json) (HTTP 200)"),
        ({"kind": "answer", "body": '{"ok": true}'}, "JSON that is not Flashduty's"),
        ({"kind": "answer", "body": "[1]"}, "something that is not JSON"),
        (
            {"kind": "answer", "body": "sorry", "content_type": "text/plain"},
            "something that is not JSON (text/plain)",
        ),
        ({"kind": "answer", "body": "[" * 60_000}, "something that is not JSON"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else value["kind"],
)
def test_an_answer_of_somebody_else_is_told_as_such(
    flashduty: Emulator, connection: Connection, fault: dict[str, t.Any], words: str
) -> None:
    flashduty.misbehave(fault)

    error = failure(connection)

    assert isinstance(error, UnexpectedResponse)
    assert words in str(error) or fault["kind"] == "flood"
    assert error.http_status == fault.get("http", 502 if "HTTP 502" in words else 200)
    assert (error.code, error.retryable) == ("UnexpectedResponse", True)


def test_what_is_not_http_at_all_is_a_failed_connection() -> None:
    def greet(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(b"220 mail.example ESMTP\r\n")

    with Server(greet) as server:
        error = failure(Connection("key", server.url))

    assert isinstance(error, ConnectionFailed)


def test_a_redirect_is_not_followed(flashduty: Emulator) -> None:
    with Emulator() as elsewhere:
        flashduty.misbehave({"kind": "redirect", "location": elsewhere.push_url})
        error = failure(connection_to(flashduty))

        assert elsewhere.requests() == []
    assert "a redirect to 127.0.0.1 (HTTP 302)" in str(error)
    assert "not followed" in str(error)
    assert (error.code, error.retryable) == ("UnexpectedResponse", False)


def test_a_redirect_into_nowhere_is_an_answer_like_any(flashduty: Emulator) -> None:
    for location in ("", "http://[", "//", "/log-in"):
        flashduty.misbehave({"kind": "redirect", "location": location})

        assert isinstance(failure(connection_to(flashduty)), UnexpectedResponse)


# -- Flashduty says no


@pytest.mark.parametrize("code", API_ERRORS)
@pytest.mark.parametrize("http_status", [None, 200])
def test_an_error_is_one_whatever_its_status(
    flashduty: Emulator, connection: Connection, code: str, http_status: int | None
) -> None:
    flashduty.misbehave({"kind": "error", "code": code, "http": http_status})

    error = failure(connection)

    (request,) = flashduty.requests()
    assert isinstance(error, ApiError)
    assert error.code == code
    assert error.request_id == request["answer"]["request_id"]
    assert error.http_status == (http_status or API_ERRORS[code].http_status)
    for fact in (code, f"HTTP {error.http_status}", str(error.request_id), error.hint):
        assert fact in str(error)


def test_a_wrong_key_is_not_tried_again(flashduty: Emulator) -> None:
    clock = PatientClock()

    with pytest.raises(ApiError) as caught:
        send(flashduty, clock.clock(), integration_key="0" * 32)

    assert caught.value.code == "InvalidParameter"
    assert "integration_key or push_url" in caught.value.hint
    assert caught.value.attempts == 1
    assert clock.waits == []


@pytest.mark.parametrize(
    "answer",
    [
        '{"request_id": "r1", "error": "busy"}',
        '{"request_id": "r1", "error": {"message": ["a", 1]}}',
        '{"request_id": "r1", "error": {"code": 7}}',
        '{"request_id": 5, "error": {"code": "X", "message": "\\ud800\\u0000"}}',
    ],
)
def test_an_error_of_an_unknown_form_is_one(
    flashduty: Emulator, connection: Connection, answer: str
) -> None:
    flashduty.misbehave({"kind": "answer", "body": answer})

    error = failure(connection)

    assert isinstance(error, ApiError)
    assert str(error).encode()


@pytest.mark.parametrize(
    "data", ["null", "[]", '"x"', "{}", '{"alert_key": 5}', '{"alert_key": null}']
)
def test_data_may_be_anything(
    flashduty: Emulator, connection: Connection, data: str
) -> None:
    flashduty.misbehave(
        {"kind": "answer", "body": f'{{"request_id": "r1", "data": {data}}}'}
    )

    with Client(connection) as client:
        receipt = client.attempt(b"{}")

    assert (receipt.request_id, receipt.alert_key) == ("r1", None)


def test_the_request_id_may_stand_in_the_header_alone(
    flashduty: Emulator, connection: Connection
) -> None:
    flashduty.misbehave(
        {
            "kind": "answer",
            "body": "",
            "http": 500,
            "headers": {"Flashcat-Request-Id": "r9"},
        }
    )

    error = failure(connection)

    assert error.request_id == "r9"
    assert "r9" in str(error)


# -- again


def test_a_passing_trouble_is_waited_for(flashduty: Emulator) -> None:
    clock = PatientClock()
    flashduty.misbehave({"kind": "error", "times": 2}, {"kind": "reset"})

    receipt = send(flashduty, clock.clock())

    assert receipt.attempts == 4
    assert clock.waits == [1, 2, 4]
    assert len(flashduty.alerts()) == 1


def test_an_end_is_put_to_trying(flashduty: Emulator) -> None:
    clock = PatientClock()
    flashduty.misbehave({"kind": "html", "times": 0})

    with pytest.raises(UnexpectedResponse) as caught:
        send(flashduty, clock.clock(), retries=2)

    assert caught.value.attempts == 3
    assert clock.waits == [1, 2]
    assert len(flashduty.requests()) == 3


def test_a_rate_limit_waits_as_long_as_the_server_asks(flashduty: Emulator) -> None:
    clock = PatientClock()
    flashduty.misbehave({"kind": "rate_limit", "retry_after": "7"})

    assert send(flashduty, clock.clock()).attempts == 2
    assert clock.waits == [7]


def test_a_rate_limit_without_a_time_backs_off(flashduty: Emulator) -> None:
    clock = PatientClock()
    flashduty.misbehave({"kind": "rate_limit", "times": 2})

    assert send(flashduty, clock.clock()).attempts == 3
    assert clock.waits == [1, 2]


def test_a_rate_limit_until_a_date_waits_until_then(flashduty: Emulator) -> None:
    clock = PatientClock()
    in_9_seconds = email.utils.formatdate(time.time() + 9, usegmt=True)
    flashduty.misbehave({"kind": "rate_limit", "retry_after": in_9_seconds})

    assert send(flashduty, clock.clock()).attempts == 2
    assert clock.waits == [pytest.approx(9, abs=2)]


def test_a_date_counts_by_the_clock_of_who_wrote_it(
    flashduty: Emulator, connection: Connection
) -> None:
    flashduty.misbehave(
        {
            "kind": "answer",
            "http": 503,
            "headers": {
                "Date": "Wed, 21 Oct 2015 07:28:00 GMT",
                "Retry-After": "Wed, 21 Oct 2015 07:28:05 GMT",
            },
        }
    )

    assert failure(connection).retry_after == 5


def test_too_long_a_wait_is_not_waited_for(flashduty: Emulator) -> None:
    clock = PatientClock()
    flashduty.misbehave({"kind": "rate_limit", "retry_after": "3600"})

    with pytest.raises(ApiError) as caught:
        send(flashduty, clock.clock())

    assert (caught.value.retryable, caught.value.retry_after) == (True, 3600)
    assert clock.waits == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("5", 5.0),
        (" 5 ", 5.0),
        ("2.5", 2.5),
        ("-5", 0.0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("9" * 5000, None),
        ("Thu, 01 Jan 1970 00:00:30 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:30 -0000", 20.0),
        ("Thu, 01 Jan 1970 00:00:05 GMT", 0.0),
        ("Thu, 01 Jan 99999 00:00:05 GMT", None),
        ("Thu, 01 Jan", None),
        (",", None),
    ],
)
def test_retry_after_holds_seconds_or_a_date(
    header: str | None, seconds: float | None
) -> None:
    assert parse_retry_after(header, lambda: 10.0) == seconds


# -- TLS


def test_an_unknown_authority_is_not_trusted(tls_flashduty: Emulator) -> None:
    error = failure(connection_to(tls_flashduty))

    assert isinstance(error, ConnectionFailed)
    assert ": no TLS connection (" in str(error)
    assert "certificate" in str(error)
    assert "ca_path" in error.hint
    assert tls_flashduty.requests() == []


def test_a_private_authority_can_be_trusted(tls_flashduty: Emulator) -> None:
    assert send(tls_flashduty, ca_path=str(tls_flashduty.ca_path)).request_id


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_usual_variables_name_an_authority(
    tls_flashduty: Emulator, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, str(tls_flashduty.ca_path))

    assert send(tls_flashduty).request_id


def test_a_variable_that_names_no_file_is_told(
    tls_flashduty: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")

    with pytest.raises(ConfigurationError, match="REQUESTS_CA_BUNDLE.*/nowhere/ca.pem"):
        send(tls_flashduty)


def test_validation_can_be_switched_off_without_a_warning(
    tls_flashduty: Emulator,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert send(tls_flashduty, validate_certs=False).request_id


def test_a_certificate_for_another_name_is_not_trusted() -> None:
    with Emulator(tls=True, host="127.0.0.2") as emulator:
        error = failure(connection_to(emulator, ca_path=str(emulator.ca_path)))

    assert isinstance(error, ConnectionFailed)
    assert f"{emulator.url}: no TLS connection" in str(error)


def test_a_server_may_ask_for_a_certificate_of_ours() -> None:
    with Emulator(client_certificate=True) as emulator:
        trusted: dict[str, t.Any] = {"ca_path": str(emulator.ca_path)}
        with_key: dict[str, t.Any] = {
            "client_cert": str(emulator.client_cert),
            "client_key": str(emulator.client_key),
        }
        both = Path(emulator.ca_path).with_name("both.pem")
        both.write_text(
            Path(emulator.client_cert).read_text()
            + Path(emulator.client_key).read_text()
        )

        assert isinstance(failure(connection_to(emulator, **trusted)), ConnectionFailed)
        assert send(emulator, **trusted, **with_key).request_id
        assert send(emulator, **trusted, client_cert=str(both)).request_id


@pytest.mark.parametrize("option", ["ca_path", "client_cert", "client_key"])
def test_a_missing_file_is_told_before_anything_is_sent(option: str) -> None:
    options: dict[str, t.Any] = {option: "/nowhere/x.pem"}
    connection = Connection("key", "https://127.0.0.1/", **options)

    with pytest.raises(ConfigurationError, match=f"{option}: .*/nowhere/x.pem"):
        Client(connection)


@pytest.mark.parametrize("option", ["ca_path", "client_cert"])
def test_a_file_that_is_no_certificate_is_told(
    tls_flashduty: Emulator, tmp_path: Path, option: str
) -> None:
    path = tmp_path / "x.pem"
    path.write_text("nonsense")

    error = failure(connection_to(tls_flashduty, **{option: str(path)}))

    assert isinstance(error, ConnectionFailed)
    assert option in error.hint


def test_tls_to_a_server_without_it_is_a_failed_connection(flashduty: Emulator) -> None:
    url = flashduty.url.replace("http:", "https:")

    assert isinstance(failure(Connection("key", url)), ConnectionFailed)


# -- proxies


def test_a_proxy_of_the_environment_is_used(
    flashduty: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)

        assert send(flashduty).request_id
        assert len(proxy.asked) == 1


def test_a_proxy_for_tls_sees_no_key(
    tls_flashduty: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)

        assert send(tls_flashduty, ca_path=str(tls_flashduty.ca_path)).request_id
        (head,) = proxy.asked
    assert head.startswith(f"CONNECT 127.0.0.1:{tls_flashduty.port}")
    assert tls_flashduty.alert_key not in head


@pytest.mark.parametrize("exempt", ["127.0.0.1", "127.0.0.0/8", "*"])
def test_a_host_can_be_exempt_from_the_proxy(
    tls_flashduty: Emulator, monkeypatch: pytest.MonkeyPatch, exempt: str
) -> None:
    with Proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", exempt)

        assert send(tls_flashduty, ca_path=str(tls_flashduty.ca_path)).request_id
        assert proxy.asked == []


def test_proxies_can_be_switched_off(
    tls_flashduty: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)

        ca_path = str(tls_flashduty.ca_path)
        assert send(tls_flashduty, ca_path=ca_path, use_proxy=False).request_id
        assert proxy.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{unused}",
        "http://proxy.invalid:3128",
        "socks5://127.0.0.1:{unused}",
        "nonsense://127.0.0.1:1",
        "http://:0/",
    ],
)
def test_a_proxy_that_does_not_work_is_told_as_such(
    tls_flashduty: Emulator, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url.format(unused=unused_port()))

    error = failure(connection_to(tls_flashduty))

    assert isinstance(error, ConnectionFailed)
    assert "the proxy cannot be used" in str(error)
    assert "HTTPS_PROXY" in error.hint


def test_what_a_proxy_answers_to_a_tunnel_is_told(
    tls_flashduty: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy(refusal="407 Proxy Authentication Required") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://bob:sesame@127.0.0.1:{proxy.port}")
        error = failure(connection_to(tls_flashduty))

    assert "the proxy answered with HTTP 407." in str(error)
    assert "sesame" not in str(error)
    assert "Proxy-Authorization: Basic" in proxy.asked[0]


def test_a_netrc_adds_no_credentials(
    flashduty: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login bob password sesame\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))

    send(flashduty)

    (request,) = flashduty.requests()
    assert "authorization" not in json.dumps(request["headers"]).lower()


# -- the key

FAULTS: list[dict[str, t.Any]] = [
    {"kind": "error", "message": "key {key} at {url} is bad"},
    {"kind": "error", "code": "InvalidParameter", "message": "{key} {quoted}"},
    {"kind": "error", "code": "InvalidParameter", "message": "x" * 490 + "{key}"},
    {"kind": "rate_limit", "retry_after": "1"},
    {"kind": "html"},
    {"kind": "echo_url"},
    {"kind": "empty"},
    {"kind": "truncated"},
    {"kind": "drop"},
    {"kind": "reset"},
    {"kind": "hang"},
    {"kind": "dribble", "seconds": 1},
    {"kind": "redirect", "location": "http://{key}.example/{url}"},
    {"kind": "answer", "body": "{url}", "content_type": "text/{key}"},
    {
        "kind": "answer",
        "body": '{{"request_id": "{key}", "error": {{"code": "{key}", "message": ["{url}"]}}}}',
    },
    {"kind": "answer", "http": 500, "headers": {"Flashcat-Request-Id": "{key}"}},
]


def filled_in(value: t.Any, **words: str) -> t.Any:
    if isinstance(value, dict):
        return {name: filled_in(item, **words) for name, item in value.items()}
    return value.format(**words) if isinstance(value, str) else value


def everything_said(error: BaseException, records: list[logging.LogRecord]) -> str:
    chain = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    logged = [f"{record.getMessage()} {record.args}" for record in records]
    facts = error.as_result() if isinstance(error, FlashdutyError) else ""
    return "\n".join([chain, repr(error), str(error), str(facts), *logged])


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """All that is logged, as ANSIBLE_LOG_PATH would get it."""
    caplog.set_level(logging.DEBUG)
    return caplog.records


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["kind"])
@pytest.mark.parametrize("key", ["e3a17c52f09b4d68a1c45be7d2036f94", "se cret/+&é=%"])
def test_the_key_comes_out_nowhere(
    fault: dict[str, t.Any], key: str, records: list[logging.LogRecord]
) -> None:
    with key_emulator(key) as emulator:
        words = {"key": key, "quoted": quote(key, safe=""), "url": emulator.push_url}
        emulator.misbehave(filled_in(fault, **words))
        connection = connection_to(emulator, timeout=0.3)
        with pytest.raises(FlashdutyError) as caught, Client(connection) as client:
            client.attempt(b"{}")
        said = everything_said(caught.value, records) + repr((connection, client))

    for form in (key, quote(key), quote(key, safe=""), key[:16]):
        assert form not in said


_EMULATORS: dict[str, Emulator] = {}


class key_emulator:
    """The Flashduty of one key, started once."""

    def __init__(self, key: str) -> None:
        if key not in _EMULATORS:
            _EMULATORS[key] = Emulator(alert_keys=[key])
            _EMULATORS[key].start()
        self.emulator = _EMULATORS[key]

    def __enter__(self) -> Emulator:
        self.emulator.reset()
        return self.emulator

    def __exit__(self, *_exc_info: object) -> None:
        self.emulator.behave()


@pytest.fixture(scope="module", autouse=True)
def emulators() -> t.Iterator[None]:
    yield
    while _EMULATORS:
        _EMULATORS.popitem()[1].close()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{unused}/x",
        "https://127.0.0.1:{unused}/x",
        "http://flashduty.invalid/x",
        "http://" + "a" * 300 + "/x",
        "http://*.example/x",
        "ftp://127.0.0.1/x",
        "http:///x",
        "http://127.0.0.1:99999/x",
        "http://\u2603\u0300..example/x",
    ],
)
def test_the_key_comes_out_nowhere_when_there_is_nobody_to_answer(
    url: str, records: list[logging.LogRecord]
) -> None:
    key = "e3a17c52f09b4d68a1c45be7d2036f94"
    connection = Connection(key, url.format(unused=unused_port()), timeout=2)
    with pytest.raises(FlashdutyError) as caught, Client(connection) as client:
        client.attempt(b"{}")

    assert key not in everything_said(caught.value, records) + repr(connection)


def test_a_delivered_event_is_not_logged_with_the_key(
    flashduty: Emulator, records: list[logging.LogRecord]
) -> None:
    send(flashduty)

    assert all(flashduty.alert_key not in record.getMessage() for record in records)


# -- without the library


def run_python(code: str) -> str:
    core = Path(sys.modules[Client.__module__].__file__ or "").parents[1]
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=core,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return answer.stdout + answer.stderr


def test_a_missing_library_is_told() -> None:
    said = run_python("""
import sys
sys.modules["requests"] = None
from _flashduty import client, connection, errors
try:
    client.Client(connection.Connection("key", "http://x/"))
except errors.ConfigurationError as error:
    print(error)
""")

    assert said == (
        f"The Python package requests is not installed for {sys.executable}, which was to send the event."
        f" Install it there: {sys.executable} -m pip install requests.\n"
    )


def test_only_the_client_needs_the_library() -> None:
    said = run_python("""
import sys
from _flashduty import connection, errors, events, outbox, redaction, retry
print([name for name in ("requests", "urllib3", "ssl", "http.client") if name in sys.modules])
""")

    assert said == "[]\n"
