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

from ._alerts import Cause

if t.TYPE_CHECKING:
    from ._run_recorder import RunFacts


def causes_of(alert: OpenAlert) -> list[Cause]:
    """Return what an open alert waits for."""
    return [Cause.from_data(data) for data in alert.details.get("causes", ())]


def recovered(
    alerts: t.Iterable[OpenAlert],
    facts: RunFacts,
    *,
    raised: t.Container[str],
    limited: bool,
    is_still_written: t.Callable[[Cause], bool],
) -> tuple[list[OpenAlert], list[OpenAlert]]:
    """Return the alerts that a run has closed, and those of which it has mended a part.

    :param raised: keys of the alerts that this very run has raised.
    :param limited: whether the run was for some hosts only.
    :param is_still_written: tells whether the task of a cause still stands in its file.
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
                cause, facts, alone=scope == "task", is_still_written=is_still_written
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
    is_still_written: t.Callable[[Cause], bool],
) -> bool:
    """Say whether one cause is gone.

    :param alone: only the task itself can show it, not that the host passed the whole run.
    """
    at = (cause.host, cause.task)
    if (*at, cause.line) in facts.worked:
        return True
    if cause.status == "unreachable" and not alone and cause.host in facts.answered:
        return True
    if cause.host not in facts.passed:
        return False
    if any((*at, line) in facts.worked for line in _lines(at, facts)):
        # The file was edited, and the task stands at another line now.
        return True
    if (
        alone
        or at in facts.skipped
        or any((cause.host, task) in facts.skipped for task in cause.within)
    ):
        return False
    # A task that is gone from the playbook cannot succeed any more; then it counts that the host passed. One that is
    # still there was not reached: a handler that nobody notified, the rest of a block that was rescued.
    return (
        cause.status == "unreachable"
        or at in facts.tried
        or not is_still_written(cause)
    )


def _lines(at: tuple[str, t.Any], facts: RunFacts) -> set[int]:
    return {line for host, task, line in facts.worked if (host, task) == at}
