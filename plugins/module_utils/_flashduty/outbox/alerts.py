# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""What an outbox remembers of alerts, as plain data. Imports nothing of ours."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field


@dataclass(frozen=True)
class OpenAlert:
    """An alert that Flashduty holds as open, as far as we know.

    :param origin: what raised it; alerts are looked up by it.
    :param opened_at: seconds since the epoch. The outbox sets it when it remembers the alert first: a controller's clock
        may be off.
    :param details: plain data that only the one who raised the alert understands.
    """

    alert_key: str
    origin: str
    title: str
    status: str
    opened_at: float = 0.0
    details: dict[str, t.Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PendingAlert:
    """A failure that was counted, and raises an alert when it has happened in enough runs in a row.

    :param alert: what will be open then; the outbox lets ``opened_at`` be when it was counted first.
    :param failures: in how many runs in a row it has happened.
    :param needed: in how many it has to happen.
    """

    alert: OpenAlert
    failures: int
    needed: int
