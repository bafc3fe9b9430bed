# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of the service: Flashduty Alert Event API documentation."""

from __future__ import annotations

import datetime
import json
import typing as t

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    InvalidEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    ALERT_STATUSES,
    CHANGE_STATUSES,
    AlertEvent,
    ChangeEvent,
    encodable,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_700_000_000.9


def alert(**fields: t.Any) -> AlertEvent:
    return AlertEvent.create(
        **{
            "title_rule": "Disk full",
            "event_status": "Critical",
            "alert_key": "key",
            "now": lambda: NOW,
            **fields,
        }
    )


def change(**fields: t.Any) -> ChangeEvent:
    return ChangeEvent.create(
        **{
            "change_key": "CHG-1",
            "change_status": "Done",
            "title": "Deploy",
            "now": lambda: NOW,
            **fields,
        }
    )


DOCUMENTED_EXAMPLE = (
    '{"event_status": "Warning", "alert_key": "64f6b9df2007be4b0bfe56f6", "description": "cpu idle low than 20%", '
    '"title_rule": "$cluster::$resource::$check", '
    '"labels": {"resource": "es.nj.01", "check": "cpu.idle<20%", "service": "engine", "cluster": "nj", '
    '"metric": "node_cpu_seconds_total"}}'
)


# -- what is sent


def test_the_documented_example_comes_out_as_it_went_in() -> None:
    event = AlertEvent.create(**json.loads(DOCUMENTED_EXAMPLE), now=lambda: NOW)

    payload = event.payload()

    assert payload.pop("event_time") == 1_700_000_000
    in_documented_order = {
        name: payload[name] for name in json.loads(DOCUMENTED_EXAMPLE)
    }
    assert json.dumps(in_documented_order) == DOCUMENTED_EXAMPLE


def test_an_alert_has_the_fields_of_the_documentation_in_their_order() -> None:
    event = alert(
        event_time=1_600_000_000,
        description="text",
        labels={"check": "cpu"},
        images=[{"src": "https://x.example/i.png", "alt": "graph", "href": ""}],
    )

    assert json.dumps(event.payload()) == (
        '{"title_rule": "Disk full", "event_status": "Critical", "alert_key": "key", "event_time": 1600000000, '
        '"description": "text", "labels": {"check": "cpu"}, '
        '"images": [{"src": "https://x.example/i.png", "alt": "graph"}]}'
    )


def test_a_change_has_the_fields_of_the_documentation_in_their_order() -> None:
    event = change(description="text", link="https://ci.example/1", labels={"a": 1})

    assert json.dumps(event.payload()) == (
        '{"change_key": "CHG-1", "change_status": "Done", "title": "Deploy", "event_time": 1700000000, '
        '"description": "text", "link": "https://ci.example/1", "labels": {"a": "1"}}'
    )


def test_what_is_not_given_is_not_sent() -> None:
    assert list(alert().payload()) == [
        "title_rule",
        "event_status",
        "alert_key",
        "event_time",
    ]
    assert list(change().payload()) == [
        "change_key",
        "change_status",
        "title",
        "event_time",
    ]


def test_an_alert_without_a_key_gets_one_of_its_own() -> None:
    keys = {alert(alert_key=missing).alert_key for missing in (None, "", "  ", "\0")}

    assert len(keys) == 4
    assert all(0 < len(key) <= 255 for key in keys)


def test_key_and_kind_tell_which_events_belong_together() -> None:
    assert (alert().kind, alert().key) == ("alert", "key")
    assert (change().kind, change().key) == ("change", "CHG-1")


# -- what is cut


@pytest.mark.parametrize(
    ("make", "name", "limit"),
    [
        (alert, "title_rule", 512),
        (alert, "description", 2048),
        (change, "title", 512),
        (change, "description", 2048),
    ],
)
@pytest.mark.parametrize("character", ["a", "é", "数", "😀"])
def test_a_text_is_cut_by_characters_and_marked_at_its_end(
    make: t.Callable[..., t.Any], name: str, limit: int, character: str
) -> None:
    whole = make(**{name: character * limit})
    longer = make(**{name: character * (limit + 1)})

    assert (whole.payload()[name], whole.truncated) == (character * limit, ())
    assert longer.payload()[name] == character * (limit - 1) + "…"
    assert longer.truncated == (name,)


