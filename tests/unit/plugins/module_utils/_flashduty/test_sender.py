# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One event, sent now and in its order, or put into the outbox."""

from __future__ import annotations

import dataclasses
import socket
import typing as t
from pathlib import Path

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty import (
    sender as module,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
    Connection,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    AlertEvent,
    Event,
    create,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OutboxLocation,
    open_outbox,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
    OpenAlert,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.queue import (
    Outbox,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.processes import (
    process_name,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.sender import (
    Sender,
)

from tests.emulator.control import Emulator

from .conftest import connection_to


def open_at(folder: Path) -> Outbox:
    return open_outbox(OutboxLocation(str(folder)))


def event(status: str = "Critical", key: str = "a") -> Event:
    fields = {"title_rule": status, "event_status": status, "alert_key": key}
    return create("alert", fields)


@pytest.fixture
def quick(flashduty: Emulator) -> Connection:
    """A connection that is tried once."""
    return connection_to(flashduty, retries=0)


def statuses(flashduty: Emulator) -> list[str]:
    return [sent["event_status"] for sent in flashduty.events()]


def waiting(folder: Path) -> list[str]:
    with open_at(folder) as outbox:
        rows = outbox.events(undeliverable=False)
        return [t.cast(str, row["event"]["event_status"]) for row in rows]


def test_an_event_is_sent_and_no_outbox_is_made(
    quick: Connection, tmp_path: Path, flashduty: Emulator
) -> None:
    result = Sender(quick, OutboxLocation(str(tmp_path / "state"))).send(event())

    assert result.receipt is not None and result.receipt.http_status == 200
    assert (result.error, result.queued, result.order_problem) == (None, False, "")
    assert statuses(flashduty) == ["Critical"]
    assert not (tmp_path / "state").exists()


def test_what_waits_for_its_key_goes_first_and_nothing_else(
    quick: Connection, tmp_path: Path, flashduty: Emulator
) -> None:
    with open_at(tmp_path) as outbox:
        outbox.add(quick.fingerprint, [event("Warning", "b"), event("Warning")])

    Sender(quick, OutboxLocation(str(tmp_path))).send(event("Ok"))

    assert statuses(flashduty) == ["Warning", "Ok"]
    assert waiting(tmp_path) == ["Warning"]


def test_while_the_service_is_away_it_goes_behind_its_predecessors(
    quick: Connection, tmp_path: Path, flashduty: Emulator
) -> None:
    sender = Sender(quick, OutboxLocation(str(tmp_path)))
    flashduty.misbehave({"kind": "error", "times": 0})

    first = sender.send(event(), queue_on_failure=True)
    second = sender.send(event("Ok"), queue_on_failure=True)

    assert first.queued and second.queued
    assert first.error is not None and first.error.retryable
    assert waiting(tmp_path) == ["Critical", "Ok"]
    flashduty.behave()


def test_it_is_not_queued_unless_wanted_nor_when_it_was_refused(
    quick: Connection, tmp_path: Path, flashduty: Emulator
) -> None:
    sender = Sender(quick, OutboxLocation(str(tmp_path / "state")))
    flashduty.misbehave({"kind": "error", "times": 1})
    assert not sender.send(event()).queued

    flashduty.misbehave({"kind": "error", "code": "AccessDenied", "times": 1})
    result = sender.send(event(), queue_on_failure=True)

    assert result.error is not None and result.error.permanent
    assert not result.queued
    assert not (tmp_path / "state").exists()


def test_a_predecessor_that_is_refused_holds_up_nothing(
    quick: Connection, tmp_path: Path, flashduty: Emulator
) -> None:
    with open_at(tmp_path) as outbox:
        outbox.add(quick.fingerprint, [event("Warning")])
    flashduty.misbehave({"kind": "error", "code": "AccessDenied", "times": 1})

    assert Sender(quick, OutboxLocation(str(tmp_path))).send(event("Ok")).receipt

    with open_at(tmp_path) as outbox:
        assert outbox.counts()["undeliverable"] == 1


def test_a_predecessor_that_somebody_else_sends_is_waited_for(
    quick: Connection,
    tmp_path: Path,
    flashduty: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_MAX_WAIT", 0.2)
    with open_at(tmp_path) as outbox:
        outbox.add(quick.fingerprint, [event()])
        outbox.claim(quick.fingerprint, process_name(), limit=1, lease=60)

        result = Sender(quick, OutboxLocation(str(tmp_path))).send(event("Ok"))

    assert result.error is not None and result.error.code == "Timeout"
    assert statuses(flashduty) == []


def remembered(outbox: Outbox) -> list[OpenAlert]:
    """Return the open alerts, whenever they opened."""
    return [dataclasses.replace(alert, opened_at=0.0) for alert in outbox.open_alerts()]


def opened(sent: Event) -> OpenAlert:
    return OpenAlert(
        sent.key, "deployment", "title", "Critical", details={"causes": []}
    )


def send_and_remember(connection: Connection, folder: Path) -> module.SendResult:
    sent = event()
    assert isinstance(sent, AlertEvent)
    sender = Sender(connection, OutboxLocation(str(folder)))
    return sender.send_and_remember(sent, opened(sent))


def test_an_alert_is_remembered_with_its_event(
    quick: Connection, tmp_path: Path, flashduty: Emulator
) -> None:
    with open_at(tmp_path) as outbox:
        outbox.add(quick.fingerprint, [event("Warning")])

    result = send_and_remember(quick, tmp_path)

    assert result.receipt is not None and result.receipt.request_id
    assert (result.error, result.queued) == (None, False)
    assert statuses(flashduty) == ["Warning", "Critical"]
    with open_at(tmp_path) as outbox:
        assert remembered(outbox) == [opened(event())]
        assert outbox.counts()["waiting"] == 0


def test_an_alert_whose_event_waits_is_open_and_one_that_was_refused_is_not(
    quick: Connection, tmp_path: Path, flashduty: Emulator
) -> None:
    flashduty.misbehave({"kind": "error", "times": 1})
    away = send_and_remember(quick, tmp_path / "away")
    flashduty.misbehave({"kind": "error", "code": "AccessDenied", "times": 1})
    refused = send_and_remember(quick, tmp_path / "refused")

    assert away.queued and away.error is not None and away.error.retryable
    assert not refused.queued and refused.error is not None
    assert refused.error.permanent
    with open_at(tmp_path / "away") as outbox:
        assert remembered(outbox) == [opened(event())]
    with open_at(tmp_path / "refused") as outbox:
        assert outbox.open_alerts() == []


def test_an_alert_that_cannot_be_remembered_is_sent_all_the_same(
    quick: Connection, tmp_path: Path, flashduty: Emulator
) -> None:
    (tmp_path / "outbox.sqlite3").mkdir()

    result = send_and_remember(quick, tmp_path)

    assert result.receipt and "outbox.sqlite3" in result.order_problem
    assert statuses(flashduty) == ["Critical"]


def test_an_outbox_that_is_of_no_use_costs_the_order_only(
    quick: Connection, tmp_path: Path, flashduty: Emulator
) -> None:
    (tmp_path / "outbox.sqlite3").mkdir()

    result = Sender(quick, OutboxLocation(str(tmp_path))).send(event())

    assert result.receipt
    assert "outbox.sqlite3" in result.order_problem

    flashduty.misbehave({"kind": "error", "times": 1})
    result = Sender(quick, OutboxLocation(str(tmp_path))).send(
        event(), queue_on_failure=True
    )
    assert not result.queued
    assert "outbox.sqlite3" in result.queue_problem


@pytest.mark.parametrize("away", [False, True])
def test_an_alert_that_a_task_closes_is_open_no_more(
    quick: Connection, tmp_path: Path, flashduty: Emulator, away: bool
) -> None:
    opened = OpenAlert("a", "site.yml", "t", "Critical")
    with open_at(tmp_path) as outbox:
        outbox.add(quick.fingerprint, [event()], opened=opened)
    if away:
        flashduty.misbehave({"kind": "error", "times": 0})

    Sender(quick, OutboxLocation(str(tmp_path))).send(
        event("Warning"), queue_on_failure=True
    )
    with open_at(tmp_path) as outbox:
        assert remembered(outbox) == [opened]
    Sender(quick, OutboxLocation(str(tmp_path))).send(
        event("Ok"), queue_on_failure=True
    )

    flashduty.behave()
    with open_at(tmp_path) as outbox:
        assert outbox.open_alerts() == []


# -- while the database of many controllers is away


@pytest.fixture
def away(tmp_path: Path) -> OutboxLocation:
    """The place of a database where nobody listens."""
    pytest.importorskip("psycopg", reason="an old target has no driver")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return OutboxLocation(
        str(tmp_path / "state"), f"postgresql://me@127.0.0.1:{port}/automation"
    )


def test_while_the_database_is_away_an_event_waits_in_the_local_outbox(
    quick: Connection, away: OutboxLocation, flashduty: Emulator
) -> None:
    sender = Sender(quick, away)
    flashduty.misbehave({"kind": "error", "times": 2})

    results = [
        sender.send(event(), queue_on_failure=True),
        sender.send(event("Warning"), queue_on_failure=True),
    ]
    sender.send(event("Info"))

    assert [result.location for result in results] == [away.local()] * 2
    # It is told once that the database cannot be asked.
    assert "127.0.0.1" in results[0].order_problem
    assert results[1].order_problem == ""
    assert statuses(flashduty) == ["Critical", "Warning", "Info"]


def test_while_the_database_is_away_a_recovery_is_remembered_for_it(
    quick: Connection, away: OutboxLocation, flashduty: Emulator
) -> None:
    Sender(quick, away).send(event("Ok"))

    assert statuses(flashduty) == ["Ok"]
    with open_outbox(away.local()) as local:
        rows = local.database.rows("SELECT alert_key, what FROM flashduty_closings")
    assert rows == [("a", "closed")]


def test_while_the_database_is_away_an_alert_is_remembered_here(
    quick: Connection, away: OutboxLocation, flashduty: Emulator
) -> None:
    opened = OpenAlert("a", "deployment", "Critical", "Critical")
    result = Sender(quick, away).send_and_remember(event(), opened)  # type: ignore[arg-type]

    assert result.receipt is not None
    assert statuses(flashduty) == ["Critical"]
    with open_outbox(away.local()) as local:
        assert remembered(local) == [opened]
