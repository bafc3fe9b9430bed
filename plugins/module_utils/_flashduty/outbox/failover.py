# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""An outbox that stays usable: what is damaged is replaced, and where one place is of no use the next one serves."""

from __future__ import annotations

import atexit
import os
import tempfile
import typing as t

from . import fallback_notice, remove_delivered, run_page, sqlite
from .model import DamagedOutbox, LostConnection, OutboxError, OutboxLocation
from .queue import Outbox

Result = t.TypeVar("Result")


class FailoverOutbox:
    """The outbox of a run, opened when it is first used, and kept open: that takes ten times as long as using it.

    :param location: where to begin.
    :param open_outbox: opens the outbox at a location.
    :param warn: told, once each, what a person should know.
    :param moved: called when events go to another outbox from now on.
    """

    def __init__(
        self,
        location: OutboxLocation,
        open_outbox: t.Callable[[OutboxLocation], Outbox],
        *,
        warn: t.Callable[[str], None],
        moved: t.Callable[[], None] = lambda: None,
    ) -> None:
        self.location = location
        self._open = open_outbox
        self._warn = warn
        self._moved = moved
        self._outbox: Outbox | None = None
        self._replacements = _temporary_locations()

    def use(self, function: t.Callable[[Outbox], Result], default: Result) -> Result:
        """Return what a function makes of the outbox, wherever it is by now.

        :param function: may be called several times; what it writes has to have an id. See :meth:`Outbox.add`.
        :param default: what to return when there is none at all.
        """
        is_second = False
        while True:
            try:
                if self._outbox is None or not self._outbox.is_current():
                    self.close()
                    self._outbox = self._open(self.location)
                return function(self._outbox)
            except LostConnection as exc:
                problem = str(exc)
                self.close()
                if not is_second:
                    # The server was restarted, or somebody has ended the connection. A write that was made is not
                    # made again, since it has an id.
                    is_second = True
                    continue
            except DamagedOutbox as exc:
                problem = str(exc)
                self.close()
                if self._replace_file(problem):
                    continue
            except OutboxError as exc:
                problem = str(exc)
                self.close()
            if not self._go_elsewhere(problem):
                return default

    def close(self) -> None:
        """Close it until it is used again."""
        outbox, self._outbox = self._outbox, None
        if outbox is not None:
            outbox.close()

    def _replace_file(self, problem: str) -> bool:
        if self.location.url:
            return False
        try:
            aside = sqlite.move_aside(self.location.path)
        except OSError:
            return False
        self._warn(
            f"{problem}. It was moved to {aside}, and a new one is used: events that waited in it are not delivered,"
            " and alerts that were open are to be closed by hand."
        )
        self._moved()
        return True

    def _go_elsewhere(self, problem: str) -> bool:
        if self.location.url:
            # For the rest of the run: each further attempt would cost it time.
            run_page.trip(self.location.url)
            self._warn(f"{problem}. {fallback_notice(self.location)}")
            self.location = self.location.local()
            self._moved()
            return True
        location = next(self._replacements, None)
        if location is None:
            self._warn(f"{problem}. Alerts of this run are not sent.")
            return False
        self._warn(
            f"{problem}. Alerts of this run go out by way of {location} instead, and their recovery is not remembered."
        )
        self.location = location
        self._moved()
        return True


def _temporary_locations() -> t.Iterator[OutboxLocation]:
    """Make one folder after the other that may serve in the place of the state path."""
    for place in (tempfile.gettempdir(), "/dev/shm"):
        try:
            folder = tempfile.mkdtemp(prefix="flashduty-", dir=place)
        except OSError:
            continue
        location = OutboxLocation(folder, is_temporary=True)
        atexit.register(_clean_up, location, os.getpid())
        yield location


def _clean_up(location: OutboxLocation, run_pid: int) -> None:
    # The workers of a run are forks of it.
    if os.getpid() == run_pid:
        remove_delivered(location)
