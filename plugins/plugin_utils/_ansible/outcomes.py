# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""
What became of a task that failed, as plain values.

Everything is made of ``str``, ``int``, ``bool`` and tuples, and censored where ``no_log`` asks for it. Texts are as they are;
what leaves is cleaned, masked and cut, in this order, by the alert's builder.
"""

from __future__ import annotations

import typing as t

from .._alerts.outcomes import TaskOutcome
from .result_texts import readable_fields, whole_text
from .results import fields_of, host_name, task_of
from .task_references import reference, reference_as_written
from .tasks import ancestors, as_written, flag, is_template

if t.TYPE_CHECKING:
    from ansible.executor.task_result import TaskResult
    from ansible.playbook.task import Task

CENSORED = "The output has been hidden, since no_log is set."

_DEEPEST_ERROR = 20


def failed_outcome(
    result: TaskResult, ignore_errors: bool | None = False
) -> TaskOutcome:
    """Return what ``v2_runner_on_failed`` was told. For a failing include ansible-core passes no ``ignore_errors``."""
    return _outcome(result, "failed", ignored=bool(ignore_errors))


def unreachable_outcome(result: TaskResult) -> TaskOutcome:
    """Return what ``v2_runner_on_unreachable`` was told."""
    ignored = flag(task_of(result).ignore_unreachable)
    return _outcome(result, "unreachable", ignored=ignored)


def _outcome(
    result: TaskResult, status: t.Literal["failed", "unreachable"], *, ignored: bool
) -> TaskOutcome:
    task = task_of(result)
    fields = fields_of(result)
    reference_ = reference(task)
    # Of a censored result only this key is there with every ansible-core; task.no_log of a loop can be an untemplated
    # string, which then counts as set.
    censored = "censored" in fields or flag(task.no_log, unclear=True)
    if censored and not reference_.no_log:
        reference_ = reference_as_written(reference_._replace(no_log=True), task)
    texts: dict[str, t.Any] = (
        {"message": CENSORED}
        if censored
        else readable_fields(fields, status, errors=_errors_of(result))
    )
    return TaskOutcome(
        host=host_name(result),
        task=reference_,
        status=status,
        ignored=ignored,
        censored=censored,
        delegated_to=_delegated_to(task, censored=censored),
        **texts,
    )


def _errors_of(result: TaskResult) -> list[str]:
    """
    Return the messages of the error that made a task fail, and of those that led to it, the root last.

    From ansible-core 2.19 on, a module's ``msg`` can be as short as "Error executing command.", and what is shown on
    the screen behind it stands only here. It is not censored by ``no_log``.
    """
    messages: list[str] = []
    event = getattr(getattr(result, "exception", None), "event", None)
    while event is not None and len(messages) < _DEEPEST_ERROR:
        messages.append(whole_text(event.msg))
        event = event.chain.event if event.chain else None
    return messages


def _delegated_to(task: Task, *, censored: bool) -> str | None:
    name = task.delegate_to
    if not name or is_template(name):
        return None  # untemplated: each item of the loop may go elsewhere
    if censored and name not in _written_delegates(task):
        return None
    return whole_text(name) or None


def _written_delegates(task: Task) -> set[str]:
    """Return the machines that a task, or a block or include around it, names as they are."""
    around = (as_written(one).get("delegate_to") for one in (task, *ancestors(task)))
    return {name for name in around if isinstance(name, str) and "{{" not in name}
