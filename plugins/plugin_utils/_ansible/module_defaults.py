# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What ``module_defaults`` sets for a task of ours: for this module alone, and for all of them through the action group."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible.playbook.task import Task

    from .variables import Variables

_GROUP = "group/flashcat.flashduty.flashduty"


class Defaults(t.NamedTuple):
    """Options as they are written, before templating.

    :param of_group: those for all modules of the action group.
    :param of_module: those for the module of the task alone, which count before them.
    """

    of_group: dict[str, t.Any]
    of_module: dict[str, t.Any]


def defaults_of(task: Task) -> Defaults:
    """Return the defaults in force for a task; of several levels the innermost, as ansible-core merges them."""
    merged: dict[str, t.Any] = {}
    for level in task.module_defaults or ():
        merged.update(level)
    name = getattr(task, "resolved_action", None) or str(task.action)
    found = (merged.get(_GROUP), merged.get(name))
    return Defaults(
        *(dict(options) if isinstance(options, dict) else {} for options in found)
    )


def options_for_all(task: Task, variables: Variables | None) -> frozenset[str]:
    """Return the options whose value is the one for all modules of the action group.

    The arguments of a task do not tell where they were set, so their values are compared.

    :param variables: render the defaults; None outside of a play.
    """

    def render(value: t.Any) -> str:
        if variables is None or not isinstance(value, str):
            return str(value)
        return str(variables.render(value))

    return frozenset(
        name
        for name, value in defaults_of(task).of_group.items()
        if task.args.get(name) is not None and str(task.args[name]) == render(value)
    )
