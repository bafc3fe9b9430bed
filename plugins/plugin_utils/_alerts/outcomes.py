# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""A task, and what became of it on a host where it failed. Plain values, as those of ``model.py``."""

from __future__ import annotations

import typing as t

from .model import Items, Place


class TaskIdentity(t.NamedTuple):
    """What stays the same about a task from run to run, and from checkout to checkout."""

    play: str
    role: str
    file: str
    name: str
    action: str


class TaskReference(t.NamedTuple):
    """A task, for keys (``identity``) and for people (the rest)."""

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
    handler: bool = False


class TaskOutcome(t.NamedTuple):
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
    place: Place | None = None
    items: Items = Items()
    run_once: bool = False
    silent_machines: tuple[str, ...] = ()
    """The machines that did not answer, when it is unreachable: the host, or those that it delegated to."""
