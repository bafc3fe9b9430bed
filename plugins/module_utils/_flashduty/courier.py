# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The courier: a process beside the run that empties the outbox.

Started as ``python -m _flashduty.courier``, with the folder above this package on Python's path. It is told what to
do by lines of JSON on its standard input, never by arguments or the environment, which others can read:

``{"start": {"folder": …, "run_pid": …, "rate_limit": …, "max_in_flight": …, "on_kill": …}}``
    The first line. ``on_kill``, if given, is an alert to raise when the run is killed.
``{"connection": {…}}``
    An integration to deliver for: the fields of ``Connection``.
``{"look": true}``
    There may be something new in the outbox.
``{"farewell": seconds}``
    The run has ended well: empty the outbox within that time, and end.

When the run ends without a farewell it was killed: the courier delivers what is there, for a minute at most.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import time
import typing as t
from dataclasses import dataclass

from .client import SYSTEM_CLOCK, Client, Clock
from .connection import Connection
from .errors import ConfigurationError, FlashdutyError
from .events import AlertEvent
from .outbox import (
    DamagedOutbox,
    OpenAlert,
    Outbox,
    OutboxError,
    Waiting,
    courier_name,
)
from .retry import RetryPolicy

# Seconds that a courier goes on after its run was killed.
AFTER_KILL = 60.0
# Seconds between two looks whether the run still lives. Its end closes our standard input only when its worker
# processes have ended, too.
_LIVENESS_INTERVAL = 1.0
# Seconds that the last words of a run may take until they are heard.
_LAST_WORDS = 0.5
# Seconds between two looks, at the end of a run, whether the courier of another run has delivered what waits.
_LAST_LOOK_INTERVAL = 0.1
# Seconds until the outbox is tried again that could not be used.
_OUTBOX_INTERVAL = 1.0
# How many events are claimed for each that is in flight: as many as keep the senders busy while the coordinating
# thread writes down what has ended.
_CLAIMED_AHEAD = 4
# Seconds to wait for one more result that shares a transaction.
_GATHERING_TIME = 0.004
# Seconds that a claim outlives the timeout of its attempt.
_LEASE_MARGIN = 30.0
_NICENESS = 5
_BACK_OFF = RetryPolicy(first_wait=1.0, longest_wait=30.0)


