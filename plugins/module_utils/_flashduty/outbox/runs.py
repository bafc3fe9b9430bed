# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""The ledger of runs: which runs began and ended, which are expected, and the alerts about runs as such.

All times are those of the database, so that controllers with different clocks agree.
"""

from __future__ import annotations

import dataclasses
import json
import time
import typing as t
from dataclasses import dataclass, field

from ..durations import format_duration
from ..events import AlertEvent
from ..processes import is_gone, is_here
from .alerts import OpenAlert
from .statements import Row, in_clause, insert_into, read_rows

if t.TYPE_CHECKING:
    from .database import Values
    from .queue import Outbox

# Seconds after which a run counts as lost that nobody has renewed.
LEASE = 90.0
# Seconds between two renewals.
RENEWAL_INTERVAL = 15.0

# How a run has ended. A lost one never told.
RUNNING, OK, FAILED = "running", "ok", "failed"
ABORTED, INTERRUPTED, LOST = "aborted", "interrupted", "lost"

# What is kept of each playbook, and for how many seconds.
_MOST_RUNS = 30
_LONGEST_AGE = 90 * 86400.0
# Seconds that a time may lie in the future. What is later comes from a clock that was set back since.
_TOLERANCE = 1.0

# How many alerts are raised in one transaction: a run of one of these playbooks that ends meanwhile has to wait for it.
_MOST_AT_ONCE = 50

# A playbook is missed, and its alert is to be raised, or raised again. What was raised in the future comes from a clock that
# was set back since.
_IS_DUE = (
    "COALESCE(completed_at, since) + expected_every < :now"
    " AND (raised_at IS NULL OR raised_at + expected_every < :now OR raised_at > :later)"
)
_RUN = (
    *("run_id", "fingerprint", "server", "origin", "playbook", "controller", "process"),
    *(
        "started_at",
        "renewed_until",
        "ended_at",
        "status",
        "complete",
        "hosts",
        "details",
    ),
)
_EXPECTED = (
    *("origin", "fingerprint", "server", "playbook", "expected_every", "since"),
    *(
        "started_at",
        "started_by",
        "completed_at",
        "completed_by",
        "raised_at",
        "details",
    ),
)

_TIMES = frozenset(
    name
    for name in (*_RUN, *_EXPECTED)
    if name.endswith(("_at", "_until")) or name == "since"
)

_CLOSED_BECAUSE = {
    "missed": "The playbook has run again.",
    "overlong": "The run has ended.",
}


@dataclass(frozen=True)
class RunAlert:
    """An alert about a run as such, ready to be raised by whoever finds the reason.

    :param event: the fields of the event but its time; what raises it may add a description.
    :param origin: what the open alert is remembered under.
    :param details: those of the open alert.
    """

    event: dict[str, t.Any]
    origin: str
    details: dict[str, t.Any]

    def raised(
        self, *, now: float, description: str | None = None
    ) -> tuple[AlertEvent, OpenAlert]:
        """Return the event that raises it now, and the alert that it opens."""
        fields = {**self.event, "event_time": int(now)}
        if description is not None:
            fields["description"] = description
        event = AlertEvent.create(**fields)
        opened = OpenAlert(
            alert_key=event.alert_key,
            origin=self.origin,
            title=event.title_rule,
            status=event.event_status,
            details=self.details,
        )
        return event, opened

    def recovery(self, *, now: float) -> AlertEvent:
        """Return the event that closes it now."""
        return _recovery(
            self.event["title_rule"],
            self.event["alert_key"],
            self.details,
            now=now,
        )

    def as_data(self) -> dict[str, t.Any]:
        """Return plain data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_data(cls, data: t.Mapping[str, t.Any]) -> RunAlert:
        """Return what :meth:`as_data` was made of."""
        return cls(**data)


