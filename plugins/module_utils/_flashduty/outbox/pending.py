# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""Failures that were counted, and raise an alert when they have happened in enough runs in a row."""

from __future__ import annotations

import json
import typing as t

from .alerts import OpenAlert, PendingAlert
from .database import Database, Values


def remember(
    database: Database, fingerprint: str, pending: t.Iterable[PendingAlert], now: float
) -> None:
    """Write what is pending, in the place of what was remembered of the same alerts, but for when that began.

    :param now: seconds since the epoch, by the database's clock.
    """
    database.run_each(
        "INSERT INTO flashduty_pending_alerts"
        " (fingerprint, alert_key, origin, title, status, since, failures, needed, details)"
        " VALUES (:fingerprint, :key, :origin, :title, :status, :since, :failures, :needed, :details)"
        " ON CONFLICT (fingerprint, alert_key) DO UPDATE SET origin = excluded.origin, title = excluded.title,"
        " status = excluded.status, failures = excluded.failures, needed = excluded.needed,"
        " details = excluded.details, batch = NULL",
        [
            {
                "fingerprint": fingerprint,
                "key": one.alert.alert_key,
                "origin": one.alert.origin,
                "title": one.alert.title,
                "status": one.alert.status,
                "since": now,
                "failures": one.failures,
                "needed": one.needed,
                "details": json.dumps(one.alert.details),
            }
            for one in pending
        ],
    )


def forget(database: Database, fingerprint: str, keys: t.Iterable[str]) -> None:
    """Forget what is pending of these alerts."""
    database.run_each(
        "DELETE FROM flashduty_pending_alerts WHERE fingerprint = :fingerprint AND alert_key = :key",
        [{"fingerprint": fingerprint, "key": key} for key in sorted(keys)],
    )


def load(database: Database, where: str, values: Values) -> list[PendingAlert]:
    """Return what is pending, the oldest first.

    :param where: further conditions, each of which begins with ``AND``.
    """
    rows = database.rows(
        "SELECT alert_key, origin, title, status, since, details, failures, needed FROM flashduty_pending_alerts"
        f" WHERE 1 = 1{where} ORDER BY since, alert_key",
        values,
    )
    return [
        PendingAlert(
            OpenAlert(key, origin, title, status, since, json.loads(details)),
            failures,
            needed,
        )
        for key, origin, title, status, since, details, failures, needed in rows
    ]


def count(database: Database) -> dict[str, int]:
    """Return how many are pending, by integration."""
    return dict(
        database.rows(
            "SELECT fingerprint, count(*) FROM flashduty_pending_alerts GROUP BY fingerprint"
        )
    )


def move(database: Database, which: str, values: Values) -> int:
    """Let the integration ``:mine`` have what is pending for others, and return how much that was.

    Where it has counted the same failures itself, its own number stays.

    :param which: the condition that holds for the others.
    """
    moved = database.run(
        "INSERT INTO flashduty_pending_alerts"
        " (fingerprint, alert_key, origin, title, status, since, failures, needed, details)"
        " SELECT :mine, alert_key, origin, title, status, since, failures, needed, details"
        f" FROM flashduty_pending_alerts WHERE {which} ORDER BY failures DESC"
        " ON CONFLICT (fingerprint, alert_key) DO NOTHING",
        values,
    )
    database.send(f"DELETE FROM flashduty_pending_alerts WHERE {which}", values)
    return moved
