# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The trust boundary: variables without what managed machines say.

ansible-core turns facts into variables, above those of the inventory. So whatever a machine returns as ``ansible_facts``,
in whichever module, or has left in a fact cache, could name a server, a key or who is paged. Here variables are looked up
as if facts were none, but for two uses that a playbook's author chooses in a template: ``ansible_facts`` with all of them,
and those whose names begin with ``ansible_``, where no inventory has a variable of that name.

What ``set_fact`` sets is the author's, and counts. ``cacheable: true`` makes a fact of it as well: in the run that sets it,
it counts; a later run finds it among the facts of the cache, where nobody can tell it from what a machine has said.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible.template import Templar
from ansible.utils.unsafe_proxy import AnsibleUnsafe, wrap_var
from ansible.vars.clean import namespace_facts
from ansible.vars.hostvars import HostVars

try:
    from ansible._internal._datatag._tags import TrustedAsTemplate
    from ansible.module_utils._internal._datatag import AnsibleTagHelper
except ImportError:
    # Until ansible-core 2.18, a text is a template unless it is wrapped.
    _unsafe: t.Callable[[t.Any], t.Any] = wrap_var

    def as_part_of(whole: object, part: t.Any) -> t.Any:
        """Return a part of a text, which is a template if the text was one."""
        return wrap_var(part) if isinstance(whole, AnsibleUnsafe) else part

else:

    def _unsafe(value: t.Any) -> t.Any:
        return value

    def as_part_of(whole: object, part: t.Any) -> t.Any:
        """Return a part of a text, which is a template if the text was one."""
        if TrustedAsTemplate.is_tagged_on(whole) and isinstance(part, str):
            return AnsibleTagHelper.tag(part, TrustedAsTemplate())
        return part


if t.TYPE_CHECKING:
    from ansible.inventory.host import Host
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

OUR_PREFIXES = ("flashduty_", "_flashduty_")
_FACT_PREFIX = "ansible_"
# Warnings of one run; a thousand machines that say the same need not be named one by one.
_MOST_WARNINGS = 20


class TrustBoundary:
    """Looks variables up without facts. One object for each run.

    :param label_vars: the variables whose values become labels; facts of these names do not count either.
    :param warn: told of each variable of ours that a machine has tried to set.
    """

    def __init__(
        self, label_vars: t.Iterable[str], warn: t.Callable[[str], None]
    ) -> None:
        self._label_vars = frozenset(label_vars)
        self._warn = warn
        self._warned: set[tuple[str, str]] = set()
        self._names: dict[str, frozenset[str]] = {}

    def variables(
        self,
        play: Play,
        *,
        host: Host | None = None,
        task: Task | None = None,
        hosts: list[str] | None = None,
    ) -> dict[str, t.Any]:
        """Return the variables of a play, and of a host and a task where they are given, untemplated.

        :param hosts: what ansible-core shall take for the hosts of the play; it finds them out where this is None.
        """
        manager = self.manager(play.get_variable_manager())
        if host is not None:
            self._warn_of(play.get_variable_manager(), host.name)
        return dict(
            manager.get_vars(
                play=play, host=host, task=task, _hosts=hosts, _hosts_all=hosts
            )
        )

    def manager(self, manager: t.Any) -> t.Any:
        """Return a variable manager with the same variables, apart from facts."""
        trusted = _copy_of(
            manager, facts=lambda host: self._allowed_facts(manager, host)
        )
        # It makes itself known to the manager, which is the copy.
        HostVars(manager._inventory, trusted, manager._loader)
        return trusted

    def is_ours(self, name: str) -> bool:
        """Say whether a machine may not set a variable."""
        return name.startswith(OUR_PREFIXES) or name in self._label_vars

    def _allowed_facts(self, manager: t.Any, host: str) -> dict[str, t.Any]:
        facts = facts_of(manager, host)
        if not facts:
            return {}
        taken = self._names_in_inventory(manager, host)
        return {
            name: value
            for name, value in facts.items()
            if str(name).startswith(_FACT_PREFIX)
            and name not in taken
            and not self.is_ours(name)
        }

    def _names_in_inventory(self, manager: t.Any, host: str) -> frozenset[str]:
        if host not in self._names:
            plain = _copy_of(manager, facts=lambda host: {})
            found = manager._inventory.get_host(host)
            self._names[host] = frozenset(
                plain.get_vars(host=found, include_hostvars=False) if found else ()
            )
        return self._names[host]

    def _warn_of(self, manager: t.Any, host: str) -> None:
        """Tell of the variables of ours that are among a host's facts."""
        for name in _set_by_machine(manager, host, self.is_ours):
            if (host, name) not in self._warned and len(self._warned) < _MOST_WARNINGS:
                self._warned.add((host, name))
                self._warn(_is_not_used(host, name))


