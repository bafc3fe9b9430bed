# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    FILE_NAME,
    Outbox,
    exists,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._options import (
    outbox_info_argument_spec,
    resolve_state_path,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions import (
    ControllerAction,
    Result,
    as_utc,
    outbox_problems,
)


class ActionModule(ControllerAction):
    """Show what is in the outbox of the controller."""

    def argument_spec(self) -> dict[str, t.Any]:
        return outbox_info_argument_spec()

    def perform(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        state_path = resolve_state_path(self.layers(options, kind="alert"))
        waiting: list[Result] = []
        undeliverable: list[Result] = []
        open_alerts: list[Result] = []
        if exists(state_path):
            with outbox_problems(), Outbox(state_path) as outbox:
                waiting = [_describe(row) for row in outbox.events(refused=False)]
                undeliverable = [_describe(row) for row in outbox.events(refused=True)]
                open_alerts = [
                    {
                        "alert_key": alert.alert_key,
                        "title": alert.title,
                        "status": alert.status,
                        "since": as_utc(alert.opened_at),
                    }
                    for alert in outbox.open_alerts()
                ]
        lists = {
            "waiting": waiting,
            "undeliverable": undeliverable,
            "open_alerts": open_alerts,
        }
        limit = options["limit"] or None
        return {
            **{name: rows[:limit] for name, rows in lists.items()},
            "counts": {name: len(rows) for name, rows in lists.items()},
            "state_path": state_path,
            "size": _size(os.path.join(state_path, FILE_NAME)),
        }


def _describe(row: dict[str, t.Any]) -> Result:
    kept = ("kind", "key", "event", "attempts", "error", "integration")
    return {**{name: row[name] for name in kept}, "since": as_utc(row["added_at"])}


def _size(path: str) -> int:
    """Return the bytes of a file and of those that SQLite keeps beside it."""
    paths = [path + ending for ending in ("", "-wal", "-shm")]
    return sum(os.path.getsize(path) for path in paths if os.path.exists(path))
