# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""Moves what a local outbox holds into the database, once that can be reached again: all of it, once, in order of key.

What moves is marked first, and the mark is written into the database in the same transaction. So a merge whose end
nobody knows is not made twice.
"""

from __future__ import annotations

import json
import typing as t
import uuid

from .database import Database

# A courier of this machine leaves alone what another one has claimed, and so what is about to move.
_MOVING = "moving:"
_LONG = 3600.0
_EVENT = "fingerprint, server, kind, key, payload, run_id, attempts, error, undeliverable_at, reported, added_at"
_ALERT = "fingerprint, alert_key, server, origin, title, status, opened_at, raised_at, confirmed, details"


def merge(local: Database, shared: Database) -> int:
    """Move events, open alerts and closings; return how many events there were.

    :raises OutboxError: when one of the two cannot be used. Nothing is lost then: the next merge goes on.
    """
    batch = _mark(local)
    if batch is None:
        return 0
    mark = {"batch": batch, "mover": _MOVING + batch}
    events = local.rows(
        f"SELECT {_EVENT} FROM flashduty_events WHERE claimed_by = :mover ORDER BY id",
        mark,
    )
    alerts = local.rows(
        f"SELECT {_ALERT} FROM flashduty_open_alerts WHERE batch = :batch ORDER BY fingerprint, alert_key",
        mark,
    )
    closed = local.rows(
        "SELECT fingerprint, alert_key, closed_at FROM flashduty_closings WHERE batch = :batch"
        " ORDER BY fingerprint, alert_key",
        mark,
    )
    with shared.transaction():
        # Two clocks: what counts is how long ago it was.
        ahead = shared.now() - local.now()
        if shared.run(
            "INSERT INTO flashduty_merges (batch, merged_at) VALUES (:batch, :now) ON CONFLICT (batch) DO NOTHING",
            {"batch": batch, "now": shared.now()},
        ):
            _close(shared, closed, ahead)
            _open(shared, alerts, ahead)
            _queue(shared, events, ahead)
    with local.transaction():
        local.run("DELETE FROM flashduty_events WHERE claimed_by = :mover", mark)
        for table in ("flashduty_open_alerts", "flashduty_closings"):
            local.run(f"DELETE FROM {table} WHERE batch = :batch", mark)
    return len(events)


def _mark(local: Database) -> str | None:
    """Mark what moves now, and return the mark; None when there is nothing."""
    with local.transaction():
        # An earlier merge that did not come to its end goes first.
        for query in (
            f"SELECT claimed_by FROM flashduty_events WHERE claimed_by LIKE '{_MOVING}%' LIMIT 1",
            "SELECT batch FROM flashduty_open_alerts WHERE batch IS NOT NULL LIMIT 1",
            "SELECT batch FROM flashduty_closings WHERE batch IS NOT NULL LIMIT 1",
        ):
            for (mark,) in local.rows(query):
                return str(mark).replace(_MOVING, "", 1)
        batch = uuid.uuid4().hex
        values = {
            "batch": batch,
            "mover": _MOVING + batch,
            "now": local.now(),
            "until": local.now() + _LONG,
        }
        # What a courier is just sending stays, and what follows it under the same key, too.
        marked = local.run(
            "UPDATE flashduty_events SET claimed_by = :mover, claimed_until = :until WHERE NOT EXISTS"
            " (SELECT 1 FROM flashduty_events AS sent WHERE sent.claimed_by <> :mover"
            "  AND sent.claimed_until >= :now AND sent.fingerprint = flashduty_events.fingerprint"
            "  AND sent.kind = flashduty_events.kind AND sent.key = flashduty_events.key)",
            values,
        )
        for table in ("flashduty_open_alerts", "flashduty_closings"):
            marked += local.run(f"UPDATE {table} SET batch = :batch", values)
        return batch if marked else None


def _close(shared: Database, closed: list[tuple[t.Any, ...]], ahead: float) -> None:
    """Close what was closed meanwhile, unless it was raised again since."""
    shared.run_each(
        "DELETE FROM flashduty_open_alerts WHERE fingerprint = :fingerprint AND alert_key = :key"
        " AND raised_at <= :closed_at",
        [
            {"fingerprint": row[0], "key": row[1], "closed_at": row[2] + ahead}
            for row in closed
        ],
    )


def _open(shared: Database, alerts: list[tuple[t.Any, ...]], ahead: float) -> None:
    names = _ALERT.split(", ")
    for row in alerts:
        values = dict(zip(names, row))
        values["opened_at"] += ahead
        values["raised_at"] += ahead
        known = shared.rows(
            "SELECT details FROM flashduty_open_alerts WHERE fingerprint = :fingerprint AND alert_key = :alert_key",
            values,
        )
        if known:
            values["details"] = _united(known[0][0], values["details"])
        shared.run(
            f"INSERT INTO flashduty_open_alerts ({_ALERT}) VALUES ({', '.join(f':{name}' for name in names)})"
            " ON CONFLICT (fingerprint, alert_key) DO UPDATE SET details = excluded.details,"
            " title = excluded.title,"
            " confirmed = CASE WHEN excluded.confirmed = 1 THEN 1 ELSE flashduty_open_alerts.confirmed END,"
            " raised_at = CASE WHEN excluded.raised_at > flashduty_open_alerts.raised_at"
            " THEN excluded.raised_at ELSE flashduty_open_alerts.raised_at END",
            values,
        )


def _queue(shared: Database, events: list[tuple[t.Any, ...]], ahead: float) -> None:
    names = _EVENT.split(", ")
    shared.run_each(
        f"INSERT INTO flashduty_events ({_EVENT}) VALUES ({', '.join(f':{name}' for name in names)})",
        [{**dict(zip(names, row)), "added_at": row[-1] + ahead} for row in events],
    )


def _united(known: str, new: str) -> str:
    """Return the details of an alert of which both places know: it waits for the causes of both."""
    before, after = json.loads(known), json.loads(new)
    causes = [*before.get("causes", ())]
    causes += [cause for cause in after.get("causes", ()) if cause not in causes]
    return json.dumps({**before, **after, **({"causes": causes} if causes else {})})
