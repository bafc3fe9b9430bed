# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The outbox: what waits to be delivered, what was refused, and which alerts are open.

This is the door to it. Nobody outside this package knows a path, a file name, or a table.
"""

from __future__ import annotations

import os
import time
import typing as t

from .model import (
    FILE_NAME,
    ClaimedEvent,
    DamagedOutbox,
    IntegrationStatus,
    NewerOutbox,
    OpenAlert,
    OutboxError,
    OutboxLocation,
    PendingAlert,
    QueueStatus,
)

if t.TYPE_CHECKING:
    from .failover import FailoverOutbox
    from .queue import Outbox

__all__ = [
    "ClaimedEvent",
    "DamagedOutbox",
    "FailoverOutbox",
    "IntegrationStatus",
    "NewerOutbox",
    "OpenAlert",
    "Outbox",
    "OutboxError",
    "OutboxLocation",
    "PendingAlert",
    "QueueStatus",
    "is_usable",
    "may_have_data",
    "open_failover",
    "open_outbox",
    "size_of",
]


def open_outbox(
    location: OutboxLocation, *, now: t.Callable[[], float] = time.time
) -> Outbox:
    """Open the outbox at a location, and make it where there is none.

    :param now: where the time comes from, in seconds since the epoch.
    :raises OutboxError: when it cannot be used.
    """
    # Only now: a run with nothing to say and nothing to remember imports neither SQLite nor events.
    try:
        from .sqlite import SqliteDatabase
    except ImportError as exc:
        raise OutboxError(f"this Python has no SQLite ({exc})") from exc
    from .queue import Outbox

    return Outbox(SqliteDatabase(location.path, now=now))


def open_failover(
    location: OutboxLocation,
    *,
    warn: t.Callable[[str], None],
    moved: t.Callable[[], None] = lambda: None,
) -> FailoverOutbox:
    """Return the outbox for a run, which opens when it is first used; see ``FailoverOutbox``."""
    from .failover import FailoverOutbox

    return FailoverOutbox(location, open_outbox, warn=warn, moved=moved)


def may_have_data(location: OutboxLocation) -> bool:
    """Say whether there may be anything in the outbox, without opening it."""
    return os.path.exists(os.path.join(location.path, FILE_NAME))


def is_usable(location: OutboxLocation) -> bool:
    """Say whether the outbox can be written to, or could be made."""
    from .sqlite import is_usable

    return is_usable(location.path)


def size_of(location: OutboxLocation) -> int:
    """Return the bytes that the outbox takes on the disk, 0 when there is none."""
    from .sqlite import file_size

    return file_size(location.path)
