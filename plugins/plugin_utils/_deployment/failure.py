# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What a rescue section knows of the task that failed: ``ansible_failed_task`` and ``ansible_failed_result``.

Neither of them is censored for a task with ``no_log``, so that is done here. And neither may be templated: from
ansible-core 2.19 on, they hold templates of the task that do not resolve outside of it.
"""

from __future__ import annotations

import hashlib
import json
import typing as t
from collections.abc import Mapping

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
    Redactor,
)

from .._alerts.builder import describe, redact_outcome
from .._alerts.outcomes import TaskIdentity, TaskOutcome, TaskReference
from .._ansible.outcomes import CENSORED
from .._ansible.result_texts import clean, readable_fields, whole_text
from .._ansible.tasks import flag
from .state import Failure

Variables = t.Mapping[str, t.Any]

_UNKNOWN = "An included file or role could not be loaded, or something else stopped this host; see the run's output."
# Of a failed task's result, what it is right to fail with once more.
_REPEATED = ("msg", "rc", "stdout", "stderr", "module_stdout", "module_stderr")


def fingerprint(variables: Variables) -> str:
    """Return what tells whether the failed task is another one than before. These variables are never unset."""
    task, result = _failed_vars(variables)
    if not task and not result:
        return ""
    text = json.dumps([list(task.items()), list(result.items())], default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def failure_of(host: str, variables: Variables, redactor: Redactor) -> Failure:
    """Return why a host is in a rescue section."""
    task, result = _failed_vars(variables)
    # Masked before anything is cut: half a secret would not be found any more.
    outcome = redact_outcome(_outcome(host, task, result), redactor)
    return Failure(
        host,
        describe(outcome),
        task=outcome.task.display_name,
        action=outcome.task.action,
        stops_all=_is_set(task, "run_once") or _is_set(task, "any_errors_fatal"),
    )


def unknown_failure(host: str) -> Failure:
    """Return why a host is in a rescue section although none of its tasks has failed there."""
    return Failure(host, _UNKNOWN, caused_here=False)


def runs_once(variables: Variables) -> bool:
    """Say whether the failed task was one for all hosts, so that ansible-core fails all of them for it."""
    return _is_set(_failed_vars(variables)[0], "run_once")


def repeated_result(variables: Variables) -> dict[str, t.Any]:
    """Return a result that fails as the task did, without what ``no_log`` hides."""
    task, result = _failed_vars(variables)
    outcome = _outcome("", task, result)
    if outcome.censored:
        return {"failed": True, "msg": outcome.message}
    kept = {name: result[name] for name in _REPEATED if name in result}
    return {**kept, "failed": True, "msg": outcome.message}


def _failed_vars(variables: Variables) -> tuple[Variables, Variables]:
    task = variables.get("ansible_failed_task")
    result = variables.get("ansible_failed_result")
    return (
        task if isinstance(task, Mapping) else {},
        result if isinstance(result, Mapping) else {},
    )


def _outcome(host: str, task: Variables, result: Variables) -> TaskOutcome:
    # What a loop decides item by item is an untemplated string here, which counts as set.
    censored = (
        _is_set(task, "no_log")
        or "censored" in result
        or bool(result.get("_ansible_no_log"))
    )
    action = clean(task.get("action"))
    name = "" if censored else whole_text(task.get("name"))
    texts: dict[str, t.Any] = (
        {"message": CENSORED} if censored else readable_fields(result, "failed")
    )
    return TaskOutcome(
        host=host,
        # The name as it was rendered may hold what no_log hides.
        task=TaskReference(
            identity=TaskIdentity("", "", "", name, action),
            line=0,
            source="",
            path="",
            display_name=name or f"a task with the module {action}",
            role="",
            action=action,
            no_log=censored,
        ),
        status="failed",
        ignored=False,
        censored=censored,
        **texts,
    )


def _is_set(task: Variables, keyword: str) -> bool:
    return flag(task.get(keyword), unclear=True)
