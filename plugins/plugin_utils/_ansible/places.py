# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The way to a task, read off the tasks, blocks, includes and roles around it; and the items of its loop."""

from __future__ import annotations

import json
import os
import typing as t
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from ansible.playbook.task_include import TaskInclude

from .._alerts.model import Items, Place, digest, name_digest
from .play import line_of
from .results import fields_of, task_of
from .task_references import reference, stands_where_a_template_says
from .tasks import ancestors, as_written, flag, has_loop, is_template, play_of

if t.TYPE_CHECKING:
    from ansible.executor.task_result import TaskResult
    from ansible.playbook.task import Task

_CACHE_SIZE = 2048
# What ansible-core adds to the variables of an include in a loop; the place in the loop is another one when an earlier
# item goes.
_LOOP_DETAILS = frozenset(
    (
        "ansible_loop",
        "ansible_loop_var",
        "ansible_index_var",
        "_ansible_item_label",
        "_ansible_no_log",
    )
)
_DEEPEST = 6

_places: OrderedDict[tuple[str, ...], Place] = OrderedDict()


def written_digest(task: Task) -> str:
    """Return the digest of a task's name and action as they are written: cheap, to find the few tasks that matter."""
    identity = reference(task).identity
    return name_digest(f"{identity.action} {identity.name}")


def place_of(task: Task, project: str) -> Place:
    """Return the place of a task.

    :param project: the folder that paths are made relative to.
    """
    chain = list(ancestors(task))
    key = (
        task._uuid,
        task.name or "",
        *(parent._uuid for parent in chain if isinstance(parent, TaskInclude)),
    )
    known = _places.get(key)
    if known is None:
        known = _places[key] = _place(task, chain, project)
        if len(_places) > _CACHE_SIZE:
            _places.popitem(last=False)
    return known


def _place(task: Task, chain: t.Sequence[t.Any], project: str, item: str = "") -> Place:
    steps: list[t.Any] = []
    lines = [reference(task).line]
    includes: list[Place] = []
    for number, parent in enumerate(chain):
        if isinstance(parent, TaskInclude):
            lines.append(reference(parent).line)
            items = _loop_item(parent)
            steps.append([list(_statement(parent)), _parameters(parent), items])
            if not parent.statically_loaded:
                includes.append(_place(parent, chain[number + 1 :], project, items))
    own = (
        [list(_statement(task)), _parameters(task)]
        if isinstance(task, TaskInclude)
        else []
    )
    play = play_of(task)
    if play is not None:
        lines.append(line_of(play))
    identity = reference(task).identity
    return Place(
        key=digest([list(identity), own, steps, _roles(task)]),
        lines=tuple(lines),
        written=written_digest(task),
        path=_path(task, project),
        item=item,
        includes=tuple(reversed(includes)),
    )


def _statement(include: Task) -> tuple[str, ...]:
    """Return what an include is, without what it comes to for this host."""
    identity = reference(include).identity
    written = as_written(include)
    what = written.get(identity.action)
    return (identity.role, identity.file, identity.name, identity.action, _text(what))


def _parameters(include: Task) -> str:
    written = as_written(include)
    given = {name: written.get(name) for name in ("vars", "args") if written.get(name)}
    return digest(plain(given)) if given else ""


def _loop_item(include: Task) -> str:
    """Return the digest of the item for which a file or role was included; empty without a loop."""
    if not has_loop(include):
        return ""
    control = include.loop_control
    own = {
        *(as_written(include).get("vars") or ()),
        getattr(control, "index_var", None),
    }
    found = {
        name: value
        for name, value in include.vars.items()
        if name not in _LOOP_DETAILS and name not in own
    }
    return digest(plain(list(found.values()))) if found else ""


def _roles(task: Task) -> list[t.Any]:
    """Return the role of a task and those that it is a dependency of, with their parameters."""
    role = task._role
    if role is None:
        return []
    chain = [role, *reversed(task.get_dep_chain() or [])]
    return [
        [str(one.get_name()).rpartition("/")[2], digest(plain(one._role_params))]
        for one in chain
    ]


def _path(task: Task, project: str) -> str:
    """Return the path that may be remembered of the file in which a task stands."""
    if flag(task.no_log, unclear=True) and stands_where_a_template_says(task):
        return ""
    return _relative_path(reference(task).source, project)


def _relative_path(source: str, project: str) -> str:
    if not source or not project:
        return source
    for path, folder in (
        (source, project),
        (os.path.realpath(source), os.path.realpath(project)),
    ):
        relative = os.path.relpath(path, folder)
        if not relative.startswith(os.pardir):
            return relative
    return source


def item_digest(item: t.Any, delegate: str = "") -> str:
    """Return the digest of an item of a loop, and of the machine that it was delegated to, if a template chose it."""
    return digest(plain([item, delegate] if delegate else [item]))


def items_of(
    result: TaskResult,
    delegate_of: t.Callable[[t.Any], str] | None = None,
    *,
    worked: bool,
) -> Items:
    """Return what became of the items of a loop. Without one, a machine that a template chose to delegate to is the item.

    :param worked: the task as a whole has worked.
    :param delegate_of: where a template chooses it for each item: returns the machine that one was delegated to.
    """
    task, fields = task_of(result), fields_of(result)
    if not has_loop(task):
        if not is_template(as_written(task).get("delegate_to")):
            return Items()
        name = str(task.delegate_to)
        if is_template(name):
            # It has failed before ansible-core knew the machine.
            return Items()
        machine = frozenset([name_digest(name)])
        return Items(machine, **{"succeeded" if worked else "failed": machine})
    results = fields.get("results")
    if not isinstance(results, list):
        # ansible-core drops them from what is hidden by no_log, and has none where the loop itself failed or is empty.
        is_empty = "skipped_reason" in fields or fields.get("skipped")
        return Items() if is_empty and "censored" not in fields else Items(every=None)
    every, succeeded, failed = set(), set(), set()
    for one in results:
        variable = one.get("ansible_loop_var") if isinstance(one, Mapping) else None
        if variable is None or variable not in one:
            return Items(every=None)
        item = item_digest(
            one[variable], delegate_of(one[variable]) if delegate_of else ""
        )
        every.add(item)
        if (
            one.get("failed")
            or one.get("unreachable")
            or one.get("failed_when_result")
            or "exception" in one
            and "failed_when_result" not in one
            and "failed" not in one
        ):
            failed.add(item)
        elif not one.get("skipped"):
            succeeded.add(item)
    return Items(frozenset(every), frozenset(succeeded - failed), frozenset(failed))


def plain(value: t.Any, depth: int = _DEEPEST) -> t.Any:
    """Return plain data, whatever classes ansible-core has made of it."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping) and depth:
        return {_text(name): plain(one, depth - 1) for name, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes) and depth:
        return [plain(one, depth - 1) for one in value]
    if value is None or isinstance(value, (bool, int, float)):
        return json.loads(json.dumps(value))
    return str(value)


def _text(value: t.Any) -> str:
    return "".join([str(value)]) if value is not None else ""
