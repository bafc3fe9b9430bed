# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What the domain is made of: tasks, what happened to them on a host, and what variables say about the alert.

Plain values. The adapter of ansible-core makes them; nothing here knows ansible-core.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field


class TaskIdentity(t.NamedTuple):
    """What stays the same about a task from run to run, and from checkout to checkout."""

    play: str
    role: str
    file: str
    name: str
    action: str


@dataclass(frozen=True)
class TaskReference:
    """A task, for keys (``identity``, ``within``) and for people (the rest)."""

    identity: TaskIdentity
    line: int
    source: str
    """The absolute path of its file on this controller: to read it, never to send it."""
    path: str
    """The file as people know it, and the line."""
    display_name: str
    role: str
    action: str
    no_log: bool
    within: tuple[TaskIdentity, ...] = ()
    """The dynamic includes around it, innermost first: when one of them is skipped, the task is not reached."""


@dataclass(frozen=True)
class TaskOutcome:
    """A task that failed on a host, or a host that did not answer."""

    host: str
    task: TaskReference
    status: t.Literal["failed", "unreachable"]
    ignored: bool
    censored: bool
    message: str
    stdout: str = ""
    stderr: str = ""
    rc: int | None = None
    failed_items: tuple[tuple[str, str], ...] = ()
    delegated_to: str | None = None


@dataclass(frozen=True)
class AlertOverrides:
    """What variables of play, block, task, host and group say about an alert.

    :param label_vars: values of the variables that the option ``label_vars`` names.
    :param groups: the groups of the host.
    """

    status: str | None = None
    labels: t.Mapping[str, str] = field(default_factory=dict)
    label_vars: t.Mapping[str, str] = field(default_factory=dict)
    description: str | None = None
    groups: tuple[str, ...] = ()
