# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What a play of ansible-core holds, and which of its hosts ansible-core has taken out of it."""

from __future__ import annotations

import typing as t

from ansible.playbook.block import Block
from ansible.release import __version__ as ansible_version

from .results import host_name, task_of
from .tasks import is_role_include

if t.TYPE_CHECKING:
    from ansible.executor.task_result import TaskResult
    from ansible.inventory.host import Host
    from ansible.playbook import Playbook
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

    from .._alerts.outcomes import TaskOutcome

# From 2.17 on, a role that cannot be found is reported like any other failing include.
_MISSING_ROLE_IS_SILENT = tuple(map(int, ansible_version.split(".")[:2])) < (2, 17)


def path_of(playbook: Playbook) -> str:
    """Return the path of a playbook as it was given, or an empty text for an ad-hoc run."""
    return str(playbook._file_name or "")


def id_of(thing: Play | Task) -> str:
    """Return what tells a play, or a task in all its copies, from all others."""
    return str(thing._uuid)


def inventory_names(play: Play) -> t.Iterator[str]:
    """Yield the names of all hosts of the inventory."""
    yield from map(str, play.get_variable_manager()._inventory.hosts)


def find_host(play: Play, name: str) -> Host | None:
    """Return a host of the inventory, or None."""
    return t.cast("Host | None", play.get_variable_manager()._inventory.get_host(name))


def line_of(play: t.Any) -> int:
    """Return the line at which a play begins in its file, 0 where that is not known."""
    line = str(play.get_path() or "").rpartition(":")[2]
    return int(line) if line.isdigit() else 0


def tasks_of(play: Play) -> t.Iterator[Task]:
    """Yield the tasks and handlers of a play and its roles, without those of includes that are read while it runs."""
    for block in [*play.compile(), *play.handlers]:
        yield from _tasks_in(block)


def _tasks_in(block: Block) -> t.Iterator[Task]:
    for child in [*block.block, *block.rescue, *block.always]:
        if isinstance(child, Block):
            yield from _tasks_in(child)
        elif not child.implicit:
            yield child


def hosts_of(play: Play) -> tuple[list[str], list[str]]:
    """Return the names of the hosts of a play that begins, and of those in its batch."""
    inventory = play.get_variable_manager()._inventory
    everybody, batch = (
        [
            str(host.name)
            for host in inventory.get_hosts(
                play.hosts, ignore_restrictions=ignored, order=play.order
            )
        ]
        for ignored in (True, False)
    )
    return everybody, batch


def stopped_hosts(play: Play | None) -> frozenset[str]:
    """
    Return the hosts that ansible-core has taken out of a play: failed, unreachable, or stopped without a word.

    ansible-core's list is not exact. A rescued failing include stays in it, and so do the others under ``run_once`` (2.16)
    or ``any_errors_fatal`` (from 2.19) when a rescue takes them on: a host that reports a task afterwards has not stopped.
    2.16 leaves out the others under ``any_errors_fatal``, ``end_play`` and ``end_batch``.
    """
    return frozenset(map(str, _removed(play)))


def _removed(play: Play | None) -> list[str]:
    return list(getattr(play, "_removed_hosts", None) or [])


class MissingRoleDetector:
    """
    Finds the hosts for which ``include_role`` could not find its role.

    ansible-core 2.16 fails such a host without calling a callback: it was told ``ok``, and is taken out of the play before
    the next task starts. Newer ones report a failure; then there is nothing to find. One object for each play.
    """

    def __init__(self, play: Play) -> None:
        self._play = play
        self._pending: dict[str, tuple[TaskResult, int]] = {}

    def ok(self, result: TaskResult) -> None:
        """Take note of an ``ok``."""
        if _MISSING_ROLE_IS_SILENT:
            host = host_name(result)
            if is_role_include(task_of(result)):
                self._pending[host] = (result, _removed(self._play).count(host))
            else:
                self._pending.pop(host, None)

    def reported(self, host: str) -> None:
        """Take note of any other result of a host."""
        self._pending.pop(host, None)

    def missing(self) -> list[tuple[TaskResult, TaskOutcome]]:
        """Return what was lost since the last call. Call it whenever a task or a play starts, and at the end."""
        if not self._pending:
            return []
        removed = _removed(self._play)
        missing = [
            (result, _missing_role(result))
            for host, (result, before) in self._pending.items()
            if removed.count(host) > before
        ]
        self._pending.clear()
        return missing


def _missing_role(result: TaskResult) -> TaskOutcome:
    from .outcomes import failed_outcome

    outcome = failed_outcome(result)
    if outcome.censored:
        return outcome
    return outcome._replace(message="The role to include could not be loaded.")
