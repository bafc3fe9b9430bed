# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""Moves what a local outbox holds into the database, once that can be reached again: all of it, once, in order of key.

Two things may have happened without anybody's knowledge, since the answer to a commit can be lost:

- An earlier merge came to its end. So what moves is marked first, and the mark is written into the database in the same
  transaction.
- A write is in the database already, and was repeated here. So each write has an id, which the database keeps as well.
"""

from __future__ import annotations

import json
import typing as t
import uuid

from ..events import AlertEvent
from .alerts import OpenAlert
from .database import Database
from .details import left_of
from .ledger import LedgerWrite
from .model import DamagedOutbox
from .runs import RunLedger, RunRecords
from .statements import Row, insert_into, read_rows

if t.TYPE_CHECKING:
    from .queue import Outbox

# A courier of this machine leaves alone what another one has claimed, and so what is about to move.
_MOVING = "moving:"
_LONG = 3600.0
# What one statement takes.
_MOST_AT_ONCE = 500
_EVENT = (
    *("fingerprint", "server", "kind", "key", "payload", "run_id", "attempts"),
    *("error", "undeliverable_at", "reported", "added_at", "write_id"),
)
_ALERT = (
    *("fingerprint", "alert_key", "server", "origin", "title", "status"),
    *("opened_at", "raised_at", "confirmed", "details", "write_id"),
)
_CLOSING = (*("fingerprint", "alert_key", "what", "closed_at", "causes", "write_id"),)
_PENDING = (
    *("fingerprint", "alert_key", "origin", "title", "status"),
    *("since", "failures", "needed", "details"),
)
_MARKED = (
    "flashduty_open_alerts",
    "flashduty_closings",
    "flashduty_pending_alerts",
)
# What is said with an alert whose state was told to the service in an order that nobody knows.
_STILL_OPEN = "It is still open: it was closed by a controller that could not see all that it waits for."
_STILL_CLOSED = (
    "It is closed: it was raised again by a controller that could not see that."
)


def merge(local: Outbox, shared: Outbox) -> int:
    """Move events, open alerts, closings, counts and runs; return how many events there were.

    :raises DamagedOutbox: when the local one is not what was written.
    :raises OutboxError: when one of the two cannot be used. Nothing is lost then: the next merge goes on.
    """
    moved = 0
    while True:
        batch = _mark(local.database)
        runs = RunLedger(local).take_out()
        if batch is None and not runs:
            return moved
        try:
            moved += _Merge(local, shared, batch or uuid.uuid4().hex).move(runs)
        except (ValueError, TypeError, KeyError) as exc:
            # What is moved is read there, not only copied.
            raise DamagedOutbox(
                f"{local.place} is damaged: what was written is not there"
            ) from exc


def _mark(local: Database) -> str | None:
    """Mark what moves now, and return the mark; None when there is nothing."""
    with local.transaction():
        # An earlier merge that did not come to its end goes first.
        unfinished = local.rows(
            f"SELECT claimed_by FROM flashduty_events WHERE claimed_by LIKE '{_MOVING}%' LIMIT 1"
        )
        for table in _MARKED:
            unfinished += local.rows(
                f"SELECT batch FROM {table} WHERE batch IS NOT NULL LIMIT 1"
            )
        if unfinished:
            return str(unfinished[0][0]).replace(_MOVING, "", 1)
        batch = uuid.uuid4().hex
        values = {
            "batch": batch,
            "mover": _MOVING + batch,
            "now": local.now(),
            "until": local.now() + _LONG,
        }
        # What a courier is just sending stays, and what follows it under the same key, too.
        marked = local.run(
            "UPDATE flashduty_events SET claimed_by = :mover, claimed_until = :until"
            " WHERE (fingerprint, kind, key) NOT IN (SELECT fingerprint, kind, key FROM flashduty_events"
            "  WHERE claimed_by IS NOT NULL AND claimed_by <> :mover AND claimed_until >= :now)",
            values,
        )
        # With such an event stays its alert: nobody else would know that it is open.
        marked += local.run(
            "UPDATE flashduty_open_alerts SET batch = :batch"
            " WHERE (fingerprint, alert_key) NOT IN (SELECT fingerprint, key FROM flashduty_events"
            "  WHERE undeliverable_at IS NULL AND kind = 'alert' AND (claimed_by IS NULL OR claimed_by <> :mover))",
            values,
        )
        for table in ("flashduty_closings", "flashduty_pending_alerts"):
            marked += local.run(f"UPDATE {table} SET batch = :batch", values)
        return batch if marked else None


class _Merge:
    """Moves one batch.

    :param batch: its mark.
    """

    def __init__(self, local: Outbox, shared: Outbox, batch: str) -> None:
        self._local_outbox = local
        self._shared_outbox = shared
        self._local = local.database
        self._shared = shared.database
        self._batch = batch
        # How far the database's clock is ahead of this machine's: what counts is how long ago something was.
        self._ahead = 0.0
        # Writes that the database had already, though nobody here has heard of it.
        self._made: set[str] = set()
        # Recoveries that are not to be sent: integration, alert, and the write they belong to.
        self._refused: set[tuple[str, str, str]] = set()
        # Alerts of which the service may have heard in another order, and what is known of them.
        self._doubtful: dict[tuple[str, str], Row] = {}

    def move(self, runs: RunRecords) -> int:
        """Move it, and return how many events there were.

        :param runs: what moves with it. To move that twice changes nothing, so it needs no mark.
        """
        mark = {"batch": self._batch, "mover": _MOVING + self._batch}
        events = read_rows(
            self._local,
            "flashduty_events",
            _EVENT,
            "claimed_by = :mover ORDER BY id",
            mark,
        )
        alerts = read_rows(
            self._local,
            "flashduty_open_alerts",
            _ALERT,
            "batch = :batch ORDER BY fingerprint, alert_key",
            mark,
        )
        closings = read_rows(
            self._local,
            "flashduty_closings",
            _CLOSING,
            "batch = :batch ORDER BY closed_at, fingerprint, alert_key",
            mark,
        )
        pending = read_rows(
            self._local,
            "flashduty_pending_alerts",
            _PENDING,
            "batch = :batch ORDER BY fingerprint, alert_key",
            mark,
        )
        with self._shared.transaction():
            self._ahead = self._shared.now() - self._local.now()
            # First, since whoever writes about runs locks those before their alerts.
            RunLedger(self._shared_outbox).take_in(runs, ahead=self._ahead)
            if self._claim_writes([self._batch]):
                self._find_made(
                    {row["write_id"] for row in (*events, *alerts, *closings)} - {""}
                )
                self._lock(closings, alerts)
                moving = {
                    (row["fingerprint"], row["key"], row["write_id"]) for row in events
                }
                for row in closings:
                    self._close(row, is_sent=_write_of(row) not in moving)
                known = self._open_new(alerts, moving)
                for row in known:
                    self._open(row, is_sent=_write_of(row) not in moving)
                for row in pending:
                    self._count(row)
                self._queue(events)
                self._tell_again()
                self._drop_twins()
        with self._local.transaction():
            self._local.send(
                "DELETE FROM flashduty_events WHERE claimed_by = :mover", mark
            )
            for table in _MARKED:
                self._local.send(f"DELETE FROM {table} WHERE batch = :batch", mark)
            RunLedger(self._local_outbox).remove(runs)
            # What an event that stays belongs to is looked at again when that moves.
            self._local.send(
                "DELETE FROM flashduty_writes WHERE write_id NOT IN (SELECT write_id FROM flashduty_events)"
            )
        return len(events)

    # -- which writes the database has

    def _claim_writes(self, ids: t.Sequence[str]) -> set[str]:
        """Write ids into the database; return those that it did not have. One that is just being written is waited for."""
        new: set[str] = set()
        for start in range(0, len(ids), _MOST_AT_ONCE):
            part = ids[start : start + _MOST_AT_ONCE]
            names = [f"id_{number}" for number in range(len(part))]
            values = ", ".join(f"(:{name}, :now, :batch)" for name in names)
            rows = self._shared.rows(
                f"INSERT INTO flashduty_writes (write_id, written_at, merged_by) VALUES {values}"
                " ON CONFLICT (write_id) DO NOTHING RETURNING write_id",
                {
                    **dict(zip(names, part)),
                    "now": self._shared.now(),
                    "batch": self._batch,
                },
            )
            new |= {write_id for (write_id,) in rows}
        return new

    def _find_made(self, ids: set[str]) -> None:
        """Find out which writes of this outbox are in the database already, and were not brought by a merge."""
        # Those whose events were all delivered from here have left nothing but their ids.
        ids |= {
            write_id
            for (write_id,) in self._local.rows("SELECT write_id FROM flashduty_writes")
        }
        known = ids - self._claim_writes(sorted(ids))
        for write_id in sorted(known):
            if self._shared.rows(
                "SELECT 1 FROM flashduty_writes WHERE write_id = :write_id AND merged_by IS NULL",
                {"write_id": write_id},
            ):
                self._made.add(write_id)

    def _drop_twins(self) -> None:
        """Delete from the database what was delivered from here: it would be sent twice."""
        for write_id in sorted(self._made):
            here = {
                (kind, key)
                for kind, key in self._local.rows(
                    "SELECT kind, key FROM flashduty_events WHERE write_id = :write_id",
                    {"write_id": write_id},
                )
            }
            for event_id, kind, key, fingerprint in self._shared.rows(
                "SELECT id, kind, key, fingerprint FROM flashduty_events AS event WHERE write_id = :write_id"
                f" AND claimed_by IS NULL{self._shared.skip_locked}",
                {"write_id": write_id},
            ):
                if (kind, key) in here:
                    continue
                self._shared.send(
                    "DELETE FROM flashduty_events WHERE id = :id", {"id": event_id}
                )
                if kind == "alert":
                    self._shared.send(
                        "UPDATE flashduty_open_alerts SET confirmed = 1 WHERE fingerprint = :fingerprint"
                        " AND alert_key = :key",
                        {"fingerprint": fingerprint, "key": key},
                    )

    # -- what moves

    def _lock(self, *rows: t.Iterable[Row]) -> None:
        """Lock the alerts in the order in which everybody does."""
        keys: dict[str, set[str]] = {}
        for row in (row for some in rows for row in some):
            keys.setdefault(row["fingerprint"], set()).add(row["alert_key"])
        for fingerprint in sorted(keys):
            self._write(fingerprint).lock(keys[fingerprint])

    def _write(self, fingerprint: str, write_id: str = "") -> LedgerWrite:
        return LedgerWrite(self._shared, fingerprint, write_id, self._shared.now())

    def _close(self, row: Row, *, is_sent: bool) -> None:
        """Close what was closed meanwhile, as far as it waits for nothing else.

        :param is_sent: whether its recovery went out from here.
        """
        closed_at = row["closed_at"] + self._ahead
        if row["what"] == "pending":
            self._shared.send(
                "DELETE FROM flashduty_pending_alerts WHERE fingerprint = :fingerprint AND alert_key = :alert_key"
                " AND since <= :since",
                {**row, "since": closed_at},
            )
            return
        known = self._known(row)
        if known is None:
            return
        if is_sent and row["what"] == "closed":
            self._doubtful[row["fingerprint"], row["alert_key"]] = known
        if row["write_id"] in self._made or known["raised_at"] > closed_at:
            # Raised again since, by somebody who could see it.
            self._refuse(row)
            return
        gone = {
            one: frozenset(items) for one, items in json.loads(row["causes"]).items()
        }
        left = left_of(json.loads(known["details"]), gone) if gone else None
        if left is None:
            self._shared.send(
                "DELETE FROM flashduty_open_alerts WHERE fingerprint = :fingerprint AND alert_key = :alert_key",
                row,
            )
            self._shared.send(
                f"{insert_into('flashduty_closings', _CLOSING)}"
                " ON CONFLICT (write_id, what, fingerprint, alert_key) DO NOTHING",
                {**row, "closed_at": closed_at},
            )
            return
        self._shared.send(
            "UPDATE flashduty_open_alerts SET details = :left WHERE fingerprint = :fingerprint"
            " AND alert_key = :alert_key",
            {**row, "left": json.dumps(left)},
        )
        self._refuse(row)

    def _known(self, row: Row) -> Row | None:
        """Return what the database knows of an open alert."""
        found = read_rows(
            self._shared,
            "flashduty_open_alerts",
            _ALERT,
            "fingerprint = :fingerprint AND alert_key = :alert_key",
            row,
        )
        return found[0] if found else None

    def _refuse(self, row: Row) -> None:
        self._refused.add((row["fingerprint"], row["alert_key"], row["write_id"]))

    def _open_new(
        self, alerts: list[Row], moving: t.Container[tuple[str, str, str]]
    ) -> list[Row]:
        """Open, many at once, the alerts of which the database knows nothing; return the others, and those in doubt.

        :param moving: the events that move as well.
        """
        others: list[Row] = []
        new: list[Row] = []
        for row in alerts:
            # Not damaged: whoever reads it there has no other copy.
            json.loads(row["details"])
            certain = row["write_id"] not in self._made and _write_of(row) in moving
            (new if certain else others).append(row)
        for start in range(0, len(new), _MOST_AT_ONCE):
            part = new[start : start + _MOST_AT_ONCE]
            values: Row = {}
            for number, row in enumerate(part):
                values.update((f"{name}_{number}", row[name]) for name in _ALERT)
                for name in ("opened_at", "raised_at"):
                    values[f"{name}_{number}"] += self._ahead
            rows = ", ".join(
                f"({', '.join(f':{name}_{number}' for name in _ALERT)})"
                for number in range(len(part))
            )
            opened = set(
                self._shared.rows(
                    f"INSERT INTO flashduty_open_alerts ({', '.join(_ALERT)}) VALUES {rows}"
                    " ON CONFLICT (fingerprint, alert_key) DO NOTHING RETURNING fingerprint, alert_key",
                    values,
                )
            )
            others += [
                row
                for row in part
                if (row["fingerprint"], row["alert_key"]) not in opened
            ]
        return others

    def _open(self, row: Row, *, is_sent: bool) -> None:
        """Open what was raised meanwhile, unless the database knew that already: it may have been closed since.

        :param is_sent: whether its event went out from here.
        """
        if row["write_id"] in self._made:
            if is_sent and self._known(row) is None:
                self._doubtful[row["fingerprint"], row["alert_key"]] = row
            return
        if is_sent and self._shared.rows(
            "SELECT 1 FROM flashduty_closings WHERE fingerprint = :fingerprint AND alert_key = :alert_key"
            " AND what = 'closed' LIMIT 1",
            row,
        ):
            # The recovery may have gone out from there after it.
            self._doubtful[row["fingerprint"], row["alert_key"]] = row
        self._write(row["fingerprint"], row["write_id"]).open(
            OpenAlert(
                row["alert_key"],
                row["origin"],
                row["title"],
                row["status"],
                details=json.loads(row["details"]),
            ),
            server=row["server"],
            opened_at=row["opened_at"] + self._ahead,
            raised_at=row["raised_at"] + self._ahead,
            confirmed=bool(row["confirmed"]),
        )

    def _count(self, row: Row) -> None:
        """Add failures that were counted here to those that were counted before, unless that alert was raised since."""
        if self._shared.rows(
            "SELECT 1 FROM flashduty_open_alerts WHERE fingerprint = :fingerprint AND alert_key = :alert_key",
            row,
        ):
            return
        self._shared.send(
            f"{insert_into('flashduty_pending_alerts', _PENDING)}"
            " ON CONFLICT (fingerprint, alert_key) DO UPDATE SET title = excluded.title, status = excluded.status,"
            " details = excluded.details, needed = excluded.needed,"
            # It is raised by the next failure, not by a merge.
            " failures = CASE WHEN flashduty_pending_alerts.failures + excluded.failures < excluded.needed"
            " THEN flashduty_pending_alerts.failures + excluded.failures ELSE excluded.needed - 1 END",
            {**row, "since": row["since"] + self._ahead},
        )

    def _queue(self, events: t.Iterable[Row]) -> None:
        self._shared.run_each(
            insert_into("flashduty_events", _EVENT),
            [
                {**row, "added_at": row["added_at"] + self._ahead}
                for row in events
                if row["write_id"] not in self._made and not self._is_refused(row)
            ],
        )

    def _is_refused(self, event: Row) -> bool:
        return (
            event["kind"] == "alert"
            and (event["fingerprint"], event["key"], event["write_id"]) in self._refused
            and json.loads(event["payload"]).get("event_status") == "Ok"
        )

    def _tell_again(self) -> None:
        """Tell the service once more how an alert stands, after all that it may have heard. A repeat does no harm."""
        now = int(self._shared.now())
        for (fingerprint, key), alert in sorted(self._doubtful.items()):
            known = self._known(alert)
            event = AlertEvent.create(
                title_rule=alert["title"],
                event_status=known["status"] if known else "Ok",
                alert_key=key,
                event_time=now,
                description=_STILL_OPEN if known else _STILL_CLOSED,
                labels=json.loads(alert["details"]).get("labels"),
            )
            self._shared_outbox.add(fingerprint, [event], server=alert["server"])


def _write_of(row: Row) -> tuple[str, str, str]:
    return row["fingerprint"], row["alert_key"], row["write_id"]
