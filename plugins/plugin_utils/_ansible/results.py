# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""
What ansible-core tells a callback of a task on a host.

The one reader of task results. What a failed one says is made into an outcome elsewhere: in most runs nothing fails.
"""

from __future__ import annotations

import typing as t

from .tasks import as_written, flag, registered_names

if t.TYPE_CHECKING:
    from ansible.executor.task_result import TaskResult
    from ansible.inventory.host import Host
    from ansible.playbook.task import Task

NESTED_TOO_DEEPLY = "(nested too deeply to be shown)"


def host_of(result: TaskResult) -> Host:
    """Return the host of the inventory that a result is of."""
    return t.cast("Host", _read(result, "host"))


def host_name(result: TaskResult) -> str:
    """Return the inventory name of the host."""
    return str(host_of(result).name)


def task_of(result: TaskResult) -> Task:
    """Return the result's task: a copy of the one in the play, with its fields templated for this host."""
    return t.cast("Task", _read(result, "task"))


def fields_of(result: TaskResult) -> t.Mapping[str, t.Any]:
    """Return what a result holds: to look for what ansible-core itself has put there."""
    try:
        return t.cast("t.Mapping[str, t.Any]", _read(result, "result"))
    except RecursionError:
        # ansible-core cannot read it, either; that it failed is known all the same.
        return {"msg": NESTED_TOO_DEEPLY}


def _read(result: TaskResult, name: str) -> object:
    # ansible-core 2.16 to 2.18 have the private names only; 2.23 deprecates them.
    name = name if hasattr(result, name) else f"_{name}"
    return getattr(result, name)


def present_variables(result: TaskResult) -> dict[str, t.Any]:
    """Return the variables that only the present result has: its own one, and the loop's item that failed first."""
    task, fields = task_of(result), fields_of(result)
    found = dict(next(iter(failed_items(result)), {}))
    written = as_written(task).get("register", task.register)
    if isinstance(written, str):
        found[written] = dict(fields)
    return found


def failed_items(result: TaskResult) -> list[dict[str, t.Any]]:
    """Return for each item of a loop that failed the variable that held it, and the item."""
    items = fields_of(result).get("results")
    return [
        {name: item[name]}
        for item in (items if isinstance(items, list) else ())
        if is_failed_item(item)
        and (name := str(item.get("ansible_loop_var", "item"))) in item
    ]


def hidden_registers(result: TaskResult) -> tuple[str, ...]:
    """Return the variables into which the result of a task with ``no_log`` goes."""
    task = task_of(result)
    if "censored" not in fields_of(result) and not flag(task.no_log, unclear=True):
        return ()
    return registered_names(task)


def has_alert_of_deployment(result: TaskResult) -> bool:
    """Say whether a failed task is the end of a failed deployment, whose alert the role raises."""
    action = str(task_of(result).action).rpartition(".")[2]
    return action == "deployment_step" and fields_of(result).get("callback") is False


def is_failed_item(item: object) -> bool:
    """Return whether this is the result of a loop's item that failed. Modules, too, return something named "results"."""
    if not isinstance(item, dict) or not (
        "ansible_loop_var" in item or "_ansible_item_label" in item
    ):
        return False
    if item.get("unreachable"):
        return True
    if "failed_when_result" in item:
        return bool(item["failed_when_result"])
    # ansible-core 2.21 has no "failed" in the items of a result, only "exception".
    return bool(item["failed"]) if "failed" in item else "exception" in item
