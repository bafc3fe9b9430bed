# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The outbox: events that wait, events that were refused, and alerts that are open, in one database.

What was added is safe against SIGKILL once :meth:`Outbox.add` has returned. Several processes may use one outbox:
couriers claim events with a lease, and a claim of a process that is gone counts no more. Open alerts are in the same
transactions as their events, so "sent" and "remembered" cannot disagree.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
import typing as t
from collections import Counter

from ..errors import FlashdutyError
from ..events import Event
from ..processes import is_gone
from . import pending as pending_alerts
from . import run_page
from .alerts import OpenAlert, PendingAlert
from .answers import ClaimedEvent, IntegrationStatus, QueueStatus
from .database import Database, Values
from .ledger import LedgerWrite, Seen
from .model import LEASE, DamagedOutbox, new_write_id
from .rate_limit import WINDOW, allowance, bucket_of
from .statements import in_clause, not_in_clause, parts

# Stale alerts mislead, and an unattended outbox must not fill the disk.
MAX_AGE = 7 * 86400.0
MAX_WAITING = 100_000
MAX_UNDELIVERABLE = 1_000

_MAX_LEASE = 3600.0

_WAITS = "undeliverable_at IS NULL"
# No lease is longer than the longest: a later end comes from a clock that was set back.
_IS_CLAIMED = f"(claimed_by IS NOT NULL AND claimed_until >= :now AND claimed_until <= :now + {_MAX_LEASE})"
_OF_ALERT = (
    "flashduty_events.fingerprint = flashduty_open_alerts.fingerprint AND kind = 'alert'"
    " AND key = flashduty_open_alerts.alert_key"
)
# An alert is open from the moment it is queued. One whose every event was refused is not: the service never heard of
# it, and no recovery is owed.
_IS_OPEN = f"(confirmed = 1 OR EXISTS (SELECT 1 FROM flashduty_events WHERE {_WAITS} AND {_OF_ALERT}))"
_UNCLAIM = "claimed_by = NULL, claimed_until = NULL"
# After the end of a lease somebody else may have claimed it.
_IS_STILL_MINE = "id = :id AND claimed_by = :courier"


