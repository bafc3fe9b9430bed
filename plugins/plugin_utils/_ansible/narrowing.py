# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What the starter of a run chose, and which variables decide whether a task is worked on.

Conditions, loops and the hosts of plays are read, not evaluated: every word in them may be a variable. A word too many
keeps an alert open; a word too few would close one that stands for something broken.
"""

from __future__ import annotations

import os
import re
import typing as t
from collections.abc import Mapping

from ansible.playbook.task_include import TaskInclude

from .._alerts.model import EVERY_NAME, Circumstances, digest, name_digest
from .places import plain
from .tasks import ancestors, as_written, bare_action, play_of, registered_names

if t.TYPE_CHECKING:
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEEPEST = 8
# A variable that is looked up by a name which is put together in a template may be any.
_ANY = re.compile(
    r"\bvarnames\b|\b(?:lookup|query|q)\s*\(\s*['\"](?:[\w.]*\.)?vars['\"]|\bvars\s*\["
)


def circumstances_of(play: Play, project: str) -> Circumstances:
    """Return what the starter of a run chose: extra variables and inventory.

    :param project: the folder of the playbook; an inventory in it is the same one in every checkout.
    """
    manager = play.get_variable_manager()
    extra_vars = manager.extra_vars
    sources = getattr(manager._inventory, "_sources", None) or []
    awx = extra_vars.get("awx_inventory_id") or extra_vars.get("tower_inventory_id")
    if awx and isinstance(awx, (int, str)):
        # It is written into another folder for each job.
        sources = [f"awx inventory {awx}"]
    return Circumstances(
        {
            name_digest(str(name)): digest(plain(value))
            for name, value in extra_vars.items()
        },
        frozenset(name_digest(_source(str(source), project)) for source in sources),
    )


def _source(source: str, project: str) -> str:
    if "," in source:
        return source
    path, folder = os.path.realpath(source), os.path.realpath(project)
    if path.startswith(("/dev/fd/", "/proc/")):
        return "pipe"
    relative = os.path.relpath(path, folder)
    return path if relative.startswith(os.pardir) else relative


def limit_leaves_somebody_out(play: Play) -> bool:
    """Say whether ``--limit`` keeps hosts of a play out of the run, or may do so."""
    inventory = play.get_variable_manager()._inventory
    if inventory is None or not getattr(inventory, "_subset", None):
        return False
    if "{{" in str(play.hosts):
        # A task sees its play as it is written.
        return True
    everybody, limited = (
        {
            host.name
            for host in inventory.get_hosts(
                play.hosts, ignore_limits=ignored, ignore_restrictions=True
            )
        }
        for ignored in (True, False)
    )
    return everybody != limited


class DecidingNames:
    """Finds the variables that decide whether a task is worked on, and by which way.

    :param tasks: the tasks and handlers of the playbook that are known without running it.
    """

    def __init__(self, tasks: t.Iterable[Task]) -> None:
        self._setters: dict[str, set[str]] = {}
        # What decides about variables that cannot be told by name, and about hosts that are added.
        self._any_setter: set[str] = set()
        self._host_makers: set[str] = set()
        self._every_word: set[str] = set()
        self._every_way: set[str] = set()
        for task in tasks:
            self.note(task)

    def note(self, task: Task) -> None:
        """Take in a task: what it sets, and what it is set by."""
        around = _conditions_and_loops(task)
        self._every_way |= _words_of_the_way(task)
        self._every_word |= around | _words(as_written(task).get("check_mode"))
        if task.notify:
            # It decides whether the handler is notified.
            self._every_word |= _words(task.changed_when)
        action = bare_action(task)
        if action == "set_fact":
            for name, value in task.args.items():
                words = around | _template_words(value)
                if "{{" in str(name):
                    self._any_setter |= words
                else:
                    self._setters.setdefault(str(name), set()).update(words)
        elif action == "include_vars":
            self._any_setter |= around | _template_words(task.args)
        elif action in ("add_host", "group_by"):
            self._host_makers |= around | _template_words(task.args)
        # From ansible-core 2.22 on, expressions say what of a result is registered.
        written = as_written(task).get("register")
        chosen = _words(written) if isinstance(written, Mapping) else set()
        for name in registered_names(task):
            self._setters.setdefault(name, set()).update(
                around | _template_words(task.args) | chosen
            )

    def of_task(
        self, task: Task, variables: t.Mapping[str, t.Any]
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Return digests of the names that decide about the way to a task, and of all that decide about it.

        :param variables: those of host and task, not templated.
        """
        way = self._closure(_words_of_the_way(task), variables)
        around = _conditions_and_loops(task)
        play = play_of(task)
        if play is not None:
            around |= self._words_of_play(play)
        return way, way | self._closure(around, variables)

    def of_run(
        self, plays: t.Iterable[Play], variables: t.Mapping[str, t.Any]
    ) -> frozenset[str]:
        """Return digests of the names in all conditions, loops and hosts that are known."""
        words = set(self._every_word)
        for play in plays:
            words |= self._words_of_play(play)
        return self._closure(words, variables)

    def of_ways(self, variables: t.Mapping[str, t.Any]) -> frozenset[str]:
        """Return digests of the names that decide about the ways to all tasks that are known."""
        return self._closure(self._every_way, variables)

    def _words_of_play(self, play: Play) -> set[str]:
        written = as_written(play)
        words = _template_words(written.get("hosts"))
        words |= _words(getattr(play, "_included_conditional", None))
        if play.vars_files:
            self._any_setter |= _template_words(list(play.vars_files))
        return words | self._host_makers

    def _closure(
        self, words: t.Iterable[str], variables: t.Mapping[str, t.Any]
    ) -> frozenset[str]:
        found: set[str] = set()
        waiting = list(words)
        if waiting:
            waiting.extend(self._any_setter)
        while waiting:
            word = waiting.pop()
            if word in found:
                continue
            found.add(word)
            waiting.extend(self._setters.get(word, ()))
            if word in variables and word not in ("hostvars", "vars", "groups"):
                waiting.extend(_template_words(variables[word]))
        return frozenset(
            EVERY_NAME if word == "*" else name_digest(word) for word in found
        )