@dataclass(frozen=True)
class Run:
    """What is remembered of one run.

    :param fingerprint: the integration of the run's own alerts.
    :param server: host and port of that integration.
    :param origin: the playbook in its namespace: both as a list in JSON.
    :param playbook: the playbook's name for people.
    :param process: the process of the run; see ``processes.py``.
    :param expected_every: seconds within which the playbook is to come to its end again, or None.
    :param max_duration: seconds that the run may take, or None.
    :param when_lost: the alert to raise when nobody hears of the run any more, or None.
    :param when_missed: the alert to raise when the playbook does not run in time, or None.
    :param when_overlong: the alert to raise when the run takes too long, or None.
    :param playbook_age: for how many seconds the playbook was as it is when the run began, or None where that is not known.
    """

    run_id: str
    fingerprint: str
    server: str
    origin: str
    playbook: str
    controller: str
    process: str
    expected_every: float | None = None
    max_duration: float | None = None
    when_lost: RunAlert | None = None
    when_missed: RunAlert | None = None
    when_overlong: RunAlert | None = None
    playbook_age: float | None = None


@dataclass(frozen=True)
class RunReport:
    """How one run went.

    :param status: ``running``, ``ok``, ``failed``, ``aborted``, ``interrupted`` or ``lost``.
    :param complete: whether it was a whole run that came to its recap.
    :param ended_at: seconds since the epoch, or None; of a lost run, when it was last heard of.
    :param hosts: the numbers of its hosts by what became of them.
    """

    run_id: str
    fingerprint: str
    origin: str
    playbook: str
    controller: str
    started_at: float
    ended_at: float | None
    status: str
    complete: bool
    expected_every: float | None
    max_duration: float | None
    hosts: dict[str, int]


@dataclass(frozen=True)
class ExpectedPlaybook:
    """A playbook that is to run again in time.

    :param since: when it was expected first, in seconds since the epoch.
    :param completed_at: when a whole run of it came to its recap the last time, or None.
    :param missed: whether that is longer ago than ``expected_every``.
    :param is_due: whether its alert is to be raised, or raised again, where it is missed.
    """

    origin: str
    fingerprint: str
    server: str
    playbook: str
    expected_every: float
    since: float
    started_at: float
    started_by: str
    completed_at: float | None
    completed_by: str
    missed: bool
    is_due: bool
    alert: RunAlert = field(repr=False)

    @property
    def due_at(self) -> float:
        """When it has to have run again, in seconds since the epoch."""
        return (self.completed_at or self.since) + self.expected_every

    @property
    def description(self) -> str:
        """What a person needs to know. The same in every check until it runs again."""
        ago = format_duration(self.expected_every)
        if self.completed_at is None:
            complete = f"Last complete run: none for more than {ago}, since it was expected first ({_utc(self.since)})."
        else:
            complete = f"Last complete run: {_utc(self.completed_at)} on {self.completed_by}, more than {ago} ago."
        return (
            f"The playbook is expected to run every {ago}, and has not.\n\n"
            f"Last start: {_utc(self.started_at)} on {self.started_by}.\n{complete}"
        )


@dataclass(frozen=True)
class RunRecords:
    """What one ledger knows and another one is to have: the rows of runs and of expected playbooks, by column."""

    runs: t.Sequence[Row]
    expected: t.Sequence[Row]

    def __bool__(self) -> bool:
        return bool(self.runs or self.expected)


