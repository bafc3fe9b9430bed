# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""What the ledger of runs, and the courier, are told of this run, where an option or a variable asks for it."""

from __future__ import annotations

import dataclasses
import os
import time
import typing as t

from .._alerts.settings import Settings

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
        OpenAlert,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.runs import (
        Run,
        RunAlert,
    )

    from .._alerts.run_context import RunContext
    from .._delivery import Delivery

# A message of up to 4,096 bytes is written at once or not at all; see pipe(7). JSON may take six for one character.
_MOST_CHARACTERS = 600
_DURATIONS = ("expected_every", "max_duration")


class RunRecord:
    """The record of one run. It does nothing until it is wanted.

    :param playbook_path: where the playbook is, if it is a file.
    :param monotonic: a clock that never jumps, in seconds.
    """

    def __init__(
        self,
        settings: Settings,
        delivery: Delivery,
        *,
        playbook_path: str = "",
        monotonic: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._delivery = delivery
        self._playbook_path = playbook_path
        self._monotonic = monotonic
        self._started = monotonic()
        # What variables say: the first play that sets one decides.
        self._chosen: dict[str, float] = {}
        self._record: Run | None = None
        self._gone: set[str] = set()

    # -- beginning

    def begin(
        self,
        run_of: t.Callable[[], RunContext],
        duration: t.Callable[[str], float | None],
        *,
        fingerprint: str,
        server: str,
        alert: t.Callable[[str], RunAlert],
        is_known_again: bool,
        raises: bool,
        reports_abort: bool,
    ) -> None:
        """A play begins: remember the run, if that is wanted, with what is known of it by now.

        :param run_of: returns the run, with the namespace that it is remembered under.
        :param duration: returns what the play's variable for an option says, in seconds, or None.
        :param fingerprint: the integration that alerts about the run go to.
        :param server: host and port of it.
        :param alert: makes an alert about the run; see ``AlertTracker.run_alert``.
        :param is_known_again: whether later runs of this playbook can be told to be that; else it cannot be expected.
        :param raises: whether this run raises alerts at all.
        :param reports_abort: whether it raises one when it ends without its recap.
        """
        for option in _DURATIONS:
            seconds = None if option in self._chosen else duration(option)
            if seconds is not None:
                self._chosen[option] = seconds
        every, longest = (
            self._chosen.get(option, getattr(self._settings, option))
            for option in _DURATIONS
        )
        if every and (not is_known_again or run_of().is_ad_hoc):
            # Nobody expects a command that a person has typed.
            every = None
        if not (every or longest or (self._settings.watch and reports_abort)):
            return
        overlong = alert("overlong") if longest and raises else None
        record = dataclasses.replace(
            self._record or self._make(run_of(), fingerprint, server),
            expected_every=every,
            max_duration=longest,
            when_lost=alert("run") if reports_abort else None,
            # Who only tries a playbook out does not promise that it runs from now on.
            when_missed=alert("missed") if every and raises else None,
            when_overlong=overlong,
        )
        if record == self._record:
            return
        self._record = record
        watch = {
            "run_id": record.run_id,
            "controller": record.controller,
            "started": self._started,
            "max_duration": longest,
            "overlong": overlong.as_data() if overlong else None,
        }
        # A run with --check needs nobody beside it.
        self._delivery.begin_run(record, watch if raises else None)

    def _make(self, run: RunContext, fingerprint: str, server: str) -> Run:
        from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.runs import (
            Run,
        )
        from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.processes import (
            process_name,
        )

        return Run(
            run_id=run.run_id,
            fingerprint=fingerprint,
            server=server,
            origin=run.identity,
            playbook=run.playbook,
            controller=run.controller,
            process=process_name(),
            playbook_age=self._playbook_age(),
        )

    def _playbook_age(self) -> float | None:
        """Return for how many seconds the playbook was as it is when the run began; None where nobody knows."""
        try:
            written = os.stat(self._playbook_path).st_mtime
        except OSError:
            return None
        age = time.time() - written - (self._monotonic() - self._started)
        # What was written in the future comes from another clock.
        return age if age >= 0 else None

    # -- progress

    @property
    def tells_progress(self) -> bool:
        """Whether it matters how far the run is."""
        return self._record is not None and self._record.max_duration is not None

    def play_started(self, name: str, hosts: t.Sequence[str]) -> None:
        """A play begins, or a further batch of it."""
        if not self.tells_progress:
            return
        self._gone = set()
        self._delivery.tell_progress({"play": name[:_MOST_CHARACTERS]})
        part: list[str] = []
        for host in hosts:
            if sum(map(len, part)) + len(host) > _MOST_CHARACTERS:
                self._delivery.tell_progress({"hosts": part})
                part = []
            part.append(host[:_MOST_CHARACTERS])
        self._delivery.tell_progress({"hosts": part})

    def task_started(self, text: str, stopped: t.Collection[str]) -> None:
        """A task begins.

        :param text: its name, without secrets.
        :param stopped: the hosts of the play that take part no more.
        """
        if not self.tells_progress:
            return
        for host in sorted(set(stopped) - self._gone):
            self._delivery.tell_progress({"gone": [host[:_MOST_CHARACTERS]]})
        self._gone.update(stopped)
        self._delivery.tell_progress({"task": text[:_MOST_CHARACTERS]})

    def reported(self, host: str) -> None:
        """A host has finished a task."""
        self._delivery.tell_progress({"reported": host[:_MOST_CHARACTERS]})

    # -- end

    def finish(
        self,
        run_of: t.Callable[[], RunContext],
        *,
        whole: bool,
        hosts: t.Collection[str],
        failed: t.Collection[str],
    ) -> list[OpenAlert]:
        """The run has come to its recap: return the alerts about runs that this closes.

        :param run_of: returns the run, with the namespace that it is remembered under.
        :param whole: whether it was narrowed in no way.
        :param hosts: the hosts that took part.
        :param failed: the hosts that ansible-core gave up on.
        """
        # A run that reached nobody has done nothing.
        complete = whole and bool(hosts)
        record = self._record
        if record is None:
            if not (complete and self._delivery.has_state()):
                return []
            run = run_of()
            if not self._delivery.is_expected(run.identity):
                return []
            record = self._make(run, "", "")
        return self._delivery.end_run(
            record,
            status="failed" if failed else "ok",
            complete=complete,
            hosts={"passed": len(set(hosts) - set(failed)), "failed": len(failed)},
            close=self._settings.recovery != "never",
        )

    def abort(self, how: str) -> None:
        """The run ends without its recap.

        :param how: see ``RunReporter.abort``.
        """
        if self._record is not None:
            self._delivery.end_run(
                self._record,
                status="interrupted" if how == "interrupted" else "aborted",
                complete=False,
                hosts={},
                close=self._settings.recovery != "never",
            )
