# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Send alert events and change events from a task that must not fail for it, nor take long."""

from __future__ import annotations

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
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.direct import (
    send_in_turn,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    CONNECTION_FAILED,
    TIMEOUT,
    FlashdutyError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    AlertEvent,
    ChangeEvent,
    Event,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    Outbox,
    OutboxError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.retry import (
    RetryPolicy,
)

from .._processes import start_beside_the_run

# A service that asks to wait longer than this gets the event by way of the outbox.
_LONGEST_WAIT = 5.0

Sent = dict[str, t.Any]


class Integrations:
    """The integrations that are configured, by kind: ``alert``, ``change``, or both.

    :param state_path: the folder of the outbox.
    :param warn: told of each event that could not be sent.
    """

    def __init__(
        self,
        connections: t.Mapping[str, Connection],
        state_path: str,
        warn: t.Callable[[str], None],
    ) -> None:
        self.connections = connections
        self._state_path = state_path
        self._warn = warn
        # Servers that have not answered. What comes next is not tried there, so that a task waits once.
        self._silent: dict[str, FlashdutyError] = {}

    def send(
        self, kind: str, fields: t.Mapping[str, t.Any], *, dry: bool = False
    ) -> Sent | None:
        """Send one event now, or by way of the outbox; return what came of it, or None where nobody wants its kind.

        :param fields: the arguments of ``AlertEvent.create`` or ``ChangeEvent.create``.
        :param dry: whether it is only returned.
        """
        connection = self.connections.get(kind)
        if connection is None:
            return None
        event = make_event(kind, fields)
        sent: Sent = {
            "kind": kind,
            "key": event.key,
            "status": _status(event),
            "event": event.payload(),
            "request_id": None,
            "queued": False,
            "error": None,
        }
        if dry:
            return sent
        problem = self._silent.get(connection.host)
        if problem is None:
            try:
                sent["request_id"] = self._send_now(connection, event).request_id
                return sent
            except FlashdutyError as exc:
                problem = exc
        sent["error"] = problem.as_dict()
        words = problem.as_result()["msg"]
        if problem.code in (CONNECTION_FAILED, TIMEOUT):
            self._silent[connection.host] = problem
        if problem.retryable:
            sent["queued"] = self._queue(connection, event)
        if sent["queued"]:
            words = f"The event waits in {self._state_path}. {words}"
        self._warn(f"The {kind} event {sent['status']} could not be sent. {words}")
        return sent

    def _send_now(self, connection: Connection, event: Event) -> t.Any:
        retry = RetryPolicy(connection.retries, longest_wait=_LONGEST_WAIT)
        with Client(connection, retry=retry) as client:
            try:
                return send_in_turn(client, event, state_path=self._state_path)
            except OutboxError:
                # What waits before it cannot be told, and this one is the news.
                return client.send(event)

    def _queue(self, connection: Connection, event: Event) -> bool:
        try:
            with Outbox(self._state_path) as outbox:
                outbox.add(connection.fingerprint, [event])
        except OutboxError as exc:
            self._warn(
                f"The {event.kind} event is lost, because it cannot be kept either: {exc}."
            )
            return False
        return True

    def leave_last_will(self, path: str) -> None:
        """Start the process that sends, after the run, what a file asks for then; see ``last_will.py``."""
        keys = [connection.integration_key for connection in self.connections.values()]
        file = os.open(path, os.O_RDONLY)
        try:
            process = start_beside_the_run("last_will", keys=keys, pass_fds=[file])
            # There is one, as was asked for; the type does not know.
            with t.cast("t.IO[bytes]", process.stdin) as stdin:
                stdin.write(
                    json.dumps(
                        {
                            "run_pid": os.getppid(),
                            "file": file,
                            "folder": self._state_path,
                            "connections": {
                                kind: asdict(connection)
                                for kind, connection in self.connections.items()
                            },
                        }
                    ).encode()
                )
        except OSError as exc:
            self._warn(f"Nobody watches how this run ends: {exc.strerror}.")
        finally:
            os.close(file)


def make_event(kind: str, fields: t.Mapping[str, t.Any]) -> Event:
    """Return the event that has these fields."""
    return (AlertEvent if kind == "alert" else ChangeEvent).create(**fields)


def _status(event: Event) -> str:
    return event.event_status if isinstance(event, AlertEvent) else event.change_status
