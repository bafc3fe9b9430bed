# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to change to get the silence that is wanted."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.silences import (
    CONDITION_KEYS,
    Silence,
    differences,
    only_excludes,
    plan,
    read_end,
    read_filters,
    read_name,
    silences_labels,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_800_000_000
HOUR = 3600
Item = dict[str, t.Any]


def condition(key: str, *values: str, oper: str = "IN") -> Item:
    return {"key": key, "oper": oper, "vals": list(values)}


def wanted(**fields: t.Any) -> Silence:
    usual = {
        "channel_id": 7,
        "name": "patch db1",
        "start": NOW,
        "end": NOW + 2 * HOUR,
        "filters": [[condition("labels.resource", "db1")]],
    }
    return Silence(**{**usual, **fields})


def listed(silence: Silence, **fields: t.Any) -> Item:
    """Return a silence as the service lists it."""
    return {
        **silence.as_payload(),
        "rule_id": "65f0c0ffee65f0c0ffee0001",
        "status": "enabled",
        "is_effective": True,
        "time_filters": [],
        "priority": 0,
        **fields,
    }


# --- what a task says ---


@pytest.mark.parametrize("length", [1, 39])
def test_a_name_has_1_to_39_characters(length: int) -> None:
    assert read_name("ä" * length) == "ä" * length


@pytest.mark.parametrize("name", ["", "  ", "x" * 40])
def test_another_name_is_an_error_that_says_so(name: str) -> None:
    with pytest.raises(ConfigurationError, match="name") as caught:
        read_name(name)

    assert caught.value.option == "name"


@pytest.mark.parametrize(
    "until",
    [
        "2027-01-15T10:00:00+02:00",
        "2027-01-15 08:00:00Z",
        "1800000000",
        1_800_000_000,
        datetime.datetime(2027, 1, 15, 8, tzinfo=datetime.timezone.utc),
    ],
    ids=str,
)
def test_until_is_a_point_in_time(until: t.Any) -> None:
    assert read_end(None, until, now=NOW - 1) == NOW


