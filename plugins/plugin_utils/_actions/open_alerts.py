# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""What tasks say of alerts that are open, or not raised yet. Pure."""

from __future__ import annotations

import typing as t

from .base import as_utc
from .tables import table

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
        OpenAlert,
        PendingAlert,
    )

    from .base import Result

_HEADINGS = ("HOST", "CHECK", "SINCE (UTC)", "TIMES", "INTEGRATION")
# Enough of a fingerprint to tell a few integrations apart.
_SHORT = 8


def describe_open(fingerprint: str, server: str, alert: OpenAlert) -> Result:
    """Return what a task says of an open alert.

    :param fingerprint: its integration.
    :param server: host and port of that.
    """
    labels = alert.details.get("labels", {})
    return {
        "alert_key": alert.alert_key,
        "title": alert.title,
        "status": alert.status,
        "since": as_utc(alert.opened_at),
        "host": labels.get("host") or labels.get("resource", ""),
        "check": labels.get("check", ""),
        "playbook": labels.get("playbook", ""),
        "times": alert.details.get("times", 1),
        "integration": fingerprint,
        "server": server,
    }


def describe_pending(pending: PendingAlert) -> Result:
    """Return what a task says of a failure that was counted, and raised no alert yet."""
    return {
        "alert_key": pending.alert.alert_key,
        "title": pending.alert.title,
        "status": pending.alert.status,
        "count": pending.failures,
        "needed": pending.needed,
        "since": as_utc(pending.alert.opened_at),
    }


def open_alerts_table(alerts: t.Iterable[Result]) -> list[str]:
    """Return the lines of a table for people.

    :param alerts: as ``describe_open`` returns them, with whether their integration is ``in_force``.
    """
    return table(
        _HEADINGS,
        [
            [
                alert["host"],
                alert["check"],
                alert["since"].rstrip("Z").replace("T", " "),
                str(alert["times"]),
                _integration(alert),
            ]
            for alert in alerts
        ],
    )


def _integration(alert: Result) -> str:
    name = f"{alert['server']} {alert['integration'][:_SHORT]}".strip()
    # In front, where no length of a name pushes it out of the cell.
    return name if alert["in_force"] else f"not in force: {name}"