class Courier:
    """Delivers what waits in an outbox, several requests at a time, until it is told to end.

    One thread, the caller's, has the outbox and decides; the others only send.

    :param outbox: where the events are.
    :param max_in_flight: requests at a time.
    :param rate_limit: requests a minute; 0 is off.
    :param on_kill: called when the run is gone without a farewell.
    :param run_is_alive: tells whether the run still lives.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        max_in_flight: int = 8,
        rate_limit: int = 900,
        on_kill: t.Callable[[], None] | None = None,
        run_is_alive: t.Callable[[], bool] = lambda: True,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._outbox = outbox
        self._rate_limit = rate_limit
        self._on_kill = on_kill
        self._run_is_alive = run_is_alive
        self._clock = clock
        self._name = courier_name()
        self._routes: dict[str, _Route] = {}
        self._deadline: float | None = None
        # The end of the run's messages; the moment in which the run was first missed; no farewell came.
        self._is_silent = False
        self._missed_at: float | None = None
        self._was_killed = False
        self._max_in_flight = max_in_flight
        self._senders = 0
        # What the coordinating thread hears: messages of the run, and the ends of attempts.
        self._heard: queue.SimpleQueue[t.Any] = queue.SimpleQueue()
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        # Ends of attempts that are not in the outbox yet.
        self._unsettled: list[_Result] = []

    def tell(self, message: dict[str, t.Any] | None) -> None:
        """Hand over a message of the run (see above), or None for the end of its messages. From any thread."""
        self._heard.put(message)

    def run(self) -> None:
        """Deliver until told to end, and give back what was claimed.

        :raises OutboxError: when the state file is damaged, was replaced, or could not be used to the end.
        """
        while not self._is_late():
            self._notice_end()
            try:
                self._settle()
                self._mourn()
                if self._is_done():
                    break
                pause = self._dispatch()
            except DamagedOutbox:
                raise
            except OutboxError:
                # The disk is full, or somebody else is writing for very long: that may pass.
                pause = _OUTBOX_INTERVAL
            self._listen(pause)
        # What has ended by now counts; what is still under way is made again by the next run.
        self._listen(0)
        self._settle()
        self._outbox.release(self._name)

    def _is_late(self) -> bool:
        return self._deadline is not None and self._clock.monotonic() >= self._deadline

    def _is_done(self) -> bool:
        if self._deadline is None or self._in_flight:
            return False
        if not self._outbox.is_waiting(self._routes):
            return True
        # Nothing could be sent any more before the deadline.
        return all(
            route.resumes_at >= self._deadline for route in self._routes.values()
        )

    @property
    def _in_flight(self) -> int:
        return sum(route.in_flight for route in self._routes.values())

    def _dispatch(self) -> float:
        """Claim and send what may be sent now; return the seconds until more may be."""
        pause = _LIVENESS_INTERVAL if self._deadline is None else _LAST_LOOK_INTERVAL
        now = self._clock.monotonic()
        for route in self._routes.values():
            if route.epoch > route.failed_epoch + 1:
                # A failure is about to be heard of.
                continue
            if route.resumes_at > now:
                pause = min(pause, route.resumes_at - now)
                continue
            # One attempt at a time finds out whether a service is back.
            ahead = 1 if route.failures else _CLAIMED_AHEAD * self._max_in_flight
            if route.in_flight >= ahead:
                continue
            events, wait = self._outbox.claim(
                route.connection.fingerprint,
                self._name,
                limit=ahead - route.in_flight,
                lease=route.connection.timeout * _CLAIMED_AHEAD + _LEASE_MARGIN,
                rate_limit=self._rate_limit,
            )
            if wait:
                route.resumes_at = now + wait
                pause = min(pause, wait)
            for event in events:
                self._send(route, event)
        if not self._in_flight:
            # There is time to look around.
            self._outbox.check()
            self._outbox.release_dead()
        return pause

    def _send(self, route: _Route, event: Waiting) -> None:
        route.in_flight += 1
        if self._senders < min(self._in_flight, self._max_in_flight):
            self._senders += 1
            threading.Thread(
                target=_sender, args=(self._jobs, self._heard), daemon=True
            ).start()
        self._jobs.put(_Job(route, event, route.epoch))

    def _listen(self, pause: float) -> None:
        """Wait for news, and take in all that is there at once."""
        if self._deadline is not None:
            pause = min(pause, max(0.0, self._deadline - self._clock.monotonic()))
        try:
            self._hear(self._heard.get(timeout=pause))
            # What ends in the next moments shares the transaction; the senders have work meanwhile.
            for _further in range(2 * self._max_in_flight - 1):
                self._hear(self._heard.get(timeout=_GATHERING_TIME))
        except queue.Empty:
            pass

    def _hear(self, news: t.Any) -> None:
        if isinstance(news, _Result):
            self._take_result(news)
        elif news is None:
            self._is_silent = True
        elif "connection" in news:
            connection = Connection(**news["connection"])
            self._routes.setdefault(connection.fingerprint, _Route(connection))
        elif "farewell" in news:
            self._end_within(float(news["farewell"]))

    def _notice_end(self) -> None:
        """Notice when the run is gone without a farewell."""
        if self._deadline is None and self._is_gone():
            self._was_killed = True
            self._end_within(AFTER_KILL)

    def _end_within(self, seconds: float) -> None:
        now = self._clock.monotonic()
        self._deadline = now + seconds
        for route in self._routes.values():
            # One more attempt, for it may be the last one, unless the service has asked for peace.
            route.resumes_at = min(route.resumes_at, max(now, route.asked_until))

    def _mourn(self) -> None:
        """Raise the alert for a run that was killed."""
        if self._was_killed and self._on_kill is not None:
            self._on_kill()
            self._on_kill = None

    def _is_gone(self) -> bool:
        if self._is_silent or self._run_is_alive():
            return self._is_silent
        # Its last words may still be on their way.
        now = self._clock.monotonic()
        if self._missed_at is None:
            self._missed_at = now
        return now - self._missed_at >= _LAST_WORDS

    def _take_result(self, result: _Result) -> None:
        route, error = result.job.route, result.error
        route.in_flight -= 1
        self._unsettled.append(result)
        if not result.sent:
            return
        if error is None:
            # A success that began before the latest failure tells nothing about now.
            if result.job.epoch == route.epoch:
                route.failures = 0
        elif isinstance(error, ConfigurationError):
            # Nothing that this process can mend: every attempt would end like this.
            route.resumes_at = float("inf")
        elif not error.refused:
            self._slow_down(route, result.job, error)

    def _slow_down(self, route: _Route, job: _Job, error: FlashdutyError) -> None:
        """Pause the whole route after a failure, not one event alone: the service is what is in trouble."""
        now = self._clock.monotonic()
        if job.epoch > route.failed_epoch:
            # The first to tell. Attempts that were under way at the same time tell of the same trouble.
            route.failures += 1
            route.failed_epoch = job.epoch
        elif error.retry_after is None:
            return
        wait = _BACK_OFF.back_off(
            route.failures, retry_after=error.retry_after, jitter=self._clock.jitter()
        )
        route.resumes_at = max(route.resumes_at, now + wait)
        if error.retry_after is not None:
            route.asked_until = max(route.asked_until, now + wait)

    def _settle(self) -> None:
        """Write down how attempts have ended, in one transaction."""
        if not self._unsettled:
            return
        tried = [
            (result.job.event, result.error)
            for result in self._unsettled
            if result.sent
        ]
        self._outbox.settle(
            delivered=[event for event, error in tried if error is None],
            failed=[
                (event, error) for event, error in tried if error and not error.refused
            ],
            refused=[
                (event, error) for event, error in tried if error and error.refused
            ],
            unsent=[result.job.event for result in self._unsettled if not result.sent],
        )
        self._unsettled.clear()


class _Route:
    """One integration, and how it is doing."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.in_flight = 0
        # Failures in a row, of attempts that followed one another.
        self.failures = 0
        self.resumes_at = 0.0
        # How long the service itself has asked to wait.
        self.asked_until = 0.0
        # Each failure begins a new epoch. Senders write this, so that no other attempt begins meanwhile.
        self.epoch = 0
        # The latest epoch of which a failure was heard.
        self.failed_epoch = -1


