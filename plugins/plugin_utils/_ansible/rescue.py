# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""
Will a surrounding block rescue the task that failed?

ansible-core calls ``v2_runner_on_failed`` for a failure that a ``rescue`` will catch as for any other, and passes nothing
that tells (ansible/ansible#76934 would have). So the answer is read off the blocks around the task, as the iterator of
the play does: a failure is caught by the innermost block whose ``block`` section it comes from and that has a ``rescue``
left after --tags and --skip-tags. Coming from ``rescue`` or ``always``, it goes on outwards.

Handlers belong to no block of the play. They fail where they are flushed, so ``Rescues`` remembers for each host the
``meta: flush_handlers`` that set off the handlers it is running.
"""

from __future__ import annotations

import typing as t

from ansible.playbook.block import Block

from .tasks import is_handler, is_meta

if t.TYPE_CHECKING:
    from ansible.playbook.task import Task


class Rescues:
    """
    Knows, for one play (one batch of it, with ``serial``), which failures are rescued.

    The callback has to have ``wants_implicit_tasks``, so that it hears of the flush at the end of a section, too: with the
    strategy "free" that of one host can come between an explicit flush of another one and its notifications.
    """

    def __init__(self) -> None:
        self._current: Task | None = None
        self._flushed_at: dict[str, Task] = {}
        self._filtered: dict[str, bool] = {}

    def task_started(self, task: Task) -> None:
        """Take note of a task, meta task or handler that starts on some hosts."""
        self._current = task

    def handler_notified(self, host: str) -> None:
        """
        Take note of a handler that will run for a host.

        ansible-core says so when it flushes the handlers, right after it has said that the flush starts. It also says so when
        a handler notifies another one; then both run in the same flush.
        """
        if self._current is not None and is_meta(self._current, "flush_handlers"):
            self._flushed_at.setdefault(host, self._current)

    def task_reported(self, host: str, task: Task) -> None:
        """Take note of any result of a host."""
        if not is_handler(task):
            self._flushed_at.pop(host, None)

    def will_rescue(self, host: str, task: Task) -> bool:
        """Return whether the failure of a task on a host will be rescued."""
        place: Task | None = task
        if is_handler(task):
            place = self._flushed_at.get(host)
        return place is not None and will_be_rescued(place, self._filtered)


def will_be_rescued(task: Task, filtered: dict[str, bool] | None = None) -> bool:
    """
    Return whether a failure at this task, which is no handler, will be rescued.

    ``filtered`` remembers from call to call which blocks have a rescue that runs.
    """
    # Everything is compared by _uuid: the task of a result is a copy. A block lists the task itself, or the include that
    # it came by (include_*), or the block that replaced the include (import_*): all of them are candidates.
    candidates = {_place(task)}
    parent: t.Any = task._parent
    while parent is not None:
        if isinstance(parent, Block):
            if _in_block_section(parent, candidates) and _rescue_runs(parent, filtered):
                return True
            candidates.clear()
        candidates.add(_place(parent))
        parent = parent._parent
    return False


def is_in_rescue(task: Task) -> bool:
    """Say whether a task is in the rescue section of a block, at whichever level."""
    # By _uuid, and an include by its own or that of the block that it came to: see ``will_be_rescued``.
    candidates = {task._uuid}
    parent: t.Any = task._parent
    while parent is not None:
        if isinstance(parent, Block):
            if any(child._uuid in candidates for child in parent.rescue):
                return True
            candidates.clear()
        candidates.add(parent._uuid)
        parent = parent._parent
    return False


def _place(thing: t.Any) -> tuple[str, str]:
    """Return what tells a task or block from its likes: those of a role that several roles depend on share a _uuid."""
    return thing._uuid, thing._parent._uuid if thing._parent is not None else ""


def _in_block_section(block: Block, candidates: set[tuple[str, str]]) -> bool:
    """Return whether a child sits in ``block``; one that is listed nowhere does (blocks made for ``apply`` list nothing)."""
    return not any(
        _place(child) in candidates for child in [*block.rescue, *block.always]
    )


def _rescue_runs(block: Block, filtered: dict[str, bool] | None) -> bool:
    """Return whether a block has a rescue of which --tags and --skip-tags leave something."""
    if not block.rescue:
        return False
    known = {} if filtered is None else filtered
    if block._uuid not in known:
        known[block._uuid] = _something_left(block)
    return known[block._uuid]


def _something_left(block: Block) -> bool:
    rescue_only = block.copy(exclude_parent=True, exclude_tasks=True)
    rescue_only._parent = block._parent
    rescue_only.rescue = block.rescue
    play = block._play
    variables = play.get_variable_manager().get_vars(
        play=play, task=block.get_first_parent_include()
    )
    return bool(rescue_only.filter_tagged_tasks(variables).rescue)
