# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The courier: a process beside the run that empties the outbox.

Started as ``python -m _flashduty.courier``, with the folder above this package on Python's path. It is told what to
do by lines of JSON on its standard input, never by arguments or the environment, which others can read:

``{"start": {"outbox": {…}, "run_pid": …, "rate_limit": …, "max_in_flight": …, "events_on_exit": …}}``
    The first line.
``{"connection": {…}}``
    An integration to deliver for: the fields of ``Connection``.
``{"wake": true}``
    There may be something new in the outbox, or will be in a moment.
``{"run": {…}}``
    The run is to be watched; see ``RunWatch.from_message``.
``{"progress": {…}}``
    How far it is; see ``run_progress.py``.
``{"finish": seconds, "retry": false}``
    The run has ended well: empty the outbox within that time, and end. Without ``retry`` a failed attempt is the last one;
    by default others follow within the time.

When the run ends without a finish it was killed: the courier delivers what is there, for a minute at most.

``events_on_exit`` makes it a courier that idles until the run has ended, however that was. It is ``{"file": …,
"fingerprints": {kind: …}}``: the number of an inherited file descriptor, and the integration for each kind of event.
By then the file, which may have been deleted, holds ``{"events_on_exit": [{"kind": …, "fields": {…}, "opened": …}],
"deliver_after_run": …}``: events to send, with the fields of the alerts that they open where these are to be remembered, and whether there is something urgent in the outbox. Most runs leave neither.
"""

from __future__ import annotations

import collections
import contextlib
import json
import math
import os
import queue
import resource
import shutil
import sys
import tempfile
import threading
import time
import typing as t
from dataclasses import dataclass, field

from .clock import SYSTEM_CLOCK, Clock
from .connection import Connection
from .errors import ConfigurationError, FlashdutyError
from .events import create
from .outbox import (
    LEASE,
    DamagedOutbox,
    OutboxError,
    OutboxLocation,
    open_outbox,
    remove_delivered,
)
from .outbox.alerts import OpenAlert
from .outbox.answers import ClaimedEvent
from .processes import WatchedProcess, process_name
from .retry import RetryPolicy
from .run_progress import Progress

if t.TYPE_CHECKING:
    from .client import Client
    from .outbox import Outbox
    from .run_watch import RunWatch

    # What was claimed for each integration, and how many requests at a time it wants.
    _Claims = list[tuple["_Destination", list["_Job"], int]]

# Seconds that a courier goes on after its run was killed.
AFTER_KILL = 60.0
# Seconds between two looks whether the run still lives. Its end closes our standard input only when its worker
# processes have ended, too.
_LIVENESS_INTERVAL = 1.0
# Grace for messages still in the pipe after the run has exited.
_PIPE_GRACE = 0.5
# Seconds between two looks, at the end of a run, whether the courier of another run has delivered what waits.
_LAST_LOOK_INTERVAL = 0.1
# Seconds until the outbox is tried again that could not be used.
_OUTBOX_INTERVAL = 1.0
# How many events are claimed for each that is in flight: as many as keep the senders busy while the coordinating
# thread writes down what has ended. With a rate limit fewer: what is claimed counts, also while it waits to be sent, and
# is missed by the couriers of other controllers.
_CLAIMED_AHEAD = 4
_CLAIMED_WITHIN_LIMIT = 2
# Seconds to wait for one more result that shares a transaction, and how many share one.
_GATHERING_TIME = 0.004
_MOST_GATHERED = 16
# Seconds between a look that has found nothing more to send and the next one, while the run goes on: the hosts of a storm
# fail one after the other, and each look takes a processor from the run. The first event goes out at once.
_CALM_INTERVAL = 0.2
# Requests at a time until the first answer tells how many it takes; seconds until another look whether that is late.
_FIRST_IN_FLIGHT = 8
_FIRST_ANSWER_INTERVAL = 0.05
# Requests a second that one process could make at most, where there is no rate limit.
_OWN_RATE = 1000.0
# How many of the latest answers tell how long an answer takes.
_LATENCIES = 64
_NICENESS = 5
_BACK_OFF = RetryPolicy(first_wait=1.0, longest_wait=30.0)


class Courier:
    """Delivers what waits in an outbox, several requests at a time, until it is told to end.

    One thread, the caller's, has the outbox and decides; the others only send.

    :param outbox: where the events are.
    :param max_in_flight: requests at a time, at most. How many there are follows from the rate limit, and from how long
        an answer takes.
    :param rate_limit: requests a minute; 0 is off.
    :param watch_run: makes what watches the run, of a message that asks for it.
    :param run_is_alive: tells whether the run still lives.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        max_in_flight: int = 32,
        rate_limit: int = 900,
        watch_run: t.Callable[[dict[str, t.Any]], RunWatch] | None = None,
        run_is_alive: t.Callable[[], bool] = lambda: True,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._outbox = outbox
        self._rate_limit = rate_limit
        self._claims_for_each = _CLAIMED_WITHIN_LIMIT if rate_limit else _CLAIMED_AHEAD
        self._watch_run = watch_run
        self._watch: RunWatch | None = None
        self._run_is_alive = run_is_alive
        self._clock = clock
        self._name = process_name()
        self._destinations: dict[str, _Destination] = {}
        self._deadline: float | None = None
        # The run sends no more; the moment in which it was first missed; no finish came.
        self._stdin_closed = False
        self._run_missing_since: float | None = None
        self._was_killed = False
        # Whether a failed attempt is followed by another one before the deadline.
        self._retries_at_end = True
        self._max_in_flight = max_in_flight
        self._is_ready = False
        self._senders = 0
        # For the coordinating thread: messages of the run, and results of attempts.
        self._inbox: queue.SimpleQueue[t.Any] = queue.SimpleQueue()
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        # Ends of attempts that are not in the outbox yet.
        self._unsettled: list[_Result] = []
        # Until then, what happens is gathered.
        self._calm_until = -math.inf

    def post(self, message: dict[str, t.Any] | None) -> None:
        """Hand over a message of the run (see above), or None for the end of its messages. From any thread."""
        self._inbox.put(message)

    def run(self) -> None:
        """Deliver until told to end, and give back what was claimed.

        :raises OutboxError: when the state file is damaged, was replaced, or could not be used to the end.
        """
        while not self._deadline_passed():
            self._detect_run_exit()
            try:
                self._outbox.renew(self._name)
                self._raise_killed_alert()
                if self._watch is not None:
                    self._watch.look()
                claims, pause = self._settle_and_claim()
                self._send(claims)
                if self._is_done():
                    break
                if not self._in_flight:
                    self._outbox.check()
                    self._outbox.release_dead()
                    self._calm_down(pause)
            except DamagedOutbox:
                raise
            except OutboxError:
                # The disk is full, or somebody else is writing for very long: that may pass.
                pause = _OUTBOX_INTERVAL
            self._wait_for_message(pause)
        # What has ended by now counts; what is still under way is made again by the next run.
        self._wait_for_message(0)
        self._settle()
        self._outbox.release(self._name)

    def _deadline_passed(self) -> bool:
        return self._deadline is not None and self._clock.monotonic() >= self._deadline

    def _is_done(self) -> bool:
        if self._deadline is None or self._in_flight:
            return False
        if not self._outbox.is_waiting(self._destinations):
            return True
        # Nothing could be sent any more before the deadline.
        return all(
            destination.resumes_at >= self._deadline
            for destination in self._destinations.values()
        )

    @property
    def _in_flight(self) -> int:
        return sum(destination.in_flight for destination in self._destinations.values())

    def _settle_and_claim(self) -> tuple[_Claims, float]:
        """Write down what has ended, and claim what may be sent now; return that, and the seconds until more may be.

        Both in one transaction: each end of one is a write to the disk, and a way to a database and back.
        """
        with self._outbox.transaction():
            self._settle()
            found = self._claim()
        self._unsettled.clear()
        return found

    def _claim(self) -> tuple[_Claims, float]:
        claims: _Claims = []
        pause = _LIVENESS_INTERVAL if self._deadline is None else _LAST_LOOK_INTERVAL
        now = self._clock.monotonic()
        # In this order in every courier: in one transaction, each claim locks the rate limit of its integration.
        for _fingerprint, destination in sorted(self._destinations.items()):
            epoch = destination.epoch
            if epoch > destination.failed_epoch + 1:
                # A sender has failed; its result is still in the inbox.
                continue
            if destination.resumes_at > now:
                pause = min(pause, destination.resumes_at - now)
                continue
            wanted = destination.wanted_in_flight(
                self._rate_limit, self._max_in_flight, now
            )
            if destination.in_flight and not destination.latencies:
                pause = min(pause, _FIRST_ANSWER_INTERVAL)
            # One attempt at a time finds out whether a service is back.
            ahead = 1 if destination.failures else self._claims_for_each * wanted
            jobs: list[_Job] = []
            if destination.in_flight < ahead:
                events, wait = self._outbox.claim(
                    destination.connection.fingerprint,
                    self._name,
                    limit=ahead - destination.in_flight,
                    lease=LEASE,
                    rate_limit=self._rate_limit,
                )
                if wait:
                    destination.resumes_at = now + wait
                    pause = min(pause, wait)
                jobs = [_Job(destination, event, epoch) for event in events]
            claims.append((destination, jobs, wanted))
        return claims, pause

    def _send(self, claims: _Claims) -> None:
        """Hand what was claimed to the senders: only when nothing can undo that any more."""
        for destination, jobs, wanted in claims:
            destination.in_flight += len(jobs)
            for job in jobs:
                self._jobs.put(job)
            if jobs and destination.first_sent_at is None:
                destination.first_sent_at = self._clock.monotonic()
            self._start_senders(wanted)

    def _start_senders(self, wanted: int) -> None:
        """Have as many threads as requests are wanted at a time."""
        while self._senders < min(self._in_flight, wanted, self._max_in_flight):
            self._senders += 1
            threading.Thread(
                target=_sender, args=(self._jobs, self._inbox), daemon=True
            ).start()

    def _wait_for_message(self, pause: float) -> None:
        """Wait for a message or a result, and take in all that is there at once."""
        if self._deadline is not None:
            pause = min(pause, max(0.0, self._deadline - self._clock.monotonic()))
        try:
            self._handle_message(self._inbox.get(timeout=pause))
            # What ends in the next moments shares the transaction; the senders have work meanwhile.
            for _further in range(_MOST_GATHERED - 1):
                self._handle_message(self._inbox.get(timeout=self._gathering_time))
        except queue.Empty:
            pass

    def _calm_down(self, pause: float) -> None:
        """Take time for the next look: nothing is on its way, nor was there anything to send."""
        # Before the first answer, the first event may be just about to come.
        if any(one.latencies for one in self._destinations.values()):
            now = self._clock.monotonic()
            self._calm_until = now + min(pause, _CALM_INTERVAL)

    @property
    def _gathering_time(self) -> float:
        """How many seconds to wait for one more message or result before the next look into the outbox."""
        if self._deadline is not None:
            return _GATHERING_TIME
        return max(_GATHERING_TIME, self._calm_until - self._clock.monotonic())

    def _handle_message(self, news: t.Any) -> None:
        if isinstance(news, _Result):
            self._take_result(news)
        elif news is None:
            self._stdin_closed = True
        elif "connection" in news:
            connection = Connection(**news["connection"])
            self._destinations.setdefault(
                connection.fingerprint, _Destination(connection)
            )
        elif "wake" in news:
            self._get_ready()
        elif "run" in news and self._watch_run is not None:
            self._watch = self._watch_run(news["run"])
        elif "finish" in news:
            self._retries_at_end = news.get("retry", True)
            self._set_deadline(float(news["finish"]))

    def _get_ready(self) -> None:
        """Have what sends imported before the first event is there: that takes a third of the time until it goes out."""
        if not self._is_ready:
            self._is_ready = True
            threading.Thread(target=_import_client, daemon=True).start()

    def _detect_run_exit(self) -> None:
        """Notice when the run is gone without a finish."""
        if self._deadline is None and self._run_exited():
            self._was_killed = True
            self._set_deadline(AFTER_KILL)

    def _set_deadline(self, seconds: float) -> None:
        now = self._clock.monotonic()
        self._deadline = now + seconds
        for destination in self._destinations.values():
            # Try once more before the deadline, unless a Retry-After forbids it.
            destination.resumes_at = min(
                destination.resumes_at, max(now, destination.asked_until)
            )

    def _raise_killed_alert(self) -> None:
        """Raise the alert for a run that was killed."""
        if self._was_killed and self._watch is not None:
            self._watch.lost()
            self._watch = None

    def _run_exited(self) -> bool:
        if self._stdin_closed or self._run_is_alive():
            return self._stdin_closed
        # Its last words may still be on their way.
        now = self._clock.monotonic()
        if self._run_missing_since is None:
            self._run_missing_since = now
        return now - self._run_missing_since >= _PIPE_GRACE

    def _take_result(self, result: _Result) -> None:
        destination, error = result.job.destination, result.error
        destination.in_flight -= 1
        self._unsettled.append(result)
        if not result.sent:
            return
        if result.is_answered:
            destination.take_latency(result.seconds)
        if error is None:
            # A success that began before the latest failure tells nothing about now.
            if result.job.epoch == destination.epoch:
                destination.failures = 0
        elif isinstance(error, ConfigurationError):
            # Nothing that this process can mend: every attempt would end like this.
            destination.resumes_at = float("inf")
        elif not error.permanent:
            self._back_off(destination, result.job, error)

    def _back_off(
        self, destination: _Destination, job: _Job, error: FlashdutyError
    ) -> None:
        """Pause the whole integration after a failure, not one event alone: the service is what is in trouble."""
        now = self._clock.monotonic()
        if job.epoch > destination.failed_epoch:
            # The first of its epoch. Attempts that were under way at the same time met the same trouble.
            destination.failures += 1
            destination.failed_epoch = job.epoch
        elif error.retry_after is None:
            return
        wait = _BACK_OFF.back_off(
            destination.failures,
            retry_after=error.retry_after,
            jitter=self._clock.jitter(),
        )
        if not self._retries_at_end:
            wait = float("inf")
        destination.resumes_at = max(destination.resumes_at, now + wait)
        if error.retry_after is not None:
            destination.asked_until = max(destination.asked_until, now + wait)

    def _settle(self) -> None:
        """Write down how attempts have ended."""
        if not self._unsettled:
            return
        tried = [
            (result.job.event, result.error)
            for result in self._unsettled
            if result.sent
        ]
        now = time.monotonic()
        self._outbox.settle(
            delivered=[event for event, error in tried if error is None],
            failed=[
                (event, error)
                for event, error in tried
                if error and not error.permanent
            ],
            undeliverable=[
                (event, error) for event, error in tried if error and error.permanent
            ],
            unsent=[result.job.event for result in self._unsettled if not result.sent],
            ages={result.job.event.id: result.age(now) for result in self._unsettled},
        )


