# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of alerts: windows, pages, and what the service cannot compare."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.alert_lists import (
    LONGEST_WINDOW,
    Query,
    console_of,
    describe,
    find,
    read_labels,
    read_since,
    windows,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
    UnexpectedResponse,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_800_000_000
DAY = 86400
Item = dict[str, t.Any]


class Service:
    """The list call of the service: it takes windows of 31 days, and answers in pages."""

    def __init__(self, alerts: list[Item], *, page: int = 2) -> None:
        self.alerts = sorted(alerts, key=lambda one: -one["last_time"])
        self.page = page
        self.asked: list[Item] = []

    def ask(self, payload: Item) -> Item:
        self.asked.append(payload)
        assert payload["end_time"] - payload["start_time"] <= LONGEST_WINDOW
        found = [
            one
            for one in self.alerts
            if payload["start_time"] <= one["last_time"] <= payload["end_time"]
            and one["alert_key"] in payload.get("alert_keys", [one["alert_key"]])
        ]
        at = int(payload.get("search_after_ctx", 0))
        rest = len(found) > at + self.page
        return {
            "items": found[at : at + self.page],
            "has_next_page": rest,
            "search_after_ctx": str(at + self.page) if rest else "",
        }


def alert(number: int, *, age: float = 0, **fields: t.Any) -> Item:
    return {
        "alert_id": str(number),
        "alert_key": f"key{number}",
        "last_time": NOW - int(age),
        **fields,
    }


def numbers(query: Query, service: Service) -> list[int]:
    return [int(one["alert_id"]) for one in find(query, service.ask, now=NOW)]


@given(span=st.integers(0, 400 * DAY))
def test_windows_cover_the_span_and_are_as_long_as_allowed(span: int) -> None:
    found = list(windows(NOW - span, NOW))

    assert found[-1][0] == NOW - span
    assert found[0][1] >= NOW
    assert all(0 < end - start <= LONGEST_WINDOW for start, end in found)
    assert [end for _start, end in found[1:]] == [start for start, _end in found[:-1]]


@given(ages=st.lists(st.integers(0, 100 * DAY), max_size=12), page=st.integers(1, 5))
def test_every_alert_is_found_once_and_the_newest_first(
    ages: list[int], page: int
) -> None:
    service = Service([alert(n, age=age) for n, age in enumerate(ages)], page=page)

    found = [ages[n] for n in numbers(Query(NOW - 100 * DAY), service)]

    assert found == sorted(ages)


def test_the_question_is_what_the_service_takes() -> None:
    service = Service([])
    query = Query(
        NOW - DAY, keys=("a", "b"), severities=("Critical", "Warning"), channel_id=7
    )

    assert numbers(query, service) == []
    assert service.asked == [
        {
            "start_time": NOW - DAY,
            "end_time": NOW + 60,
            "by_updated_at": True,
            "orderby": "updated_at",
            "asc": False,
            "limit": 100,
            "is_active": True,
            "alert_keys": ["a", "b"],
            "alert_severity": "Critical,Warning",
            "channel_ids": [7],
        }
    ]


def test_many_keys_are_asked_for_in_parts() -> None:
    service = Service([alert(n) for n in range(150)], page=100)
    query = Query(NOW - DAY, keys=tuple(f"key{n}" for n in range(150)))

    assert len(numbers(query, service)) == 150
    assert [len(asked["alert_keys"]) for asked in service.asked] == [100, 50]


def test_labels_are_compared_here() -> None:
    service = Service(
        [
            alert(1, labels={"service": "shop", "env": "prod"}),
            alert(2, labels={"service": "shop"}),
            alert(3, labels={"service": "search", "env": "prod"}),
            alert(4),
        ]
    )
    labels = read_labels({"service": "shop", "env": ["prod", "stage"]})

    assert numbers(Query(NOW - DAY, labels=labels), service) == [1]


def test_a_cursor_that_does_not_move_is_an_error() -> None:
    """A list that is too short would open the gate of a deployment."""
    asked: list[Item] = []

    def ask(payload: Item) -> Item:
        asked.append(payload)
        return {"items": [], "has_next_page": True, "search_after_ctx": "same"}

    with pytest.raises(UnexpectedResponse, match="goes on"):
        list(find(Query(NOW - DAY), ask, now=NOW))
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        (None, NOW - 90 * DAY),
        ("2d", NOW - 2 * DAY),
        (3600, NOW - 3600),
        ("2027-01-15T09:00:00+02:00", NOW - 3600),
        (NOW - 5, NOW - 5),
        (str(NOW - 5), NOW - 5),
    ],
)
def test_since_is_a_duration_or_a_time(since: t.Any, expected: float) -> None:
    assert read_since(since, now=NOW) == expected


@pytest.mark.parametrize(
    "since",
    ["yesterday", "2027-01-15T09:00:00", "2030-01-01T00:00:00Z", 0, True, NOW * 1000],
)
def test_another_since_is_an_error(since: t.Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_since(since, now=NOW)

    assert caught.value.option == "since"


@pytest.mark.parametrize("value", [None, [], {"a": 1}, [["a"]]], ids=str)
def test_a_label_without_a_value_is_an_error(value: t.Any) -> None:
    with pytest.raises(ConfigurationError, match="labels.team"):
        read_labels({"team": value})


def test_an_alert_is_described() -> None:
    item = {
        "alert_id": "65f0c0ffee65f0c0ffee0001",
        "alert_key": "ansible:v2:1",
        "title": "Disk full",
        "alert_severity": "Critical",
        "alert_status": "Critical",
        "start_time": 1_800_000_000,
        "last_time": 1_800_000_060,
        "end_time": 0,
        "labels": {"resource": "db1"},
        "ever_muted": True,
        "event_cnt": 2,
        "channel_id": 7,
        "channel_name": "Database on call",
        "incident": {"incident_id": "abc", "title": "Disk", "progress": "Triggered"},
    }

    shown = describe(item, console=console_of("https://api.flashcat.cloud/"))

    assert shown["key"] == "ansible:v2:1"
    assert (shown["started"], shown["last"], shown["ended"]) == (
        "2027-01-15T08:00:00Z",
        "2027-01-15T08:01:00Z",
        None,
    )
    assert (shown["open"], shown["silenced"], shown["event_count"]) == (True, True, 2)
    assert shown["incident"] == {
        "id": "abc",
        "title": "Disk",
        "progress": "Triggered",
        "link": "https://app.flashcat.cloud/incident/detail/abc",
    }


def test_an_alert_without_an_incident_has_none() -> None:
    shown = describe({"alert_key": "a"}, console="https://flashduty.example.com")

    assert shown["incident"] is None
    assert shown["labels"] == {}