class Outbox:
    """One open outbox. Use as a context manager; not to be carried over a fork, nor shared by threads.

    All methods raise OutboxError when the database cannot be used.

    :param is_spool: whether this one serves while the database of many controllers cannot be reached: then it remembers
        what was closed, so that it can be closed there as well.
    """

    def __init__(self, database: Database, *, is_spool: bool = False) -> None:
        self._database = database
        self._is_spool = is_spool
        # Only where somebody may have to ask whether a write was made.
        self._knows_writes = is_spool or database.kind != "sqlite"
        self._seen: Seen = {}
        self._renewed_at = time.monotonic()
        # By the database's clock.
        self._requests_deleted_at = float("-inf")

    def __enter__(self) -> Outbox:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    @property
    def kind(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._database.kind

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return self._database.place

    @property
    def is_spool(self) -> bool:
        """Whether this one serves while the database of many controllers cannot be reached."""
        return self._is_spool

    @property
    def database(self) -> Database:
        """What it is kept in, for the other ledgers of this package."""
        return self._database

    def now(self) -> float:
        """Return the time that counts here, in seconds since the epoch."""
        return self._database.now()

    def size(self) -> int:
        """Return the space that it takes, in bytes."""
        return self._database.size()

    def is_current(self) -> bool:
        """Say whether this is still what others use: a file may have been moved aside, or deleted."""
        return self._database.is_current()

    def check(self) -> None:
        """Make sure that this is still what others use.

        :raises DamagedOutbox: when it is not.
        """
        if not self.is_current():
            raise DamagedOutbox(f"{self.place} was replaced")

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        """Let all that is done inside happen together or not at all."""
        return self._database.transaction()

    # -- what a run writes

    def add(
        self,
        fingerprint: str,
        events: t.Iterable[Event],
        *,
        server: str = "",
        run_id: str = "",
        opened: OpenAlert | None = None,
        updated: t.Iterable[OpenAlert] = (),
        closed: t.Iterable[str] = (),
        pending: t.Iterable[PendingAlert] = (),
        no_longer_pending: t.Iterable[str] = (),
        write_id: str = "",
    ) -> None:
        """Queue events, and remember in the same transaction what they open and close.

        :param fingerprint: the integration to send them to.
        :param server: host and port of its URL, for people.
        :param opened: the alert that the events open, or raise again.
        :param updated: open alerts whose details have changed.
        :param closed: keys of alerts that the events close.
        :param pending: failures that were counted, and raise no alert yet.
        :param no_longer_pending: keys of alerts of which nothing is to be counted any more.
        :param write_id: what tells this write from others; see :func:`new_write_id`. To repeat a write, here or in the
            local outbox, changes nothing where it was made before, even if nobody has heard of that. Such a write is a
            transaction of its own.
        :raises OutboxError: when nothing could be written; then nothing was.
        """
        closed, no_longer_pending = list(closed), list(no_longer_pending)
        with contextlib.suppress(_WasMade), self._database.transaction():
            now = self._database.now()
            is_new = self._begin_write(write_id, now)
            write = self._ledger_write(fingerprint, write_id, now)
            # The ledger first: its rows put in order what several controllers write about one alert.
            if opened is not None:
                write.open(opened, server=server)
            # Asked together with the first question of the ledger: a database may be far away.
            if not is_new():
                self._seen.clear()
                raise _WasMade
            stays_open = write.change(updated, closed)
            pending_alerts.remember(self._database, fingerprint, pending, now)
            pending_alerts.forget(self._database, fingerprint, no_longer_pending)
            write.forget_pending(no_longer_pending)
            self._queue(
                write,
                [
                    event
                    for event in events
                    if not (event.key in stays_open and event.is_recovery)
                ],
                server,
                run_id,
            )

    def raise_alerts(
        self,
        fingerprint: str,
        alerts: t.Iterable[tuple[Event, OpenAlert]],
        *,
        server: str = "",
    ) -> None:
        """Queue the events of many alerts, and remember those as open, in the same transaction; see :meth:`add`.

        :param alerts: each with the event that raises it.
        :raises OutboxError: when nothing could be written; then nothing was.
        """
        alerts = sorted(alerts, key=lambda one: one[1].alert_key)
        with self._database.transaction():
            write = self._ledger_write(fingerprint, "", self._database.now())
            for _event, opened in alerts:
                write.open(opened, server=server)
            self._queue(write, [event for event, _opened in alerts], server, "")

    def _queue(
        self, write: LedgerWrite, events: t.Iterable[Event], server: str, run_id: str
    ) -> None:
        run_page.note_write()
        self._database.run_each(
            "INSERT INTO flashduty_events (fingerprint, server, kind, key, payload, run_id, added_at, write_id)"
            " VALUES (:fingerprint, :server, :kind, :key, :payload, :run_id, :now, :write_id)",
            [
                {
                    "fingerprint": write.fingerprint,
                    "server": server,
                    "kind": event.kind,
                    "key": event.key,
                    "payload": json.dumps(event.payload()),
                    "run_id": run_id,
                    "now": write.now,
                    "write_id": write.write_id,
                }
                for event in events
            ],
        )

    def _begin_write(self, write_id: str, now: float) -> t.Callable[[], int]:
        """Return what tells whether a write is new. It may have been made before, and the answer lost."""
        if not self._knows_writes or not write_id:
            return lambda: True
        return self._database.send(
            "INSERT INTO flashduty_writes (write_id, written_at) VALUES (:write_id, :now)"
            " ON CONFLICT (write_id) DO NOTHING",
            {"write_id": write_id, "now": now},
        )

    def _ledger_write(self, fingerprint: str, write_id: str, now: float) -> LedgerWrite:
        if not self._knows_writes:
            write_id = ""
        else:
            write_id = write_id or new_write_id()
        return LedgerWrite(
            self._database,
            fingerprint,
            write_id,
            now,
            seen=self._seen,
            keeps_closings=self._knows_writes,
        )

    def open_alerts(
        self, fingerprint: str | None = None, origin: str | None = None
    ) -> list[OpenAlert]:
        """Return the open alerts, the oldest first; of one integration and origin, where given."""
        return [
            alert for _fingerprint, _server, alert in self.ledger(fingerprint, origin)
        ]

    def ledger(
        self, fingerprint: str | None = None, origin: str | None = None
    ) -> list[tuple[str, str, OpenAlert]]:
        """Return the same, each with its fingerprint and server."""
        where, values = _where(fingerprint=fingerprint, origin=origin)
        found = []
        for row in self._database.rows(
            "SELECT fingerprint, server, details, alert_key, origin, title, status, opened_at"
            f" FROM flashduty_open_alerts WHERE {_IS_OPEN}{where} ORDER BY opened_at, alert_key",
            values,
        ):
            integration, server, details = row[:3]
            key, where_from, title, status, opened_at = row[3:]
            alert = OpenAlert(
                key, where_from, title, status, opened_at, self._load_json(details)
            )
            if fingerprint is not None:
                # To look through all is not to know them.
                self._seen[integration, key] = details
            found.append((integration, server, alert))
        return found

    def pending_alerts(
        self, fingerprint: str | None = None, origin: str | None = None
    ) -> list[PendingAlert]:
        """Return the failures that were counted and raised no alert yet; of one integration and origin, where given."""
        where, values = _where(fingerprint=fingerprint, origin=origin)
        return pending_alerts.load(self._database, where, values)

    def status(self, fingerprints: t.Iterable[str]) -> QueueStatus:
        """Return what waits and what was refused for these integrations."""
        clause, values = in_clause("fingerprint", fingerprints)
        ((waiting,),) = self._database.rows(
            f"SELECT count(*) FROM flashduty_events WHERE {_WAITS} AND {clause}",
            values,
        )
        reasons = self._database.rows(
            f"SELECT error FROM flashduty_events WHERE {_WAITS} AND error IS NOT NULL AND {clause}"
            " ORDER BY attempts DESC, id DESC LIMIT 1",
            values,
        )
        undeliverable = self._database.rows(
            "SELECT error FROM flashduty_events WHERE undeliverable_at IS NOT NULL AND reported = 0"
            f" AND {clause} ORDER BY id",
            values,
        )
        return QueueStatus(
            waiting,
            self._load_json(reasons[0][0]) if reasons else None,
            [self._load_json(error) for (error,) in undeliverable],
        )

    def is_quiet(self, fingerprints: t.Iterable[str], origin: str) -> bool:
        """Say whether nothing here concerns a run. It is one question, since a database may be far away.

        There is no event, nothing is open or counted of its playbook or for other integrations, and the playbook is not
        expected.

        :param fingerprints: the integrations of the run.
        :param origin: what its alerts are remembered under.
        """
        of_others, values = not_in_clause("fingerprint", fingerprints)
        ledgers = " UNION ALL ".join(
            f"SELECT 1 FROM {table} WHERE origin = :origin OR {of_others}"
            for table in ("flashduty_open_alerts", "flashduty_pending_alerts")
        )
        # The ledger of runs has the playbook behind its namespace, of which each play may have another.
        in_any_namespace = re.sub(r"([!%_])", r"!\1", f", {json.dumps(origin)}]")
        return not self._database.rows(
            f"SELECT 1 FROM flashduty_events UNION ALL {ledgers} UNION ALL"
            " SELECT 1 FROM flashduty_expected_playbooks WHERE origin LIKE :playbook ESCAPE '!' LIMIT 1",
            {**values, "origin": origin, "playbook": f"%{in_any_namespace}"},
        )

    def has_alerts_of_others(self, fingerprints: t.Iterable[str], origin: str) -> bool:
        """Say whether an alert of a playbook is remembered as open for other integrations than these."""
        of_others, values = not_in_clause("fingerprint", fingerprints)
        return bool(
            self._database.rows(
                f"SELECT 1 FROM flashduty_open_alerts WHERE origin = :origin AND {of_others} AND {_IS_OPEN} LIMIT 1",
                {**values, "origin": origin},
            )
        )

    def waiting_keys(self, fingerprints: t.Iterable[str]) -> frozenset[str]:
        """Return the keys of the events that are not delivered yet for these integrations."""
        clause, values = in_clause("fingerprint", fingerprints)
        rows = self._database.rows(
            f"SELECT DISTINCT key FROM flashduty_events WHERE {_WAITS} AND {clause}",
            values,
        )
        return frozenset(key for (key,) in rows)

    def unreported(
        self, fingerprints: t.Iterable[str]
    ) -> list[tuple[str, dict[str, t.Any]]]:
        """Return keys and errors of the events that were refused for good, and that nobody was told of yet."""
        clause, values = in_clause("fingerprint", fingerprints)
        rows = self._database.rows(
            "SELECT key, error FROM flashduty_events WHERE undeliverable_at IS NOT NULL AND reported = 0"
            f" AND {clause} ORDER BY id",
            values,
        )
        return [(key, self._load_json(error)) for key, error in rows]

    def is_waiting(
        self,
        fingerprints: t.Iterable[str],
        *,
        kind: str | None = None,
        key: str | None = None,
    ) -> bool:
        """Say whether anything waits for these integrations; of one kind and key, where given."""
        clause, values = in_clause("fingerprint", fingerprints)
        where, more = _where(kind=kind, key=key)
        return bool(
            self._database.rows(
                f"SELECT 1 FROM flashduty_events WHERE {_WAITS} AND {clause}{where} LIMIT 1",
                {**values, **more},
            )
        )

    def mark_reported(self, fingerprints: t.Iterable[str]) -> None:
        """Note that a person was told of all that was refused for these integrations."""
        clause, values = in_clause("fingerprint", fingerprints)
        with self._database.transaction():
            self._database.send(
                "UPDATE flashduty_events SET reported = 1 WHERE undeliverable_at IS NOT NULL AND reported = 0"
                f" AND {clause}",
                values,
            )

    # -- what a courier does

    def claim(
        self,
        fingerprint: str,
        courier: str,
        *,
        limit: int,
        lease: float,
        rate_limit: int = 0,
        key: str | None = None,
    ) -> tuple[list[ClaimedEvent], float]:
        """Claim events to send now; of each key only the first, so that order is kept.

        Events that failed before come after those that did not, so that one bad event holds up no other.
        What all couriers of this outbox have claimed in the last minute counts towards the rate limit.

        :param courier: the name that the claim is made in; see :func:`process_name`.
        :param limit: how many at most.
        :param lease: seconds until the claim ends by itself.
        :param rate_limit: requests a minute, a tenth of it in any second; 0 is off.
        :param key: only events of this alert or change, where given.
        :returns: the events, and the seconds until the rate limit allows more (0 when it is not in the way).
        """
        with self._database.transaction():
            now = self._database.now()
            pause = 0.0
            if rate_limit:
                # Two couriers that count at the same time would spend the limit twice.
                self._database.lock(f"flashduty rate limit {fingerprint}")
                allowed, pause = self._allowance(fingerprint, rate_limit, now)
                limit = min(limit, allowed)
                if not allowed:
                    return [], pause
            where, values = _where(key=key)
            claimed = [
                ClaimedEvent(*(*row, courier))
                for row in self._database.rows(
                    "SELECT id, fingerprint, kind, key, payload, attempts FROM flashduty_events AS event"
                    f" WHERE {_WAITS} AND fingerprint = :fingerprint{where} AND NOT {_IS_CLAIMED}"
                    # One look into the index for each event; a join could be planned with all events of the integration.
                    " AND event.id = (SELECT first.id FROM flashduty_events AS first"
                    "  WHERE first.undeliverable_at IS NULL AND first.fingerprint = event.fingerprint"
                    "  AND first.kind = event.kind AND first.key = event.key ORDER BY first.id LIMIT 1)"
                    f" ORDER BY attempts, id LIMIT :limit{self._database.skip_locked}",
                    {"fingerprint": fingerprint, "now": now, "limit": limit, **values},
                )
            ]
            until = now + min(lease, _MAX_LEASE)
            for ids in parts(event.id for event in claimed):
                these, numbers = in_clause("id", ids)
                self._database.send(
                    f"UPDATE flashduty_events SET claimed_by = :courier, claimed_until = :until WHERE {these}",
                    {"courier": courier, "until": until, **numbers},
                )
        return claimed, pause

    def _allowance(
        self, fingerprint: str, rate_limit: int, now: float
    ) -> tuple[int, float]:
        *leaving, (_claimed, under_way) = self._database.rows(
            "SELECT bucket, count FROM flashduty_requests WHERE fingerprint = :fingerprint"
            f" AND bucket > :now - {WINDOW} AND bucket <= :now + 1"
            # What is claimed waits. To say so would open the way to an index of all that wait.
            " UNION ALL SELECT -1, count(*) FROM flashduty_events WHERE fingerprint = :fingerprint"
            f" AND {_IS_CLAIMED} ORDER BY 1 DESC",
            {"fingerprint": fingerprint, "now": now},
        )
        return allowance(
            rate_limit,
            now=now,
            under_way=under_way,
            leaving=[(bucket, count) for bucket, count in leaving],
        )

    def _note_requests(self, requests: t.Iterable[tuple[str, float]]) -> None:
        """Count requests: the last thing in a transaction, since all couriers write the same rows.

        :param requests: the integration of each, and how many seconds ago it began to leave the limit.
        """
        now = self._database.now()
        counts = Counter(
            (fingerprint, bucket_of(now - max(0.0, age)))
            for fingerprint, age in requests
            if age < WINDOW
        )
        self._database.run_each(
            "INSERT INTO flashduty_requests (fingerprint, bucket, count) VALUES (:fingerprint, :bucket, :count)"
            " ON CONFLICT (fingerprint, bucket) DO UPDATE SET count = flashduty_requests.count + excluded.count",
            [
                {"fingerprint": fingerprint, "bucket": bucket, "count": count}
                for (fingerprint, bucket), count in sorted(counts.items())
            ],
        )
        if not 0 <= now - self._requests_deleted_at < WINDOW:
            # What lies in the future comes from a clock that was set back.
            self._database.send(
                f"DELETE FROM flashduty_requests WHERE bucket <= :now - {WINDOW} OR bucket > :now + 1",
                {"now": now},
            )
            self._requests_deleted_at = now

    def settle(
        self,
        *,
        delivered: t.Iterable[ClaimedEvent] = (),
        failed: t.Iterable[tuple[ClaimedEvent, FlashdutyError]] = (),
        undeliverable: t.Iterable[tuple[ClaimedEvent, FlashdutyError]] = (),
        unsent: t.Iterable[ClaimedEvent] = (),
        ages: t.Mapping[int, float] | None = None,
    ) -> None:
        """Note how attempts have ended.

        :param delivered: accepted by the service; they leave the outbox.
        :param failed: to be tried again; their claims end.
        :param undeliverable: refused for good; they are kept aside with the reason.
        :param unsent: claimed, but not tried; their claims end.
        :param ages: how many seconds ago attempts began to leave the rate limit, by the ids of their events: see
            ``rate_limit.py``; now, where that is not said.
        """
        ages = ages or {}
        delivered, failed, undeliverable = (
            list(delivered),
            list(failed),
            list(undeliverable),
        )
        with self._database.transaction():
            for ids in parts(event.id for event in delivered):
                these, numbers = in_clause("id", ids)
                self._database.send(
                    f"DELETE FROM flashduty_events WHERE {these}", numbers
                )
            self._database.run_each(
                f"UPDATE flashduty_events SET attempts = attempts + 1, error = :error, {_UNCLAIM}"
                f" WHERE {_IS_STILL_MINE}",
                [_as_failed(event, error) for event, error in failed],
            )
            self._database.run_each(
                f"UPDATE flashduty_events SET {_UNCLAIM} WHERE {_IS_STILL_MINE}",
                [{"id": event.id, "courier": event.courier} for event in unsent],
            )
            now = self._database.now()
            self._database.run_each(
                "UPDATE flashduty_events SET attempts = attempts + 1, error = :error, undeliverable_at = :now,"
                f" reported = 0, {_UNCLAIM} WHERE id = :id",
                [
                    {**_as_failed(event, error), "now": now}
                    for event, error in undeliverable
                ],
            )
            self._confirm(delivered)
            tried = [
                *delivered,
                *(event for event, _error in [*failed, *undeliverable]),
            ]
            self._note_requests(
                (event.fingerprint, ages.get(event.id, 0.0)) for event in tried
            )

    def _confirm(self, delivered: t.Iterable[ClaimedEvent]) -> None:
        """Note that the service has heard of the alerts of these events."""
        keys: dict[str, set[str]] = {}
        for event in delivered:
            if event.kind == "alert":
                keys.setdefault(event.fingerprint, set()).add(event.key)
        for fingerprint, found in sorted(keys.items()):
            for part in parts(sorted(found)):
                clause, values = in_clause("alert_key", part)
                # In this order in every transaction, so that no two wait for each other.
                self._database.send(
                    "UPDATE flashduty_open_alerts SET confirmed = 1 WHERE fingerprint = :fingerprint AND alert_key IN"
                    " (SELECT alert_key FROM flashduty_open_alerts WHERE confirmed = 0 AND fingerprint = :fingerprint"
                    f" AND {clause} ORDER BY alert_key{self._database.for_update})",
                    {"fingerprint": fingerprint, **values},
                )

    def renew(self, courier: str) -> None:
        """Let the claims of a living courier go on. To be called often: it does something when it is due."""
        if time.monotonic() - self._renewed_at < LEASE / 3:
            return
        with self._database.transaction():
            self._database.send(
                "UPDATE flashduty_events SET claimed_until = :until WHERE claimed_by = :courier",
                {"courier": courier, "until": self._database.now() + LEASE},
            )
        self._renewed_at = time.monotonic()

    def release(self, courier: str) -> None:
        """Give back all that a courier has claimed."""
        with self._database.transaction():
            claimed = self._database.rows(
                "SELECT fingerprint FROM flashduty_events WHERE claimed_by = :courier",
                {"courier": courier},
            )
            if claimed:
                self._database.send(
                    f"UPDATE flashduty_events SET {_UNCLAIM} WHERE claimed_by = :courier",
                    {"courier": courier},
                )
                # Some of it may have been sent.
                self._note_requests((fingerprint, 0.0) for (fingerprint,) in claimed)

    def release_dead(self) -> None:
        """Give back what processes have claimed that are gone from this machine."""
        for (courier,) in self._database.rows(
            "SELECT DISTINCT claimed_by FROM flashduty_events WHERE claimed_by IS NOT NULL"
        ):
            if is_gone(courier):
                self.release(courier)

    def prune(
        self,
        *,
        max_age: float = MAX_AGE,
        max_waiting: int = MAX_WAITING,
        max_undeliverable: int = MAX_UNDELIVERABLE,
    ) -> int:
        """Keep the outbox bounded: drop the oldest events beyond an age or a number.

        :param max_age: seconds.
        :returns: the number of waiting events that were dropped.
        """
        with self._database.transaction():
            oldest = self._database.now() - max_age
            dropped = self._prune(_WAITS, "added_at", oldest, max_waiting)
            self._prune(
                "undeliverable_at IS NOT NULL",
                "undeliverable_at",
                oldest,
                max_undeliverable,
            )
            self._delete_unconfirmed_alerts()
            self._database.send(
                "DELETE FROM flashduty_writes WHERE written_at < :oldest",
                {"oldest": oldest},
            )
            if not self._is_spool:
                self._database.send(
                    "DELETE FROM flashduty_closings WHERE closed_at < :oldest",
                    {"oldest": oldest},
                )
        return dropped

    def _prune(self, which: str, column: str, oldest: float, most: int) -> int:
        return self._database.run(
            f"DELETE FROM flashduty_events WHERE {which} AND ({column} < :oldest OR id <= (SELECT id FROM"
            f" flashduty_events WHERE {which} ORDER BY id DESC LIMIT 1 OFFSET :most))",
            {"oldest": oldest, "most": most},
        )

    def _delete_unconfirmed_alerts(self) -> None:
        """Forget the alerts that the service never heard of, and never will."""
        self._database.send(
            "DELETE FROM flashduty_open_alerts WHERE confirmed = 0"
            f" AND NOT EXISTS (SELECT 1 FROM flashduty_events WHERE {_OF_ALERT})"
        )

    # -- what an administrator looks at and does

    def counts(self) -> dict[str, int]:
        """Return the numbers of events that wait, of those that were refused, and of open alerts."""
        ((waiting, undeliverable),) = self._database.rows(
            "SELECT count(*) - count(undeliverable_at), count(undeliverable_at) FROM flashduty_events"
        )
        ((open_alerts,),) = self._database.rows(
            f"SELECT count(*) FROM flashduty_open_alerts WHERE {_IS_OPEN}"
        )
        return {
            "waiting": waiting,
            "undeliverable": undeliverable,
            "open_alerts": open_alerts,
        }

    def integrations(self) -> list[IntegrationStatus]:
        """Return what there is for each integration, those in force and all others."""
        found: dict[tuple[str, str], dict[str, t.Any]] = {}
        for row in self._database.rows(
            "SELECT fingerprint, kind, max(server), count(*) - count(undeliverable_at), count(undeliverable_at)"
            " FROM flashduty_events GROUP BY fingerprint, kind"
        ):
            found[row[0], row[1]] = {
                "server": row[2],
                "waiting": row[3],
                "undeliverable": row[4],
            }
        for fingerprint, server, count in self._database.rows(
            f"SELECT fingerprint, max(server), count(*) FROM flashduty_open_alerts WHERE {_IS_OPEN}"
            " GROUP BY fingerprint"
        ):
            entry = found.setdefault((fingerprint, "alert"), {})
            entry["open_alerts"] = count
            entry["server"] = entry.get("server") or server
        for fingerprint, count in pending_alerts.count(self._database).items():
            found.setdefault((fingerprint, "alert"), {})["pending"] = count
        return [
            IntegrationStatus(
                fingerprint,
                kind,
                entry.get("server", ""),
                entry.get("waiting", 0),
                entry.get("undeliverable", 0),
                entry.get("open_alerts", 0),
                entry.get("pending", 0),
            )
            for (fingerprint, kind), entry in sorted(found.items())
        ]

    def adopt(
        self, kind: str, fingerprint: str, *, server: str, others: t.Iterable[str]
    ) -> int:
        """Let one integration have what waits, was refused, is open or was counted for others of its kind.

        :param kind: ``alert`` or ``change``.
        :param fingerprint: the integration in force.
        :param server: host and port of its URL, for people.
        :param others: the fingerprints of those that are no longer in force. What a courier is just sending stays.
        :returns: the number of events, of open alerts and of counted failures that were moved.
        """
        clause, values = in_clause("fingerprint", set(others) - {fingerprint})
        values.update(mine=fingerprint, server=server, kind=kind)
        moved = 0
        with self._database.transaction():
            if kind == "alert":
                moved += self._move_alerts(clause, values)
                moved += pending_alerts.move(self._database, clause, values)
            moved += self._database.run(
                "UPDATE flashduty_events SET fingerprint = :mine, server = :server, attempts = 0,"
                f" reported = 0 WHERE kind = :kind AND {clause} AND NOT {_IS_CLAIMED}",
                {**values, "now": self._database.now()},
            )
        return moved

    def _move_alerts(self, which: str, values: Values) -> int:
        """Let the integration ``:mine`` have open alerts; where it has an alert already, that one stays."""
        moved = self._database.run(
            "INSERT INTO flashduty_open_alerts"
            " (fingerprint, alert_key, server, origin, title, status, opened_at, raised_at, confirmed, details)"
            " SELECT :mine, alert_key, :server, origin, title, status, opened_at, raised_at, confirmed, details"
            f" FROM flashduty_open_alerts WHERE {which} AND fingerprint <> :mine ORDER BY opened_at"
            " ON CONFLICT (fingerprint, alert_key) DO NOTHING",
            values,
        )
        self._database.send(
            f"DELETE FROM flashduty_open_alerts WHERE {which} AND fingerprint <> :mine",
            values,
        )
        return moved

    def discard(self, fingerprints: t.Iterable[str]) -> int:
        """Delete all events, and forget all open alerts and counted failures, of these integrations.

        :returns: the number of all that there were.
        """
        clause, values = in_clause("fingerprint", fingerprints)
        with self._database.transaction():
            return sum(
                self._database.run(f"DELETE FROM {table} WHERE {clause}", values)
                for table in (
                    "flashduty_events",
                    "flashduty_open_alerts",
                    "flashduty_pending_alerts",
                )
            )

    def events(
        self, *, undeliverable: bool, limit: int | None = None
    ) -> list[dict[str, t.Any]]:
        """Return the events that wait, or those that were refused, the oldest first.

        :param limit: how many at most; all when missing.
        """
        rows = self._database.rows(
            "SELECT id, fingerprint, server, kind, key, payload, run_id, added_at, attempts, error, undeliverable_at"
            f" FROM flashduty_events WHERE undeliverable_at IS {'NOT ' if undeliverable else ''}NULL ORDER BY id"
            + ("" if limit is None else " LIMIT :limit"),
            {} if limit is None else {"limit": limit},
        )
        return [
            {
                "id": row[0],
                "fingerprint": row[1],
                "server": row[2],
                "kind": row[3],
                "key": row[4],
                "event": self._load_json(row[5]),
                "run_id": row[6],
                "added_at": row[7],
                "attempts": row[8],
                "error": self._load_json(row[9]) if row[9] else None,
                "undeliverable_at": row[10],
            }
            for row in rows
        ]

    def retry_undeliverable(
        self, kind: str, fingerprint: str, *, server: str = ""
    ) -> int:
        """Let the refused events of one kind wait again, to be sent to the given integration.

        The integration may be another than the one that refused them: a wrong key is mended by a new one.

        :param server: host and port of its URL, for people.
        :returns: how many there are.
        """
        values = {"mine": fingerprint, "server": server, "kind": kind}
        with self._database.transaction():
            if kind == "alert":
                self._move_alerts(
                    "confirmed = 0"
                    f" AND EXISTS (SELECT 1 FROM flashduty_events WHERE undeliverable_at IS NOT NULL AND {_OF_ALERT})"
                    f" AND NOT EXISTS (SELECT 1 FROM flashduty_events WHERE {_WAITS} AND {_OF_ALERT})",
                    values,
                )
            return self._database.run(
                "UPDATE flashduty_events SET undeliverable_at = NULL, reported = 0, attempts = 0,"
                " fingerprint = :mine, server = :server WHERE undeliverable_at IS NOT NULL AND kind = :kind",
                values,
            )

    def discard_undeliverable(self, kind: str | None = None) -> int:
        """Delete the refused events, of one kind where given, and return how many there were."""
        where, values = _where(kind=kind)
        with self._database.transaction():
            discarded = self._database.run(
                f"DELETE FROM flashduty_events WHERE undeliverable_at IS NOT NULL{where}",
                values,
            )
            self._delete_unconfirmed_alerts()
        return discarded

    def _load_json(self, text: t.Any) -> dict[str, t.Any]:
        try:
            data = json.loads(text)
            if isinstance(data, dict):
                return data
        except (TypeError, ValueError):
            pass
        raise DamagedOutbox(f"{self.place} is damaged: what was written is not there")


class _WasMade(Exception):
    """A write was made before."""


def _as_failed(event: ClaimedEvent, error: FlashdutyError) -> dict[str, t.Any]:
    return {
        "id": event.id,
        "courier": event.courier,
        "error": json.dumps(error.as_dict()),
    }


def _where(**equal: str | None) -> tuple[str, dict[str, str]]:
    """Return further conditions, for those columns that have a value, and their parameters."""
    values = {name: value for name, value in equal.items() if value is not None}
    return "".join(f" AND {name} = :{name}" for name in values), values
