# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""The ledger of open alerts: how one write changes it.

Runs write about the same alert at the same time. What another one has added since this process looked is kept: it is
neither overwritten, nor closed by a run that has not seen it.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field

from .alerts import OpenAlert
from .database import Database
from .details import Details, causes_in, left_of, united
from .statements import in_clause, parts

# What this process has last seen of open alerts: their details as text, by integration and key.
Seen = dict[tuple[str, str], str]
# What is gone of an alert: whether it was closed, narrowed or only counted, its key, and the items of each cause that is gone;
# None where all of it is.
Closing = tuple[str, str, t.Optional[t.Mapping[str, t.Sequence[str]]]]

_COLUMNS = "fingerprint, alert_key, server, origin, title, status, opened_at, raised_at, details, write_id"
_INSERT = (
    f"INSERT INTO flashduty_open_alerts ({_COLUMNS}, confirmed) VALUES (:fingerprint, :key, :server, :origin, :title,"
    " :status, :opened_at, :raised_at, :details, :write_id, :confirmed)"
)


@dataclass
class LedgerWrite:
    """One write, inside a transaction.

    :param write_id: what tells it from others; empty where nobody asks.
    :param now: seconds since the epoch, by the database's clock.
    :param seen: what this process has seen; brought up to date.
    :param keeps_closings: whether what closes is remembered, so that it can be closed elsewhere as well.
    """

    database: Database
    fingerprint: str
    write_id: str
    now: float
    seen: Seen = field(default_factory=dict)
    keeps_closings: bool = False

    def open(
        self,
        alert: OpenAlert,
        *,
        server: str,
        opened_at: float | None = None,
        raised_at: float | None = None,
        confirmed: bool = False,
    ) -> None:
        """Remember an alert that is raised, perhaps once more: then it opened when it opened.

        :param opened_at: when it was raised first, in seconds since the epoch; now when missing.
        :param raised_at: when it was raised last; now when missing.
        :param confirmed: whether the service has heard of it.
        """
        values: dict[str, t.Any] = {
            "fingerprint": self.fingerprint,
            "key": alert.alert_key,
            "server": server,
            "origin": alert.origin,
            "title": alert.title,
            "status": alert.status,
            "opened_at": self.now if opened_at is None else opened_at,
            "raised_at": self.now if raised_at is None else raised_at,
            "details": json.dumps(alert.details),
            "write_id": self.write_id,
            "confirmed": int(confirmed),
        }
        # Whoever comes second waits here for the first, and finds what that one has written.
        if (self.fingerprint, alert.alert_key) in self.seen or not self.database.run(
            f"{_INSERT} ON CONFLICT (fingerprint, alert_key) DO NOTHING", values
        ):
            current = self.lock([alert.alert_key]).get(alert.alert_key)
            if current is not None:
                # Where nobody has looked, all of it is news.
                seen = self.seen.get((self.fingerprint, alert.alert_key), "{}")
                values["details"] = json.dumps(
                    _with_news(alert.details, current.text, seen)
                )
            self.database.send(
                f"{_INSERT} ON CONFLICT (fingerprint, alert_key) DO UPDATE SET server = excluded.server,"
                " origin = excluded.origin, title = excluded.title, status = excluded.status,"
                " details = excluded.details, write_id = excluded.write_id, batch = NULL,"
                " raised_at = CASE WHEN excluded.raised_at > flashduty_open_alerts.raised_at"
                " THEN excluded.raised_at ELSE flashduty_open_alerts.raised_at END,"
                " confirmed = CASE WHEN excluded.confirmed = 1 THEN 1 ELSE flashduty_open_alerts.confirmed END",
                values,
            )
        self.seen[self.fingerprint, alert.alert_key] = values["details"]

    def change(
        self, updated: t.Iterable[OpenAlert], closed: t.Iterable[str]
    ) -> set[str]:
        """Bring details up to date, and close alerts; return the keys of those that stay open, for what others added.

        What is written without having been looked at is written in any case: a person wants it so, or an earlier task of
        the run has looked.
        """
        updated, closed = list(updated), sorted(closed)
        # In this order in every transaction, so that no two wait for each other.
        current = self.lock([*(alert.alert_key for alert in updated), *closed])
        changes: dict[str, str] = {}
        closings: list[Closing] = []
        for alert in updated:
            if alert.alert_key in current:
                known = current[alert.alert_key].details
                text = current[alert.alert_key].text
                seen = self.seen.get((self.fingerprint, alert.alert_key), text)
                details = _with_news(alert.details, text, seen)
                changes[alert.alert_key] = json.dumps(details)
                closings += _closing("narrowed", alert.alert_key, known, left=details)
        gone, kept = [], set()
        for key in closed:
            known = current[key].details if key in current else {}
            text = current[key].text if key in current else "{}"
            news = _news(text, self.seen.get((self.fingerprint, key), text))
            if news is not None:
                changes[key] = json.dumps(news)
                kept.add(key)
            else:
                gone.append(key)
            closings += _closing("closed", key, known, left=news or {})
        self.database.run_each(
            "UPDATE flashduty_open_alerts SET details = :details, write_id = :write_id, batch = NULL"
            " WHERE fingerprint = :fingerprint AND alert_key = :key",
            [{**self._named(key), "details": text} for key, text in changes.items()],
        )
        self.database.run_each(
            "DELETE FROM flashduty_open_alerts WHERE fingerprint = :fingerprint AND alert_key = :key",
            [self._of(key) for key in gone],
        )
        self._note(closings)
        for key, text in changes.items():
            self.seen[self.fingerprint, key] = text
        for key in gone:
            self.seen.pop((self.fingerprint, key), None)
        return kept

    def forget_pending(self, keys: t.Iterable[str]) -> None:
        """Remember that failures are no longer counted, so that they can be forgotten elsewhere as well."""
        self._note([("pending", key, None) for key in sorted(keys)])

    def lock(self, keys: t.Iterable[str]) -> dict[str, LockedAlert]:
        """Return what is remembered of these alerts, and let no other write change it before this one ends."""
        ordered = sorted(set(keys))
        found = {}
        for part in parts(ordered):
            clause, values = in_clause("alert_key", part)
            rows = self.database.rows(
                "SELECT alert_key, details, raised_at FROM flashduty_open_alerts WHERE fingerprint = :fingerprint"
                f" AND {clause} ORDER BY alert_key{self.database.for_update}",
                {"fingerprint": self.fingerprint, **values},
            )
            found.update({row[0]: LockedAlert(row[1], row[2]) for row in rows})
        return found

    def _note(self, closings: t.Iterable[Closing]) -> None:
        """Remember what is gone, so that it goes elsewhere as well."""
        if not self.keeps_closings:
            return
        self.database.run_each(
            "INSERT INTO flashduty_closings (fingerprint, alert_key, what, closed_at, causes, write_id)"
            " VALUES (:fingerprint, :key, :what, :now, :causes, :write_id)"
            " ON CONFLICT (write_id, what, fingerprint, alert_key) DO NOTHING",
            [
                {
                    **self._named(key),
                    "what": what,
                    "now": self.now,
                    # Without any, the alert is closed as a whole.
                    "causes": json.dumps(causes or {}),
                }
                for what, key, causes in closings
            ],
        )

    def _of(self, key: str) -> dict[str, t.Any]:
        return {"fingerprint": self.fingerprint, "key": key}

    def _named(self, key: str) -> dict[str, t.Any]:
        return {**self._of(key), "write_id": self.write_id}


