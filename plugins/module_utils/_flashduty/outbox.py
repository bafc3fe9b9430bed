# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The outbox: events that wait, events that were refused, and alerts that are open, in one SQLite file.

What was added is safe against SIGKILL once :meth:`Outbox.add` has returned. Several processes may use one file:
couriers claim events with a lease, and a claim of a process that is gone counts no more.

Rows carry the fingerprint of key and URL (``Connection.fingerprint``), never the key.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import sqlite3
import stat
import time
import typing as t
from collections import Counter
from dataclasses import dataclass, field

from .errors import FlashdutyError
from .events import Event
from .processes import is_gone

FILE_NAME = "outbox.sqlite3"
SCHEMA_VERSION = 1

# An alert of last week would only confuse; and a disk must not fill because nobody looks.
LONGEST_AGE = 7 * 86400.0
MOST_WAITING = 100_000
MOST_REFUSED = 1_000

# Seconds to wait for another process that is just writing.
_BUSY_TIMEOUT = 5.0
_LONGEST_LEASE = 3600.0
# The rate limit counts requests in any minute, and a tenth of it in any second. They are noted by the tenth of a
# second in which they ended, rounded up.
_RATE_WINDOW = 60.0
_RATE_BUCKETS_A_SECOND = 10

# File systems that several machines share. WAL needs memory that all its users share.
_NETWORK_FILE_SYSTEMS = re.compile(
    r"(?:nfs\d?|cifs|smb\w*|9p|afs|ceph|lustre|gpfs|beegfs|glusterfs|ocfs2|gfs2|fuse(?:\..*)?|virtiofs)\Z"
)

# No lease is longer than the longest: a later end comes from a clock that was set back.
_LIVE_CLAIM = f"claimed_until BETWEEN :now AND :now + {_LONGEST_LEASE}"
_OF_ALERT = "events.integration = open_alerts.integration AND kind = 'alert' AND key = open_alerts.alert_key"
_SCHEMA = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    integration TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    payload TEXT NOT NULL,
    run_id TEXT NOT NULL,
    added_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    claimed_by TEXT,
    claimed_until REAL,
    refused_at REAL,
    reported INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX waiting ON events (integration, attempts, id) WHERE refused_at IS NULL;