class _Destination:
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
        # The latest epoch of which a failure is known.
        self.failed_epoch = -1
        # When the first request was made, and how many seconds the latest ones took.
        self.first_sent_at: float | None = None
        self.latencies: collections.deque[float] = collections.deque(maxlen=_LATENCIES)
        self._least_latency = math.inf

    def take_latency(self, seconds: float) -> None:
        """Take in how many seconds an answer took."""
        self.latencies.append(seconds)
        self._least_latency = min(self._least_latency, seconds)

    @property
    def least_latency(self) -> float:
        """How many seconds the way to the service and back takes at least; 0 while too few answers tell.

        Of a few requests each may have waited on its way: for a new connection, or for a processor. A later one that did
        not wait would reach the service too early. See ``outbox/rate_limit.py``.
        """
        return self._least_latency if len(self.latencies) == _LATENCIES else 0.0

    def wanted_in_flight(self, rate_limit: int, ceiling: int, now: float) -> int:
        """Return how many requests at a time it takes to reach the rate limit, and no more.

        By Little's law that is the rate times the time that an answer takes. The half more is for answers that take
        longer than the others.

        :param rate_limit: requests a minute; 0 is off.
        :param now: seconds, by the same clock as ``first_sent_at``.
        """
        if self.latencies and rate_limit:
            seconds = sum(self.latencies) / len(self.latencies)
        elif self.latencies:
            # The fastest: where nothing else sets a limit, the others have waited for this process itself.
            seconds = min(self.latencies)
        else:
            seconds = now - (self.first_sent_at or now)
        rate = max(1, rate_limit // 10) if rate_limit else _OWN_RATE
        wanted = math.ceil(rate * seconds * 1.5) + 2
        if not self.latencies:
            wanted = max(wanted, _FIRST_IN_FLIGHT)
        return min(wanted, ceiling)


@dataclass(frozen=True)
class _Job:
    """One attempt, not to be made any more once its epoch is over."""

    destination: _Destination
    event: ClaimedEvent
    epoch: int


@dataclass(frozen=True)
class _Result:
    """How a job has ended. It was not sent when another attempt had failed meanwhile.

    :param seconds: how long the answer took.
    :param ended_at: when it came, by the monotonic clock.
    """

    job: _Job
    error: FlashdutyError | None = None
    sent: bool = True
    seconds: float = 0.0
    ended_at: float = field(default_factory=time.monotonic)

    @property
    def is_answered(self) -> bool:
        """Whether the service, or something in front of it, has answered."""
        return self.sent and (self.error is None or self.error.http_status is not None)

    def age(self, now: float) -> float:
        """Return how many seconds ago it began to leave the rate limit; see ``outbox/rate_limit.py``.

        :param now: by the same clock as ``ended_at``.
        """
        least = self.job.destination.least_latency if self.is_answered else 0.0
        return now - self.ended_at + least


def _sender(jobs: queue.SimpleQueue[_Job], inbox: queue.SimpleQueue[t.Any]) -> None:
    """Send what comes, for ever: the body of a thread."""
    clients: dict[str, Client] = {}
    while True:
        job = jobs.get()
        if job.epoch != job.destination.epoch:
            inbox.put(_Result(job, sent=False))
            continue
        error: FlashdutyError | None = None
        connection = job.destination.connection
        started = time.monotonic()
        try:
            client = clients.get(connection.fingerprint)
            if client is None:
                client = clients[connection.fingerprint] = _make_client(connection)
                started = time.monotonic()
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
        if error is not None and not error.permanent:
            job.destination.epoch = job.epoch + 1
        ended = time.monotonic()
        inbox.put(_Result(job, error, seconds=ended - started, ended_at=ended))


def _make_client(connection: Connection) -> Client:
    # requests is imported only by a courier that has something to send.
    from .client import Client

    return Client(connection)


def _import_client() -> None:
    """Import what sends, in a thread of its own: nothing else waits for it. What is wrong with it is told by a sender."""
    with contextlib.suppress(Exception):
        from . import client  # noqa: F401


def _read_messages(
    courier: Courier, progress: Progress, lines: t.Iterable[str]
) -> None:
    try:
        for line in lines:
            message = json.loads(line)
            if "progress" in message:
                # There are many of them, and none is a reason to look into the outbox.
                progress.take(message["progress"])
            else:
                courier.post(message)
    except (ValueError, OSError):
        # Half a line: the run was killed while it wrote.
        pass
    courier.post(None)


@dataclass(frozen=True)
class EventsOnExit:
    """What a run has left to be sent after its end.

    :param events: fields of events and what is remembered of the alerts that they open, by the fingerprint of the
        integration to send them with and by their kind.
    :param deliver_after_run: whether something urgent waits in the outbox.
    """

    events: t.Sequence[tuple[str, str, dict[str, t.Any], dict[str, t.Any] | None]] = ()
    deliver_after_run: bool = False

    @classmethod
    def read(cls, file: int, fingerprints: t.Mapping[str, str]) -> EventsOnExit:
        """Return what the file holds; nothing when the run was killed while it wrote.

        :param file: the number of a file descriptor.
        :param fingerprints: the integration for each kind; events of other kinds are not wanted.
        """
        try:
            content = json.loads(os.pread(file, os.fstat(file).st_size, 0))
        except ValueError:
            return cls()
        if not isinstance(content, dict):
            return cls()
        return cls(
            [
                (
                    fingerprints[event["kind"]],
                    event["kind"],
                    event["fields"],
                    event.get("opened"),
                )
                for event in content.get("events_on_exit", ())
                if event["kind"] in fingerprints
            ],
            bool(content.get("deliver_after_run")),
        )

    def __bool__(self) -> bool:
        return bool(self.events) or self.deliver_after_run

    def add_to(self, outbox: Outbox) -> None:
        """Queue the events."""
        for fingerprint, kind, fields, opened in self.events:
            outbox.add(
                fingerprint,
                [create(kind, fields)],
                opened=OpenAlert(**opened) if opened else None,
            )


def _leave_no_core() -> None:
    """Write no core file when this process crashes: the key would be in it."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _lower_priority() -> None:
    """Let the run go first where both want the processor."""
    os.nice(_NICENESS)
    # Linux weighs sessions against each other, and this is one of its own: see sched(7).
    with contextlib.suppress(OSError), open(
        "/proc/self/autogroup", "w", encoding="ascii"
    ) as autogroup:
        autogroup.write(str(_NICENESS))


def main() -> None:
    """Run a courier for the process that has started this one, or for the one whose end it waits for."""
    _leave_no_core()
    _lower_priority()
    start = json.loads(sys.stdin.readline() or "{}").get("start")
    if start is None:
        return
    run = WatchedProcess(start["run_pid"])
    on_exit = EventsOnExit()
    if start.get("events_on_exit"):
        run.wait()
        on_exit = EventsOnExit.read(**start["events_on_exit"])
        if not on_exit:
            return
    location = OutboxLocation.from_message(start["outbox"])
    with _open_outbox(location, has_events=bool(on_exit.events)) as outbox:
        on_exit.add_to(outbox)
        progress = Progress()

        def watch_run(message: dict[str, t.Any]) -> RunWatch:
            # Only now: most runs are not watched.
            from .outbox.runs import RunLedger
            from .run_watch import RunWatch

            return RunWatch.from_message(RunLedger(outbox), message, progress)

        courier = Courier(
            outbox,
            max_in_flight=start["max_in_flight"],
            rate_limit=start["rate_limit"],
            watch_run=watch_run,
            run_is_alive=lambda: not run.has_ended(),
        )
        threading.Thread(
            target=_read_messages, args=(courier, progress, sys.stdin), daemon=True
        ).start()
        courier.run()
    if location.is_temporary and run.has_ended():
        # Otherwise the run does it at its end.
        remove_delivered(location)


@contextlib.contextmanager
def _open_outbox(location: OutboxLocation, *, has_events: bool) -> t.Iterator[Outbox]:
    """Open the outbox, or where that is of no use and there are events to send, one for these alone."""
    try:
        outbox = open_outbox(location)
    except OutboxError:
        if not has_events:
            raise
        folder = tempfile.mkdtemp(prefix="flashduty-")
        try:
            with open_outbox(OutboxLocation(folder)) as outbox:
                yield outbox
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return
    with outbox:
        yield outbox


if __name__ == "__main__":
    status = 0
    try:
        main()
    except OutboxError as problem:
        sys.stderr.write(f"{problem}\n")
        status = 1
    # Attempts that are still under way are not waited for.
    os._exit(status)