@pytest.mark.parametrize(
    ("until", "problem"),
    [
        ("2027-01-15T10:00:00", "time zone"),
        ("2027-01-15", "time zone"),
        (datetime.datetime(2027, 1, 15, 8), "time zone"),
        ("tomorrow", "not a point in time"),
        (True, "not a point in time"),
        (NOW * 1000, "milliseconds"),
        (NOW - 1, "in the past"),
    ],
    ids=str,
)
def test_another_until_is_an_error(until: t.Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        read_end(None, until, now=NOW)

    assert caught.value.option == "until"


def test_for_is_a_duration() -> None:
    assert read_end("1h30m", None, now=NOW + 0.9) == NOW + 5400


@pytest.mark.parametrize("duration", ["0", "soon", "-1h", "h"])
def test_another_for_is_an_error(duration: str) -> None:
    with pytest.raises(ConfigurationError, match="^for is") as caught:
        read_end(duration, None, now=NOW)

    assert caught.value.option == "for"


@pytest.mark.parametrize(
    ("duration", "until"), [(None, None), ("1h", NOW + HOUR)], ids=["none", "both"]
)
def test_there_is_no_silence_without_an_end(
    duration: str | None, until: int | None
) -> None:
    with pytest.raises(ConfigurationError, match="exactly one of for and until"):
        read_end(duration, until, now=NOW)


def test_all_labels_have_to_match_and_one_of_their_values() -> None:
    assert read_filters(
        {"resource": "db1", "team": ["dba", "storage"], "n": 3}, None
    ) == [
        [
            condition("labels.resource", "db1"),
            condition("labels.team", "dba", "storage"),
            condition("labels.n", "3"),
        ]
    ]


def test_labels_have_to_match_in_addition_to_any_group_of_filters() -> None:
    groups = [
        [{"key": "severity", "vals": "Info"}],
        [{"key": "title", "oper": "NOTIN", "vals": ["/disk/"]}],
    ]

    assert read_filters({"resource": "db1"}, groups) == [
        [condition("labels.resource", "db1"), condition("severity", "Info")],
        [
            condition("labels.resource", "db1"),
            condition("title", "/disk/", oper="NOTIN"),
        ],
    ]


@pytest.mark.parametrize("key", [*CONDITION_KEYS, "labels.team"])
def test_keys_that_exist_are_taken(key: str) -> None:
    assert read_filters(None, [[{"key": key, "vals": ["*"]}]])


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("resource", "labels.resource"),
        ("alert_severity", "severity"),
        ("data_source_id", "integration_id"),
        ("labels.", ""),
        ("Severity", "labels.Severity"),
    ],
)
def test_a_key_that_does_not_exist_is_an_error_with_the_right_one(
    key: str, hint: str
) -> None:
    with pytest.raises(ConfigurationError, match="does not exist") as caught:
        read_filters(None, [[{"key": key, "oper": "NOTIN", "vals": ["x"]}]])

    assert caught.value.option == "filters"
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("labels", "filters"),
    [
        (None, None),
        ({}, []),
        ({"a": []}, None),
        ({"a": {"b": "c"}}, None),
        ({"a": None}, None),
        ({"a": ""}, None),
        (None, [{"key": "title", "vals": ["x"]}]),
        (None, [[]]),
        (None, [["title"]]),
        (None, [[{"key": "title", "vals": ["x"], "op": "IN"}]]),
        (None, [[{"key": "title", "oper": "=", "vals": ["x"]}]]),
        (None, [[{"key": "title", "vals": []}]]),
        (None, [[{"key": "title", "vals": ["/[/"]}]]),
        (None, [[{"key": "title", "vals": ["/a(?!b)/"]}]]),
        (None, [[{"key": "severity", "vals": ["critical"]}]]),
    ],
    ids=str,
)
def test_other_conditions_are_an_error(labels: t.Any, filters: t.Any) -> None:
    with pytest.raises(ConfigurationError):
        read_filters(labels, filters)


def test_a_group_that_only_excludes_is_seen() -> None:
    assert only_excludes([[condition("title", "x", oper="NOTIN")]])
    assert not only_excludes(
        [[condition("title", "x", oper="NOTIN"), condition("severity", "Info")]]
    )


# --- what has to change ---


def test_what_is_not_there_is_made() -> None:
    found = plan(wanted(), [listed(wanted(name="other"))], now=NOW)

    assert (found.action, found.existing) == ("create", None)


def test_the_second_time_nothing_changes() -> None:
    assert plan(wanted(), [listed(wanted())], now=NOW + 1).action == "none"


def test_a_longer_one_stays() -> None:
    longer = listed(wanted(end=NOW + 9 * HOUR))

    found = plan(wanted(), [longer], now=NOW + 1)

    assert (found.action, found.silence.end) == ("none", NOW + 9 * HOUR)


def test_a_shorter_one_is_extended_and_keeps_its_start_and_comment() -> None:
    shorter = listed(wanted(start=NOW - HOUR, end=NOW + HOUR, comment="Change 4711"))

    found = plan(wanted(), [shorter], now=NOW)

    assert found.action == "update"
    assert (found.silence.start, found.silence.end) == (NOW - HOUR, NOW + 2 * HOUR)
    assert found.silence.comment == "Change 4711"


def test_a_little_may_be_missing_at_the_end() -> None:
    there = [listed(wanted(end=NOW + 2 * HOUR - 60))]

    assert plan(wanted(), there, now=NOW, slack=60).action == "none"
    assert plan(wanted(), there, now=NOW, slack=59).action == "update"