def _closing(
    what: str,
    key: str,
    known: t.Mapping[str, t.Any],
    *,
    left: t.Mapping[str, t.Any],
) -> t.Iterator[Closing]:
    """Yield which causes of an alert are gone, if any are.

    :param what: whether it was ``closed`` with them, or ``narrowed``.
    """
    causes = causes_in(known)
    still = causes_in(left)
    gone = {
        one: sorted(items)
        for one, items in causes.items()
        if one not in still or not items <= still[one]
    }
    if gone:
        yield what, key, gone
    elif what == "closed" and not causes:
        yield what, key, None


def _news(current: str, seen: str) -> Details | None:
    """Return what others have added to an alert since this process looked; None when that is nothing."""
    if seen == current:
        return None
    return left_of(json.loads(current), causes_in(json.loads(seen)))


def _with_news(
    details: t.Mapping[str, t.Any], current: str, seen: str
) -> t.Mapping[str, t.Any]:
    news = _news(current, seen)
    return details if news is None else united(news, details)


@dataclass(frozen=True)
class LockedAlert:
    """What is remembered of an alert, while nobody else can change it.

    :param text: the details as they are written.
    """

    text: str
    raised_at: float

    @property
    def details(self) -> Details:
        """The details."""
        return t.cast(Details, json.loads(self.text))
