# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Which options of a module are secret by its own account: those with ``no_log`` in its argument spec.

ansible-core hides them in what a module returns, and in nothing else: not when it crashes, and not in exceptions. The
module's source is read, not run.
"""

from __future__ import annotations

import ast
import functools
import os
import re
import typing as t

from ansible.plugins.loader import module_loader, module_utils_loader

_MOST_FILES = 40
_LONGEST_SOURCE = 2_000_000
_IN_POWERSHELL = re.compile(
    r"(\w+)\s*=\s*@\{[^}]{0,500}?no_log\s*=\s*\$true", re.IGNORECASE
)
_OF_COLLECTION = re.compile(r"(?P<root>.*/ansible_collections)/.+")


@functools.lru_cache(maxsize=256)
def hidden_options(action: str) -> frozenset[str] | None:
    """Return the names of the options with ``no_log``, and their aliases; None where they cannot be found out."""
    try:
        path = module_loader.find_plugin(action)
    except Exception:  # noqa: BLE001
        return None
    if not path or not os.path.isfile(path):
        # An action plugin of its own, which ansible-core knows no options of.
        return frozenset()
    names: set[str] = set()
    todo, done = [path], set[str]()
    while todo and len(done) < _MOST_FILES:
        file = todo.pop()
        if file in done:
            continue
        done.add(file)
        source = _read(file)
        if source is None or not file.endswith((".py", ".ps1")):
            if file == path:
                return None
            continue
        if file.endswith(".ps1"):
            names.update(_IN_POWERSHELL.findall(source))
            continue
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError):
            return None
        for node in ast.walk(tree):
            names.update(_hidden_in(node))
        todo += _imports_of(tree, path)
    return frozenset(names)


def _read(path: str) -> str | None:
    try:
        if os.path.getsize(path) > _LONGEST_SOURCE:
            return None
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return None


def _hidden_in(node: ast.AST) -> t.Iterator[str]:
    """Yield the names of options that a node says are secret: ``name=dict(no_log=True)`` and ``{"name": {…}}``."""
    if isinstance(node, ast.Dict):
        pairs = [
            (key.value, value)
            for key, value in zip(node.keys, node.values)
            if isinstance(key, ast.Constant) and isinstance(key.value, str)
        ]
    elif isinstance(node, ast.Call):
        pairs = [(one.arg, one.value) for one in node.keywords if one.arg]
    else:
        return
    for name, value in pairs:
        spec = _literal(value)
        if spec.get("no_log") is not None and _is_true(spec["no_log"]):
            yield name
            aliases = spec.get("aliases")
            if isinstance(aliases, (ast.List, ast.Tuple)):
                for alias in aliases.elts:
                    if isinstance(alias, ast.Constant):
                        yield str(alias.value)


def _literal(node: ast.AST) -> dict[str, ast.AST]:
    """Return what a dictionary holds, in either way of writing it."""
    if isinstance(node, ast.Dict):
        return {
            str(key.value): value
            for key, value in zip(node.keys, node.values)
            if isinstance(key, ast.Constant)
        }
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "dict":
        return {one.arg: one.value for one in node.keywords if one.arg}
    return {}


def _is_true(node: ast.AST) -> bool:
    # What is not a constant may be true.
    return not isinstance(node, ast.Constant) or bool(node.value)


def _imports_of(tree: ast.AST, path: str) -> list[str]:
    """Return the files of module_utils that a source imports: an argument spec may stand there."""
    files = []
    in_collection = _OF_COLLECTION.match(path)
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not node.module or node.level:
            continue
        if node.module.startswith("ansible_collections.") and in_collection:
            base = os.path.join(
                os.path.dirname(in_collection["root"]), *node.module.split(".")
            )
            files += [
                f"{base}.py",
                *(f"{base}/{alias.name}.py" for alias in node.names),
            ]
        elif node.module.startswith("ansible.module_utils."):
            name = node.module[len("ansible.module_utils.") :]
            if name.split(".")[0] in ("basic", "common", "compat", "six", "_internal"):
                continue
            found = module_utils_loader.find_plugin(name.replace(".", "/"))
            if found:
                files.append(found)
    return [file for file in files if os.path.isfile(file)]