@pytest.mark.parametrize("shift", [-10 * HOUR, 10 * HOUR], ids=["over", "to come"])
def test_one_that_is_not_now_begins_anew(shift: int) -> None:
    other = listed(wanted(start=NOW + shift, end=NOW + 2 * HOUR + shift))

    found = plan(wanted(), [other], now=NOW)

    assert found.action == "update"
    assert (found.silence.start, found.silence.end) == (NOW, NOW + 2 * HOUR)


@pytest.mark.parametrize(
    "change",
    [
        {"filters": [[condition("labels.resource", "db2")]]},
        {"is_directly_discard": True},
        {"is_auto_delete": False},
        {"status": "disabled"},
        {"description": "x"},
    ],
    ids=str,
)
def test_what_differs_is_changed(change: Item) -> None:
    found = plan(
        wanted(comment="patch"), [listed(wanted(comment="patch"), **change)], now=NOW
    )

    assert found.action == "update"
    assert found.needs_enabling is ("status" in change)


def test_a_disabled_twin_does_not_hide_the_one_that_works() -> None:
    twins = [listed(wanted(), status="disabled"), listed(wanted(), rule_id="b")]

    assert plan(wanted(), twins, now=NOW).action == "none"


def test_a_silence_that_repeats_is_left_alone() -> None:
    repeating = listed(wanted(), time_filters=[{"start": "01:00", "end": "02:00"}])

    with pytest.raises(ConfigurationError, match="repeats"):
        plan(wanted(), [repeating], now=NOW)


def test_a_service_that_does_not_know_auto_delete_is_no_difference() -> None:
    older = listed(wanted())
    del older["is_auto_delete"]

    assert differences(wanted(), older) == []


def test_differences_are_named() -> None:
    item = listed(wanted(), rule_name="other", is_directly_discard=True)

    assert differences(wanted(), item) == [
        "rule_name is other instead of patch db1",
        "is_directly_discard is True instead of False",
    ]


VALUES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True)
GROUPS = st.lists(
    st.lists(
        st.builds(
            lambda key, oper, values: {"key": key, "oper": oper, "vals": values},
            st.sampled_from(["title", "labels.a", "labels.b"]),
            st.sampled_from(["IN", "NOTIN"]),
            VALUES,
        ),
        min_size=1,
        max_size=3,
    ),
    min_size=1,
    max_size=3,
)


@given(groups=GROUPS, data=st.data())
def test_the_order_of_conditions_makes_no_difference(
    groups: list[list[Item]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(groups))
    again = [
        [
            {**one, "vals": data.draw(st.permutations(one["vals"]))}
            for one in data.draw(st.permutations(group))
        ]
        for group in shuffled
    ]

    assert differences(wanted(filters=groups), listed(wanted(filters=again))) == []


@given(
    start=st.integers(NOW - 50, NOW + 50),
    length=st.integers(1, 100),
    end=st.integers(NOW + 1, NOW + 100),
    enabled=st.booleans(),
)
def test_whatever_is_there_the_plan_covers_what_is_wanted_and_is_stable(
    start: int, length: int, end: int, enabled: bool
) -> None:
    silence = wanted(end=end)
    there = listed(
        wanted(start=start, end=start + length),
        status="enabled" if enabled else "disabled",
    )

    found = plan(silence, [there], now=NOW)

    assert found.silence.start <= NOW
    assert found.silence.end >= end
    assert plan(silence, [listed(found.silence)], now=NOW).action == "none"


@pytest.mark.parametrize(
    ("group", "matches"),
    [
        ([condition("labels.resource", "shop")], True),
        ([condition("labels.resource", "sh*")], True),
        ([condition("labels.resource", "/^shop$/")], True),
        ([condition("labels.host", "web1")], False),
        ([condition("labels.host", "web1", oper="NOTIN")], True),
        ([condition("labels.resource", "shop"), condition("severity", "Info")], False),
    ],
)
def test_whether_a_silence_matches_an_alert(group: list[Item], matches: bool) -> None:
    fields = {"labels.resource": "shop", "severity": "Critical"}

    assert silences_labels([group], fields) is matches