def _conditions_and_loops(task: Task) -> set[str]:
    words: set[str] = set()
    for thing in (task, *ancestors(task)):
        words |= _words(getattr(thing, "when", None))
        words |= _loop_words(thing)
    return words


def _loop_words(thing: t.Any) -> set[str]:
    if not hasattr(thing, "loop_with"):
        return set()
    if thing.loop_with:
        return _words(thing.loop)
    return _template_words(thing.loop)


def _words_of_the_way(task: Task) -> set[str]:
    words = _template_words(as_written(task).get("delegate_to"))
    # An include that fails by itself has what it includes in its way, too.
    for parent in (task, *ancestors(task)):
        if isinstance(parent, TaskInclude):
            written = as_written(parent)
            action = str(parent.action)
            for name in ("vars", "args", action, action.rpartition(".")[2]):
                words |= _template_words(written.get(name))
    role = task._role
    if role is not None:
        for one in (role, *(task.get_dep_chain() or ())):
            words |= _template_words(one._role_params)
    return words


def _words(value: t.Any, depth: int = _DEEPEST) -> set[str]:
    """Return the words of an expression."""
    if isinstance(value, str):
        words = set(_WORD.findall(value))
        return words | {"*"} if _ANY.search(value) else words
    if isinstance(value, Mapping) and depth:
        value = [*value.values()]
    if isinstance(value, (list, tuple)) and depth:
        return set().union(*(_words(one, depth - 1) for one in value))
    return set()


def _template_words(value: t.Any, depth: int = _DEEPEST) -> set[str]:
    """Return the words in the templates of a text, or of the texts in a list or dictionary."""
    if isinstance(value, str):
        return _words(value) if "{{" in value or "{%" in value else set()
    if isinstance(value, Mapping) and depth:
        return set().union(
            *(_template_words(one, depth - 1) for one in [*value, *value.values()])
        )
    if isinstance(value, (list, tuple)) and depth:
        return set().union(*(_template_words(one, depth - 1) for one in value))
    return set()
