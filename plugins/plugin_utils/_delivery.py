# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Hands events to the outbox, starts and ends the courier, and knows at the end how things stand.

Nothing here raises: a run goes on whatever happens to its alerts, and a person is told once.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import time
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OutboxLocation,
    may_have_data,
    new_write_id,
    open_failover,
    run_page,
)

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
        Connection,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
        Event,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        FailoverOutbox,
        Outbox,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
        OpenAlert,
        PendingAlert,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.answers import (
        IntegrationStatus,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.runs import (
        Run,
        RunLedger,
    )

Result = t.TypeVar("Result")

# Seconds that a run waits at its end, beside one attempt, for what only earlier runs have left.
_WAIT_FOR_EARLIER_EVENTS = 1.0
# Seconds that a courier gets to end beyond the time it was given.
_GRACE = 2.0
# Seconds that a courier goes on whose outbox was given up.
_LEFT_BEHIND = 30.0


class DeliveryReport(t.NamedTuple):
    """How things stand at the end of a run.

    :param waiting: the keys of events that are not delivered yet.
    :param reason: why, as the latest error in plain data, or None.
    :param undeliverable: keys and errors of events that were refused for good, and that nobody was told of.
    :param dropped: events that were dropped because they were too old or too many.
    :param place: where what waits is kept, for people.
    :param others: what the outbox holds for integrations that are not in force.
    """

    waiting: t.Collection[str] = ()
    reason: t.Mapping[str, t.Any] | None = None
    undeliverable: t.Sequence[tuple[str, t.Mapping[str, t.Any]]] = ()
    dropped: int = 0
    place: str = ""
    others: t.Sequence[IntegrationStatus] = ()

    @property
    def has_news(self) -> bool:
        """Whether a person should know any of it."""
        return bool(self.waiting or self.undeliverable or self.dropped or self.others)


class Delivery:
    """The way of events out of a run.

    The outbox and the courier are started when they are first needed: a run with nothing to say and an empty outbox
    pays for neither. The outbox stays open from then on. Workers, which are forks, never use it: they end without
    closing what they have inherited.

    :param location: where the outbox is.
    :param warn: told, once each, what a person should know.
    """

    def __init__(
        self,
        location: OutboxLocation,
        *,
        max_in_flight: int,
        rate_limit: int,
        warn: t.Callable[[str], None],
    ) -> None:
        self._location = location
        self._max_in_flight = max_in_flight
        self._rate_limit = rate_limit
        self._warn = warn
        self._connections: dict[str, Connection] = {}
        self._outbox: FailoverOutbox | None = None
        self._courier: subprocess.Popen[bytes] | None = None
        self._run: Run | None = None
        self._watch: dict[str, t.Any] | None = None
        self._dropped = 0
        # What the alerts of this playbook are remembered under, and whether nothing in the outbox concerns it; None
        # where nobody has asked yet.
        self._origin = ""
        self._is_quiet: bool | None = None
        # Whether this run has put events of its own into the outbox.
        self._has_own_events = False

    @property
    def location(self) -> OutboxLocation:
        """Where the outbox is by now."""
        return self._outbox.location if self._outbox else self._location

    # -- what the run asks for

    def begin_playbook(self, origin: str) -> None:
        """A playbook begins.

        :param origin: what its alerts are remembered under.
        """
        self._origin, self._is_quiet = origin, None
        run_page.forget_writes()

    def connect(self, connection: Connection) -> None:
        """Deliver for this integration from now on, also what waits for it from earlier runs."""
        fingerprint = connection.fingerprint
        if fingerprint in self._connections:
            return
        self._connections[fingerprint] = connection
        if self._courier is not None:
            self._write_message({"connection": dataclasses.asdict(connection)})
        elif self.has_state() and self._with_outbox(
            lambda outbox: outbox.is_waiting([fingerprint]), False
        ):
            self._start_courier()

    def begin_run(self, run: Run, watch: dict[str, t.Any] | None) -> None:
        """Remember that a run has begun, or that more is known of it.

        :param watch: what the courier, which is there from now on, is to watch; see ``RunWatch.from_message``.
        """
        self._run, self._watch = run, watch
        self._is_quiet = False
        self._with_outbox(lambda outbox: _begin_run(outbox, run), None)
        if watch is None:
            return
        if self._courier is None:
            self._start_courier()
        else:
            self._write_message({"run": watch})

    def end_run(self, run: Run, **how: t.Any) -> list[OpenAlert]:
        """Remember how a run has ended, and return the alerts that this has closed.

        :param how: the further arguments of ``RunLedger.end``.
        """
        self._run, self._watch = None, None
        closed: list[OpenAlert] = self._with_outbox(
            lambda outbox: _end_run(outbox, run, **how), []
        )
        if closed:
            self._has_own_events = True
            self._wake_courier()
        return closed

    def is_expected(self, origin: str) -> bool:
        """Say whether a playbook is remembered as one that is to run again in time."""
        return self._with_outbox(lambda outbox: _is_expected(outbox, origin), False)

    def tell_progress(self, message: dict[str, t.Any]) -> None:
        """Tell the courier how far the run is; see ``run_progress.py``. What it cannot take at once is left out."""
        if self._watch is not None:
            self._write_message({"progress": message})

    def open_alerts(self, fingerprint: str, origin: str) -> list[OpenAlert]:
        """Return the alerts of a playbook that are remembered as open."""
        if not self.has_state():
            return []
        return self._with_outbox(
            lambda outbox: outbox.open_alerts(fingerprint, origin), []
        )

    def pending_alerts(self, fingerprint: str, origin: str) -> list[PendingAlert]:
        """Return the failures that were counted, and raised no alert yet."""
        if not self.has_state():
            return []
        return self._with_outbox(
            lambda outbox: outbox.pending_alerts(fingerprint, origin), []
        )

    def submit(
        self, fingerprint: str, events: t.Sequence[Event], **memory: t.Any
    ) -> bool:
        """Put events into the outbox, with what they open and close, and wake the courier.

        :param memory: the further arguments of ``Outbox.add``.
        :returns: whether they are safe there.
        """
        connection = self._connections.get(fingerprint)
        server = connection.server if connection else ""
        write_id = new_write_id()

        def store(outbox: Outbox) -> bool:
            outbox.add(fingerprint, events, server=server, write_id=write_id, **memory)
            return True

        stored = self._with_outbox(store, False)
        self._is_quiet = False
        if stored and events:
            self._has_own_events = True
            self._wake_courier()
        return stored

    def expect_events(self) -> None:
        """Have a courier ready: a task has failed, and its event will follow when it is composed."""
        if self._connections and self._courier is None:
            self._start_courier()
            self._write_message({"wake": True})

    def flush(self, timeout: float, *, alone: float = 0.0) -> DeliveryReport:
        """Let the courier empty the outbox and end, and return how things stand then.

        :param timeout: seconds to wait at most; a run that has no events of its own waits less, so that a service that is
            away does not slow down each run that has nothing to say.
        :param alone: seconds that the courier may go on after that, while the run ends.
        """
        if not self._has_own_events:
            attempt = max((c.timeout for c in self._connections.values()), default=0.0)
            timeout = min(timeout, attempt + _WAIT_FOR_EARLIER_EVENTS)
        deadline = time.monotonic() + timeout
        if (
            self._courier is None
            and self._connections
            and self.has_state()
            and self._is_waiting()
        ):
            # Tasks of this run have left it there.
            self._start_courier()
        if self._courier is not None:
            self._send_finish(timeout + alone)
            if (
                not self._wait(deadline)
                and time.monotonic() < deadline
                and self._is_waiting()
            ):
                # It was killed: nothing is lost, and there is time for another one.
                self._start_courier()
                self._send_finish(max(0.0, deadline - time.monotonic()))
                self._wait(deadline)
        return self.report()

    def detach(self, seconds: float) -> None:
        """Let the courier go on alone for some seconds, while the run ends at once."""
        if self._courier is not None:
            self._send_finish(seconds)
            self._courier = None

    def report(self) -> DeliveryReport:
        """Return how things stand, and note that a person is told of it."""
        if not self._connections or not self.has_state():
            return DeliveryReport(dropped=self._dropped, place=str(self.location))

        def look(outbox: Outbox) -> DeliveryReport:
            undeliverable = outbox.unreported(self._connections)
            if undeliverable:
                outbox.mark_reported(self._connections)
            return DeliveryReport(
                outbox.waiting_keys(self._connections),
                outbox.status(self._connections).reason,
                undeliverable,
                others=[
                    one
                    for one in outbox.integrations()
                    if one.fingerprint not in self._connections
                ],
            )

        report = self._with_outbox(look, DeliveryReport())
        self._close_outbox()
        return report._replace(dropped=self._dropped, place=str(self.location))

    def ages_of_open_alerts(self) -> list[float] | None:
        """Return for how many seconds each alert is open with the integrations in force; None where no integration is."""
        if not self._connections:
            return None
        if not may_have_data(self.location):
            return []
        ages: list[float] = self._with_outbox(
            lambda outbox: [
                outbox.now() - alert.opened_at
                for fingerprint in self._connections
                for alert in outbox.open_alerts(fingerprint)
            ],
            [],
        )
        self._close_outbox()
        return ages

    # -- the outbox

    def has_state(self) -> bool:
        """Say whether there may be anything in the outbox that concerns this playbook.

        That takes one question at its beginning, and in most runs none after it: what comes later comes from this run and
        its tasks, or is the business of others.
        """
        if not may_have_data(self.location):
            return False
        if self._is_quiet is None or (self._is_quiet and run_page.was_written()):
            self._is_quiet = self._with_outbox(
                lambda outbox: outbox.is_quiet(self._connections, self._origin), False
            )
            if self._is_quiet:
                # A run may take hours, and a database has few connections.
                self._close_outbox()
        return not self._is_quiet

    def has_alerts_of_others(self, fingerprints: t.Sequence[str], origin: str) -> bool:
        """Say whether alerts of a playbook are remembered as open for other integrations than these."""
        return self.has_state() and self._with_outbox(
            lambda outbox: outbox.has_alerts_of_others(fingerprints, origin), False
        )

    def _close_outbox(self) -> None:
        if self._outbox is not None:
            self._outbox.close()

    def _is_waiting(self) -> bool:
        return self._with_outbox(
            lambda outbox: outbox.is_waiting(self._connections), False
        )

    def _with_outbox(
        self, function: t.Callable[[Outbox], Result], default: Result
    ) -> Result:
        if self._outbox is None:
            self._outbox = open_failover(
                self._location, warn=self._warn, moved=self._restart_courier
            )
        return self._outbox.use(function, default)

    # -- the courier

    def _start_courier(self) -> None:
        """Start a courier, and give it all through its standard input: arguments and environment are no secret."""
        self._courier = None
        from ._processes import start_courier

        keys = [connection.integration_key for connection in self._connections.values()]
        keys += self.location.secrets
        try:
            courier = start_courier(keys=keys)
            # A courier that does not read must not hold up the run.
            os.set_blocking(courier.stdin.fileno(), False)  # type: ignore[union-attr]
        except OSError as exc:
            self._warn(
                f"the courier cannot be started ({exc.strerror}): events wait in {self.location}."
            )
            return
        # While it starts; it does nothing until it is told where the outbox is.
        self._dropped += self._with_outbox(lambda outbox: outbox.prune(), 0)
        run = self._run
        if run is not None:
            # It may be another outbox than the one that the run began with.
            self._with_outbox(lambda outbox: _begin_run(outbox, run), None)
        self._courier = courier
        self._write_message(
            {
                "start": {
                    "outbox": self.location.as_message(),
                    "run_pid": os.getpid(),
                    "max_in_flight": self._max_in_flight,
                    "rate_limit": self._rate_limit,
                }
            }
        )
        for connection in self._connections.values():
            self._write_message({"connection": dataclasses.asdict(connection)})
        if self._watch is not None:
            self._write_message({"run": self._watch})

    def _restart_courier(self) -> None:
        # Of the other outbox nobody knows yet what it holds.
        self._is_quiet = False
        if self._courier is not None:
            # What it has still to deliver is in the outbox that is given up.
            self.detach(_LEFT_BEHIND)
            self._start_courier()

    def _wake_courier(self) -> None:
        if self._courier is None or not self._write_message({"wake": True}):
            self._start_courier()

    def _send_finish(self, seconds: float) -> None:
        if (
            self._write_message({"finish": seconds, "retry": self._has_own_events})
            and self._courier is not None
            and self._courier.stdin is not None
        ):
            self._courier.stdin.close()

    def _write_message(self, message: dict[str, t.Any]) -> bool:
        """Write a line to the courier; return False when there is none any more."""
        courier = self._courier
        if courier is None or courier.stdin is None or courier.poll() is not None:
            return False
        try:
            courier.stdin.write(json.dumps(message).encode() + b"\n")
        except BlockingIOError:
            # The pipe is full of lines that say the same: wake up.
            return True
        except (OSError, ValueError):
            return False
        return True

    def _wait(self, deadline: float) -> bool:
        """Wait for the courier to end; return whether it ended well. One that does not is left alone."""
        courier, self._courier = self._courier, None
        if courier is None:
            return False
        from ._processes import wait_for

        try:
            seconds = max(0.0, deadline - time.monotonic()) + _GRACE
            return wait_for(courier, seconds) == 0
        except subprocess.TimeoutExpired:
            return False


def _begin_run(outbox: Outbox, run: Run) -> None:
    ledger = _runs_in(outbox)
    ledger.begin(run)
    ledger.take_lost()


def _end_run(outbox: Outbox, run: Run, **how: t.Any) -> list[OpenAlert]:
    return _runs_in(outbox).end(run, **how)


def _is_expected(outbox: Outbox, origin: str) -> bool:
    return _runs_in(outbox).is_expected(origin)


def _runs_in(outbox: Outbox) -> RunLedger:
    # Only now: most runs are not remembered.
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.runs import (
        RunLedger,
    )

    return RunLedger(outbox)
