# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    outbox_info_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    may_have_data,
    size_of,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._layers import Layer
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.base import (
    ControllerAction,
    Result,
    as_utc,
    outbox_at,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.open_alerts import (
    describe_open,
    describe_pending,
    open_alerts_table,
)

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        Outbox,
    )

_LISTS = ("waiting", "undeliverable", "open_alerts")


class ActionModule(ControllerAction):
    """Show what is in the outbox of the controller."""

    def argument_spec(self) -> dict[str, t.Any]:
        return outbox_info_argument_spec()

    def perform(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        layers = self.layers(options)
        location = self.outbox_location(layers)
        in_force = self._integrations_in_force(layers)
        limit = options["limit"] or None
        found: Result = {name: [] for name in _LISTS} | {
            "counts": dict.fromkeys(_LISTS, 0),
            "pending": [],
            "integrations": [],
        }
        state = {"kind": location.kind, "location": str(location)}
        size = size_of(location)
        if may_have_data(location):
            with outbox_at(location, warn=self.warn) as outbox:
                found, size = _read(outbox, limit, in_force), outbox.size()
                state = {"kind": outbox.kind, "location": outbox.place}
        return {
            **found,
            "table": open_alerts_table(found["open_alerts"]),
            "state": state,
            "state_path": location.path,
            "size": size,
        }

    def _integrations_in_force(self, layers: t.Sequence[Layer]) -> set[str]:
        """Return the fingerprints of the integrations that are configured. What is wrong with one is told elsewhere."""
        found = set()
        for kind in ("alert", "change"):
            with contextlib.suppress(ConfigurationError):
                found.add(self.resolve(layers, kind=kind).connection.fingerprint)
        return found


def _read(outbox: Outbox, limit: int | None, in_force: t.Container[str]) -> Result:
    def events(*, undeliverable: bool) -> list[Result]:
        return [
            _describe(row)
            for row in outbox.events(undeliverable=undeliverable, limit=limit)
        ]

    found: Result = {
        "waiting": events(undeliverable=False),
        "undeliverable": events(undeliverable=True),
        "open_alerts": [describe_open(*one) for one in outbox.ledger()[:limit]],
    }
    for rows in found.values():
        for row in rows:
            row["in_force"] = row["integration"] in in_force
    return {
        **found,
        "pending": [describe_pending(one) for one in outbox.pending_alerts()[:limit]],
        "counts": outbox.counts(),
        "integrations": [
            {
                "integration": one.fingerprint,
                "kind": one.kind,
                "server": one.server,
                "in_force": one.fingerprint in in_force,
                "waiting": one.waiting,
                "undeliverable": one.undeliverable,
                "open_alerts": one.open_alerts,
                "pending": one.pending,
            }
            for one in outbox.integrations()
        ],
    }


def _describe(row: dict[str, t.Any]) -> Result:
    kept = ("kind", "key", "event", "attempts", "error", "server")
    return {
        **{name: row[name] for name in kept},
        "integration": row["fingerprint"],
        "since": as_utc(row["added_at"]),
    }
