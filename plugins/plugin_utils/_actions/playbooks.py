# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""What tasks say of runs and playbooks. Pure."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.durations import (
    format_duration,
)

from .base import as_utc

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.runs import (
        ExpectedPlaybook,
        RunReport,
    )

    from .base import Result


def describe_playbook(origin: str, playbook: str) -> Result:
    """Return what identifies a playbook.

    :param origin: what its runs are remembered under; see ``RunContext.identity``.
    :param playbook: its name for people.
    """
    namespace, playbook_id = json.loads(origin)
    return {"playbook": playbook, "playbook_id": playbook_id, "namespace": namespace}


def is_named(names: t.Collection[str], playbook_id: str, playbook: str) -> bool:
    """Say whether a playbook is one of those that a person has named."""
    return playbook in names or playbook_id in names


def playbook_id_of(origin: str) -> str:
    """Return what identifies a playbook on all controllers."""
    return str(json.loads(origin)[1])


def describe_expected(one: ExpectedPlaybook) -> Result:
    """Return what a task says of a playbook that is expected to run."""
    return {
        **describe_playbook(one.origin, one.playbook),
        "expected_every": format_duration(one.expected_every),
        "last_started": as_utc(one.started_at),
        "last_started_by": one.started_by,
        "last_completed": (
            None if one.completed_at is None else as_utc(one.completed_at)
        ),
        "last_completed_by": one.completed_by,
        "due": as_utc(one.due_at),
        "missed": one.missed,
    }


def describe_run(run: RunReport, *, now: float) -> Result:
    """Return what a task says of a run.

    :param now: seconds since the epoch.
    """
    end = now if run.ended_at is None else run.ended_at
    return {
        **describe_playbook(run.origin, run.playbook),
        "run_id": run.run_id,
        "controller": run.controller,
        "started": as_utc(run.started_at),
        "ended": None if run.ended_at is None else as_utc(run.ended_at),
        "duration": max(0, int(end - run.started_at)),
        "status": run.status,
        "complete": run.complete,
        "expected_every": _duration(run.expected_every),
        "max_duration": _duration(run.max_duration),
        "hosts": run.hosts,
    }


def _duration(seconds: float | None) -> str | None:
    return None if seconds is None else format_duration(seconds)