def facts_of(manager: t.Any, host: str) -> Mapping[t.Any, t.Any]:
    """Return what is in the fact cache for a host."""
    try:
        facts = manager._fact_cache.get(host)
    except KeyError:
        return {}
    return facts if isinstance(facts, Mapping) else {}


def all_facts(manager: t.Any, host: str) -> t.Any:
    """Return ``ansible_facts`` of a host, as templates see it: text that never becomes a template."""
    return namespace_facts(_unsafe(dict(facts_of(manager, host))))["ansible_facts"]


def chosen_instead_of_facts(
    variables: t.Mapping[str, t.Any],
    prefixes: tuple[str, ...],
    *,
    loader: t.Any,
    warn: t.Callable[[str], None],
) -> dict[str, t.Any]:
    """Return what the inventory or a role has for the variables that a host's facts hide, rendered; or empty texts.

    :param variables: those that a lookup sees, in a task of the role.
    :param prefixes: what the names of the variables in question begin with.
    :param loader: reads the defaults of the role.
    :param warn: told of each of them.
    """
    host = str(variables["inventory_hostname"])
    manager = variables["hostvars"]._variable_manager
    facts = facts_of(manager, host)
    hidden = [
        name
        for name in _set_by_machine(
            manager, host, lambda name: name.startswith(prefixes)
        )
        # Else the play, or whoever started it, has set it, which counts more.
        if variables.get(name) == facts[name]
    ]
    if not hidden:
        return {}
    plain = _copy_of(manager, facts=lambda host: {})
    chosen = {
        **loader.load_from_file(f"{variables['role_path']}/defaults/main.yml"),
        **plain.get_vars(host=manager._inventory.get_host(host)),
    }
    templar = Templar(loader=loader, variables=chosen)
    for name in hidden:
        warn(_is_not_used(host, name))
    return {name: templar.template(chosen.get(name, "")) for name in hidden}


def _set_by_machine(
    manager: t.Any, host: str, is_ours: t.Callable[[str], bool]
) -> list[str]:
    """Return the variables of ours that a machine has set as facts."""
    # What set_fact has cached is among the facts, too.
    set_by_author = manager._nonpersistent_fact_cache.get(host, {})
    return [
        name
        for name in facts_of(manager, host)
        if isinstance(name, str) and is_ours(name) and name not in set_by_author
    ]


def _is_not_used(host: str, name: str) -> str:
    return (
        f"{host} has set the variable {name} as a fact. It is not used, since what a managed machine says"
        " decides nothing about alerts."
    )


class _AllowedFacts:
    """Stands in for a fact cache."""

    def __init__(self, facts: t.Callable[[str], dict[str, t.Any]]) -> None:
        self._facts = facts

    def get(self, host: str, _default: t.Any = None) -> dict[str, t.Any]:
        return self._facts(host) or _NO_FACTS


class _NoFacts(dict[str, t.Any]):
    """The facts of a host of which none are known.

    ansible-core goes on without facts where they are missing. Where there are some, if only an empty dictionary, it looks
    for the files of all connection plugins to find out which facts it may not believe: a third of the time that it takes
    to collect the variables of a host.
    """

    def _miss(self, *_args: object) -> t.NoReturn:
        raise KeyError("ansible_facts")

    __iter__ = keys = items = values = _miss


_NO_FACTS = _NoFacts()


def _copy_of(manager: t.Any, *, facts: t.Callable[[str], dict[str, t.Any]]) -> t.Any:
    """Return another manager of the same variables, with other facts.

    To pickle it, as ``copy`` does, would lose some variables.

    :param facts: returns those of a host.
    """
    twin: t.Any = object.__new__(type(manager))
    vars(twin).update(vars(manager))
    twin._fact_cache = _AllowedFacts(facts)
    collect = twin.get_vars

    def get_vars(**context: t.Any) -> t.Any:
        variables = collect(**context)
        if context.get("host") is not None:
            variables.setdefault("ansible_facts", {})
        return variables

    # Where it is called by ansible-core, too: what it answers for other hosts comes from there.
    twin.get_vars = get_vars
    return twin
