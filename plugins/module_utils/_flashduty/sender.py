# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Send one event now, after what still waits for the same alert or change, or put it into the outbox.

A recovery that overtook the failure it belongs to would leave the alert open for ever. So what waits for the event's
key is delivered first.
"""

from __future__ import annotations

import contextlib
import time
import typing as t
from dataclasses import dataclass, replace

from .client import Client, Receipt
from .connection import Connection
from .errors import FlashdutyError, TimeoutReached
from .events import AlertEvent, Event
from .outbox import (
    DatabaseAway,
    OutboxError,
    OutboxLocation,
    may_have_data,
    new_write_id,
    open_in_run,
    open_outbox,
    run_page,
)
from .outbox.alerts import OpenAlert
from .outbox.answers import ClaimedEvent
from .processes import process_name

if t.TYPE_CHECKING:
    from .outbox import Outbox

# Seconds to wait for a courier that is just sending what comes before.
_MAX_WAIT = 15.0
_INTERVAL = 0.05


class EventClient(t.Protocol):
    """What a sender needs of a client. :class:`~.client.Client` is one."""

    @property
    def longest_send(self) -> float:
        """Seconds that sending one event takes at most."""

    def __enter__(self) -> EventClient: ...

    def __exit__(self, *exc_info: object) -> None: ...

    def send(self, event: Event) -> Receipt:
        """Send one event, as :meth:`.Client.send` does."""

    def send_body(self, body: bytes) -> Receipt:
        """Send the payload of an event."""


@dataclass(frozen=True)
class SendResult:
    """What has become of one event.

    :param receipt: that of the service, if it has accepted the event.
    :param error: why it was not delivered, else.
    :param queued: whether it waits in the outbox.
    :param location: the outbox in which it waits.
    :param queue_problem: why it could not be put there, in words for a person.
    :param order_problem: why nobody knows whether it was sent in its order, in words for a person.
    """

    event: Event
    receipt: Receipt | None = None
    error: FlashdutyError | None = None
    queued: bool = False
    location: OutboxLocation | None = None
    queue_problem: str = ""
    order_problem: str = ""


class Sender:
    """Sends single events to one integration, in order.

    :param connection: how to reach it.
    :param location: where the outbox is; none is made until something is queued.
    :param make_client: makes what sends. It is used for one event at a time.
    """

    def __init__(
        self,
        connection: Connection,
        location: OutboxLocation,
        *,
        make_client: t.Callable[[Connection], EventClient] = Client,
    ) -> None:
        self._connection = connection
        self._location = location
        self._make_client = make_client

    def send(self, event: Event, *, queue_on_failure: bool = False) -> SendResult:
        """Send what waits for the event's key, then the event. What went wrong is in the result.

        :param queue_on_failure: whether the event goes to the outbox when a later attempt may succeed.
        """
        order_problem = ""
        try:
            with self._make_client(self._connection) as client:
                try:
                    order_problem = self._send_predecessors(client, event)
                except OutboxError as exc:
                    # Their order is unknown, and the new event matters more.
                    order_problem = str(exc)
                result = SendResult(event, client.send(event))
            self._forget_if_closed(event)
        except FlashdutyError as exc:
            result = SendResult(event, error=exc)
            if queue_on_failure and exc.retryable:
                result = self.queue(result)
        return replace(result, order_problem=order_problem)

    def send_and_remember(self, event: AlertEvent, opened: OpenAlert) -> SendResult:
        """Remember the alert that an event opens, and send what waits for it, then the event.

        Both go to the outbox together, and the alert counts as open once the event has arrived. While the outbox is of no
        use, the event is sent all the same.

        :param opened: the alert.
        """
        queued = self.queue(SendResult(event), opened=opened)
        if not queued.queued:
            result = self.send(event, queue_on_failure=True)
            return replace(result, order_problem=queued.queue_problem)
        try:
            with self._make_client(self._connection) as client, open_outbox(
                queued.location or self._location
            ) as outbox:
                outcome = self._empty(outbox, client, event)
        except FlashdutyError as exc:
            return replace(queued, error=exc)
        except OutboxError:
            # It is safe there, and a courier sends it.
            return queued
        if isinstance(outcome, FlashdutyError):
            return SendResult(event, error=outcome)
        return SendResult(event, outcome)

    def queue(
        self, result: SendResult, *, opened: OpenAlert | None = None
    ) -> SendResult:
        """Put an event that was not sent into the outbox.

        :param opened: the alert that it opens, to be remembered.
        """
        event = result.event
        write_id = new_write_id()

        def add(outbox: Outbox) -> None:
            outbox.add(
                self._connection.fingerprint,
                [event],
                server=self._connection.server,
                opened=opened,
                closed=_closed_by(event),
                write_id=write_id,
            )

        try:
            location, _problem = self._with_outbox(add)
        except OutboxError as exc:
            return replace(result, queue_problem=str(exc))
        return replace(result, queued=True, location=location)

    def _send_predecessors(self, client: EventClient, event: Event) -> str:
        """Send what waits for the same alert or change; return why a database could not be asked."""
        _location, problem = self._with_outbox(
            lambda outbox: self._empty(outbox, client, event), make=False
        )
        return problem

    def _with_outbox(
        self, function: t.Callable[[Outbox], t.Any], *, make: bool = True
    ) -> tuple[OutboxLocation, str]:
        """Use the outbox, or while a database cannot be used, the local one.

        :param make: whether one is made where there is none.
        :returns: the one that was used, and why it is not the database, unless that was said before.
        :raises OutboxError: when neither can be used.
        """
        location, problem = self._location, ""
        if location.url:
            try:
                with open_in_run(location) as outbox:
                    function(outbox)
                return location, ""
            except DatabaseAway:
                pass
            except OutboxError as exc:
                run_page.trip(location.url)
                problem = str(exc)
            location = location.local()
        if make or may_have_data(location):
            with open_outbox(location) as outbox:
                function(outbox)
        return location, problem

    def _empty(
        self, outbox: Outbox, client: EventClient, event: Event
    ) -> Receipt | FlashdutyError | None:
        """Send all that waits for the event's key; return what came of the last one, if it was sent here."""
        outcome: Receipt | FlashdutyError | None = None
        fingerprint = self._connection.fingerprint
        name = process_name()
        deadline = time.monotonic() + _MAX_WAIT
        while outbox.is_waiting([fingerprint], kind=event.kind, key=event.key):
            claimed, _pause = outbox.claim(
                fingerprint, name, limit=1, lease=client.longest_send, key=event.key
            )
            if claimed:
                outcome = _deliver(client, outbox, claimed[0])
            elif time.monotonic() < deadline:
                # A courier is just sending it, or has died over it.
                outbox.release_dead()
                time.sleep(_INTERVAL)
            else:
                raise TimeoutReached(
                    f"An earlier event of the same {event.kind} is still being delivered.",
                    hint="Look at what waits with outbox_info, and try again.",
                )
        return outcome

    def _forget_if_closed(self, event: Event) -> None:
        """Let the callback know of an alert that a task has closed."""
        closed = _closed_by(event)
        if not closed:
            return
        write_id = new_write_id()
        # Where that fails, it stays listed as open, and its next recovery is one too many, which does no harm.
        with contextlib.suppress(OutboxError):
            self._with_outbox(
                lambda outbox: outbox.add(
                    self._connection.fingerprint, [], closed=closed, write_id=write_id
                ),
                # While a database is away, it has to be closed there later.
                make=bool(self._location.url),
            )


def _closed_by(event: Event) -> list[str]:
    """Return the keys of the alerts that an event closes."""
    return [event.key] if event.is_recovery else []


def _deliver(
    client: EventClient, outbox: Outbox, waiting: ClaimedEvent
) -> Receipt | FlashdutyError:
    """Send what waits; return the receipt, or why it was refused for good."""
    try:
        receipt = client.send_body(waiting.payload.encode())
    except FlashdutyError as error:
        if not error.permanent:
            outbox.settle(failed=[(waiting, error)])
            raise
        outbox.settle(undeliverable=[(waiting, error)])
        return error
    outbox.settle(delivered=[waiting])
    return receipt
