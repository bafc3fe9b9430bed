# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Where a task stands in a file now."""

from __future__ import annotations

import os
import typing as t

from .._alerts.model import name_digest
from .result_texts import clean
from .task_references import action_in


def lines_in_file(path: str, written: str, *, project: str) -> frozenset[int] | None:
    """Return the lines at which a task stands in a file of tasks.

    :param path: the file when the task failed: relative to the project, or absolute outside of it.
    :param written: the digest of the task's action and name; see ``places.written_digest``.
    :param project: the folder of the playbook.
    :returns: None when the file cannot be understood, or is missing and may only have moved with the checkout.
    """
    import yaml

    if not path:
        return None
    path = os.path.join(project, path)
    try:
        # Whatever else it may be, such as a pipe, would have to be waited for.
        if os.path.exists(path) and not os.path.isfile(path):
            return None
        with open(path, encoding="utf-8") as file:
            documents = list(yaml.compose_all(file, Loader=yaml.SafeLoader))
    except FileNotFoundError:
        inside = os.path.abspath(path).startswith(project.rstrip(os.sep) + os.sep)
        return frozenset() if inside else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        # A file that is encrypted with Ansible Vault, for one.
        return None
    return frozenset(
        line for document in documents for line in _lines_in(document, written)
    )


def _lines_in(node: t.Any, written: str) -> t.Iterator[int]:
    import yaml

    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _lines_in(item, written)
    elif isinstance(node, yaml.MappingNode):
        fields = {
            key.value: value
            for key, value in node.value
            if isinstance(key, yaml.ScalarNode)
        }
        # Arguments of modules can be named "name", too; but only a task has its module beside it.
        name = fields.get("name")
        name = clean(str(name.value)) if isinstance(name, yaml.ScalarNode) else ""
        for action in {*fields, *_long_forms(fields)}:
            if name_digest(f"{action} {name or action}") == written:
                yield node.start_mark.line + 1
                break
        for value in fields.values():
            yield from _lines_in(value, written)


def _long_forms(fields: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """Yield the actions that are written as ``action`` or ``local_action``."""
    import yaml

    for keyword in ("action", "local_action"):
        node = fields.get(keyword)
        if isinstance(node, yaml.MappingNode):
            modules = [
                value
                for key, value in node.value
                if isinstance(key, yaml.ScalarNode) and key.value == "module"
            ]
            node = modules[0] if modules else None
        if isinstance(node, yaml.ScalarNode):
            yield action_in(str(node.value))