def test_a_label_is_cut_its_name_without_a_mark() -> None:
    event = alert(labels={"数" * 129: "x", "value": "é" * 2049, "fits": "y" * 2048})

    assert event.labels["数" * 128] == "x"
    assert event.labels["value"] == "é" * 2047 + "…"
    assert event.labels["fits"] == "y" * 2048
    assert event.truncated == ("labels." + "数" * 128, "labels.value")


# -- what is made a text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (-1.5, "-1.5"),
        (None, "null"),
        ("", ""),
        (float("nan"), ".nan"),
        (float("-inf"), "-.inf"),
        (datetime.date(2026, 11, 23), "2026-11-23"),
        (datetime.datetime(2026, 11, 23, 4, 5), "2026-11-23 04:05:00"),
    ],
)
def test_the_value_of_a_label_is_written_as_yaml_writes_it(
    value: object, text: str
) -> None:
    assert alert(labels={"name": value}).labels == {"name": text}


def test_what_is_no_unicode_does_not_reach_the_service() -> None:
    assert encodable("a\ud800b\0c") == "a\ufffdbc"
    event = alert(title_rule="\udcff", labels={"\ud800": "\udfff"})

    assert event.title_rule == "\ufffd"
    assert event.labels == {"\ufffd": "\ufffd"}
    json.dumps(event.payload()).encode()


# -- what is refused

BROKEN_RULES: list[tuple[str, t.Callable[[], object], str, str]] = [
    ("no title", lambda: alert(title_rule=None), "title_rule", "empty"),
    ("a blank title", lambda: alert(title_rule=" \n"), "title_rule", "empty"),
    ("a title that is a list", lambda: alert(title_rule=["a"]), "title_rule", "list"),
    ("an unknown status", lambda: alert(event_status="Fatal"), "event_status", "Info"),
    ("a status in lower case", lambda: alert(event_status="ok"), "event_status", "Ok"),
    ("no status", lambda: alert(event_status=None), "event_status", "Critical"),
    (
        "a status that is a list",
        lambda: alert(event_status=[]),
        "event_status",
        "Warning",
    ),
    (
        "a recovery without a key",
        lambda: alert(event_status="Ok", alert_key=None),
        "alert_key",
        "closes",
    ),
    (
        "a recovery with a blank key",
        lambda: alert(event_status="Ok", alert_key=" "),
        "alert_key",
        "closes",
    ),
    ("a long key", lambda: alert(alert_key="数" * 256), "alert_key", "255"),
    ("a key that is a list", lambda: alert(alert_key=["k"]), "alert_key", "list"),
    (
        "milliseconds",
        lambda: alert(event_time=1_700_000_000_000),
        "event_time",
        "milliseconds",
    ),
    ("a time of zero", lambda: alert(event_time=0), "event_time", "seconds"),
    ("a negative time", lambda: alert(event_time=-5), "event_time", "seconds"),
    ("a fraction", lambda: alert(event_time=1.5), "event_time", "seconds"),
    ("a date", lambda: alert(event_time="2026-11-23"), "event_time", "seconds"),
    ("a boolean time", lambda: alert(event_time=True), "event_time", "seconds"),
    ("a description that is nested", lambda: alert(description={}), "description", "d"),
    (
        "51 labels",
        lambda: alert(labels={str(n): "" for n in range(51)}),
        "labels",
        "50",
    ),
    ("labels as a list", lambda: alert(labels=["a"]), "labels", "dictionary"),
    ("labels as a text", lambda: alert(labels="a=b"), "labels", "dictionary"),
    ("a nested label", lambda: alert(labels={"a": {"b": 1}}), "labels", "'a'"),
    ("a label that is a list", lambda: alert(labels={"a": [1]}), "labels", "list"),
    ("a label without a name", lambda: alert(labels={" ": "x"}), "labels", "name"),
    (
        "labels that are one after the cut",
        lambda: alert(labels={"n" * 128 + "1": "", "n" * 128 + "2": ""}),
        "labels",
        "128",
    ),
    ("an image without a source", lambda: alert(images=[{"alt": "x"}]), "images", "s"),
    ("an image that is a text", lambda: alert(images=["x"]), "images", "dictionary"),
    ("images as a text", lambda: alert(images="x"), "images", "list"),
    ("images as a number", lambda: alert(images=5), "images", "list"),
    (
        "an unknown key of an image",
        lambda: alert(images=[{"src": "x", "url": "y"}]),
        "images",
        "url",
    ),
    (
        "an image by FTP",
        lambda: alert(images=[{"src": "ftp://x.example/i"}]),
        "images",
        "http",
    ),
    (
        "a long source of an image",
        lambda: alert(images=[{"src": "s" * 257}]),
        "images",
        "256",
    ),
    (
        "a long text of an image",
        lambda: alert(images=[{"src": "s", "alt": "a" * 129}]),
        "images",
        "128",
    ),
    ("a change without a key", lambda: change(change_key=None), "change_key", "empty"),
    (
        "a change with a long key",
        lambda: change(change_key="k" * 256),
        "change_key",
        "255",
    ),
    (
        "an alert's status for a change",
        lambda: change(change_status="Critical"),
        "change_status",
        "Planned",
    ),
    ("a change without a title", lambda: change(title=""), "title", "empty"),
    ("a link that is a list", lambda: change(link=["x"]), "link", "list"),
]


