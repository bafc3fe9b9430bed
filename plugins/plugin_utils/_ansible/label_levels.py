# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The values of one variable on all levels, where ansible-core itself keeps the last one only."""

from __future__ import annotations

import typing as t

from ansible.inventory.helpers import sort_groups
from ansible.vars.plugins import get_vars_from_inventory_sources, get_vars_from_path

if t.TYPE_CHECKING:
    from ansible.inventory.host import Host
    from ansible.playbook.play import Play
    from ansible.playbook.role import Role
    from ansible.playbook.task import Task

Scope = t.Mapping[str, t.Any]


def label_levels(
    name: str,
    variables: Scope,
    manager: t.Any,
    *,
    play: Play,
    host: Host | None,
    task: Task | None,
) -> list[t.Any]:
    """Return the values of a variable as they are written, the farthest first.

    The levels are: defaults of roles, groups from the outside in, the host, the play, blocks, includes and roles from the
    outside in, the task, what was set while the play runs, and ``-e``. A variable that is unset somewhere is not there.

    :param variables: those in force, untemplated. A value in force that none of the levels has, such as one from
        ``vars_files``, is a level of its own.
    :param manager: a variable manager without facts.
    """
    role = task._role if task is not None else None
    scopes: list[Scope] = [
        *([role.get_default_vars(task.get_dep_chain())] if task and role else ()),
        *(_of_host(manager, host) if host is not None else ()),
        play.get_vars(),
        *(_of_task(task) if task is not None else ()),
    ]
    if host is not None:
        scopes += [
            manager._vars_cache.get(host.name, {}),
            manager._nonpersistent_fact_cache.get(host.name, {}),
        ]
    levels = [scope[name] for scope in scopes if scope.get(name) is not None]
    extra = manager._extra_vars.get(name)
    in_force = variables.get(name)
    if extra is None and in_force is not None and in_force not in levels:
        levels.append(in_force)
    return levels if extra is None else [*levels, extra]


def _of_host(manager: t.Any, host: Host) -> t.Iterator[Scope]:
    groups = sort_groups([group for group in host.get_groups() if group.name != "all"])
    every = manager._inventory.groups.get("all")
    for entity in (*([every] if every else ()), *groups, host):
        yield entity.vars
        yield get_vars_from_inventory_sources(
            manager._loader, manager._inventory._sources, [entity], "task"
        )
        if manager.safe_basedir:
            yield get_vars_from_path(
                manager._loader, manager._loader.get_basedir(), [entity], "task"
            )


def _of_task(task: Task) -> t.Iterator[Scope]:
    """Yield the variables of what is around a task, and its own last."""
    around = [task]
    while around[-1]._parent is not None:
        around.append(around[-1]._parent)
    # A role's tasks come with the roles that depend on it.
    chain = [*(task.get_dep_chain() or ()), *([task._role] if task._role else ())]
    seen: list[Role] = []
    for one in reversed(around):
        role: Role | None = getattr(one, "_role", None)
        roles = [] if role is None else chain if role is task._role else [role]
        for each in roles:
            if each not in seen:
                seen.append(each)
                yield each._role_vars or {}
                yield each.vars
                yield each._role_params
        yield one.vars
