# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""
What ansible-core tells a callback, as plain values.

The one reader of task results. Everything it returns is
made of ``str``, ``int``, ``bool`` and tuples: cleaned, cut, and censored where ``no_log`` asks for it. Texts are chosen
by an allow-list; a task's arguments, variables, facts, diffs and environment are never read.
"""

from __future__ import annotations

import json
import os
import re
import typing as t
from collections import OrderedDict
from dataclasses import replace

from ansible.playbook.handler import Handler
from ansible.playbook.role_include import IncludeRole
from ansible.plugins.loader import action_loader

from .._alerts.model import TaskIdentity, TaskOutcome, TaskReference

if t.TYPE_CHECKING:
    from ansible.executor.task_result import TaskResult
    from ansible.inventory.host import Host
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

CENSORED = "The output has been hidden, since no_log is set."
# More than is sent: what is secret is found in whole texts, and only then they are cut to their final size.
TEXT_LIMIT = 16384
LABEL_LIMIT = 200
ITEM_LIMIT = 4096
CUT = "\n[…]\n"

_CACHE_SIZE = 2048
_DEEPEST_ERROR = 20

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
    return t.cast("t.Mapping[str, t.Any]", _read(result, "result"))


def _read(result: TaskResult, name: str) -> object:
    # ansible-core 2.16 to 2.18 have the private names only; 2.23 deprecates them.
    name = name if hasattr(result, name) else f"_{name}"
    return getattr(result, name)


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
        reference_ = _without_rendered_name(reference_)
    texts: dict[str, t.Any] = (
        {"message": CENSORED}
        if censored
        else texts_of(fields, status, errors=_errors_of(result))
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
        messages.append(clean(event.msg))
        event = event.chain.event if event.chain else None
    return messages


def texts_of(
    fields: t.Mapping[str, t.Any], status: str, *, errors: t.Sequence[str] = ()
) -> dict[str, t.Any]:
    """
    Return what a person may read of a result that is not censored.

    ``errors`` are the messages of the errors behind it, the root last: where the result tells of one of the others, the
    root is added.
    """
    items = _failed_items(fields)
    message = clean(fields.get("msg")) or clean(fields.get("reason"))
    *others, root = errors or [""]
    if any(text and text in message for text in others) and root not in message:
        message = f"{message.rstrip('.')}: {root}"
    stdout = clean(fields.get("stdout")) or clean(fields.get("module_stdout"))
    stderr = clean(fields.get("stderr")) or clean(fields.get("module_stderr"))
    if not message and fields.get("failed_when_result"):
        message = "The condition in failed_when was met."
    if not message and status == "unreachable":
        message = "The host did not answer."
    return {
        "message": message,
        "stdout": stdout,
        "stderr": stderr,
        "rc": _return_code(fields.get("rc")),
        "failed_items": items,
    }


def _return_code(value: object) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None


def _failed_items(fields: t.Mapping[str, t.Any]) -> tuple[tuple[str, str], ...]:
    results = fields.get("results")
    if not isinstance(results, list):
        return ()
    return tuple(
        (_item_label(item), _item_message(item))
        for item in results
        if _is_loop_item(item) and _item_failed(item) and not _item_censored(item)
    )


def _is_loop_item(item: object) -> bool:
    # Modules, too, return something named "results".
    return isinstance(item, dict) and (
        "ansible_loop_var" in item or "_ansible_item_label" in item
    )


def _item_failed(item: t.Mapping[str, t.Any]) -> bool:
    if item.get("unreachable"):
        return True
    if "failed_when_result" in item:
        return bool(item["failed_when_result"])
    # ansible-core 2.21 has no "failed" in the items of a result, only "exception".
    return bool(item["failed"]) if "failed" in item else "exception" in item


def _item_censored(item: t.Mapping[str, t.Any]) -> bool:
    return "censored" in item or bool(item.get("_ansible_no_log"))


def _item_label(item: t.Mapping[str, t.Any]) -> str:
    label = item.get("_ansible_item_label")
    if label is None:
        label = item.get(str(item.get("ansible_loop_var", "item")))
    return clean(label, limit=ITEM_LIMIT).replace("\n", " ")


def _item_message(item: t.Mapping[str, t.Any]) -> str:
    texts = [
        clean(item.get(field), limit=ITEM_LIMIT)
        for field in ("msg", "reason", "stderr", "module_stderr", "stdout")
    ]
    return clean("\n".join(filter(None, texts)), limit=ITEM_LIMIT)


def _delegated_to(task: Task, *, censored: bool) -> str | None:
    name = task.delegate_to
    if not name or (isinstance(name, str) and "{{" in name):
        return None  # untemplated: each item of the loop may go elsewhere
    if censored and "{{" in str(as_written(task).get("delegate_to", "")):
        return None
    return clean(name, limit=LABEL_LIMIT) or None


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
    shown = identity.name if no_log else clean(name, limit=TEXT_LIMIT)
    return TaskReference(
        identity=identity,
        line=line,
        source=source,
        path=_path_for_people(identity, task, source, line),
        display_name=shown or identity.name,
        role=identity.role,
        action=identity.action,
        no_log=no_log,
        handler=is_handler(task),
    )


def _without_rendered_name(reference_: TaskReference) -> TaskReference:
    return replace(reference_, no_log=True, display_name=reference_.identity.name)


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
    return clean(task.action, limit=LABEL_LIMIT)


def action_in(written: str) -> str:
    """Return the action at the beginning of what is written behind ``action:``."""
    match = re.match(r"\s*((?:\{\{.*?\}\}|[^\s{])+)", written, re.DOTALL)
    return clean(match[1], limit=LABEL_LIMIT) if match else ""


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


_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours and cursor movements
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # window titles, links
    r"|\x1b[@-Z\\-_]"
)
# Control characters but tab and line feed, and those that change the direction of what follows.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
_SURROGATES = re.compile("[\ud800-\udfff]+")
# Flashduty drops an event that repeats the last one, so what differs from run to run by itself is evened out.
_EVEN_OUT = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"ansible-tmp-\d+(?:\.\d+)?(?:-\d+)*", "ansible-tmp-…"),
        (r"ansible-local-\w+", "ansible-local-…"),
        (r"(ansible_[\w.]+?_payload)_\w{6,}", r"\1_…"),
        (r"(?<=/)tmp[a-z0-9_]{8}\b", "tmp…"),
        (r"\bj\d{6,}\.\d+\b", "j…"),
        (r"\b0x[0-9a-f]{8,}\b", "0x…"),
        (r"(?m)^Shared connection to .* closed\.(?:\n|\Z)", ""),
        # Until 2.18, messages of ansible-core show the lines around an error, perhaps with another task's arguments.
        (r"(?s)The error appears to (?:be|have been) in '.*", ""),
    )
]


def clean(value: object, *, limit: int = TEXT_LIMIT) -> str:
    """Return any value as readable text: without escapes and control characters, evened out, cut in the middle."""
    text = _cut(_as_text(value), limit * 4)
    if not text:
        return ""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROLS.sub("", _ESCAPES.sub("", text))
    # What Python could not decode it keeps as lone surrogates, which cannot be encoded again.
    text = _SURROGATES.sub("\ufffd", text)
    for pattern, replacement in _EVEN_OUT:
        text = pattern.sub(replacement, text)
    return _cut(text.strip(), limit)


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return "".join([value])  # a plain one, whatever ansible-core has made of it
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
        return "\n".join(value)
    if isinstance(value, (dict, list, tuple, bool)):
        try:
            return json.dumps(value, ensure_ascii=False, default=str)
        except (TypeError, ValueError):
            pass
    return str(value)


def _cut(text: str, limit: int) -> str:
    """Take out the middle of a text that is too long: the cause often stands first, the error last."""
    if len(text) <= limit:
        return text
    head = limit // 3
    tail = limit - head - len(CUT)
    return text[:head] + CUT + text[-tail:]


def flag(value: object, *, unclear: bool = False) -> bool:
    """Return a task's keyword as a truth value; ``unclear`` is what an untemplated one counts as."""
    if isinstance(value, str):
        lowered = value.strip().lower()
        if lowered in ("", "no", "false", "off", "n", "f", "0"):
            return False
        return True if lowered in ("yes", "true", "on", "y", "t", "1") else unclear
    return bool(value)
