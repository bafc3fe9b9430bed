# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Which machine a task has reached, or not, and whether that was over the machine's own connection."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible.inventory.host import Host
from ansible.plugins.loader import action_loader
from ansible.template import Templar

from .results import fields_of, host_name, task_of
from .tasks import as_written, bare_action, has_loop, is_template

if t.TYPE_CHECKING:
    from ansible.executor.task_result import TaskResult
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

    # Returns a template, templated for the host and the task, with further variables.
    Template = t.Callable[[str, t.Mapping[str, t.Any]], str]


# These run on the controller only, so their success says nothing about the host.
_CONTROLLER_ACTIONS = frozenset(
    [
        "add_host",
        "assert",
        "debug",
        "fail",
        "group_by",
        "import_playbook",
        "import_role",
        "import_tasks",
        "include_role",
        "include_tasks",
        "include_vars",
        "meta",
        "pause",
        "set_fact",
        "set_stats",
        "validate_argument_spec",
        "alert_event",
        "change_event",
        "deployment_step",
        "outbox_flush",
        "outbox_info",
    ]
)


def silent_machines(result: TaskResult, template: Template) -> tuple[str, ...]:
    """Return the machines that did not answer: the host, or those that the task was delegated to.

    An empty name is a machine that cannot be told.
    """
    task, host = task_of(result), host_name(result)
    if not task.delegate_to:
        return (host,)
    if not has_loop(task):
        return (_delegate(task, {}, {}, template),)
    results = fields_of(result).get("results")
    items = [
        item
        for item in (results if isinstance(results, list) else [])
        if isinstance(item, Mapping) and item.get("unreachable")
    ]
    machines = {_delegate_of_item(task, item, template) for item in items}
    return tuple(sorted(machines)) or ("",)


def answering_machines(result: TaskResult, template: Template) -> set[str]:
    """Return the machines of which a result that is ``ok`` proves that they were reached, by whatever connection."""
    task = task_of(result)
    if runs_on_controller(task):
        return set()
    if not task.delegate_to:
        return {host_name(result)}
    if not has_loop(task):
        return {_delegate(task, fields_of(result), {}, template)} - {""}
    results = fields_of(result).get("results")
    return {
        _delegate_of_item(task, item, template)
        for item in (results if isinstance(results, list) else [])
        if isinstance(item, Mapping)
        and not (item.get("skipped") or item.get("unreachable") or item.get("failed"))
    } - {""}


def delegate_of_items(
    task: Task, template: Template
) -> t.Callable[[t.Any], str] | None:
    """Return what tells the machine that an item of a loop is delegated to; None unless a template chooses it."""
    written = as_written(task).get("delegate_to")
    if not is_template(written) or not has_loop(task):
        return None
    variable = task.loop_control.loop_var or "item"
    template_text: str = written
    return lambda item: template(template_text, {variable: item})


def _delegate_of_item(
    task: Task, item: t.Mapping[str, t.Any], template: Template
) -> str:
    variable = str(item.get("ansible_loop_var") or "item")
    return _delegate(task, item, {variable: item.get(variable)}, template)


def _delegate(
    task: Task,
    fields: t.Mapping[str, t.Any],
    more: t.Mapping[str, t.Any],
    template: Template,
) -> str:
    told = fields.get("_ansible_delegated_vars")
    if isinstance(told, Mapping) and told.get("ansible_delegated_host"):
        return str(told["ansible_delegated_host"])
    # Not str(): from 2.19 on, ansible-core templates only what it remembers as written by a person.
    written = as_written(task).get("delegate_to") or task.delegate_to
    if "{{" not in str(written):
        return str(written)
    name = str(task.delegate_to)
    return name if "{{" not in name and not more else template(written, more)


def is_own_connection(task: Task, machine: str, play: Play) -> bool:
    """Say whether a task has reached a machine over the machine's own connection.

    A local connection reaches this controller only, unless the inventory says that this is how the machine is reached.
    """
    manager = play.get_variable_manager()
    host = manager._inventory.get_host(machine) or Host(machine)
    variables = manager.get_vars(play=play, host=host, task=task)
    if not _is_local(_connection(variables, play) or str(task.connection)):
        return True
    facts = manager._nonpersistent_fact_cache.get(machine) or {}
    if "ansible_connection" in manager.extra_vars or "ansible_connection" in facts:
        return False
    return _is_local(_connection(manager.get_vars(host=host), play))


def _connection(variables: dict[str, t.Any], play: Play) -> str:
    written = variables.get("ansible_connection")
    if written is None:
        return ""
    try:
        return str(
            Templar(loader=play.get_loader(), variables=variables).template(written)
        )
    except Exception:  # noqa: BLE001
        # Templates can raise anything; then it is not known to be the machine's own.
        return "local"


def _is_local(connection: str) -> bool:
    return connection.rpartition(".")[2] == "local"


def runs_on_controller(task: Task) -> bool:
    """Return whether an action needs no connection, so that its success says nothing about the host."""
    if bare_action(task) in _CONTROLLER_ACTIONS:
        return True
    action = action_loader.get(str(task.action), class_only=True)
    return not getattr(action, "_requires_connection", True)