@dataclass(frozen=True)
class _Job:
    """One attempt, not to be made any more once its epoch is over."""

    route: _Route
    event: Waiting
    epoch: int


@dataclass(frozen=True)
class _Result:
    """How a job has ended. It was not sent when another attempt had failed meanwhile."""

    job: _Job
    error: FlashdutyError | None = None
    sent: bool = True


def _sender(jobs: queue.SimpleQueue[_Job], heard: queue.SimpleQueue[t.Any]) -> None:
    """Send what comes, for ever: the body of a thread."""
    clients: dict[str, Client] = {}
    while True:
        job = jobs.get()
        if job.epoch != job.route.epoch:
            heard.put(_Result(job, sent=False))
            continue
        error: FlashdutyError | None = None
        connection = job.route.connection
        try:
            client = clients.get(connection.fingerprint)
            if client is None:
                client = clients[connection.fingerprint] = Client(connection)
            client.attempt(job.event.payload.encode())
        except FlashdutyError as exc:
            error = exc
        except Exception as exc:  # noqa: BLE001
            # A sender that ended here would leave its event claimed and the courier waiting.
            error = FlashdutyError(
                f"The event could not be sent ({type(exc).__name__}).",
                code="InternalFailure",
                hint="Please report this as a bug of the collection.",
                retryable=True,
            )
        if error is not None and not error.refused:
            job.route.epoch = job.epoch + 1
        heard.put(_Result(job, error))


def _read_messages(courier: Courier, lines: t.Iterable[str]) -> None:
    try:
        for line in lines:
            courier.tell(json.loads(line))
    except (ValueError, OSError):
        # Half a line: the run was killed while it wrote.
        pass
    courier.tell(None)


def _raise_alert(outbox: Outbox, on_kill: dict[str, t.Any]) -> None:
    opened = OpenAlert(**{**on_kill["opened"], "opened_at": time.time()})
    event = AlertEvent.create(**on_kill["event"])
    outbox.add(on_kill["integration"], [event], run_id=on_kill["run_id"], opened=opened)


def _step_back() -> None:
    """Let the run go first where both want the processor."""
    os.nice(_NICENESS)
    # Linux weighs sessions against each other, and this is one of its own: see sched(7).
    with contextlib.suppress(OSError), open(
        "/proc/self/autogroup", "w", encoding="ascii"
    ) as autogroup:
        autogroup.write(str(_NICENESS))


def main() -> None:
    """Run a courier for the process that has started this one."""
    _step_back()
    start = json.loads(sys.stdin.readline() or "{}").get("start")
    if start is None:
        return
    with Outbox(start["folder"]) as outbox:
        on_kill = start.get("on_kill")
        courier = Courier(
            outbox,
            max_in_flight=start["max_in_flight"],
            rate_limit=start["rate_limit"],
            on_kill=(lambda: _raise_alert(outbox, on_kill)) if on_kill else None,
            run_is_alive=lambda: os.getppid() == start["run_pid"],
        )
        threading.Thread(
            target=_read_messages, args=(courier, sys.stdin), daemon=True
        ).start()
        courier.run()


if __name__ == "__main__":
    status = 0
    try:
        main()
    except OutboxError as problem:
        sys.stderr.write(f"{problem}\n")
        status = 1
    # Attempts that are still under way are not waited for.
    os._exit(status)
