# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The outbox: what waits to be delivered, what was refused, and which alerts are open.

This is the door to it. Nobody outside this package knows a path, a file name, or a table.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import time
import typing as t

from . import run_page
from .model import (
    FILE_NAME,
    LEASE,
    DamagedOutbox,
    DatabaseAway,
    LostConnection,
    NewerOutbox,
    OutboxError,
    OutboxLocation,
    new_write_id,
)

if t.TYPE_CHECKING:
    from .answers import DatabaseReport
    from .failover import FailoverOutbox
    from .queue import Outbox

__all__ = [
    "FILE_NAME",
    "LEASE",
    "DamagedOutbox",
    "DatabaseAway",
    "LostConnection",
    "NewerOutbox",
    "OutboxError",
    "OutboxLocation",
    "check_database",
    "fallback_notice",
    "is_usable",
    "may_have_data",
    "new_write_id",
    "open_failover",
    "open_in_run",
    "open_outbox",
    "open_with_fallback",
    "remove_delivered",
    "size_of",
]


def open_outbox(
    location: OutboxLocation,
    *,
    now: t.Callable[[], float] | None = None,
    lazily: bool = False,
) -> Outbox:
    """Open the outbox at a location, and make it where there is none.

    :param now: where the time comes from, in seconds since the epoch; the clock of the database when missing.
    :param lazily: whether it is enough to reach a database now; that it can be used shows with the first use.
    :raises OutboxError: when it cannot be used.
    """
    if location.url:
        return _open_shared(location, now, lazily=lazily)
    # Only now: a run with nothing to say and nothing to remember imports neither SQLite nor events.
    try:
        from .sqlite import SqliteDatabase
    except ImportError as exc:
        raise OutboxError(f"this Python has no SQLite ({exc})") from exc
    from .queue import Outbox

    return Outbox(
        SqliteDatabase(location.path, now=now or time.time), is_spool=location.is_spool
    )


def _open_shared(
    location: OutboxLocation, now: t.Callable[[], float] | None, *, lazily: bool
) -> Outbox:
    try:
        from .postgresql import PostgresDatabase
    except ImportError as exc:
        raise OutboxError(_no_driver(exc)) from exc
    from .queue import Outbox

    shared = Outbox(PostgresDatabase(location, now=now, greets_at_once=not lazily))
    _take_over_local(shared, location.local())
    return shared


def _no_driver(exc: ImportError) -> str:
    return (
        f"state_url is set, but {sys.executable} has no psycopg ({exc}); install it with:"
        f" {sys.executable} -m pip install 'psycopg[binary]'"
    )


def check_database(location: OutboxLocation) -> DatabaseReport:
    """Report what is at the URL of a location, and what is missing there. Changes nothing, and never raises."""
    try:
        from .postgresql_check import check
    except ImportError as exc:
        from .answers import DatabaseReport

        return DatabaseReport(_no_driver(exc))
    return check(location)


def _take_over_local(shared: Outbox, location: OutboxLocation) -> None:
    """Move into the database what this machine has kept while it could not be reached."""
    if not may_have_data(location):
        return
    from .merge import merge

    try:
        local = open_outbox(location)
    except OutboxError:
        # Its own trouble: the database serves all the same.
        return
    try:
        with local, _first_in(location.path) as is_first:
            if is_first:
                merge(local, shared)
    except DamagedOutbox:
        return
    except BaseException:
        shared.close()
        raise


@contextlib.contextmanager
def _first_in(folder: str) -> t.Iterator[bool]:
    """Say whether no other process is just moving what is in a folder; let none do so meanwhile."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        is_first = True
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            is_first = False
        except OSError:
            # Not every file system can do this. Two that move the same at once do no harm, but wait for each other.
            pass
        yield is_first
    finally:
        os.close(opened)


def open_in_run(location: OutboxLocation, *, lazily: bool = False) -> Outbox:
    """Open the outbox at a location, unless it is a database that was of no use earlier in this run.

    :param lazily: see :func:`open_outbox`.
    :raises OutboxError: when it cannot be used.
    """
    if location.url and run_page.is_tripped(location.url):
        raise DatabaseAway(
            f"cannot use {location}: it could not be used earlier in this run"
        )
    try:
        return open_outbox(location, lazily=lazily)
    except OutboxError:
        if location.url:
            run_page.trip(location.url)
        raise


def open_with_fallback(
    location: OutboxLocation, *, warn: t.Callable[[str], None]
) -> Outbox:
    """Open the outbox at a location; while a database cannot be used, the local one.

    :param warn: told when the local one serves.
    :raises OutboxError: when neither can be used.
    """
    try:
        return open_outbox(location)
    except OutboxError as exc:
        if not location.url:
            raise
        warn(f"{exc}. {fallback_notice(location)}")
        return open_outbox(location.local())


def fallback_notice(location: OutboxLocation) -> str:
    """Return what a person is told when the local outbox serves in the place of the database."""
    return (
        f"The local outbox in {location.path} is used instead; what it holds moves to the database as soon as a run"
        " reaches it again. Alerts that only the database knows stay open until then."
    )


def open_failover(
    location: OutboxLocation,
    *,
    warn: t.Callable[[str], None],
    moved: t.Callable[[], None] = lambda: None,
) -> FailoverOutbox:
    """Return the outbox for a run, which opens when it is first used; see ``FailoverOutbox``."""
    from .failover import FailoverOutbox

    return FailoverOutbox(
        location,
        lambda place: open_in_run(place, lazily=True),
        warn=warn,
        moved=moved,
    )


def may_have_data(location: OutboxLocation) -> bool:
    """Say whether there may be anything in the outbox, without opening it. Of a database nobody knows.

    Neither does anybody of a folder that may not be looked into; opening it says why.
    """
    if location.url:
        return True
    try:
        os.stat(os.path.join(location.path, FILE_NAME))
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def remove_delivered(location: OutboxLocation) -> None:
    """Remove the temporary folder of a run, unless events are left in it."""
    if not location.is_temporary:
        return
    try:
        if size_of(location):
            with open_outbox(location) as outbox:
                counts = outbox.counts()
            if counts["waiting"] or counts["undeliverable"]:
                return
        shutil.rmtree(location.path, ignore_errors=True)
    except OutboxError:
        # Nobody knows what is in it.
        return


def is_usable(location: OutboxLocation) -> bool:
    """Say whether the outbox can be written to, or could be made."""
    from .sqlite import is_usable

    return is_usable(location.path)


def size_of(location: OutboxLocation) -> int:
    """Return the bytes that the outbox takes on the disk, 0 when there is none."""
    from .sqlite import file_size

    return file_size(location.path)