CREATE INDEX waiting_by_key ON events (integration, kind, key, id) WHERE refused_at IS NULL;
CREATE INDEX claimed ON events (claimed_by, integration, claimed_until) WHERE claimed_by IS NOT NULL;
CREATE INDEX refused ON events (refused_at) WHERE refused_at IS NOT NULL;
CREATE TABLE open_alerts (
    integration TEXT NOT NULL,
    alert_key TEXT NOT NULL,
    origin TEXT NOT NULL,
    title TEXT NOT NULL,
    status TEXT NOT NULL,
    opened_at REAL NOT NULL,
    confirmed INTEGER NOT NULL DEFAULT 0,
    details TEXT NOT NULL,
    PRIMARY KEY (integration, alert_key)
) WITHOUT ROWID;
CREATE INDEX open_by_origin ON open_alerts (origin, integration);
CREATE TABLE requests (
    integration TEXT NOT NULL,
    at REAL NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (integration, at)
) WITHOUT ROWID;
"""


class OutboxError(Exception):
    """The state file cannot be used; the text says why, in words for a person."""


class DamagedOutbox(OutboxError):
    """The state file is not what was written: it can be moved aside with :func:`move_aside`."""


class NewerOutbox(OutboxError):
    """A newer version of the collection has written the state file; this one leaves it alone."""


@dataclass(frozen=True)
class OpenAlert:
    """An alert that Flashduty holds as open, as far as we know.

    :param origin: what raised it; alerts are looked up by it.
    :param opened_at: seconds since the epoch.
    :param details: plain data that only the one who raised the alert understands.
    """

    alert_key: str
    origin: str
    title: str
    status: str
    opened_at: float
    details: dict[str, t.Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Waiting:
    """An event that a courier has claimed."""

    id: int
    integration: str
    kind: str
    key: str
    payload: str
    attempts: int


@dataclass(frozen=True)
class Standing:
    """How things stand for some integrations.

    :param waiting: the number of events not delivered yet.
    :param reason: what the latest failed attempt said, as :meth:`FlashdutyError.as_dict`, or None.
    :param refused: events that were refused for good and that nobody was told of yet.
    """

    waiting: int
    reason: dict[str, t.Any] | None
    refused: list[dict[str, t.Any]]


class Outbox:
    """One open state file. Use as a context manager; not to be carried over a fork, nor shared by threads.

    :param folder: where the file is; made with mode 0700 when missing, and set to it when wider.
    :param now: where the time comes from, in seconds since the epoch.
    :raises OutboxError: when the file cannot be used.
    """

    def __init__(self, folder: str, *, now: t.Callable[[], float] = time.time) -> None:
        self.folder = os.path.abspath(os.path.expanduser(folder))
        self.path = os.path.join(self.folder, FILE_NAME)
        self._now = now
        with self._explained():
            _make_private(self.folder, self.path)
            try:
                self._db = self._connect()
            except sqlite3.OperationalError as exc:
                if not _may_lack_shared_memory(exc):
                    raise
                self._leave_wal()
                self._db = self._connect(wal=False)
        self._file = _identity(self.path)

    def __enter__(self) -> Outbox:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def is_current(self) -> bool:
        """Say whether this is still the file that others use: it may have been moved aside, or deleted."""
        return _identity(self.path) == self._file

    def check(self) -> None:
        """Make sure that this is still the file that others use.

        :raises DamagedOutbox: when it is not.
        """
        if not self.is_current():
            raise DamagedOutbox(f"{self.path} was replaced")

    # -- what a run writes

    def add(
        self,
        integration: str,
        events: t.Iterable[Event],
        *,
        run_id: str = "",
        opened: OpenAlert | None = None,
        updated: t.Iterable[OpenAlert] = (),
        closed: t.Iterable[str] = (),
    ) -> None:
        """Queue events, and remember in the same transaction what they open and close.

        :param integration: the fingerprint of the connection to send them with.
        :param opened: the alert that the events open, or raise again.
        :param updated: open alerts whose details have changed.
        :param closed: keys of alerts that the events close.
        :raises OutboxError: when nothing could be written; then nothing was.
        """
        with self._transaction():
            self._db.executemany(
                "INSERT INTO events (integration, kind, key, payload, run_id, added_at) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (
                        integration,
                        event.kind,
                        event.key,
                        json.dumps(event.payload()),
                        run_id,
                        self._now(),
                    )
                    for event in events
                ],
            )
            for alert in [opened] if opened else []:
                # Raised again: it opened when it opened, and what was confirmed stays confirmed.
                self._db.execute(
                    "INSERT INTO open_alerts (integration, alert_key, origin, title, status, opened_at, details)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (integration, alert_key) DO UPDATE SET"
                    " origin = excluded.origin, title = excluded.title, status = excluded.status,"
                    " details = excluded.details",
                    (
                        integration,
                        alert.alert_key,
                        alert.origin,
                        alert.title,
                        alert.status,
                        alert.opened_at,
                        json.dumps(alert.details),
                    ),
                )
            self._db.executemany(
                "UPDATE open_alerts SET details = ? WHERE integration = ? AND alert_key = ?",
                [
                    (json.dumps(alert.details), integration, alert.alert_key)
                    for alert in updated
                ],
            )
            self._db.executemany(
                "DELETE FROM open_alerts WHERE integration = ? AND alert_key = ?",
                [(integration, key) for key in closed],
            )

    def open_alerts(
        self, integration: str | None = None, origin: str | None = None
    ) -> list[OpenAlert]:
        """Return the open alerts, the oldest first; of one integration and origin, where given.

        An alert is open from the moment it is queued. One whose every event was refused is not: the service never
        heard of it, and no recovery is owed.
        """
        rows = self._rows(
            "SELECT alert_key, origin, title, status, opened_at, details FROM open_alerts"
            " WHERE (:integration IS NULL OR integration = :integration) AND (:origin IS NULL OR origin = :origin)"
            f" AND (confirmed OR EXISTS (SELECT 1 FROM events WHERE refused_at IS NULL AND {_OF_ALERT}))"
            " ORDER BY opened_at, alert_key",
            {"integration": integration, "origin": origin},
        )
        return [
            OpenAlert(key, origin, title, status, opened_at, self._plain(details))
            for key, origin, title, status, opened_at, details in rows
        ]

    def standing(self, integrations: t.Iterable[str]) -> Standing:
        """Return what waits and what was refused for these integrations."""
        marks, values = _in(integrations)
        ((waiting,),) = self._rows(
            f"SELECT count(*) FROM events WHERE refused_at IS NULL AND integration IN ({marks})",
            values,
        )
        reasons = self._rows(
            "SELECT error FROM events WHERE refused_at IS NULL AND error IS NOT NULL"
            f" AND integration IN ({marks}) ORDER BY attempts DESC, id DESC LIMIT 1",
            values,
        )
        refused = self._rows(
            "SELECT error FROM events WHERE refused_at IS NOT NULL AND NOT reported"
            f" AND integration IN ({marks}) ORDER BY id",
            values,
        )
        return Standing(
            waiting,
            self._plain(reasons[0][0]) if reasons else None,
            [self._plain(error) for (error,) in refused],
        )

    def is_waiting(
        self,
        integrations: t.Iterable[str],
        *,
        kind: str | None = None,
        key: str | None = None,
    ) -> bool:
        """Say whether anything waits for these integrations; of one kind and key, where given."""
        marks, values = _in(integrations)
        return bool(
            self._rows(
                f"SELECT 1 FROM events WHERE refused_at IS NULL AND integration IN ({marks})"
                " AND (? IS NULL OR kind = ?) AND (? IS NULL OR key = ?) LIMIT 1",
                [*values, kind, kind, key, key],
            )
        )

    def mark_reported(self, integrations: t.Iterable[str]) -> None:
        """Note that a person has been told of all that was refused for these integrations."""
        marks, values = _in(integrations)
        with self._transaction():
            self._db.execute(
                "UPDATE events SET reported = 1 WHERE refused_at IS NOT NULL AND NOT reported"
                f" AND integration IN ({marks})",
                values,
            )

    # -- what a courier does

    def claim(
        self,
        integration: str,
        courier: str,
        *,
        limit: int,
        lease: float,
        rate_limit: int = 0,
        key: str | None = None,
    ) -> tuple[list[Waiting], float]:
        """Claim events to send now; of each key only the first, so that order is kept.

        Events that failed before come after those that did not, so that one bad event holds up no other.
        What all couriers of this file have claimed in the last minute counts towards the rate limit.

        :param courier: the name that the claim is made in; see :func:`.processes.process_name`.
        :param limit: how many at most.
        :param lease: seconds until the claim ends by itself.
        :param rate_limit: requests a minute, a tenth of it in any second; 0 is off.
        :param key: only events of this alert or change, where given.
        :returns: the events, and the seconds until the rate limit allows more (0 when it is not in the way).
        """
        now = self._now()
        with self._transaction():
            pause = 0.0
            if rate_limit:
                allowed, pause = self._allowance(integration, rate_limit, now)
                limit = min(limit, allowed)
            claimed = [
                Waiting(*row)
                for row in self._db.execute(
                    "SELECT id, integration, kind, key, payload, attempts FROM events AS event"
                    " WHERE refused_at IS NULL AND integration = :integration"
                    " AND (:key IS NULL OR key = :key)"
                    f" AND NOT (claimed_by IS NOT NULL AND {_LIVE_CLAIM})"
                    " AND NOT EXISTS (SELECT 1 FROM events AS earlier WHERE earlier.refused_at IS NULL"
                    "  AND earlier.integration = event.integration AND earlier.kind = event.kind"
                    "  AND earlier.key = event.key AND earlier.id < event.id)"
                    " ORDER BY attempts, id LIMIT :limit",
                    {
                        "integration": integration,
                        "now": now,
                        "limit": limit,
                        "key": key,
                    },
                )
            ]
            until = now + min(lease, _LONGEST_LEASE)
            self._db.executemany(
                "UPDATE events SET claimed_by = ?, claimed_until = ? WHERE id = ?",
                [(courier, until, event.id) for event in claimed],
            )
        return claimed, pause

    def _allowance(
        self, integration: str, rate_limit: int, now: float
    ) -> tuple[int, float]:
        """Return how many requests may be made now, and if none, in how many seconds to ask again.

        A request counts from its claim until a minute after its end: when in between it reached the service nobody
        knows. So the service never sees more than the limit, in whichever minute or second it counts.
        """
        ((under_way,),) = self._db.execute(
            "SELECT count(*) FROM events WHERE claimed_by IS NOT NULL AND refused_at IS NULL"
            f" AND integration = :integration AND {_LIVE_CLAIM}",
            {"integration": integration, "now": now},
        )
        made = self._db.execute(
            "SELECT at, count FROM requests WHERE integration = ? AND at > ? AND at <= ? ORDER BY at DESC",
            (integration, now - _RATE_WINDOW, now + 1),
        ).fetchall()
        pauses = [0.0]
        allowed = rate_limit
        for limit, window in (
            (max(1, rate_limit // 10), 1.0),
            (rate_limit, _RATE_WINDOW),
        ):
            room = limit - under_way
            if room <= 0:
                # When the next of them ends is not known.
                pauses.append(0.05)
            for at, count in made:
                if room <= 0 or at <= now - window:
                    break
                room -= count
                if room <= 0:
                    pauses.append(at + window - now)
            allowed = min(allowed, room)
        return max(0, allowed), 0.0 if allowed > 0 else max(0.01, *pauses)

    def _note_requests(self, events: t.Iterable[Waiting]) -> None:
        """Count requests that have ended now."""
        now = self._now()
        at = math.ceil(now * _RATE_BUCKETS_A_SECOND) / _RATE_BUCKETS_A_SECOND
        for integration, count in Counter(
            event.integration for event in events
        ).items():
            self._db.execute(
                "INSERT INTO requests VALUES (?, ?, ?) ON CONFLICT (integration, at) DO UPDATE SET count = count + excluded.count",
                (integration, at, count),
            )
        # What lies in the future comes from a clock that was set back.
        self._db.execute(
            "DELETE FROM requests WHERE at <= ? OR at > ?",
            (now - _RATE_WINDOW, now + 1),
        )

    def settle(
        self,
        *,
        delivered: t.Iterable[Waiting] = (),
        failed: t.Iterable[tuple[Waiting, FlashdutyError]] = (),
        refused: t.Iterable[tuple[Waiting, FlashdutyError]] = (),
        unsent: t.Iterable[Waiting] = (),
    ) -> None:
        """Note how attempts have ended.

        :param delivered: accepted by the service; they leave the outbox.
        :param failed: to be tried again; their claims end.
        :param refused: refused for good; they are kept aside with the reason.
        :param unsent: claimed, but not tried; their claims end.
        """
        delivered, failed, refused = list(delivered), list(failed), list(refused)
        with self._transaction():
            self._note_requests(
                [*delivered, *(event for event, _error in [*failed, *refused])]
            )
            self._db.executemany(
                "DELETE FROM events WHERE id = ?", [(event.id,) for event in delivered]
            )
            self._db.executemany(
                "UPDATE open_alerts SET confirmed = 1 WHERE NOT confirmed AND integration = ? AND alert_key = ?",
                [
                    (event.integration, event.key)
                    for event in delivered
                    if event.kind == "alert"
                ],
            )
            self._db.executemany(
                "UPDATE events SET attempts = attempts + 1, error = ?, claimed_by = NULL, claimed_until = NULL"
                " WHERE id = ?",
                [(json.dumps(error.as_dict()), event.id) for event, error in failed],
            )
            self._db.executemany(
                "UPDATE events SET claimed_by = NULL, claimed_until = NULL WHERE id = ?",
                [(event.id,) for event in unsent],
            )
            self._db.executemany(
                "UPDATE events SET attempts = attempts + 1, error = ?, refused_at = ?, reported = 0,"
                " claimed_by = NULL, claimed_until = NULL WHERE id = ?",
                [
                    (json.dumps(error.as_dict()), self._now(), event.id)
                    for event, error in refused
                ],
            )

    def release(self, courier: str) -> None:
        """Give back all that a courier has claimed."""
        with self._transaction():
            claimed = self._db.execute(
                "SELECT id, integration, kind, key, '', attempts FROM events WHERE claimed_by = ?",
                (courier,),
            )
            # Some of it may have been sent.
            self._note_requests([Waiting(*row) for row in claimed])
            self._db.execute(
                "UPDATE events SET claimed_by = NULL, claimed_until = NULL WHERE claimed_by = ?",
                (courier,),
            )

    def release_dead(self) -> None:
        """Give back what processes have claimed that are gone from this machine."""
        for (courier,) in self._rows(
            "SELECT DISTINCT claimed_by FROM events WHERE claimed_by IS NOT NULL"
        ):
            if is_gone(courier):
                self.release(courier)

    def prune(
        self,
        *,
        longest_age: float = LONGEST_AGE,
        most_waiting: int = MOST_WAITING,
        most_refused: int = MOST_REFUSED,
    ) -> int:
        """Keep the outbox bounded: drop the oldest events beyond an age or a number.

        :param longest_age: seconds.
        :returns: the number of waiting events that were dropped.
        """
        with self._transaction():
            now = self._now()
            dropped = self._db.execute(
                "DELETE FROM events WHERE refused_at IS NULL AND (added_at < ? OR id <="
                " (SELECT id FROM events WHERE refused_at IS NULL ORDER BY id DESC LIMIT 1 OFFSET ?))",
                (now - longest_age, most_waiting),
            ).rowcount
            self._db.execute(
                "DELETE FROM events WHERE refused_at IS NOT NULL AND (refused_at < ? OR id <="
                " (SELECT id FROM events WHERE refused_at IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET ?))",
                (now - longest_age, most_refused),
            )
            self._forget_unheard()
        return dropped

    # -- what an administrator looks at and does

    def counts(self) -> dict[str, int]:
        """Return the numbers of events that wait, of those that were refused, and of open alerts."""
        ((waiting, refused),) = self._rows(
            "SELECT count(*) - count(refused_at), count(refused_at) FROM events"
        )
        return {
            "waiting": waiting,
            "refused": refused,
            "open_alerts": len(self.open_alerts()),
        }

    def events(
        self, *, refused: bool, limit: int | None = None
    ) -> list[dict[str, t.Any]]:
        """Return the events that wait, or those that were refused, the oldest first.

        :param limit: how many at most; all when missing.
        """
        rows = self._rows(
            "SELECT id, integration, kind, key, payload, run_id, added_at, attempts, error, refused_at FROM events"
            f" WHERE refused_at IS {'NOT ' if refused else ''}NULL ORDER BY id LIMIT ?",
            [-1 if limit is None else limit],
        )
        return [
            {
                "id": row[0],
                "integration": row[1],
                "kind": row[2],
                "key": row[3],
                "event": self._plain(row[4]),
                "run_id": row[5],
                "added_at": row[6],
                "attempts": row[7],
                "error": self._plain(row[8]) if row[8] else None,
                "refused_at": row[9],
            }
            for row in rows
        ]

    def retry_refused(self, kind: str, integration: str) -> int:
        """Let the refused events of one kind wait again, to be sent with the given integration.

        The integration may be another than the one that refused them: a wrong key is mended by a new one.

        :returns: how many there are.
        """
        with self._transaction():
            if kind == "alert":
                self._db.execute(
                    "UPDATE OR IGNORE open_alerts SET integration = ? WHERE NOT confirmed"
                    f" AND EXISTS (SELECT 1 FROM events WHERE refused_at IS NOT NULL AND {_OF_ALERT})"
                    f" AND NOT EXISTS (SELECT 1 FROM events WHERE refused_at IS NULL AND {_OF_ALERT})",
                    (integration,),
                )
            return self._db.execute(
                "UPDATE events SET refused_at = NULL, reported = 0, attempts = 0, integration = ?"
                " WHERE refused_at IS NOT NULL AND kind = ?",
                (integration, kind),
            ).rowcount

    def discard_refused(self, kind: str | None = None) -> int:
        """Delete the refused events, of one kind where given, and return how many there were."""
        with self._transaction():
            discarded = self._db.execute(
                "DELETE FROM events WHERE refused_at IS NOT NULL AND (:kind IS NULL OR kind = :kind)",
                {"kind": kind},
            ).rowcount
            self._forget_unheard()
        return discarded

    # -- inside

    def _forget_unheard(self) -> None:
        """Forget the alerts that the service never heard of, and never will."""
        self._db.execute(
            "DELETE FROM open_alerts WHERE NOT confirmed"
            f" AND NOT EXISTS (SELECT 1 FROM events WHERE {_OF_ALERT})"
        )

    def _connect(self, *, wal: bool = True) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT, isolation_level=None)
        try:
            self._prepare(db, wal=wal)
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self, db: sqlite3.Connection, *, wal: bool) -> None:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise NewerOutbox(
                f"{self.path} was written by a newer version of the collection (format {version}, known is"
                f" {SCHEMA_VERSION})"
            )
        if version == 0:
            # Readers and the writer do not wait for each other.
            if wal and not _is_shared_by_machines(self.folder):
                # It is not waited for somebody else who does the same just now.
                with contextlib.suppress(sqlite3.OperationalError):
                    db.execute("PRAGMA journal_mode = WAL").fetchone()
            with _atomically(db):
                # Somebody else may have been faster.
                if db.execute("PRAGMA user_version").fetchone() == (0,):
                    for statement in _SCHEMA.split(";"):
                        db.execute(statement)
                    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        # KiB of the file that are kept in memory, instead of 2,000: neither a run nor a courier shall grow much.
        db.execute("PRAGMA cache_size = -500")
        # Safe against a killed process; a power cut may take the last moments.
        db.execute("PRAGMA synchronous = NORMAL")

    def _leave_wal(self) -> None:
        """Let the file have a rollback journal: slower, and as safe.

        Where there is no shared memory, SQLite switches WAL on all the same, and cannot use the file from then on
        but with exclusive locking.
        """
        db = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT, isolation_level=None)
        with contextlib.closing(db):
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("PRAGMA journal_mode = DELETE")

    def _plain(self, text: t.Any) -> dict[str, t.Any]:
        """Return the data that was written as JSON."""
        try:
            data = json.loads(text)
            if isinstance(data, dict):
                return data
        except (TypeError, ValueError):
            pass
        raise DamagedOutbox(f"{self.path} is damaged: what was written is not there")

    def _rows(self, query: str, values: t.Any = ()) -> list[tuple[t.Any, ...]]:
        with self._explained():
            return self._db.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> t.Iterator[None]:
        with self._explained(), _atomically(self._db):
            yield

    @contextlib.contextmanager
    def _explained(self) -> t.Iterator[None]:
        """Turn what SQLite and the system say into words for a person."""
        try:
            yield
        except sqlite3.Error as exc:
            if _tells_damage(exc):
                raise DamagedOutbox(f"{self.path} is damaged: {exc}") from exc
            raise OutboxError(f"cannot use {self.path}: {exc}") from exc
        except UnicodeDecodeError as exc:
            # SQLite has quoted the damage in its message.
            raise DamagedOutbox(f"{self.path} is damaged: not a text") from exc
        except OSError as exc:
            raise OutboxError(f"cannot use {self.path}: {exc.strerror or exc}") from exc


@contextlib.contextmanager
def _atomically(db: sqlite3.Connection) -> t.Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _may_lack_shared_memory(exc: sqlite3.OperationalError) -> bool:
    # What SQLite says depends on which step towards it fails: "unable to open", "readonly", "disk I/O error".
    return not any(word in str(exc) for word in ("locked", "full"))


def _tells_damage(exc: sqlite3.Error) -> bool:
    if isinstance(exc, sqlite3.OperationalError):
        # Most of these tell of the surroundings: no space, no rights, somebody else is just writing.
        text = str(exc)
        return text.startswith(("no such ", "Could not decode ", "malformed ")) or (
            text.endswith(" already exists")
        )
    # Its subclasses tell of mistakes in our own code, which are no reason to move a file aside.
    return exc.__class__ is sqlite3.DatabaseError


def exists(folder: str) -> bool:
    """Say whether there is a state file in the folder, without opening it."""
    return os.path.exists(os.path.join(os.path.expanduser(folder), FILE_NAME))


def move_aside(folder: str, *, now: t.Callable[[], float] = time.time) -> str:
    """Rename a damaged state file, so that a new one can be made, and return its new path."""
    path = os.path.join(os.path.abspath(os.path.expanduser(folder)), FILE_NAME)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now()))
    aside = f"{path}.damaged-{stamp}"
    for ending in ("-shm", "-wal", ""):
        with contextlib.suppress(FileNotFoundError):
            os.replace(path + ending, aside + ending)
    return aside


def _make_private(folder: str, path: str) -> None:
    """Make folder and file readable for their owner alone, also when they were there with wider rights."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    _narrow(folder, 0o700)
    if not os.access(folder, os.W_OK | os.X_OK):
        is_read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
        problem = errno.EROFS if is_read_only else errno.EACCES
        raise OSError(problem, os.strerror(problem))
    # SQLite gives its side files the rights of the main file. A file that is there is not opened: closing it would
    # end the locks that this process has on it (https://www.sqlite.org/howtocorrupt.html).
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    for ending in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            _narrow(path + ending, 0o600)


def _is_shared_by_machines(folder: str) -> bool:
    """Say whether a folder is on a network file system, as far as the system tells."""
    device = os.stat(folder).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            for mount in mounts:
                # See proc_pid_mountinfo(5): id, parent, major:minor, root, mount point, options …, -, type, …
                place, _dash, kind = mount.partition(" - ")
                if place.split()[2] == number:
                    return bool(_NETWORK_FILE_SYSTEMS.match(kind.split()[0]))
    except (OSError, IndexError):
        pass
    return False


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _narrow(path: str, mode: int) -> None:
    status = os.stat(path)
    if stat.S_IMODE(status.st_mode) & ~mode and status.st_uid == os.geteuid():
        os.chmod(path, mode)


def _in(values: t.Iterable[str]) -> tuple[str, list[str]]:
    values = list(values)
    return ", ".join("?" * len(values)), values
