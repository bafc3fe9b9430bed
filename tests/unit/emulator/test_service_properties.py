# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The law of merging, for any sequence of events."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.emulator.service import ALERT_STATUSES, Service

pytest.importorskip("hypothesis")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st

EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "title_rule": st.sampled_from(["one", "$a", "[TPL]${a}"]),
            "event_status": st.sampled_from(ALERT_STATUSES),
            "alert_key": st.sampled_from(["k1", "k2"]),
            "description": st.sampled_from(["", "x"]),
            "labels": st.dictionaries(st.sampled_from("ab"), st.text(max_size=3)),
        }
    ),
    max_size=30,
)


def pushed(events: list[dict[str, t.Any]]) -> Service:
    service = Service(alert_keys=["key"], change_keys=[], clock=lambda: 1_795_000_000.0)
    for event in events:
        service.push("alert", "key", "application/json", json.dumps(event).encode())
    return service


@settings(max_examples=200, deadline=None)
@given(EVENTS)
def test_a_key_has_an_open_alert_exactly_if_its_last_event_is_no_ok(
    events: list[dict[str, t.Any]],
) -> None:
    last = {event["alert_key"]: event["event_status"] for event in events}

    alerts = pushed(events).alerts()

    still_open = [alert["alert_key"] for alert in alerts if alert["status"] == "open"]
    assert sorted(still_open) == sorted(
        key for key, status in last.items() if status != "Ok"
    )


@settings(max_examples=200, deadline=None)
@given(EVENTS)
def test_every_accepted_event_is_in_one_alert_or_stray(
    events: list[dict[str, t.Any]],
) -> None:
    service = pushed(events)

    in_alerts = sum(len(alert["events"]) for alert in service.alerts())
    assert in_alerts + service.counts["stray"] == len(events)


@settings(max_examples=100, deadline=None)
@given(EVENTS)
def test_any_state_survives_its_dump(events: list[dict[str, t.Any]]) -> None:
    service = pushed(events)

    again = pushed([])
    again.load(json.loads(json.dumps(service.dump())))

    assert again.alerts() == service.alerts()
