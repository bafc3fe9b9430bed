# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""Watches a run from beside it: renews its record, and raises an alert when it takes too long."""

from __future__ import annotations

import time
import typing as t

from .durations import format_duration
from .outbox.runs import RENEWAL_INTERVAL, RunAlert, RunLedger
from .run_progress import Progress


class RunWatch:
    """Watches one run.

    :param ledger: where its record is.
    :param started: when it began, by the clock that never jumps, which all processes of a machine share; now when missing.
    :param max_duration: seconds that it may take, or None.
    :param overlong: the alert to raise when it takes longer, or None.
    :param progress: how far it is.
    :param monotonic: a clock that never jumps, in seconds.
    """

    def __init__(
        self,
        ledger: RunLedger,
        run_id: str,
        *,
        controller: str = "",
        started: float | None = None,
        max_duration: float | None = None,
        overlong: RunAlert | None = None,
        progress: Progress | None = None,
        monotonic: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress = progress or Progress()
        self._ledger = ledger
        self._run_id = run_id
        self._controller = controller
        self._monotonic = monotonic
        self._max_duration = max_duration
        self._overlong = overlong
        self._started = monotonic() if started is None else started
        self._started_at = time.time() - (monotonic() - self._started)
        self._renews_at = monotonic() + RENEWAL_INTERVAL

    @classmethod
    def from_message(
        cls, ledger: RunLedger, message: t.Mapping[str, t.Any], progress: Progress
    ) -> RunWatch:
        """Return what the run has asked for."""
        overlong = message.get("overlong")
        return cls(
            ledger,
            message["run_id"],
            controller=message["controller"],
            started=message["started"],
            max_duration=message["max_duration"],
            overlong=RunAlert.from_data(overlong) if overlong else None,
            progress=progress,
        )

    def look(self) -> None:
        """Do what is due.

        :raises OutboxError: when the outbox cannot be used; it is tried again with the next look.
        """
        now = self._monotonic()
        if now >= self._renews_at:
            self._ledger.renew(self._run_id)
            self._ledger.take_lost()
            self._renews_at = now + RENEWAL_INTERVAL
        if (
            self._overlong is not None
            and self._max_duration is not None
            and now - self._started > self._max_duration
        ):
            self._ledger.raise_overlong(
                self._run_id, self._overlong, self._describe(self._max_duration)
            )
            self._overlong = None

    def lost(self) -> None:
        """Note that the run was killed."""
        self._ledger.mark_lost(self._run_id)

    def _describe(self, max_duration: float) -> str:
        started = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self._started_at))
        return (
            f"The run was to take {format_duration(max_duration)} at most, and goes on.\n\n"
            f"Started: {started} on {self._controller}\n{self._progress.describe()}"
        )
