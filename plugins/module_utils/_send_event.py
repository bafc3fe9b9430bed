# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""One event as one task: from the options to the result, the same on the controller and on a target."""

from __future__ import annotations

import typing as t

from ._flashduty.client import Client, Receipt
from ._flashduty.connection import Connection
from ._flashduty.errors import FlashdutyError
from ._flashduty.events import (
    DESCRIPTION_LIMIT,
    FIELDS,
    LABEL_KEY_LIMIT,
    LABEL_VALUE_LIMIT,
    TITLE_LIMIT,
    Event,
    create,
)
from ._flashduty.redaction import Redactor
from ._flashduty.texts import inert_from_outside
from ._layers import task_layer
from ._options import resolve_connection

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# What ansible-core prints as it is. Else, texts are as they were sent.
_SHOWN_AS_LINES = ("msg", "warnings")
_LIMITS = {
    "title_rule": TITLE_LIMIT,
    "title": TITLE_LIMIT,
    "description": DESCRIPTION_LIMIT,
}


def event_from_options(kind: str, options: t.Mapping[str, t.Any]) -> Event:
    """Return the event that a task describes.

    :raises InvalidEvent: when it breaks a rule of the service.
    """
    return create(kind, {name: options.get(name) for name in FIELDS[kind]})


def redact_fields(
    options: t.Mapping[str, t.Any], redactor: Redactor, written: str
) -> dict[str, t.Any]:
    """Return options of which every text may leave: clean, without secrets, and no template that is not the author's.

    :param written: the task as it stands in the file. A template of Flashduty's that is not there came from elsewhere.
    """

    def clean(value: t.Any) -> t.Any:
        return inert_from_outside(redactor.clean(value), written)

    def clean_text(value: t.Any) -> t.Any:
        return clean(value) if isinstance(value, str) else value

    def clean_labels(labels: t.Any) -> t.Any:
        if not isinstance(labels, t.Mapping):
            return labels
        return {clean_text(name): clean_text(text) for name, text in labels.items()}

    redacted = dict(options)
    for name in ("title_rule", "title", "description", "link"):
        redacted[name] = clean_text(options.get(name))
    for name in ("alert_key", "change_key"):
        # An alert has to be found again by it, so only keys of ours are hidden.
        value = options.get(name)
        redacted[name] = redactor.clean_name(value) if isinstance(value, str) else value
    redacted["labels"] = clean_labels(options.get("labels"))
    images = options.get("images")
    if isinstance(images, (list, tuple)):
        redacted["images"] = [
            (
                {
                    name: redactor.clean_name(text) if isinstance(text, str) else text
                    for name, text in image.items()
                }
                if isinstance(image, t.Mapping)
                else image
            )
            for image in images
        ]
    return redacted


def truncation_warnings(event: Event) -> list[str]:
    """Return a sentence for each field that was too long."""
    return [_truncation_warning(field) for field in event.truncated]


def _truncation_warning(field: str) -> str:
    if field in _LIMITS:
        return f"{field} was cut: Flashduty takes at most {_LIMITS[field]} characters."
    return (
        f"{field} was cut: Flashduty takes at most {LABEL_KEY_LIMIT} characters of a label's name"
        f" and {LABEL_VALUE_LIMIT} of its value."
    )


def unsent_result(event: Event) -> dict[str, t.Any]:
    """Return what a task says about an event that was not sent, for whatever reason."""
    return {
        "changed": False,
        f"{event.kind}_key": event.key,
        "event": event.payload(),
        "truncated": list(event.truncated),
        "request_id": None,
        "http_status": None,
        "attempts": 0,
        "queued": False,
    }


def sent_result(
    event: Event, receipt: Receipt | None, error: FlashdutyError | None
) -> dict[str, t.Any]:
    """Return the result of a task that has sent its event, or has failed to.

    An error becomes a part of the result, not an exception: Ansible would print its whole chain.
    """
    result = unsent_result(event)
    if error is not None:
        return {**result, **failure(error)}
    if receipt is None:
        return result
    return {
        **result,
        "changed": True,
        "request_id": receipt.request_id,
        "http_status": receipt.http_status,
        "attempts": receipt.attempts,
    }


def failure(exc: FlashdutyError) -> dict[str, t.Any]:
    """Return the result of a task that this error ends."""
    return {
        "failed": True,
        "changed": False,
        **exc.as_result(),
        "request_id": exc.request_id,
        "http_status": exc.http_status,
    }


def redact_result(result: dict[str, t.Any], redactor: Redactor) -> dict[str, t.Any]:
    """Return a result in which no text holds a secret, and what is shown as a line does nothing to a terminal.

    The names in it are ours, but for those of labels.
    """

    def clean(value: t.Any) -> t.Any:
        if isinstance(value, (list, tuple)):
            return [clean(inner) for inner in value]
        return redactor.clean(value) if isinstance(value, str) else redact(value)

    def redact(value: t.Any, *, names_are_ours: bool = True) -> t.Any:
        if isinstance(value, dict) and names_are_ours:
            return {
                name: redact(inner, names_are_ours=name != "labels")
                for name, inner in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [redact(inner) for inner in value]
        return redactor.redact_data(value)

    lines = {name: clean(result[name]) for name in _SHOWN_AS_LINES if name in result}
    return {**t.cast("dict[str, t.Any]", redact(result)), **lines}


def run_module(module: AnsibleModule, *, kind: str) -> t.NoReturn:
    """Send the event from the machine that runs the module. The action plugin has found out the connection."""
    redactor = Redactor()
    try:
        connection = resolve_connection(
            [task_layer(module.params, own_key_for=kind)], kind=kind
        ).connection
        redactor = Redactor([connection.integration_key])
        event = event_from_options(kind, module.params)
        for warning in truncation_warnings(event):
            module.warn(redactor.clean(warning))
        if module.check_mode:
            result = {**unsent_result(event), "changed": True}
        else:
            result = _send(connection, event)
    except FlashdutyError as exc:
        result = failure(exc)
    module.exit_json(**redact_result(result, redactor))


def _send(connection: Connection, event: Event) -> dict[str, t.Any]:
    # Without the outbox, which is on the controller.
    try:
        with Client(connection) as client:
            receipt = client.send(event)
    except FlashdutyError as exc:
        return sent_result(event, None, exc)
    return sent_result(event, receipt, None)


def refuse_to_run_as_module(module: AnsibleModule, name: str) -> t.NoReturn:
    """End a module that is nothing but documentation: its action plugin does the work on the controller."""
    module.fail_json(
        msg=f"flashcat.flashduty.{name} runs on the controller and cannot be run as a module of its own."
        f" Use it as a task: flashcat.flashduty.{name}."
    )
