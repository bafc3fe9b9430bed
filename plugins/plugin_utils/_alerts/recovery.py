# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Which open alerts a run has closed. Pure.

An alert closes when what raised it worked again. A run that never reached the task closes nothing.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OpenAlert,
)

from .builder import Cause

if t.TYPE_CHECKING:
    from .recorder import RunFacts


def causes_of(alert: OpenAlert) -> list[Cause]:
    """Return what an open alert waits for."""
    return [Cause.from_data(data) for data in alert.details.get("causes", ())]


def recovered(
    alerts: t.Iterable[OpenAlert],
    facts: RunFacts,
    *,
    raised: t.Container[str],
    limited: bool,
    lines_in_file: t.Callable[[Cause], frozenset[int] | None],
) -> tuple[list[OpenAlert], list[OpenAlert]]:
    """Return the alerts that a run has closed, and those of which it has mended a part.

    :param raised: keys of the alerts that this very run has raised.
    :param limited: whether the run was for some hosts only.
    :param lines_in_file: returns the lines at which the task of a cause stands in its file, or None when that is not to
        be found out. Asked only for tasks in dynamic includes.
    """
    closed, mended = [], []
    for alert in alerts:
        scope = alert.details.get("scope")
        if scope == "run":
            if facts.complete and alert.alert_key not in raised:
                closed.append(alert)
            continue
        if scope == "playbook":
            if (
                facts.complete
                and not limited
                and not facts.given_up
                and alert.alert_key not in raised
            ):
                closed.append(alert)
            continue
        causes = causes_of(alert)
        left = [
            cause
            for cause in causes
            if not _works_again(
                cause, facts, alone=scope == "task", lines_in_file=lines_in_file
            )
        ]
        failed_again = alert.alert_key in raised or (
            scope == "host" and facts.given_up & {cause.host for cause in causes}
        )
        if not left and not failed_again:
            closed.append(alert)
        elif left and len(left) < len(causes):
            details = {**alert.details, "causes": [cause.as_data() for cause in left]}
            mended.append(replace(alert, details=details))
    return closed, mended


def _works_again(
    cause: Cause,
    facts: RunFacts,
    *,
    alone: bool,
    lines_in_file: t.Callable[[Cause], frozenset[int] | None],
) -> bool:
    """Say whether one cause is gone.

    :param alone: only the task itself can show it, not that the host passed the whole run.
    """
    if cause.task not in facts.watched:
        # Another run, beside this one, has added it meanwhile.
        return False
    if (cause.host, cause.task, cause.line) in facts.worked:
        return True
    if cause.status == "unreachable" and not alone and cause.host in facts.answered:
        return True
    # The file may have been edited since. Of several tasks with one name it may be any, so all of them count.
    lines = _lines_now(cause, facts, lines_in_file)
    if cause.line in lines:
        lines = frozenset([cause.line])
    if lines and all((cause.host, cause.task, line) in facts.worked for line in lines):
        return True
    if alone or cause.host not in facts.passed:
        return False
    if cause.instead_of and (cause.host, *cause.instead_of) in facts.worked:
        return True
    # A task that is gone from the playbook cannot work any more; then it counts that the host passed. One that is still
    # there, but did nothing, was not reached: skipped, a handler that nobody notified, what follows in a block that was
    # rescued.
    return all(
        (cause.host, cause.task, line) in facts.worked | facts.handled for line in lines
    )


def _lines_now(
    cause: Cause,
    facts: RunFacts,
    lines_in_file: t.Callable[[Cause], frozenset[int] | None],
) -> frozenset[int]:
    """Return the lines at which the task of a cause stands now; none when it is gone."""
    written = {task for task, _line in facts.written}
    if cause.within is None:
        return frozenset(line for task, line in facts.written if task == cause.task)
    if cause.within not in written:
        return frozenset()
    lines = lines_in_file(cause)
    if lines is not None:
        return lines
    # Wherever it was seen; or where it was, and so it was not reached.
    return frozenset(
        line for _host, task, line in facts.worked | facts.handled if task == cause.task
    ) or frozenset([cause.line])