@pytest.mark.parametrize(
    ("make", "option", "word"),
    [pytest.param(*rest, id=name) for name, *rest in BROKEN_RULES],
)
def test_a_broken_rule_is_named(
    make: t.Callable[[], object], option: str, word: str
) -> None:
    with pytest.raises(InvalidEvent) as caught:
        make()

    assert caught.value.option == option
    assert caught.value.code == "InvalidEvent"
    assert option in str(caught.value)
    assert word in str(caught.value)
    assert not caught.value.retryable


def test_what_stands_at_a_limit_is_accepted() -> None:
    event = alert(
        alert_key="数" * 255,
        labels={str(number): "x" for number in range(50)},
        images=[{"src": "s" * 256, "alt": "a" * 128, "href": "h" * 256}],
    )

    assert event.truncated == ()
    assert len(event.labels) == 50


def test_a_change_may_lie_in_the_future() -> None:
    assert change(event_time=1_900_000_000).event_time == 1_900_000_000


# -- whatever comes in

anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=())),
    st.text("数😀\ud800\0 x", max_size=20).map(lambda text: text * 150),
)
labels = st.dictionaries(anything, anything, max_size=6)


def is_within_limits(labels: t.Mapping[str, str]) -> bool:
    return len(labels) <= 50 and all(
        0 < len(name) <= 128 and len(value) <= 2048 for name, value in labels.items()
    )


@given(title=anything, key=anything, time=anything, description=anything, labels=labels)
def test_an_accepted_alert_obeys_all_limits(
    title: t.Any, key: t.Any, time: t.Any, description: t.Any, labels: t.Any
) -> None:
    try:
        event = alert(
            title_rule=title,
            alert_key=key,
            event_time=time,
            description=description,
            labels=labels,
        )
    except InvalidEvent as refused:
        assert refused.option in str(refused)
        return

    payload = event.payload()
    assert 0 < len(payload["title_rule"]) <= 512
    assert 0 < len(payload["alert_key"]) <= 255
    assert 0 < payload["event_time"] < 10**11
    assert len(payload.get("description", "")) <= 2048
    assert is_within_limits(payload.get("labels", {}))
    assert payload["event_status"] in ALERT_STATUSES
    assert json.loads(json.dumps(payload).encode()) == payload
    assert json.loads(json.dumps(payload, ensure_ascii=False).encode()) == payload


@given(key=anything, title=anything, link=anything, labels=labels)
def test_an_accepted_change_obeys_all_limits(
    key: t.Any, title: t.Any, link: t.Any, labels: t.Any
) -> None:
    try:
        event = change(change_key=key, title=title, link=link, labels=labels)
    except InvalidEvent as refused:
        assert refused.option in str(refused)
        return

    payload = event.payload()
    assert 0 < len(payload["change_key"]) <= 255
    assert 0 < len(payload["title"]) <= 512
    assert is_within_limits(payload.get("labels", {}))
    assert payload["change_status"] in CHANGE_STATUSES
    assert json.loads(json.dumps(payload, ensure_ascii=False).encode()) == payload
