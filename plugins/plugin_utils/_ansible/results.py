# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""
What ansible-core tells a callback, as plain values.

The one reader of task results. Everything it returns is
made of ``str``, ``int``, ``bool`` and tuples, and censored where ``no_log`` asks for it. Texts are as they are; what leaves
is cleaned, masked and cut, in this order, by the alert's builder.
"""

from __future__ import annotations

import os
import re
import typing as t
from collections import OrderedDict

from ansible.playbook.handler import Handler
from ansible.playbook.role_include import IncludeRole
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.loader import action_loader

from .._alerts.model import TaskIdentity, TaskOutcome, TaskReference
from .result_texts import (
    NESTED_TOO_DEEPLY,
    clean,
    is_failed_item,
    readable_fields,
    whole_text,
)

if t.TYPE_CHECKING:
    from ansible.executor.task_result import TaskResult
    from ansible.inventory.host import Host
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

CENSORED = "The output has been hidden, since no_log is set."
_CACHE_SIZE = 2048
_DEEPEST_ERROR = 20
_NOT_RENDERED = re.compile(r"<< error \d+ - .{0,500}? >>|\{\{.{0,500}?\}\}", re.DOTALL)

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
_OWN_PREFIXES = ("ansible.builtin.", "ansible.legacy.", "flashcat.flashduty.")


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


def registered_names(task: Task) -> tuple[str, ...]:
    """Return the variables into which the result of a task goes, or parts of it."""
    # From ansible-core 2.22 on, a mapping of names to expressions, also where it is written as one name.
    register = getattr(task, "register", None) or ()
    return (register,) if isinstance(register, str) else tuple(map(str, register))


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


def failed_outcome(
    result: TaskResult, ignore_errors: bool | None = False
) -> TaskOutcome:
    """Return what ``v2_runner_on_failed`` was told. For a failing include ansible-core passes no ``ignore_errors``."""
    return _outcome(result, "failed", ignored=bool(ignore_errors))


def unreachable_outcome(result: TaskResult) -> TaskOutcome:
    """Return what ``v2_runner_on_unreachable`` was told."""
    ignored = flag(task_of(result).ignore_unreachable)
    return _outcome(result, "unreachable", ignored=ignored)


def runs_on_controller(task: Task) -> bool:
    """Return whether an action needs no connection, so that its success says nothing about the host."""
    if bare_action(task) in _CONTROLLER_ACTIONS:
        return True
    action = action_loader.get(str(task.action), class_only=True)
    return not getattr(action, "_requires_connection", True)


def has_loop(task: Task) -> bool:
    """Return whether a task has a loop."""
    return task.loop is not None or bool(task.loop_with)


def _outcome(
    result: TaskResult, status: t.Literal["failed", "unreachable"], *, ignored: bool
) -> TaskOutcome:
    task = task_of(result)
    fields = fields_of(result)
    reference_ = reference(task)
    # Of a censored result only this key is there with every ansible-core; task.no_log of a loop can be an untemplated
    # string, which then counts as set.
    censored = "censored" in fields or flag(task.no_log, unclear=True)
    if censored and not reference_.no_log:
        reference_ = _as_written(reference_._replace(no_log=True), task)
    texts: dict[str, t.Any] = (
        {"message": CENSORED}
        if censored
        else readable_fields(fields, status, errors=_errors_of(result))
    )
    return TaskOutcome(
        host=host_name(result),
        task=reference_,
        status=status,
        ignored=ignored,
        censored=censored,
        delegated_to=_delegated_to(task, censored=censored),
        **texts,
    )


def _errors_of(result: TaskResult) -> list[str]:
    """
    Return the messages of the error that made a task fail, and of those that led to it, the root last.

    From ansible-core 2.19 on, a module's ``msg`` can be as short as "Error executing command.", and what is shown on
    the screen behind it stands only here. It is not censored by ``no_log``.
    """
    messages: list[str] = []
    event = getattr(getattr(result, "exception", None), "event", None)
    while event is not None and len(messages) < _DEEPEST_ERROR:
        messages.append(whole_text(event.msg))
        event = event.chain.event if event.chain else None
    return messages


def _delegated_to(task: Task, *, censored: bool) -> str | None:
    name = task.delegate_to
    if not name or is_template(name):
        return None  # untemplated: each item of the loop may go elsewhere
    if censored and name not in _written_delegates(task):
        return None
    return whole_text(name) or None


def _written_delegates(task: Task) -> set[str]:
    """Return the machines that a task, or a block or include around it, names as they are."""
    around = (as_written(one).get("delegate_to") for one in (task, *ancestors(task)))
    return {name for name in around if isinstance(name, str) and "{{" not in name}


_references: OrderedDict[tuple[str, str, str], TaskReference] = OrderedDict()


def reference(task: Task) -> TaskReference:
    """Return a task by name, place and identity. Cheap from the second time on."""
    name = task.name or ""
    # Tasks of a role that several included roles depend on share a _uuid.
    include = task.get_first_parent_include()
    key = (task._uuid, name, include._uuid if include is not None else "")
    known = _references.get(key)
    if known is not None:
        return known
    made = _make_reference(task, str(name))
    # Before the task ran, no_log may be an untemplated string; what it comes to is known later.
    if not isinstance(task.no_log, str):
        _references[key] = made
        if len(_references) > _CACHE_SIZE:
            _references.popitem(last=False)
    return made


def is_handler(task: Task) -> bool:
    """Return whether a task is a handler, or was included by one."""
    return isinstance(task, Handler)


def is_meta(task: Task, *names: str) -> bool:
    """Return whether a task is a meta task, of one of the names if any are given."""
    if bare_action(task) != "meta":
        return False
    return not names or str(task.args.get("_raw_params")) in names


def is_role_include(task: Task) -> bool:
    """Return whether a task includes a role while the play runs."""
    return isinstance(task, IncludeRole) and not task.statically_loaded


def _make_reference(task: Task, name: str) -> TaskReference:
    identity = _identity(task)
    no_log = flag(task.no_log, unclear=True)
    source, line = _source(task)
    made = TaskReference(
        identity=identity,
        line=line,
        source=source,
        path=_path_for_people(identity, task, source, line),
        display_name=_without_what_cannot_be_rendered(name) or identity.name,
        role=identity.role,
        action=identity.action,
        no_log=no_log,
        handler=is_handler(task),
    )
    return _as_written(made, task) if no_log else made


def _without_what_cannot_be_rendered(name: str) -> str:
    # ansible-core 2.16 leaves the template, newer ones put an error there.
    return " ".join(_NOT_RENDERED.sub("", whole_text(name)).split())


def _as_written(reference_: TaskReference, task: Task) -> TaskReference:
    """Return a reference without what was rendered: the task's name, and a file or role that a template names."""
    role, path = reference_.role, reference_.path
    include = rendered_include(task)
    if include is not None:
        # What can be told is where the template stands.
        role, path = reference(include).role, reference(include).path
    elif _is_in_rendered_role(task):
        role, path = "", ""
    return reference_._replace(
        display_name=reference_.identity.name, role=role, path=path
    )


