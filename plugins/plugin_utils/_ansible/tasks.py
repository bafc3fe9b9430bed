# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What a play says of a task: its keywords, as they are written and as ansible-core has rendered them, and its place among blocks."""

from __future__ import annotations

import typing as t

from ansible.playbook.handler import Handler
from ansible.playbook.role_include import IncludeRole

if t.TYPE_CHECKING:
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

_OWN_PREFIXES = ("ansible.builtin.", "ansible.legacy.", "flashcat.flashduty.")


def has_loop(task: Task) -> bool:
    """Return whether a task has a loop."""
    return task.loop is not None or bool(task.loop_with)


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


def bare_action(task: Task) -> str:
    """Return the action without the names of the collections that are always there, and ours."""
    action = str(task.action)
    for prefix in _OWN_PREFIXES:
        if action.startswith(prefix):
            return action[len(prefix) :]
    return action


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


def registered_names(task: Task) -> tuple[str, ...]:
    """Return the variables into which the result of a task goes, or parts of it."""
    # From ansible-core 2.22 on, a mapping of names to expressions, also where it is written as one name.
    register = getattr(task, "register", None) or ()
    return (register,) if isinstance(register, str) else tuple(map(str, register))


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
