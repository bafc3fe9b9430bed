# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Send the events of a deployment, whose tasks neither fail for it nor take long."""

from __future__ import annotations

import functools
import json
import os
import typing as t
from dataclasses import asdict

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.client import (
    Client,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
    Connection,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    CONNECTION_FAILED,
    TIMEOUT,
    FlashdutyError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    AlertEvent,
    Event,
    create,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    DamagedOutbox,
    OutboxLocation,
    may_have_data,
    open_in_run,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
    OpenAlert,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.retry import (
    RetryPolicy,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.sender import (
    Sender,
    SendResult,
)

from .._processes import start_courier
from .memory import ORIGIN, opened_by

# A service that asks to wait longer than this gets the event by way of the outbox.
_LONGEST_WAIT = 5.0
# Requests at a time and a minute, of the courier that sends what is left after the run.
_MAX_IN_FLIGHT = 32
_RATE_LIMIT = 900

SentEvent = dict[str, t.Any]


class DeploymentSender:
    """Sends events to the integrations that are configured.

    :param connections: by kind: ``alert``, ``change``, or both.
    :param location: where the outbox is.
    :param warn: told of each event that could not be sent.
    """

    def __init__(
        self,
        connections: t.Mapping[str, Connection],
        location: OutboxLocation,
        warn: t.Callable[[str], None],
    ) -> None:
        self.connections = connections
        self._location = location
        self._warn = warn
        # Servers that have not answered. What comes next is not tried there, so that a task waits once.
        self._silent: dict[str, FlashdutyError] = {}

    def remembered(self, alert_key: str) -> OpenAlert | None:
        """Return an alert that is open, or None when nothing is remembered of it.

        :raises OutboxError: when nobody knows, because the outbox cannot be used now.
        """
        connection = self.connections.get("alert")
        if connection is None or not may_have_data(self._location):
            return None
        try:
            with open_in_run(self._location) as outbox:
                alerts = outbox.open_alerts(connection.fingerprint, ORIGIN)
        except DamagedOutbox:
            # What it held is lost for good.
            return None
        return next((one for one in alerts if one.alert_key == alert_key), None)

    def remember(self, alert: OpenAlert) -> None:
        """Keep what an open alert waits for now.

        :raises OutboxError: when it cannot be kept.
        """
        with open_in_run(self._location) as outbox:
            outbox.add(self.connections["alert"].fingerprint, [], updated=[alert])

    def send(
        self,
        kind: str,
        fields: t.Mapping[str, t.Any],
        *,
        details: t.Mapping[str, t.Any] | None = None,
        check_mode: bool = False,
    ) -> SentEvent | None:
        """Send one event now, or by way of the outbox.

        :param fields: see :func:`.events.create`.
        :param details: what is to be remembered of the alert that it opens.
        :param check_mode: whether it is only returned.
        :returns: what came of it, or None where nobody wants its kind.
        """
        connection = self.connections.get(kind)
        if connection is None:
            return None
        event = create(kind, fields)
        opened = opened_by(fields, details) if details else None
        result = (
            SendResult(event) if check_mode else self._send(connection, event, opened)
        )
        return {
            "kind": kind,
            "key": event.key,
            "status": _status(event),
            "event": event.payload(),
            "request_id": result.receipt.request_id if result.receipt else None,
            "queued": result.queued,
            "error": result.error.as_dict() if result.error else None,
        }

    def _send(
        self, connection: Connection, event: Event, opened: OpenAlert | None
    ) -> SendResult:
        retry = RetryPolicy(connection.retries, longest_wait=_LONGEST_WAIT)
        sender = Sender(
            connection,
            self._location,
            make_client=functools.partial(Client, retry=retry),
        )
        silence = self._silent.get(connection.address)
        if silence is not None:
            result = sender.queue(SendResult(event, error=silence), opened=opened)
        elif opened is not None and isinstance(event, AlertEvent):
            result = sender.send_and_remember(event, opened)
        else:
            result = sender.send(event, queue_on_failure=True)
        error = result.error
        if error is None:
            return result
        if error.code in (CONNECTION_FAILED, TIMEOUT):
            self._silent[connection.address] = error
        waits = f"The event waits in {result.location}. " if result.queued else ""
        self._warn(
            f"The {event.kind} event {_status(event)} could not be sent. {waits}{error}"
        )
        if result.queue_problem:
            self._warn(
                f"The {event.kind} event is lost, because it cannot be kept either: {result.queue_problem}."
            )
        return result

    def watch_run(self, path: str) -> None:
        """Start the courier that sends, after the run, what a file holds then; see ``courier.py``.

        :param path: the file. It may be deleted when the run ends.
        """
        keys = [connection.integration_key for connection in self.connections.values()]
        keys += self._location.secrets
        file = os.open(path, os.O_RDONLY)
        try:
            process = start_courier(keys=keys, pass_fds=[file])
            messages: list[dict[str, t.Any]] = [
                {
                    "start": {
                        "outbox": self._location.as_message(),
                        # Tasks are taken by workers, which end with them.
                        "run_pid": os.getppid(),
                        "max_in_flight": _MAX_IN_FLIGHT,
                        "rate_limit": _RATE_LIMIT,
                        "events_on_exit": {
                            "file": file,
                            "fingerprints": {
                                kind: connection.fingerprint
                                for kind, connection in self.connections.items()
                            },
                        },
                    }
                },
                *(
                    {"connection": asdict(connection)}
                    for connection in self.connections.values()
                ),
            ]
            # There is one, as was asked for; the type does not know.
            with t.cast("t.IO[bytes]", process.stdin) as stdin:
                for message in messages:
                    stdin.write(json.dumps(message).encode() + b"\n")
        except OSError as exc:
            self._warn(f"Nobody watches how this run ends: {exc.strerror}.")
        finally:
            os.close(file)


def _status(event: Event) -> str:
    return event.event_status if isinstance(event, AlertEvent) else event.change_status
