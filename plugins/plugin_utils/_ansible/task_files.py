# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Where a task stands in a file now."""

from __future__ import annotations

import os
import typing as t

from .results import clean

if t.TYPE_CHECKING:
    from .._alerts.model import TaskIdentity


def lines_in_file(
    path: str, task: TaskIdentity, *, project: str
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


def _lines_in(node: t.Any, task: TaskIdentity) -> t.Iterator[int]:
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
            if (clean(written) or task.action) == task.name:
                yield node.start_mark.line + 1
        for value in fields.values():
            yield from _lines_in(value, task)
