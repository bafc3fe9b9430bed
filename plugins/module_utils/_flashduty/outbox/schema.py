# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""The tables of the outbox, for all dialects.

``{id}`` stands for a number that rises with each row. All times are seconds since the epoch, by the database's clock.
Rows carry the fingerprint of their integration (``Connection.fingerprint``), never its key.
"""

from __future__ import annotations

# Raise it with each change of the tables that has been published.
VERSION = 1

TABLES = """
CREATE TABLE flashduty_events (
    id {id},
    fingerprint TEXT NOT NULL,
    server TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    payload TEXT NOT NULL,
    run_id TEXT NOT NULL,
    added_at DOUBLE PRECISION NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    claimed_by TEXT,
    claimed_until DOUBLE PRECISION,
    undeliverable_at DOUBLE PRECISION,
    reported INTEGER NOT NULL DEFAULT 0,
    write_id TEXT NOT NULL DEFAULT ''
);
CREATE INDEX flashduty_waiting ON flashduty_events (fingerprint, attempts, id) WHERE undeliverable_at IS NULL;
CREATE INDEX flashduty_waiting_by_key ON flashduty_events (fingerprint, kind, key, id) WHERE undeliverable_at IS NULL;
CREATE INDEX flashduty_claimed ON flashduty_events (fingerprint, claimed_until, claimed_by)
    WHERE claimed_by IS NOT NULL;
CREATE INDEX flashduty_undeliverable ON flashduty_events (undeliverable_at) WHERE undeliverable_at IS NOT NULL;

CREATE TABLE flashduty_open_alerts (
    fingerprint TEXT NOT NULL,
    alert_key TEXT NOT NULL,
    server TEXT NOT NULL,
    origin TEXT NOT NULL,
    title TEXT NOT NULL,
    status TEXT NOT NULL,
    opened_at DOUBLE PRECISION NOT NULL,
    raised_at DOUBLE PRECISION NOT NULL,
    confirmed INTEGER NOT NULL DEFAULT 0,
    details TEXT NOT NULL,
    write_id TEXT NOT NULL DEFAULT '',
    batch TEXT,
    PRIMARY KEY (fingerprint, alert_key)
);
CREATE INDEX flashduty_open_by_origin ON flashduty_open_alerts (origin, fingerprint);

CREATE TABLE flashduty_closings (
    fingerprint TEXT NOT NULL,
    alert_key TEXT NOT NULL,
    what TEXT NOT NULL,
    closed_at DOUBLE PRECISION NOT NULL,
    causes TEXT NOT NULL,
    write_id TEXT NOT NULL,
    batch TEXT,
    PRIMARY KEY (write_id, what, fingerprint, alert_key)
);
CREATE INDEX flashduty_closings_of_alert ON flashduty_closings (fingerprint, alert_key);
CREATE TABLE flashduty_writes (
    write_id TEXT PRIMARY KEY,
    written_at DOUBLE PRECISION NOT NULL,
    merged_by TEXT
);

CREATE TABLE flashduty_requests (
    fingerprint TEXT NOT NULL,
    bucket DOUBLE PRECISION NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (fingerprint, bucket)
);

CREATE TABLE flashduty_pending_alerts (
    fingerprint TEXT NOT NULL,
    alert_key TEXT NOT NULL,
    origin TEXT NOT NULL,
    title TEXT NOT NULL,
    status TEXT NOT NULL,
    since DOUBLE PRECISION NOT NULL,
    failures INTEGER NOT NULL,
    needed INTEGER NOT NULL,
    details TEXT NOT NULL,
    batch TEXT,
    PRIMARY KEY (fingerprint, alert_key)
);
CREATE INDEX flashduty_pending_by_origin ON flashduty_pending_alerts (origin, fingerprint);

CREATE TABLE flashduty_runs (
    run_id TEXT NOT NULL PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    server TEXT NOT NULL,
    origin TEXT NOT NULL,
    playbook TEXT NOT NULL,
    controller TEXT NOT NULL,
    process TEXT NOT NULL,
    started_at DOUBLE PRECISION NOT NULL,
    renewed_until DOUBLE PRECISION NOT NULL,
    ended_at DOUBLE PRECISION,
    status TEXT NOT NULL,
    complete INTEGER NOT NULL DEFAULT 0,
    hosts TEXT NOT NULL,
    details TEXT NOT NULL
);
CREATE INDEX flashduty_unended_runs ON flashduty_runs (renewed_until) WHERE ended_at IS NULL;
CREATE INDEX flashduty_runs_of_playbook ON flashduty_runs (origin, started_at);
CREATE INDEX flashduty_runs_by_start ON flashduty_runs (started_at);

CREATE TABLE flashduty_expected_playbooks (
    origin TEXT NOT NULL PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    server TEXT NOT NULL,
    playbook TEXT NOT NULL,
    expected_every DOUBLE PRECISION NOT NULL,
    since DOUBLE PRECISION NOT NULL,
    started_at DOUBLE PRECISION NOT NULL,
    started_by TEXT NOT NULL,
    completed_at DOUBLE PRECISION,
    completed_by TEXT NOT NULL,
    raised_at DOUBLE PRECISION,
    details TEXT NOT NULL
);
"""


def statements(id_type: str) -> list[str]:
    """Return the statements that make the tables.

    :param id_type: how the dialect writes a number that rises with each row.
    """
    return [
        statement.replace("{id}", id_type)
        for statement in TABLES.split(";")
        if statement.strip()
    ]