def stands_where_a_template_says(task: Task) -> bool:
    """Return whether the name of the file or role in which a task stands was rendered."""
    return rendered_include(task) is not None or _is_in_rendered_role(task)


def rendered_include(task: Task) -> Task | None:
    """Return the outermost include or import around a task of a file or role that a template names."""
    found = None
    for parent in ancestors(task):
        if isinstance(parent, TaskInclude):
            what = as_written(parent).get(_action_as_written(parent))
            if _has_template(what):
                found = parent
    return found


def _has_template(what: object) -> bool:
    """Say whether a file or role is named by a template; what goes beside the name does not matter."""
    if isinstance(what, dict):
        return any(_has_template(one) for key, one in what.items() if key != "apply")
    return is_template(what)


def _is_in_rendered_role(task: Task) -> bool:
    """Say whether a task stands in a role that a play, or a role that depends on it, names by a template."""
    if task._role is None:
        return False
    play = play_of(task)
    dependents = [one._metadata for one in task.get_dep_chain() or []]
    written = [
        *((as_written(play).get("roles") or ()) if play is not None else ()),
        *(
            role
            for metadata in dependents
            for role in as_written(metadata).get("dependencies") or ()
        ),
    ]
    names = {
        str(one.get("role") or one.get("name") if isinstance(one, dict) else one)
        for one in written
    }
    chain = [task._role, *(task.get_dep_chain() or [])]
    return any("{{" in name for name in names) and any(
        str(role.get_name()) not in names for role in chain
    )


def _identity(task: Task) -> TaskIdentity:
    action = _action_as_written(task)
    written = as_written(task)
    # Implicit tasks, such as fact gathering, are written nowhere.
    name = written.get("name") if written else task.name
    return TaskIdentity(
        play=_play_as_written(task),
        role=_role_name(task),
        file=_file_for_keys(task, _source(task)[0]),
        name=clean(name) or action,
        action=action,
    )


def ancestors(task: Task) -> t.Iterator[t.Any]:
    """Yield the blocks and includes around a task, innermost first."""
    parent = task._parent
    while parent is not None:
        yield parent
        parent = parent._parent


def as_written(thing: t.Any) -> t.Mapping[str, t.Any]:
    """Return the mapping of a task or play as it stands in the file: for its keywords, never for arguments."""
    written = getattr(thing, "_ds", None)
    return written if isinstance(written, dict) else {}