class RunLedger:
    """The part of an outbox that is about runs."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._db = outbox.database

    def now(self) -> float:
        """Return the time that counts here, in seconds since the epoch."""
        return self._db.now()

    # -- what a run and its courier write

    def begin(self, run: Run) -> None:
        """Remember that a run has begun, or that more is known of it: it may be called again."""
        now = self._db.now()
        with self._db.transaction():
            is_new = self._record(run, now)
            if run.expected_every is not None and run.when_missed is not None:
                self._expect(run, now)
                if is_new:
                    self._db.send(
                        "UPDATE flashduty_expected_playbooks SET started_at = :now, started_by = :controller"
                        " WHERE origin = :origin",
                        {
                            "now": now,
                            "controller": run.controller,
                            "origin": run.origin,
                        },
                    )

    def _record(self, run: Run, now: float, *, closes: bool = True) -> bool:
        """Write the record of a run; return whether there was none.

        :param closes: whether its end closes alerts.
        """
        details = {
            "closes": closes,
            "expected_every": run.expected_every,
            "max_duration": run.max_duration,
            "when_lost": run.when_lost.as_data() if run.when_lost else None,
        }
        values = {"run_id": run.run_id, "details": json.dumps(details)}
        is_new = self._db.run(
            "INSERT INTO flashduty_runs (run_id, fingerprint, server, origin, playbook, controller, process,"
            " started_at, renewed_until, status, hosts, details) VALUES (:run_id, :fingerprint, :server, :origin,"
            " :playbook, :controller, :process, :now, :until, 'running', '{}', :details) ON CONFLICT (run_id) DO NOTHING",
            {
                **values,
                **_identity(run),
                "controller": run.controller,
                "process": run.process,
                "now": now,
                "until": now + LEASE,
            },
        )
        if not is_new:
            self._db.send(
                "UPDATE flashduty_runs SET details = :details WHERE run_id = :run_id",
                values,
            )
        return bool(is_new)

    def _expect(self, run: Run, now: float) -> None:
        if run.expected_every is None or run.when_missed is None:
            return
        self._db.send(
            "INSERT INTO flashduty_expected_playbooks (origin, fingerprint, server, playbook, expected_every,"
            " since, started_at, started_by, completed_by, details) VALUES (:origin, :fingerprint, :server,"
            " :playbook, :every, :now, :now, :controller, '', :details)"
            " ON CONFLICT (origin) DO UPDATE SET fingerprint = excluded.fingerprint, server = excluded.server,"
            " playbook = excluded.playbook, expected_every = excluded.expected_every, details = excluded.details",
            {
                **_identity(run),
                "every": run.expected_every,
                "now": now,
                "controller": run.controller,
                "details": json.dumps(run.when_missed.as_data()),
            },
        )

    def renew(self, run_id: str) -> None:
        """Note that a run goes on. One that was taken for lost meanwhile is found again."""
        self._db.send(
            "UPDATE flashduty_runs SET renewed_until = :until, ended_at = NULL, status = 'running'"
            " WHERE run_id = :run_id AND status IN ('running', 'lost')",
            {"run_id": run_id, "until": self._db.now() + LEASE},
        )

    def end(
        self,
        run: Run,
        *,
        status: str,
        complete: bool,
        hosts: t.Mapping[str, int],
        close: bool = True,
    ) -> list[OpenAlert]:
        """Remember how a run has ended; close what its end closes, and return that.

        Alerts of which a state that was deleted has known are closed, too: their keys are always the same. Whether they
        were open nobody knows, so they are not returned. An ``Ok`` for an alert that is not open does nothing.

        :param complete: it was a whole run that came to its recap, so it counts for its playbook.
        :param close: whether alerts are closed at all.
        """
        now = self._db.now()
        with self._db.transaction():
            self._lock(run.origin)
            is_forgotten = self._record(run, now, closes=close)
            self._expect(run, now)
            unknown = self._missed_in_an_unknown_past(run) if complete else []
            if is_forgotten and run.when_overlong is not None:
                unknown.append((run.fingerprint, run.server, run.when_overlong))
            self._db.send(
                "UPDATE flashduty_runs SET ended_at = :now, status = :status, complete = :complete, hosts = :hosts"
                " WHERE run_id = :run_id",
                {
                    "run_id": run.run_id,
                    "now": now,
                    "status": status,
                    "complete": int(complete),
                    "hosts": json.dumps(dict(hosts)),
                },
            )
            closed = self._closed(run.run_id, run.origin, "overlong")
            if complete:
                self._db.send(
                    "UPDATE flashduty_expected_playbooks SET completed_at = :now, completed_by = :controller,"
                    " raised_at = NULL WHERE origin = :origin",
                    {"now": now, "controller": run.controller, "origin": run.origin},
                )
                closed += self._closed(run.run_id, run.origin, "missed")
            if not close:
                closed, unknown = [], []
            self._close(run.run_id, closed, now)
            known = {alert.alert_key for _fingerprint, alert in closed}
            for fingerprint, server, alert in unknown:
                if alert.event["alert_key"] not in known:
                    self._outbox.add(
                        fingerprint,
                        [alert.recovery(now=now)],
                        server=server,
                        run_id=run.run_id,
                    )
            self._prune(run.origin, now)
        return [alert for _fingerprint, alert in closed]

    def _missed_in_an_unknown_past(self, run: Run) -> list[tuple[str, str, RunAlert]]:
        """Return the alert that a playbook is missed where no complete run of it is known, with its integration.

        This may be the first one, or those before it were remembered in a state that is gone. A playbook that is younger
        than the time within which it is to run was not missed.
        """
        if self._outbox.is_spool:
            # The database knows, and closes it when this one's runs move there.
            return []
        return [
            (fingerprint, server, RunAlert.from_data(json.loads(details)))
            for fingerprint, server, details, every in self._db.rows(
                "SELECT fingerprint, server, details, expected_every FROM flashduty_expected_playbooks"
                " WHERE origin = :origin AND completed_at IS NULL",
                {"origin": run.origin},
            )
            if run.playbook_age is None or run.playbook_age > every
        ]

    def is_expected(self, origin: str) -> bool:
        """Say whether a playbook is to run again in time."""
        return bool(
            self._db.rows(
                "SELECT 1 FROM flashduty_expected_playbooks WHERE origin = :origin",
                {"origin": origin},
            )
        )

    def raise_overlong(self, run_id: str, alert: RunAlert, description: str) -> bool:
        """Raise the alert for a run that takes too long, unless it has ended meanwhile; return whether it goes on."""
        now = self._db.now()
        with self._db.transaction():
            known = self._locked(run_id)
            if known is None:
                return False
            fingerprint, server, origin, _details = known
            runs = {
                other
                for _fingerprint, opened in self._open(origin, "overlong")
                for other in opened.details.get("runs", ())
            }
            details = {**alert.details, "runs": sorted(runs | {run_id})}
            self._raise(
                dataclasses.replace(alert, details=details),
                fingerprint,
                server,
                run_id,
                now,
                description=description,
            )
        return True

    # -- what anybody looks for

    def take_lost(self) -> list[RunReport]:
        """Find the runs that never told of their end, raise their alerts, and return them."""
        now = self._db.now()
        candidates = self._db.rows(
            "SELECT run_id, process, renewed_until FROM flashduty_runs WHERE ended_at IS NULL"
        )
        lost = []
        for run_id, process, renewed_until in candidates:
            if not _is_lost(process, renewed_until, now):
                if renewed_until < now:
                    # Its courier is gone, but it lives.
                    self.renew(run_id)
                continue
            if self.mark_lost(run_id, renewed_until=renewed_until):
                lost.append(run_id)
        return [
            report
            for run_id in lost
            for report in self._reports("run_id = :run_id", {"run_id": run_id})
        ]

    def mark_lost(self, run_id: str, *, renewed_until: float | None = None) -> bool:
        """Note that a run is lost, and raise its alert; return False when somebody else was faster.

        :param renewed_until: only where nobody has renewed it since this was read.
        """
        now = self._db.now()
        with self._db.transaction():
            known = self._locked(run_id, renewed_until=renewed_until)
            if known is None:
                return False
            fingerprint, server, origin, details = known
            self._db.send(
                "UPDATE flashduty_runs SET ended_at = renewed_until - :lease, status = 'lost'"
                " WHERE run_id = :run_id",
                {"run_id": run_id, "lease": LEASE},
            )
            alert = json.loads(details)["when_lost"]
            if alert:
                self._raise(RunAlert.from_data(alert), fingerprint, server, run_id, now)
            self._close(run_id, self._closed(run_id, origin, "overlong"), now)
        return True

    def lost(self) -> list[RunReport]:
        """Return the runs that :meth:`take_lost` would find."""
        return [
            report
            for report in self._reports("ended_at IS NULL")
            if report.status == LOST
        ]

    def expected(self) -> list[ExpectedPlaybook]:
        """Return the playbooks that are expected, the one that is due first in front."""
        now = self._db.now()
        found = [
            ExpectedPlaybook(
                origin=row[0],
                fingerprint=row[1],
                server=row[2],
                playbook=row[3],
                expected_every=row[4],
                since=row[5],
                started_at=row[6],
                started_by=row[7],
                completed_at=row[8],
                completed_by=row[9],
                missed=_age(row[8] or row[5], now) > row[4],
                # What was raised in the future comes from a clock that was set back since.
                is_due=row[10] is None or not -_TOLERANCE <= now - row[10] <= row[4],
                alert=RunAlert.from_data(json.loads(row[11])),
            )
            for row in self._db.rows(
                "SELECT origin, fingerprint, server, playbook, expected_every, since, started_at, started_by,"
                " completed_at, completed_by, raised_at, details FROM flashduty_expected_playbooks"
            )
        ]
        return sorted(found, key=lambda one: (one.due_at, one.origin))

    def raise_missed(
        self, missed: t.Iterable[ExpectedPlaybook]
    ) -> list[ExpectedPlaybook]:
        """Raise an alert for each of these playbooks, and return those for which that was news.

        An alert that is open is sent again only after a further period: so that it opens anew when a person has closed
        it and nothing has run since, but not with every check.
        """
        missed, raised = list(missed), []
        for start in range(0, len(missed), _MOST_AT_ONCE):
            raised += self._raise_some(missed[start : start + _MOST_AT_ONCE])
        return raised

    def _raise_some(self, missed: list[ExpectedPlaybook]) -> list[ExpectedPlaybook]:
        now = self._db.now()
        these, names = in_clause("origin", [one.origin for one in missed])
        values = {**names, "now": now, "later": now + _TOLERANCE}

        def found(where: str) -> set[str]:
            rows = self._db.rows(
                f"SELECT origin FROM flashduty_expected_playbooks WHERE {these} AND {where}",
                values,
            )
            return {origin for (origin,) in rows}

        with self._db.transaction():
            # Of two that check at once, the second one finds nothing left to do.
            self._lock_missed()
            due = found(_IS_DUE)
            # Once more: some may have run meanwhile. Nobody else changes the rest from here on.
            self._db.send(
                f"UPDATE flashduty_expected_playbooks SET raised_at = :now WHERE {these} AND {_IS_DUE}",
                values,
            )
            due &= found("raised_at = :now")
            raised = [one for one in missed if one.origin in due]
            by_integration: dict[tuple[str, str], list[ExpectedPlaybook]] = {}
            for one in raised:
                by_integration.setdefault((one.fingerprint, one.server), []).append(one)
            for (fingerprint, server), some in by_integration.items():
                self._outbox.raise_alerts(
                    fingerprint,
                    [
                        one.alert.raised(now=now, description=one.description)
                        for one in some
                    ],
                    server=server,
                )
        return raised

    def mend_clock(self) -> None:
        """Bring back to the present what was written while the clock was ahead: it would count as recent for long."""
        now = self._db.now()
        values = {"now": now, "later": now + _TOLERANCE}
        with self._db.transaction():
            for column in ("since", "started_at", "completed_at"):
                self._db.send(
                    f"UPDATE flashduty_expected_playbooks SET {column} = :now WHERE {column} > :later",
                    values,
                )
            self._db.send(
                "UPDATE flashduty_runs SET renewed_until = :until WHERE ended_at IS NULL AND renewed_until > :later",
                {"until": now + LEASE, "later": now + LEASE + _TOLERANCE},
            )

    # -- what a person looks at and does

    def reports(self) -> list[RunReport]:
        """Return all runs, the latest first."""
        return self._reports("1 = 1")

    def _reports(self, where: str, values: Values | None = None) -> list[RunReport]:
        """Return the runs that a condition holds for, the latest first."""
        now = self._db.now()
        reports = []
        for row in self._db.rows(
            "SELECT run_id, fingerprint, origin, playbook, controller, process, started_at, renewed_until, ended_at,"
            f" status, complete, hosts, details FROM flashduty_runs WHERE {where} ORDER BY started_at DESC, run_id",
            values,
        ):
            ended_at, status = row[8], row[9]
            if ended_at is None and _is_lost(row[5], row[7], now):
                # Nobody has found it yet.
                ended_at, status = row[7] - LEASE, LOST
            details = json.loads(row[12])
            reports.append(
                RunReport(
                    run_id=row[0],
                    fingerprint=row[1],
                    origin=row[2],
                    playbook=row[3],
                    controller=row[4],
                    started_at=row[6],
                    ended_at=None if ended_at is None else max(row[6], ended_at),
                    status=status,
                    complete=bool(row[10]),
                    expected_every=details["expected_every"],
                    max_duration=details["max_duration"],
                    hosts=json.loads(row[11]),
                )
            )
        return reports

    def forget(self, origins: t.Iterable[str]) -> list[OpenAlert]:
        """Expect these playbooks no more, close the alerts that they are missed, and return those."""
        now = self._db.now()
        closed = []
        with self._db.transaction():
            self._lock_missed()
            for origin in sorted(origins):
                self._lock(origin)
                self._db.send(
                    "DELETE FROM flashduty_expected_playbooks WHERE origin = :origin",
                    {"origin": origin},
                )
                missed = self._open(origin, "missed")
                self._close(
                    "", missed, now, because="The playbook is expected no more."
                )
                closed += missed
        return [alert for _fingerprint, alert in closed]

    # -- from one ledger into another

    def take_out(self) -> RunRecords:
        """Return what does not change any more: runs that have ended, or that nobody renews, and expected playbooks.

        It stays until :meth:`remove`.
        """
        going_on = "ended_at IS NULL AND renewed_until >= :now"
        values = {"now": self._db.now()}
        runs = read_rows(
            self._db,
            "flashduty_runs",
            _RUN,
            f"NOT ({going_on}) ORDER BY started_at, run_id",
            values,
        )
        expected = read_rows(
            self._db,
            "flashduty_expected_playbooks",
            _EXPECTED,
            f"NOT EXISTS (SELECT 1 FROM flashduty_runs WHERE {going_on}"
            " AND flashduty_runs.origin = flashduty_expected_playbooks.origin) ORDER BY origin",
            values,
        )
        return RunRecords(runs, expected)

    def remove(self, records: RunRecords) -> None:
        """Delete what was taken out, unless it has changed since."""
        for row in records.runs:
            self._db.send(
                "DELETE FROM flashduty_runs WHERE run_id = :run_id AND renewed_until = :renewed_until"
                " AND status = :status",
                row,
            )
        for row in records.expected:
            self._db.send(
                "DELETE FROM flashduty_expected_playbooks WHERE origin = :origin AND started_at = :started_at"
                " AND coalesce(completed_at, 0) = :completed",
                {**row, "completed": row["completed_at"] or 0.0},
            )

    def take_in(self, records: RunRecords, *, ahead: float) -> None:
        """Add what another ledger has taken out, and close what these runs have closed. To do it twice changes nothing.

        :param ahead: seconds that the clock of this ledger is ahead of the other one's.
        """
        with self._db.transaction():
            self._lock_missed()
            for origin in sorted(
                {row["origin"] for row in (*records.runs, *records.expected)}
            ):
                self._lock(origin)
            for row in records.expected:
                self._take_in_expected(_moved(row, ahead))
            for row in records.runs:
                self._take_in_run(_moved(row, ahead))

    def _take_in_run(self, row: Row) -> None:
        self._db.send(
            f"{insert_into('flashduty_runs', _RUN)}"
            " ON CONFLICT (run_id) DO UPDATE SET renewed_until = excluded.renewed_until, ended_at = excluded.ended_at,"
            " status = excluded.status, complete = excluded.complete, hosts = excluded.hosts,"
            " details = excluded.details"
            " WHERE excluded.status <> 'running' AND flashduty_runs.status IN ('running', 'lost')",
            row,
        )
        if row["ended_at"] is None:
            return
        now = self._db.now()
        closed = self._closed(row["run_id"], row["origin"], "overlong")
        if row["complete"]:
            self._db.send(
                "UPDATE flashduty_expected_playbooks SET completed_at = :ended_at, completed_by = :controller,"
                " raised_at = NULL WHERE origin = :origin AND coalesce(completed_at, 0) < :ended_at",
                {name: row[name] for name in ("ended_at", "controller", "origin")},
            )
            if not self._is_missed(row["origin"], now):
                closed += self._closed(row["run_id"], row["origin"], "missed")
        if json.loads(row["details"]).get("closes", True):
            self._close(row["run_id"], closed, now)
        self._prune(row["origin"], now)

    def _is_missed(self, origin: str, now: float) -> bool:
        return any(
            _age(completed_at or since, now) > every
            for completed_at, since, every in self._db.rows(
                "SELECT completed_at, since, expected_every FROM flashduty_expected_playbooks WHERE origin = :origin",
                {"origin": origin},
            )
        )

    def _take_in_expected(self, row: Row) -> None:
        for known in read_rows(
            self._db,
            "flashduty_expected_playbooks",
            _EXPECTED,
            f"origin = :origin{self._db.for_update}",
            row,
        ):
            started = max(row, known, key=lambda one: one["started_at"])
            completed = max(row, known, key=lambda one: one["completed_at"] or 0.0)
            row = {
                **started,
                "since": min(row["since"], known["since"]),
                "completed_at": completed["completed_at"],
                "completed_by": completed["completed_by"],
                "raised_at": completed["raised_at"],
            }
        self._db.send(
            f"{insert_into('flashduty_expected_playbooks', _EXPECTED)} ON CONFLICT (origin) DO UPDATE SET "
            + ", ".join(f"{name} = excluded.{name}" for name in _EXPECTED[1:]),
            row,
        )

    # -- inside

    def _lock_missed(self) -> None:
        """Let nobody else write about many expected playbooks: those who do would wait for each other."""
        self._db.lock("flashduty missed runs")

    def _lock(self, origin: str) -> None:
        """Let nobody else write about the runs of a playbook until this transaction ends.

        What the end of a run closes depends on the others that go on: two that end at once have to see each other.
        """
        self._db.lock(f"flashduty runs {origin}")

    def _locked(
        self, run_id: str, *, renewed_until: float | None = None
    ) -> tuple[str, str, str, str] | None:
        """Lock the playbook of a run that goes on; return its integration, server, playbook and details.

        :param renewed_until: only where nobody has renewed it since this was read.
        """
        for (origin,) in self._db.rows(
            "SELECT origin FROM flashduty_runs WHERE run_id = :run_id",
            {"run_id": run_id},
        ):
            self._lock(origin)
        where = ""
        values: dict[str, t.Any] = {"run_id": run_id}
        if renewed_until is not None:
            where = " AND renewed_until = :seen"
            values["seen"] = renewed_until
        # Writes, so that nobody can end or renew the run before the transaction ends.
        if not self._db.run(
            f"UPDATE flashduty_runs SET status = 'running' WHERE run_id = :run_id AND ended_at IS NULL{where}",
            values,
        ):
            return None
        (found,) = self._db.rows(
            "SELECT fingerprint, server, origin, details FROM flashduty_runs WHERE run_id = :run_id",
            {"run_id": run_id},
        )
        return t.cast("tuple[str, str, str, str]", found)

    def _raise(
        self,
        alert: RunAlert,
        fingerprint: str,
        server: str,
        run_id: str,
        now: float,
        *,
        description: str | None = None,
    ) -> None:
        event, opened = alert.raised(now=now, description=description)
        self._outbox.add(
            fingerprint, [event], server=server, run_id=run_id, opened=opened
        )

    def _open(self, origin: str, scope: str) -> list[tuple[str, OpenAlert]]:
        """Return the open alerts of one scope of a playbook, each with its integration."""
        namespace, playbook_id = json.loads(origin)
        return [
            (fingerprint, alert)
            for fingerprint, _server, alert in self._outbox.ledger(None, playbook_id)
            if alert.details.get("scope") == scope
            and alert.details.get("namespace", "") == namespace
        ]

    def _closed(
        self, run_id: str, origin: str, scope: str
    ) -> list[tuple[str, OpenAlert]]:
        """Return the alerts that the end of a run closes. What is about another run that goes on stays open."""
        return [
            (fingerprint, alert)
            for fingerprint, alert in self._open(origin, scope)
            if not self._go_on(set(alert.details.get("runs", ())) - {run_id})
        ]

    def _go_on(self, run_ids: t.Iterable[str]) -> bool:
        return any(
            self._db.rows(
                "SELECT 1 FROM flashduty_runs WHERE run_id = :run_id AND ended_at IS NULL",
                {"run_id": run_id},
            )
            for run_id in run_ids
        )

    def _close(
        self,
        run_id: str,
        alerts: t.Iterable[tuple[str, OpenAlert]],
        now: float,
        *,
        because: str = "",
    ) -> None:
        for fingerprint, alert in alerts:
            event = _recovery(
                alert.title, alert.alert_key, alert.details, now=now, because=because
            )
            self._outbox.add(
                fingerprint, [event], run_id=run_id, closed=[alert.alert_key]
            )

    def _prune(self, origin: str, now: float) -> None:
        # The last good one says since when it does not work any more.
        self._db.send(
            "DELETE FROM flashduty_runs WHERE origin = :origin AND ended_at IS NOT NULL AND started_at <= ("
            " SELECT started_at FROM flashduty_runs WHERE origin = :origin ORDER BY started_at DESC"
            f" LIMIT 1 OFFSET {_MOST_RUNS}) AND run_id NOT IN (SELECT run_id FROM flashduty_runs"
            " WHERE origin = :origin AND status = 'ok' ORDER BY started_at DESC LIMIT 1)",
            {"origin": origin},
        )
        self._db.send(
            "DELETE FROM flashduty_runs WHERE ended_at IS NOT NULL AND started_at < :oldest",
            {"oldest": now - _LONGEST_AGE},
        )


def _recovery(
    title: str,
    alert_key: str,
    details: t.Mapping[str, t.Any],
    *,
    now: float,
    because: str = "",
) -> AlertEvent:
    """Return the event that closes an alert about a run."""
    return AlertEvent.create(
        title_rule=title,
        event_status="Ok",
        alert_key=alert_key,
        event_time=int(now),
        description=because or _CLOSED_BECAUSE[details["scope"]],
        labels=details.get("labels"),
    )


def _identity(run: Run) -> dict[str, t.Any]:
    return {
        "fingerprint": run.fingerprint,
        "server": run.server,
        "origin": run.origin,
        "playbook": run.playbook,
    }


def _is_lost(process: str, renewed_until: float, now: float) -> bool:
    """Say whether a run is gone that has not told of its end."""
    if is_here(process):
        # Known better than by a renewal: this machine may have slept, or its courier is gone.
        return is_gone(process)
    return renewed_until < now


def _moved(row: t.Mapping[str, t.Any], ahead: float) -> dict[str, t.Any]:
    """Return a row with its times by another clock."""
    return {
        name: value + ahead if value is not None and name in _TIMES else value
        for name, value in row.items()
    }


def _age(then: float, now: float) -> float:
    return max(0.0, now - then)


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
