# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Which task it was: by name, file and role, for people and for alert keys, and where it stands because a template says so."""

from __future__ import annotations

import os
import re
import typing as t
from collections import OrderedDict

from ansible.playbook.task_include import TaskInclude

from .._alerts.outcomes import TaskIdentity, TaskReference
from .result_texts import clean, whole_text
from .tasks import ancestors, as_written, flag, is_handler, is_template, play_of

if t.TYPE_CHECKING:
    from ansible.playbook.task import Task

_CACHE_SIZE = 2048

_NOT_RENDERED = re.compile(r"<< error \d+ - .{0,500}? >>|\{\{.{0,500}?\}\}", re.DOTALL)

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
    return reference_as_written(made, task) if no_log else made


def _without_what_cannot_be_rendered(name: str) -> str:
    # ansible-core 2.16 leaves the template, newer ones put an error there.
    return " ".join(_NOT_RENDERED.sub("", whole_text(name)).split())


def reference_as_written(reference_: TaskReference, task: Task) -> TaskReference:
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


def _play_as_written(task: Task) -> str:
    play = play_of(task)
    if play is None:
        return ""
    written = as_written(play)
    name = written.get("name") or written.get("hosts") or play.get_name()
    return clean(",".join(map(str, name)) if isinstance(name, list) else name)


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
