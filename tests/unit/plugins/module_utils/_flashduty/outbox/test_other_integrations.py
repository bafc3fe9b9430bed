# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the outbox holds for integration keys that are not in force any more."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    AlertEvent,
    ChangeEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OutboxLocation,
    open_outbox,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
    OpenAlert,
    PendingAlert,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.answers import (
    IntegrationStatus,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.queue import (
    Outbox,
)

NEW, OLD, OLDER, CHANGES = "new", "old", "older", "changes"


@pytest.fixture
def outbox(location: OutboxLocation) -> t.Iterator[Outbox]:
    with open_outbox(location, now=lambda: 1_000_000.0) as outbox:
        yield outbox


def opened(key: str, title: str = "t") -> OpenAlert:
    return OpenAlert(key, "play", title, "Critical", 1.0)


def raise_alert(outbox: Outbox, integration: str, key: str, title: str = "t") -> None:
    event = AlertEvent.create(title_rule=title, event_status="Critical", alert_key=key)
    outbox.add(integration, [event], server=integration, opened=opened(key, title))


def count(outbox: Outbox, integration: str, key: str, failures: int) -> None:
    outbox.add(integration, [], pending=[PendingAlert(opened(key), failures, 5)])


def counted(outbox: Outbox, integration: str | None = None) -> dict[str, int]:
    return {
        one.alert.alert_key: one.failures for one in outbox.pending_alerts(integration)
    }


def test_what_is_only_counted_is_shown_for_its_integration(outbox: Outbox) -> None:
    raise_alert(outbox, OLD, "a")
    count(outbox, OLD, "b", 1)
    count(outbox, OLDER, "c", 2)

    assert outbox.integrations() == [
        IntegrationStatus(OLD, "alert", OLD, 1, 0, 1, 1),
        IntegrationStatus(OLDER, "alert", "", 0, 0, 0, 1),
    ]


def test_what_other_keys_have_is_adopted_and_counted_on(outbox: Outbox) -> None:
    raise_alert(outbox, NEW, "a", "mine")
    raise_alert(outbox, OLD, "a", "theirs")
    raise_alert(outbox, OLD, "b")
    count(outbox, NEW, "c", 1)
    count(outbox, OLD, "c", 3)
    count(outbox, OLD, "d", 1)
    count(outbox, OLDER, "d", 4)
    count(outbox, "of somebody else", "d", 1)
    change = ChangeEvent.create(change_key="x", change_status="Done", title="t")
    outbox.add(CHANGES, [change])

    # Two events, one alert (the other is open here, too) and one counted failure of two.
    assert outbox.adopt("alert", NEW, server="here", others=[OLD, OLDER, NEW]) == 4

    assert {one.alert_key: one.title for one in outbox.open_alerts(NEW)} == {
        "a": "mine",
        "b": "t",
    }
    assert counted(outbox, NEW) == {"c": 1, "d": 4}
    assert counted(outbox, OLD) == counted(outbox, OLDER) == {}
    assert counted(outbox, "of somebody else") == {"d": 1}
    assert [one.waiting for one in outbox.integrations()] == [1, 3, 0]
    assert outbox.adopt("alert", NEW, server="here", others=[OLD, OLDER]) == 0


def test_changes_take_no_alerts_with_them(outbox: Outbox) -> None:
    count(outbox, OLD, "a", 1)

    assert outbox.adopt("change", CHANGES, server="here", others=[OLD]) == 0
    assert counted(outbox, OLD) == {"a": 1}


def test_what_other_keys_have_is_discarded(outbox: Outbox) -> None:
    for integration in (NEW, OLD, OLDER):
        raise_alert(outbox, integration, "a")
        count(outbox, integration, "b", 1)

    assert outbox.discard([OLD, OLDER]) == 6
    assert outbox.integrations() == [IntegrationStatus(NEW, "alert", NEW, 1, 0, 1, 1)]
