# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    outbox_info_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    FILE_NAME,
    Outbox,
    exists,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._options import (
    resolve_state_path,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.base import (
    ControllerAction,
    Result,
    as_utc,
    outbox_errors,
)

_LISTS = ("waiting", "undeliverable", "open_alerts")


class ActionModule(ControllerAction):
    """Show what is in the outbox of the controller."""

    def argument_spec(self) -> dict[str, t.Any]:
        return outbox_info_argument_spec()

    def perform(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        state_path = resolve_state_path(self.layers(options))
        limit = options["limit"] or None
        found: Result = {name: [] for name in _LISTS} | {
            "counts": dict.fromkeys(_LISTS, 0)
        }
        if exists(state_path):
            with outbox_errors(), Outbox(state_path) as outbox:
                found = _read(outbox, limit)
        size = _size(os.path.join(state_path, FILE_NAME))
        return {**found, "state_path": state_path, "size": size}


def _read(outbox: Outbox, limit: int | None) -> Result:
    counts = outbox.counts()
    return {
        "waiting": [
            _describe(row) for row in outbox.events(refused=False, limit=limit)
        ],
        "undeliverable": [
            _describe(row) for row in outbox.events(refused=True, limit=limit)
        ],
        "open_alerts": [
            {
                "alert_key": alert.alert_key,
                "title": alert.title,
                "status": alert.status,
                "since": as_utc(alert.opened_at),
            }
            for alert in outbox.open_alerts()[:limit]
        ],
        "counts": {
            "waiting": counts["waiting"],
            "undeliverable": counts["refused"],
            "open_alerts": counts["open_alerts"],
        },
    }


def _describe(row: dict[str, t.Any]) -> Result:
    kept = ("kind", "key", "event", "attempts", "error", "integration")
    return {**{name: row[name] for name in kept}, "since": as_utc(row["added_at"])}


def _size(path: str) -> int:
    """Return the bytes of a file and of those that SQLite keeps beside it."""
    paths = [path + ending for ending in ("", "-wal", "-shm")]
    return sum(os.path.getsize(path) for path in paths if os.path.exists(path))