def _action_as_written(task: Task) -> str:
    # Only the long forms can hold a template, which ansible-core replaces once the task runs.
    for keyword in ("action", "local_action"):
        written = as_written(task).get(keyword)
        if isinstance(written, dict):
            written = written.get("module")
        if isinstance(written, str) and action_in(written):
            return action_in(written)
    return clean(task.action)


def action_in(written: str) -> str:
    """Return the action at the beginning of what is written behind ``action:``."""
    match = re.match(r"\s*((?:\{\{.*?\}\}|[^\s{])+)", written, re.DOTALL)
    return clean(match[1]) if match else ""


def bare_action(task: Task) -> str:
    """Return the action without the names of the collections that are always there, and ours."""
    action = str(task.action)
    for prefix in _OWN_PREFIXES:
        if action.startswith(prefix):
            return action[len(prefix) :]
    return action


def _play_as_written(task: Task) -> str:
    play = play_of(task)
    if play is None:
        return ""
    written = as_written(play)
    name = written.get("name") or written.get("hosts") or play.get_name()
    return clean(",".join(map(str, name)) if isinstance(name, list) else name)


def has_alert_of_deployment(result: TaskResult) -> bool:
    """Say whether a failed task is the end of a failed deployment, whose alert the role raises."""
    action = str(task_of(result).action).rpartition(".")[2]
    return action == "deployment_step" and fields_of(result).get("callback") is False


def is_fail(task: Task) -> bool:
    """Say whether a task does nothing but let a host fail."""
    return task.action in ("fail", "ansible.builtin.fail", "ansible.legacy.fail")


def play_of(task: Task) -> Play | None:
    """Return the play that a task belongs to."""
    for parent in ancestors(task):
        play: Play | None = getattr(parent, "_play", None)
        if play is not None:
            return play
    return None


def _role_name(task: Task) -> str:
    if task._role is None:
        return ""
    name = clean(task._role.get_name())
    return os.path.basename(name.rstrip("/")) if "/" in name else name


_IN_COLLECTION = re.compile(r".*/ansible_collections/([^/]+)/([^/]+)/(.+)", re.DOTALL)


def _source(task: Task) -> tuple[str, int]:
    """Return the absolute path of the file and the line. Without a task in a file, those of the play; or nothing."""
    path, _colon, line = str(task.get_path() or "").rpartition(":")
    return (path, int(line)) if path and line.isdigit() else ("", 0)


def _file_for_keys(task: Task, source: str) -> str:
    """Return the file in a form that does not depend on where things are checked out."""
    if not source:
        return ""
    if task._role is not None:
        inside = _relative(source, str(task._role._role_path or ""))
        if inside and not inside.startswith("../"):
            return inside
    in_collection = _IN_COLLECTION.fullmatch(source)
    if in_collection:
        namespace, name, rest = in_collection.groups()
        return clean(f"{namespace}.{name}:{rest}")
    relative = _relative(source, _playbook_folder(task))
    if relative and not relative.startswith("../../../"):
        return relative
    return clean("/".join(source.split("/")[-2:]))


def _path_for_people(identity: TaskIdentity, task: Task, source: str, line: int) -> str:
    if not source:
        return ""
    file = identity.file
    if identity.role and ":" not in file:
        relative = _relative(source, _playbook_folder(task))
        if relative and not relative.startswith("../"):
            file = relative
        elif not file.startswith("../"):
            file = f"{identity.role}:{file}"
    return f"{file}:{line}"


def _playbook_folder(task: Task) -> str:
    loader = task.get_loader()
    return str(loader.get_basedir()) if loader is not None else ""


def _relative(path: str, folder: str) -> str:
    """Return a path relative to a folder, also if one of them is known by a symbolic link; "" without a folder."""
    if not folder:
        return ""
    folder = os.path.abspath(folder)
    plain = os.path.relpath(path, folder)
    if plain.startswith("../"):
        real = os.path.relpath(os.path.realpath(path), os.path.realpath(folder))
        if not real.startswith("../"):
            plain = real
    return clean(plain)


def is_template(value: object) -> t.TypeGuard[str]:
    """Say whether a value is a text that is still to be rendered."""
    return isinstance(value, str) and "{{" in value


def is_by_template(task: Task, keyword: str) -> bool:
    """Say whether a template decides about a keyword of a task, which may be written at a block or the play around it."""
    for thing in (task, *ancestors(task), play_of(task)):
        written = as_written(thing).get(keyword)
        if written is not None:
            return is_template(written)
    return False


def flag(value: object, *, unclear: bool = False) -> bool:
    """Return a task's keyword as a truth value; ``unclear`` is what an untemplated one counts as."""
    if isinstance(value, str):
        lowered = value.strip().lower()
        if lowered in ("", "no", "false", "off", "n", "f", "0"):
            return False
        return True if lowered in ("yes", "true", "on", "y", "t", "1") else unclear
    return bool(value)
