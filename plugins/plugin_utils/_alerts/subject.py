# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What an alert is about, and so its key; and what it waits for before it closes. Pure."""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import dataclass

from .model import TaskIdentity, TaskOutcome

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        OpenAlert,
    )

    from .run_context import RunContext

# The version stands in every key, so that what goes into a key can change one day without meeting old alerts.
KEY_VERSION = "ansible:v1:"


def alert_key(version: str, identity: t.Sequence[t.Any]) -> str:
    """Return the alert key of what is identified by plain data.

    :param version: what the key begins with: kind and version.
    """
    return version + hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:40]


@dataclass(frozen=True)
class Subject:
    """What an alert is about, and so what its key is made of.

    :param scope: ``host``, ``task``, ``playbook``, ``storm`` (many hosts at one task) or ``run`` (it was aborted).
    :param status: the status of the event; the service fixes an alert's severity when it opens.
    :param host: the resource, for the scopes host and task.
    :param task: for the scopes task and storm.
    """

    scope: str
    status: str
    host: str = ""
    task: TaskIdentity | None = None

    def key(self, run: RunContext) -> str:
        """Return the alert key: the same tomorrow, in every checkout and on every control node."""
        return alert_key(
            KEY_VERSION,
            [
                self.scope,
                run.namespace,
                run.playbook_id,
                self.status,
                self.host,
                list(self.task or ()),
            ],
        )


@dataclass(frozen=True)
class Cause:
    """Why an alert is open: what has to work again before it closes.

    :param status: ``unreachable`` when an answer of the host is enough.
    :param path: the file of the task on this controller.
    :param include: the outermost of the dynamic includes that the task is in.
    :param rescued_task: for a task in a rescue section: the task whose failure led there, and its line. When that one
        works, the rescue is not needed.
    """

    host: str
    status: str
    task: TaskIdentity
    line: int
    path: str
    include: TaskIdentity | None = None
    rescued_task: tuple[TaskIdentity, int] | None = None

    @classmethod
    def of(
        cls,
        outcome: TaskOutcome,
        rescued_task: tuple[TaskIdentity, int] | None = None,
    ) -> Cause:
        """Return what an outcome makes an alert wait for."""
        task = outcome.task
        by_itself = outcome.delegated_to in (None, outcome.host)
        return cls(
            outcome.host,
            # When another machine did not answer, it is the task that has to work again.
            outcome.status if by_itself else "failed",
            task.identity,
            task.line,
            task.source,
            task.within[-1] if task.within else None,
            rescued_task,
        )

    @property
    def tasks(self) -> list[TaskIdentity]:
        """All tasks that it matters for."""
        return [
            self.task,
            *([self.include] if self.include else []),
            *([self.rescued_task[0]] if self.rescued_task else []),
        ]

    def as_data(self) -> list[t.Any]:
        """Return plain data for the ledger of open alerts."""
        return [
            self.host,
            self.status,
            list(self.task),
            self.line,
            self.path,
            list(self.include) if self.include else None,
            (
                [list(self.rescued_task[0]), self.rescued_task[1]]
                if self.rescued_task
                else None
            ),
        ]

    @classmethod
    def from_data(cls, data: t.Sequence[t.Any]) -> Cause:
        """Return what :meth:`as_data` was made of."""
        host, status, task, line, path, include, rescued_task = data
        return cls(
            host,
            status,
            TaskIdentity(*task),
            line,
            path,
            TaskIdentity(*include) if include else None,
            (TaskIdentity(*rescued_task[0]), rescued_task[1]) if rescued_task else None,
        )


def causes_of(alert: OpenAlert) -> list[Cause]:
    """Return what an open alert waits for."""
    return [Cause.from_data(data) for data in alert.details.get("causes", ())]
