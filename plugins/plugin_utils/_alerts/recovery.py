# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standtask_only plugins/modules!

"""Which open alerts a run has closed. Pure.

An alert closes when what raised it worked again. A run that never reached the task closes nothing.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OpenAlert,
)

from .subject import Cause, causes_of

if t.TYPE_CHECKING:
    from .recorder import RunSummary


def recovered(
    alerts: t.Iterable[OpenAlert],
    summary: RunSummary,
    *,
    raised: t.Container[str],
    limited: bool,
    lines_in_file: t.Callable[[Cause], frozenset[int] | None],
) -> tuple[list[OpenAlert], list[OpenAlert]]:
    """Return the alerts that a run has closed, and those of which it has partly_recovered a part.

    :param raised: keys of the alerts that this very run has raised.
    :param limited: whether the run was for some hosts only.
    :param lines_in_file: returns the lines at which the task of a cause stands in its file, or None when that is not to
        be found out. Asked only for tasks in dynamic includes.
    """
    closed, partly_recovered = [], []
    for alert in alerts:
        scope = alert.details.get("scope")
        if scope == "run":
            if summary.complete and alert.alert_key not in raised:
                closed.append(alert)
            continue
        if scope == "playbook":
            if (
                summary.complete
                and not limited
                and not summary.failed_hosts
                and alert.alert_key not in raised
            ):
                closed.append(alert)
            continue
        causes = causes_of(alert)
        left = [
            cause
            for cause in causes
            if not _works_again(
                cause, summary, task_only=scope == "task", lines_in_file=lines_in_file
            )
        ]
        failed_again = alert.alert_key in raised or (
            scope == "host" and summary.failed_hosts & {cause.host for cause in causes}
        )
        if not left and not failed_again:
            closed.append(alert)
        elif left and len(left) < len(causes):
            details = {**alert.details, "causes": [cause.as_data() for cause in left]}
            partly_recovered.append(replace(alert, details=details))
    return closed, partly_recovered


def _works_again(
    cause: Cause,
    summary: RunSummary,
    *,
    task_only: bool,
    lines_in_file: t.Callable[[Cause], frozenset[int] | None],
) -> bool:
    """Say whether one cause is gone.

    :param task_only: only the task itself can show it, not that the host passed the whole run.
    """
    if cause.task not in summary.tracked:
        # Another run, beside this one, has added it meanwhile.
        return False
    if (cause.host, cause.task, cause.line) in summary.succeeded:
        return True
    if (
        cause.status == "unreachable"
        and not task_only
        and cause.host in summary.reachable
    ):
        return True
    # The file may have been edited since. Of several tasks with one name it may be any, so all of them count.
    lines = _lines_now(cause, summary, lines_in_file)
    if cause.line in lines:
        lines = frozenset([cause.line])
    if lines and all(
        (cause.host, cause.task, line) in summary.succeeded for line in lines
    ):
        return True
    if task_only or cause.host not in summary.passed:
        return False
    if cause.rescued_task and (cause.host, *cause.rescued_task) in summary.succeeded:
        return True
    # A task that is gone from the playbook cannot work any more; then it counts that the host passed. One that is still
    # there, but did nothing, was not reached: skipped, a handler that nobody notified, what follows in a block that was
    # rescued.
    return all(
        (cause.host, cause.task, line) in summary.succeeded | summary.tolerated
        for line in lines
    )


def _lines_now(
    cause: Cause,
    summary: RunSummary,
    lines_in_file: t.Callable[[Cause], frozenset[int] | None],
) -> frozenset[int]:
    """Return the lines at which the task of a cause stands now; none when it is gone."""
    written = {task for task, _line in summary.defined}
    if cause.include is None:
        return frozenset(line for task, line in summary.defined if task == cause.task)
    if cause.include not in written:
        return frozenset()
    lines = lines_in_file(cause)
    if lines is not None:
        return lines
    # Wherever it was seen; or where it was, and so it was not reached.
    return frozenset(
        line
        for _host, task, line in summary.succeeded | summary.tolerated
        if task == cause.task
    ) or frozenset([cause.line])
