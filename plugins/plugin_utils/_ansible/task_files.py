# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Which tasks a playbook holds, whether a run reaches them or not."""

from __future__ import annotations

import os
import typing as t

from ansible.playbook.block import Block

from . import results

if t.TYPE_CHECKING:
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task


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


def is_in_rescue(task: Task) -> bool:
    """Say whether a task is in the rescue section of a block, at whichever level."""
    # By _uuid, and an include by its own or that of the block that it came to: see rescue.py.
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


def lines_in_file(
    path: str, task: results.TaskIdentity, *, project: str
) -> frozenset[int] | None:
    """Return the lines at which a task stands in a file of tasks.

    :param path: the file, as it was when the task failed.
    :param project: the folder of the playbook.
    :returns: None when the file cannot be understood, or is missing and may only have moved with the checkout.
    """
    import yaml

    try:
        with open(path, encoding="utf-8") as file:
            documents = list(yaml.compose_all(file, Loader=yaml.SafeLoader))
    except FileNotFoundError:
        inside = os.path.abspath(path).startswith(project.rstrip(os.sep) + os.sep)
        return frozenset() if inside else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        # A file that is encrypted with Ansible Vault, for one.
        return None
    return frozenset(
        line for document in documents for line in _lines_in(document, task)
    )


def _lines_in(node: t.Any, task: results.TaskIdentity) -> t.Iterator[int]:
    import yaml

    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _lines_in(item, task)
    elif isinstance(node, yaml.MappingNode):
        fields = {
            key.value: value
            for key, value in node.value
            if isinstance(key, yaml.ScalarNode)
        }
        # Arguments of modules can be named "name", too; but only a task has its module beside it.
        if not {task.action, "action", "local_action"}.isdisjoint(fields):
            name = fields.get("name")
            written = str(name.value) if isinstance(name, yaml.ScalarNode) else ""
            if (results.clean(written) or task.action) == task.name:
                yield node.start_mark.line + 1
        for value in fields.values():
            yield from _lines_in(value, task)
