# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Send one event as a task: what alert_event and change_event do on the controller."""

from __future__ import annotations

import json
import typing as t
from urllib.parse import quote

import yaml
from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    connection_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.client import (
    Client,
    Receipt,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
    Connection,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    UNEXPECTED_RESPONSE,
    FlashdutyError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    Event,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.sender import (
    EventClient,
    Sender,
    SendResult,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._send_event import (
    event_from_options,
    redact_fields,
    sent_result,
    truncation_warnings,
    unsent_result,
)

from .._ansible.action_secrets import written_by_author
from .base import ControllerAction, Result

# Of what the module on a target returns, what Ansible itself has put there.
_ANSIBLES_OWN = ("ansible_facts", "deprecations", "exception", "invocation", "warnings")


class TargetFailed(Exception):
    """The module on the target could not even run; ``result`` says why."""

    def __init__(self, result: Result) -> None:
        super().__init__()
        self.result = result


class TargetError(FlashdutyError):
    """The error that the module on the target has met."""

    @property
    def permanent(self) -> bool:
        answered_by_flashduty = (
            self.http_status is not None and self.code != UNEXPECTED_RESPONSE
        )
        return answered_by_flashduty and not self.retryable


class TargetClient:
    """Sends events from the target, by running the module there. An :class:`EventClient`."""

    def __init__(
        self, connection: Connection, execute: t.Callable[[Result], Result]
    ) -> None:
        self._connection = connection
        self._execute = execute
        self.extras: Result = {}

    def __enter__(self) -> TargetClient:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        """Nothing is kept open here."""

    @property
    def longest_send(self) -> float:
        # Ansible's own overhead and the waits between the attempts included.
        return (self._connection.retries + 1) * (self._connection.timeout + 75.0) + 60.0

    def send(self, event: Event) -> Receipt:
        return self._send(event.payload())

    def send_body(self, body: bytes) -> Receipt:
        return self._send(json.loads(body))

    def _send(self, payload: Result) -> Receipt:
        result = self._execute({**payload, **_as_options(self._connection)})
        self.extras = {name: result[name] for name in _ANSIBLES_OWN if name in result}
        error = result.get("error")
        if error:
            problem = TargetError(**error)
            problem.attempts = result.get("attempts", 0)
            raise problem
        if result.get("failed") or not result.get("request_id"):
            raise TargetFailed(result)
        return Receipt(result["request_id"], result["http_status"], result["attempts"])


def _as_options(connection: Connection) -> Result:
    """Return the options with which the module finds out exactly this connection."""
    key = connection.integration_key
    options = {
        name: getattr(connection, name)
        for name in connection_argument_spec()
        if hasattr(connection, name)
    }
    # The URL may have a path of its own. The key is given by itself, too, so that Ansible hides it by itself.
    options["push_url"] = f"{connection.url}?integration_key={quote(key, safe='')}"
    return {name: value for name, value in options.items() if value is not None}


class EventAction(ControllerAction):
    """Sends one event.

    :cvar kind: ``alert`` or ``change``.
    """

    kind: t.ClassVar[str]

    def perform(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        from_target = options["send_from"] == "target"
        layers = self.layers(options, own_key_for=self.kind)
        connection = self.resolve(
            layers, kind=self.kind, for_target=from_target
        ).connection
        location = self.outbox_location(layers)
        redactor = self.learn(task_vars)
        written = written_by_author(self._task, self.variables)
        event = event_from_options(self.kind, redact_fields(options, redactor, written))
        for warning in truncation_warnings(event):
            self.warn(warning)
        if self._task.check_mode:
            result = {**unsent_result(event), "changed": True}
        else:
            target = TargetClient(
                connection, lambda args: self._run_on_target(args, task_vars)
            )

            def make_client(connection: Connection) -> EventClient:
                return target if from_target else Client(connection)

            sender = Sender(connection, location, make_client=make_client)
            try:
                sent = sender.send(event, queue_on_failure=options["queue_on_failure"])
                result = {**target.extras, **self._result(sent)}
            except TargetFailed as exc:
                result = {**unsent_result(event), **exc.result}
        if self._task.diff and result["changed"]:
            result["diff"] = describe_difference(event)
        return result

    def _run_on_target(
        self, module_args: Result, task_vars: dict[str, t.Any]
    ) -> Result:
        return t.cast(
            Result, self._execute_module(module_args=module_args, task_vars=task_vars)
        )

    def _result(self, sent: SendResult) -> Result:
        if sent.order_problem:
            self.warn(
                f"What waits for the same {self.kind} could not be looked up before this event was sent:"
                f" {sent.order_problem}."
            )
        result = sent_result(sent.event, sent.receipt, sent.error)
        if sent.queue_problem:
            result["msg"] += f" It could not be queued either: {sent.queue_problem}."
        if sent.error is not None and sent.queued:
            self.warn(
                f"The event waits in {sent.location}, because it could not be delivered. {sent.error.message}"
            )
            for name in ("failed", "msg"):
                del result[name]
            result.update(changed=True, queued=True)
        return result


class _EventDumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, so that a person can read them."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_EventDumper.add_representer(str, _represent_text)


def describe_difference(event: Event) -> Result:
    """Return what ``--diff`` shows: nothing before, the event after."""
    return {
        "before_header": f"{event.kind} event",
        "after_header": f"{event.kind} event",
        "before": "",
        "after": yaml.dump(
            event.payload(),
            Dumper=_EventDumper,
            allow_unicode=True,
            sort_keys=False,
            width=1000,
        ),
    }
