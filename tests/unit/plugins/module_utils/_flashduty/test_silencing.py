# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Silences are set, kept, extended and removed, against a real server."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.clock import (
    Clock,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
    FlashdutyError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.open_api import (
    OpenApiClient,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.open_api_connection import (
    OpenApiConnection,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.silences import (
    Silence,
    read_filters,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.silencing import (
    SilenceDiffers,
    check_channel,
    check_channel_exists,
    find_channel,
    remove_silence,
    set_silence,
)

from tests.emulator.control import Emulator

CHANNEL = 1001
NAME = "patch db1"
NOW = 1_900_000_000
HOUR = 3600
RULES = "/channel/silence/rule/"


@pytest.fixture
def client(flashduty: Emulator) -> t.Iterator[OpenApiClient]:
    connection = OpenApiConnection(
        integration_key=flashduty.app_key, url=flashduty.url, timeout=5.0, retries=1
    )
    clock = Clock(sleep=lambda _seconds: None)
    with OpenApiClient(connection, clock=clock) as client:
        yield client


def wanted(**fields: t.Any) -> Silence:
    usual = {
        "channel_id": CHANNEL,
        "name": NAME,
        "start": NOW,
        "end": NOW + HOUR,
        "filters": read_filters({"resource": "db1"}, None),
    }
    return Silence(**{**usual, **fields})


def calls(flashduty: Emulator) -> list[str]:
    return [request["path"].rpartition("/")[2] for request in flashduty.requests()]


def answer(data: t.Any) -> dict[str, str]:
    return {"kind": "answer", "body": json.dumps({"request_id": "r", "data": data})}


def repeating(client: OpenApiClient, name: str = NAME) -> None:
    client.call(
        f"{RULES}create",
        {
            "channel_id": CHANNEL,
            "rule_name": name,
            "time_filters": [{"start": "01:00", "end": "02:00", "repeat": [0]}],
            "filters": read_filters({"resource": "db1"}, None),
        },
    )


class TestChannels:
    def test_the_one_of_that_name_is_found(self, client: OpenApiClient) -> None:
        assert find_channel(client, "Database on call") == CHANNEL

    def test_what_only_resembles_it_is_not(
        self, flashduty: Emulator, client: OpenApiClient
    ) -> None:
        """The service may search by parts of a name, and answer in pages."""
        flashduty.misbehave(
            answer(
                {
                    "items": [{"channel_id": 1, "channel_name": "Storage 2"}],
                    "has_next_page": True,
                }
            ),
            answer({"items": [{"channel_id": 2, "channel_name": "Storage"}]}),
        )

        assert find_channel(client, "Storage") == 2
        assert [one["body"]["p"] for one in flashduty.requests()] == [1, 2]

    @pytest.mark.parametrize(
        ("ids", "problem"), [([], "no channel"), ([1, 2], "more than one channel")]
    )
    def test_none_and_several_are_an_error(
        self, flashduty: Emulator, client: OpenApiClient, ids: list[int], problem: str
    ) -> None:
        items = [{"channel_id": one, "channel_name": "Storage"} for one in ids]
        flashduty.misbehave(answer({"items": items}))

        with pytest.raises(ConfigurationError, match=problem):
            find_channel(client, "Storage")

    @pytest.mark.parametrize(
        ("name", "number", "problem"),
        [
            ("", None, "channel is empty"),
            (" ", None, "channel is empty"),
            (None, 0, "channel_id is 0"),
            (None, -1, "channel_id is -1"),
        ],
    )
    def test_an_empty_variable_is_no_channel(
        self, name: str | None, number: int | None, problem: str
    ) -> None:
        """The service would answer for all channels, or for none, which opens the gate of a deployment."""
        with pytest.raises(ConfigurationError, match=problem):
            check_channel(name, number)

    @pytest.mark.parametrize(
        ("name", "number"), [(None, None), ("Storage", None), (None, 1)]
    )
    def test_what_may_be_one_is_taken(
        self, name: str | None, number: int | None
    ) -> None:
        check_channel(name, number)

    def test_an_id_that_nobody_has_is_no_channel(self, client: OpenApiClient) -> None:
        check_channel_exists(client, CHANNEL)

        with pytest.raises(ConfigurationError, match="no channel of the id 999"):
            check_channel_exists(client, 999)


class TestSetting:
    def test_it_is_made_once(self, flashduty: Emulator, client: OpenApiClient) -> None:
        first = set_silence(client, wanted(), now=NOW)
        again = set_silence(client, wanted(), now=NOW)

        (silence,) = flashduty.silences()
        assert (first.changed, first.before, first.after) == (True, None, silence)
        assert (again.changed, again.before, again.after) == (False, silence, silence)
        assert first.request_id and again.request_id
        assert calls(flashduty) == ["list", "create", "list", "list"]

    def test_a_dry_run_only_lists(
        self, flashduty: Emulator, client: OpenApiClient
    ) -> None:
        outcome = set_silence(client, wanted(), now=NOW, dry=True)

        assert outcome.changed and outcome.before is None
        assert outcome.after is not None
        assert outcome.after["rule_id"] is None
        assert outcome.after["time_filter"]["end_time"] == NOW + HOUR
        assert calls(flashduty) == ["list"]

    def test_one_that_lasts_less_is_extended_and_keeps_its_start(
        self, flashduty: Emulator, client: OpenApiClient
    ) -> None:
        first = set_silence(client, wanted(), now=NOW)

        later = set_silence(
            client, wanted(start=NOW + 60, end=NOW + 2 * HOUR), now=NOW + 60
        )

        (silence,) = flashduty.silences()
        assert later.changed and later.before == first.after
        assert silence["rule_id"] == first.after["rule_id"]  # type: ignore[index]
        assert silence["time_filter"] == {
            "start_time": NOW,
            "end_time": NOW + 2 * HOUR,
        }

    def test_one_that_is_disabled_is_enabled(
        self, flashduty: Emulator, client: OpenApiClient
    ) -> None:
        first = set_silence(client, wanted(), now=NOW)
        rule_id = first.after["rule_id"]  # type: ignore[index]
        client.call(f"{RULES}disable", {"channel_id": CHANNEL, "rule_id": rule_id})

        outcome = set_silence(client, wanted(), now=NOW)

        assert outcome.changed
        assert outcome.after is not None and outcome.after["status"] == "enabled"
        assert outcome.after["rule_id"] == rule_id

    def test_one_that_repeats_is_left_alone(
        self, flashduty: Emulator, client: OpenApiClient
    ) -> None:
        repeating(client)
        before = flashduty.silences()

        with pytest.raises(ConfigurationError, match="that repeats"):
            set_silence(client, wanted(), now=NOW)

        assert flashduty.silences() == before

    def test_an_attempt_that_arrived_is_not_repeated(
        self, flashduty: Emulator, client: OpenApiClient
    ) -> None:
        flashduty.misbehave(
            {"kind": "reset", "accept": True, "match": {"rule_name": NAME}}
        )

        outcome = set_silence(client, wanted(), now=NOW)

        assert outcome.changed
        assert len(flashduty.silences()) == 1
        assert calls(flashduty).count("create") == 1

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"rule_id": "another"}, "it is not in the list of the channel"),
            ({"filters": [[]]}, "filters is"),
            ({"is_auto_delete": False}, "is_auto_delete is False instead of True"),
            ({"status": "disabled"}, "it is disabled"),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_what_is_read_back_otherwise_is_named(
        self,
        flashduty: Emulator,
        client: OpenApiClient,
        change: dict[str, t.Any],
        words: str,
    ) -> None:
        item = {**wanted().as_payload(), "rule_id": "r1", "status": "enabled"}
        flashduty.misbehave(
            answer({"items": []}),
            answer({"rule_id": "r1", "rule_name": NAME}),
            answer({"items": [{**item, **change}]}),
        )

        with pytest.raises(SilenceDiffers) as caught:
            set_silence(client, wanted(), now=NOW)

        assert words in str(caught.value)
        assert caught.value.code == "SilenceDiffers"


class TestRemoving:
    def test_it_is_removed_once(
        self, flashduty: Emulator, client: OpenApiClient
    ) -> None:
        made = set_silence(client, wanted(), now=NOW).after

        dry = remove_silence(client, CHANNEL, NAME, dry=True)
        still_there = flashduty.silences()
        removed = remove_silence(client, CHANNEL, NAME)
        again = remove_silence(client, CHANNEL, NAME)

        assert [dry.changed, removed.changed, again.changed] == [True, True, False]
        assert dry.before == removed.before == made
        assert len(still_there) == 1
        assert (removed.after, again.before) == (None, None)
        assert flashduty.silences() == []

    def test_another_name_and_one_that_repeats_stay(
        self, flashduty: Emulator, client: OpenApiClient
    ) -> None:
        repeating(client)
        set_silence(client, wanted(name="patch db2"), now=NOW)

        assert not remove_silence(client, CHANNEL, NAME).changed
        assert len(flashduty.silences()) == 2

    def test_somebody_else_was_faster(
        self, flashduty: Emulator, client: OpenApiClient
    ) -> None:
        item = {"rule_id": "65f0c0ffee65f0c0ffee0001", "rule_name": NAME}
        flashduty.misbehave(answer({"items": [item]}))

        assert remove_silence(client, CHANNEL, NAME).changed
        assert calls(flashduty) == ["list", "delete", "list"]

    def test_a_refusal_is_told_while_it_is_still_there(
        self, flashduty: Emulator, client: OpenApiClient
    ) -> None:
        made = set_silence(client, wanted(), now=NOW).after or {}
        only_delete = {"rule_id": made["rule_id"]}
        flashduty.misbehave(
            {
                "kind": "error",
                "code": "AccessDenied",
                "times": 0,
                "match": only_delete,
            }
        )

        with pytest.raises(FlashdutyError, match="AccessDenied"):
            remove_silence(client, CHANNEL, NAME)

    def test_a_service_that_says_yes_and_keeps_it_is_told(
        self, flashduty: Emulator, client: OpenApiClient
    ) -> None:
        item = {"rule_id": "65f0c0ffee65f0c0ffee0001", "rule_name": NAME}
        flashduty.misbehave(
            answer({"items": [item]}), answer(None), answer({"items": [item]})
        )

        with pytest.raises(SilenceDiffers, match="still there after its removal"):
            remove_silence(client, CHANNEL, NAME)
