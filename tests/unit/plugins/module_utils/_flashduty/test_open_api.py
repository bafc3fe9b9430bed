# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of the Open API against a real server."""

from __future__ import annotations

import json
import typing as t
from urllib.parse import quote

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.clock import (
    Clock,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    FlashdutyError,
    UnexpectedResponse,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.open_api import (
    ApiAnswer,
    OpenApiClient,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.open_api_connection import (
    OpenApiConnection,
)

from tests.emulator.control import Emulator

LIST = "/channel/list"


@pytest.fixture
def waits() -> list[float]:
    """For how long the client should have waited."""
    return []


@pytest.fixture
def client(flashduty: Emulator, waits: list[float]) -> t.Iterator[OpenApiClient]:
    connection = OpenApiConnection(
        integration_key=flashduty.app_key, url=f"{flashduty.url}/", timeout=5.0
    )
    clock = Clock(sleep=waits.append, jitter=lambda: 0.0)
    with OpenApiClient(connection, clock=clock) as client:
        yield client


def answers(flashduty: Emulator, *bodies: t.Any) -> None:
    """Let the service answer the next calls with these bodies."""
    flashduty.misbehave(
        *(
            {"kind": "answer", "body": json.dumps({"request_id": "r", "data": body})}
            for body in bodies
        )
    )


def test_a_call_returns_data_and_the_id_of_the_request(
    flashduty: Emulator, client: OpenApiClient
) -> None:
    answer = client.call(LIST, {"channel_name": "数据库", "limit": 5})

    (request,) = flashduty.requests()
    assert answer.data["items"] == []
    assert len(answer.request_id) == 32
    assert (request["method"], request["path"]) == ("POST", LIST)
    assert request["body"] == {"channel_name": "数据库", "limit": 5}
    assert request["key_valid"]


def test_no_data_is_an_empty_dictionary(
    flashduty: Emulator, client: OpenApiClient
) -> None:
    answers(flashduty, None)

    assert client.call(LIST, {}) == ApiAnswer({}, "r")


@pytest.mark.parametrize("data", [[], "text", 3, True])
def test_data_of_another_kind_is_not_asked_for_again(
    flashduty: Emulator, client: OpenApiClient, data: t.Any
) -> None:
    answers(flashduty, data)

    with pytest.raises(UnexpectedResponse, match=f"{LIST} of http://127") as caught:
        client.call(LIST, {})

    assert caught.value.retryable is False
    assert len(flashduty.requests()) == 1


def test_what_may_pass_is_tried_again_as_often_as_retries_say(
    flashduty: Emulator, client: OpenApiClient, waits: list[float]
) -> None:
    flashduty.misbehave({"kind": "error", "times": 0})

    with pytest.raises(FlashdutyError, match="HTTP 500") as caught:
        client.call(LIST, {})

    assert caught.value.attempts == len(flashduty.requests()) == 4
    assert len(waits) == 3


def test_a_limit_is_waited_for_as_long_as_the_server_asks(
    flashduty: Emulator, client: OpenApiClient, waits: list[float]
) -> None:
    flashduty.misbehave({"kind": "rate_limit", "retry_after": "7"})

    assert client.call(LIST, {}).data["items"]
    assert waits == [7.0]


def test_before_a_repetition_it_is_asked_whether_the_call_has_arrived(
    flashduty: Emulator, client: OpenApiClient
) -> None:
    flashduty.misbehave({"kind": "error"})
    asked: list[int] = []

    def arrived() -> str:
        asked.append(len(flashduty.requests()))
        return "65f0c0ffee65f0c0ffee0001"

    answer = client.call(LIST, {}, arrived=arrived)

    assert answer.data == {"rule_id": "65f0c0ffee65f0c0ffee0001"}
    # Not before the first attempt.
    assert asked == [1]
    assert len(flashduty.requests()) == 1


def test_a_call_that_has_not_arrived_is_made_again(
    flashduty: Emulator, client: OpenApiClient
) -> None:
    flashduty.misbehave({"kind": "error"})

    assert client.call(LIST, {}, arrived=lambda: None).data["items"]
    assert len(flashduty.requests()) == 2


def test_a_page_of_long_alerts_is_taken(
    flashduty: Emulator, client: OpenApiClient
) -> None:
    """The answer to an event is small, and what is longer there comes from somebody else."""
    answers(flashduty, {"items": ["x" * 10_000] * 100})

    assert len(client.call("/alert/list", {}).data["items"]) == 100


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "echo_url"},
        {"kind": "error", "code": "Unauthorized", "message": "app_key {key} is wrong"},
        {"kind": "redirect", "location": "http://127.0.0.1:9/?app_key={key}"},
        {"kind": "reset"},
    ],
    ids=lambda fault: fault["kind"],
)
def test_the_app_key_is_in_no_error(flashduty: Emulator, fault: dict[str, str]) -> None:
    key = "4f9b/2c+d8e1a7&0c63b5"
    flashduty.misbehave(
        {name: text.replace("{key}", key) for name, text in fault.items()}
    )
    connection = OpenApiConnection(integration_key=key, url=flashduty.url, retries=0)

    with OpenApiClient(connection) as client, pytest.raises(FlashdutyError) as caught:
        client.call(LIST, {})

    shown = f"{caught.value} {caught.value.as_dict()} {caught.value!r} {connection}"
    assert [
        form for form in (key, quote(key, safe=""), quote(key)) if form in shown
    ] == []
