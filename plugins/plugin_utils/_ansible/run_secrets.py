# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The secrets of a run: those of all hosts, once, and those of a failing task.

What a managed machine has said is masked for that machine only, or it could make the alerts of others unreadable.
"""

from __future__ import annotations

import contextlib
import re
import typing as t
from collections.abc import Mapping

from ansible.playbook.block import Block
from ansible.vars.plugins import get_vars_from_inventory_sources, get_vars_from_path

from .module_options import hidden_options
from .result_texts import whole_text
from .secrets import Collector, is_vault, is_vaulted
from .tasks import as_written, flag, registered_names

if t.TYPE_CHECKING:
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

    from .variables import Variables

# Lookups that do nothing but read on this machine. Others may cost, change or ask for something, and are not run again.
_HARMLESS_LOOKUPS = frozenset(
    ("env", "file", "ini", "vars", "unvault", "varnames", "config", "csvfile")
)
_LOOKUP = re.compile(
    r"\b(?:lookup|query|q)\s*\(\s*(?:['\"](?:ansible\.(?:builtin|legacy)\.)?([\w.]+)['\"])?"
)
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_LOOKUP_OF_VAULT = re.compile(
    r"\b(?:lookup|query|q)\s*\(\s*['\"](?:ansible\.(?:builtin|legacy)\.)?(?:file|unvault)['\"]\s*,\s*['\"]([^'\"]{1,500})['\"]"
)
# What a machine says may hold thousands of texts that look like secrets.
_MOST_OF_A_MACHINE = 500


def vaulted_values(play: Play, plays: t.Iterable[Play] = ()) -> set[str]:
    """Return all that came out of Ansible Vault and is known by now: of all hosts and groups, files, plays and tasks.

    :param plays: the plays of the run so far, this one among them.
    """
    manager = play.get_variable_manager()
    loader = play.get_loader()
    if not getattr(loader._vault, "secrets", None):
        # Nothing can have been decrypted.
        return set()
    collector = Collector()
    for path, data in list(loader._FILE_CACHE.items()):
        if is_vault(path):
            collector.everything(data)
        else:
            collector.vaulted(data)
    inventory = manager._inventory
    for entity in [*inventory.groups.values(), *inventory.hosts.values()]:
        collector.vaulted(entity.vars)
    for cache in (manager._vars_cache, manager._nonpersistent_fact_cache):
        collector.vaulted(dict(cache))
    collector.vaulted(manager._extra_vars)
    for one in plays:
        collector.vaulted(manager.get_vars(play=one, include_hostvars=False))
        for role in one.roles:
            collector.vaulted([role._role_vars, role._default_vars, role.vars])
        for part in _written_in(one):
            collector.vaulted([part.vars, getattr(part, "args", None)])
    return collector.found


def read_variables_of_all_hosts(play: Play) -> None:
    """Let ansible-core read the files of variables of all hosts, which it keeps; a task may have asked for any of them."""
    manager = play.get_variable_manager()
    loader = play.get_loader()
    if not getattr(loader._vault, "secrets", None):
        return
    inventory = manager._inventory
    entities = [*inventory.groups.values(), *inventory.hosts.values()]
    get_vars_from_inventory_sources(loader, inventory._sources, entities, "task")
    get_vars_from_path(loader, loader.get_basedir(), entities, "task")


def names_in_inventory(play: Play) -> frozenset[str]:
    """Return the names of all hosts and groups, and their parts between dots."""
    inventory = play.get_variable_manager()._inventory
    names: set[str] = set()
    for entity in [*inventory.groups.values(), *inventory.hosts.values()]:
        names.add(str(entity.name))
        address = entity.vars.get("ansible_host")
        if isinstance(address, str):
            names.add(address)
    for name in list(names):
        parts = name.split(".")
        names.update(".".join(parts[:n]) for n in range(1, len(parts)))
        names.update(".".join(parts[n:]) for n in range(1, len(parts)))
        names.update(re.split(r"[^A-Za-z0-9]+", name))
    return frozenset(names)


def secrets_of_variables(
    variables: Variables, spared: t.Container[str]
) -> tuple[set[str], set[str]]:
    """Return the secrets among the variables of a host and task: those of the run, and what the machine itself has said."""
    set_at_runtime = variables.set_at_runtime
    of_run = Collector(spared, lambda text: render_safely(text, variables))
    of_run.variables(
        {
            name: value
            for name, value in variables.all.items()
            if name not in set_at_runtime
        }
    )
    of_machine = Collector(spared, lambda text: render_safely(text, variables))
    of_machine.variables(set_at_runtime)
    of_machine.named(variables.environment_of_machine)
    of_run.found |= vaulted_in(set_at_runtime)
    return of_run.found, set(sorted(of_machine.found)[:_MOST_OF_A_MACHINE])


def vaulted_in(data: t.Any) -> set[str]:
    """Return what came out of Ansible Vault somewhere in data."""
    collector = Collector()
    collector.vaulted(data)
    return collector.found


def secrets_of_task(
    task: Task, variables: Variables, items: t.Sequence[t.Mapping[str, t.Any]]
) -> set[str]:
    """Return the secrets in the arguments and the environment of a task, as they were rendered.

    :param items: the variables of the items of its loop that have failed: with a loop they are rendered for each.
    """
    collector = Collector()
    options = hidden_options(str(task.action))
    for given, environment in _given_to(task, variables, items):
        # Some of them are ansible-core's own, such as the name of the module.
        arguments = {
            name: value
            for name, value in (given if isinstance(given, Mapping) else {}).items()
            if not str(name).startswith("_ansible_")
        }
        for name, value in arguments.items():
            if options is None or str(name) in options:
                collector.everything(value)
        collector.named(arguments)
        for one in environment or ():
            collector.named(one)
        collector.vaulted([arguments, environment])
    return collector.found


def _given_to(
    task: Task, variables: Variables, items: t.Sequence[t.Mapping[str, t.Any]]
) -> t.Iterator[tuple[t.Any, t.Any]]:
    """Yield the arguments and the environment of a task, and where it has a loop, those of each item."""
    yield task.args, task.environment
    # ansible-core keeps those of one item, or none.
    given = [as_written(task).get(str(task.action)), as_written(task).get("args")]
    arguments = {
        name: value
        for one in given
        if isinstance(one, Mapping)
        for name, value in one.items()
    }
    environment = as_written(task).get("environment")
    if not items or ("{{" not in str(arguments) and "{{" not in str(environment)):
        return
    environments = environment if isinstance(environment, list) else [environment]
    for item in items[:_MOST_OF_A_MACHINE]:
        if _is_harmless(
            [arguments, environments], {**variables.all, **item}, set(item)
        ):
            with contextlib.suppress(Exception):
                yield variables.render([arguments, environments], item)


def private_prompts(play: Play, variables: t.Mapping[str, t.Any]) -> set[str]:
    """Return what was typed in, unseen, when the play began."""
    collector = Collector()
    for prompt in play.vars_prompt or ():
        if flag(prompt.get("private", True), unclear=True):
            collector.everything(variables.get(prompt.get("name")))
    return collector.found


def registered_by_hidden_tasks(play: Play) -> set[str]:
    """Return the names under which tasks with ``no_log`` register their results."""
    return {
        name
        for task in _written_in(play)
        for name in registered_names(task)
        if flag(task.no_log, unclear=True)
    }


def hidden_results(
    variables: t.Mapping[str, t.Any], registered: t.Iterable[str]
) -> set[str]:
    """Return all texts in the results of tasks with ``no_log``: registered, or what a rescue section knows.

    :param registered: the names under which they were registered.
    """
    collector = Collector()
    for name in registered:
        collector.everything(_without_our_own(variables.get(name)))
    failed_task = variables.get("ansible_failed_task")
    result = variables.get("ansible_failed_result")
    if isinstance(failed_task, Mapping) and flag(
        failed_task.get("no_log"), unclear=True
    ):
        collector.everything(_without_our_own(result))
    return set(sorted(collector.found)[:_MOST_OF_A_MACHINE])


def _without_our_own(result: t.Any) -> t.Any:
    """Leave out the sentences of ansible-core that stand in the results of all modules."""
    if not isinstance(result, Mapping):
        return result
    return {
        name: value
        for name, value in result.items()
        if name not in ("censored", "start", "end", "delta", "rc", "attempts")
        and whole_text(value) != "non-zero return code"
    }


def files_in_vault(task: Task) -> set[str]:
    """Return the contents of encrypted files that a task looks up by name."""
    found = Collector()
    loader = task.get_loader()
    for match in _LOOKUP_OF_VAULT.finditer(str(getattr(task, "_ds", ""))):
        try:
            path = loader.path_dwim_relative_stack(
                task.get_search_path(), "files", match[1]
            )
            if is_vault(path):
                content, _shown = loader._get_file_contents(path)
                found.everything(content.decode("utf-8", "replace"))
        except Exception:  # noqa: BLE001
            # Not there, or not to be decrypted: then the task has not read it either.
            continue
    return found.found


def can_be_rendered_again(
    value: t.Any, variables: Variables, *, absent: t.Iterable[str] = ()
) -> bool:
    """Say whether nothing in the templates of a value does more than read on this machine.

    :param absent: names by which nothing is reached, since there is no such variable.
    """
    return _is_harmless(value, variables.all, set(absent))


def render_safely(template: str, variables: Variables) -> t.Any:
    """Render the template of a secret again, if nothing in it does more than read on this machine; else return None."""
    if not can_be_rendered_again(template, variables):
        return None
    try:
        return variables.render(template)
    except Exception:  # noqa: BLE001
        # It cannot be rendered, so nobody has seen its value.
        return None


def _is_harmless(
    value: t.Any, variables: t.Mapping[str, t.Any], seen: set[str]
) -> bool:
    if isinstance(value, Mapping):
        return all(_is_harmless(one, variables, seen) for one in value.values())
    if isinstance(value, (list, tuple)):
        return all(_is_harmless(one, variables, seen) for one in value)
    if not isinstance(value, str) or is_vaulted(value):
        return True
    if "{{" not in value and "{%" not in value:
        return True
    if any(name not in _HARMLESS_LOOKUPS for name in _LOOKUP.findall(value)):
        return False
    for name in set(_IDENTIFIER.findall(value)) - seen:
        seen.add(name)
        if name in ("hostvars", "vars") or not _is_harmless(
            variables.get(name), variables, seen
        ):
            return False
    return True


def _written_in(play: Play) -> t.Iterator[t.Any]:
    """Yield the blocks and tasks of a play and its roles, those without includes that are read while it runs."""
    roles = [block for role in play.roles for block in role._task_blocks]
    todo = [*play.pre_tasks, *roles, *play.tasks, *play.post_tasks, *play.handlers]
    while todo:
        part = todo.pop()
        yield part
        if isinstance(part, Block):
            todo += [*part.block, *part.rescue, *part.always]


class KnownSecrets(t.NamedTuple):
    """What is secret, by whom it was said."""

    of_run: set[str]
    of_task: set[str]
    of_machine: set[str]


class RunSecrets:
    """Finds the secrets of a run as it goes on. One object for each run."""

    def __init__(self) -> None:
        self._plays_read = 0
        self._spared: frozenset[str] = frozenset()

    def known(
        self,
        variables: Variables,
        task: Task | None,
        *,
        items: t.Sequence[t.Mapping[str, t.Any]],
        plays: t.Sequence[Play],
        hidden_variables: t.Iterable[str],
    ) -> KnownSecrets:
        """Return what is to be masked from now on, and what only in the alert of the failing host.

        :param variables: those of the host and the task.
        :param items: the variables of the items of the task's loop that have failed.
        :param plays: those of the run so far.
        :param hidden_variables: the names of variables that hold results of tasks with ``no_log``.
        """
        if not self._plays_read and plays:
            self._spared = names_in_inventory(plays[-1])
            read_variables_of_all_hosts(plays[-1])
        of_run, of_machine = secrets_of_variables(variables, self._spared)
        if self._plays_read < len(plays):
            self._plays_read = len(plays)
            of_run |= vaulted_values(plays[-1], plays)
            for play in plays:
                of_run |= private_prompts(play, variables.all)
        of_machine |= hidden_results(variables.all, hidden_variables)
        of_task: set[str] = set()
        if task is not None:
            of_task = secrets_of_task(task, variables, items)
            of_run |= files_in_vault(task)
        return KnownSecrets(of_run, of_task, of_machine)
