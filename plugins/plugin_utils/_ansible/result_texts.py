# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What a person may read of a result: chosen by an allow-list, whole and as it is.

Nothing is cleaned or cut here: what leaves is cleaned, masked and cut in this order, and later. Arguments of tasks,
variables, facts, diffs and the environment are never read.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.texts import (
    clean_text,
)

from .._alerts.volatile import even_out
from .results import NESTED_TOO_DEEPLY, is_failed_item

Fields = t.Mapping[str, t.Any]

_FAILED_WHEN = "The condition in failed_when was met"


def readable_fields(
    fields: Fields, status: str, *, errors: t.Sequence[str] = ()
) -> dict[str, t.Any]:
    """Return what a person may read of a result that is not censored.

    :param errors: the messages of the errors behind it, the root last: where the result tells of one of the others, the
        root is added.
    """
    message = _message(fields)
    *others, root = errors or [""]
    if any(text and text in message for text in others) and root not in message:
        message = f"{message.rstrip('.')}: {root}"
    if not message and status == "unreachable":
        message = "The host did not answer."
    return {
        "message": _with_condition(fields, message),
        "stdout": whole_text(fields.get("stdout"))
        or whole_text(fields.get("module_stdout")),
        "stderr": whole_text(fields.get("stderr"))
        or whole_text(fields.get("module_stderr")),
        "rc": _return_code(fields.get("rc")),
        "failed_items": _failed_items(fields),
    }


def clean(value: object) -> str:
    """Return any value as readable text, the same in every run: for what identifies a task."""
    return even_out(clean_text(whole_text(value)))


def whole_text(value: object) -> str:
    """Return any value as text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return "".join([value])  # a plain one, whatever ansible-core has made of it
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
        return "\n".join(value)
    try:
        if isinstance(value, (dict, list, tuple, bool)):
            return json.dumps(value, ensure_ascii=False, default=str)
        return str(value)
    except (TypeError, ValueError):
        return repr(value)
    except RecursionError:
        return NESTED_TOO_DEEPLY


def _message(fields: Fields) -> str:
    message = whole_text(fields.get("msg")) or whole_text(fields.get("reason"))
    causes = fields.get("failed_modules")
    if not isinstance(causes, dict):
        return message
    # As when facts cannot be gathered: the result itself names the modules only.
    lines = [
        f"{name}: {text}"
        for name, result in causes.items()
        if isinstance(result, dict) and (text := _texts_in_one(result))
    ]
    return "\n".join(filter(None, [message, *lines]))


def _with_condition(fields: Fields, message: str) -> str:
    """Return a message that begins with the condition that made a task fail, where the module itself did not."""
    sentence = ""
    if fields.get("failed_when_result"):
        sentence = _FAILED_WHEN
    elif _until_was_not_met(fields):
        attempts = _return_code(fields.get("attempts"))
        sentence = f"The condition in until was not met in {attempts} attempts"
    if not sentence:
        return message
    return f"{sentence}: {message}" if message else f"{sentence}."


def _until_was_not_met(fields: Fields) -> bool:
    return (
        bool(_return_code(fields.get("attempts")))
        and "failed_when_result" not in fields
        and not _return_code(fields.get("rc"))
        and not any(
            fields.get(name)
            for name in ("exception", "module_stderr", "unreachable", "timedout")
        )
    )


def _return_code(value: object) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None


def _failed_items(fields: Fields) -> tuple[tuple[str, str], ...]:
    results = fields.get("results")
    if not isinstance(results, list):
        return ()
    return tuple(
        (_item_label(item), _with_condition(item, _texts_in_one(item)))
        for item in results
        if is_failed_item(item) and not _item_censored(item)
    )


def _item_censored(item: Fields) -> bool:
    return "censored" in item or bool(item.get("_ansible_no_log"))


def _item_label(item: Fields) -> str:
    label = item.get("_ansible_item_label")
    if label is None:
        label = item.get(str(item.get("ansible_loop_var", "item")))
    return whole_text(label)


def _texts_in_one(fields: Fields) -> str:
    texts = (
        whole_text(fields.get(field)).strip()
        for field in ("msg", "reason", "stderr", "module_stderr", "stdout")
    )
    return "\n".join(dict.fromkeys(filter(None, texts)))
