# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What the domain is made of: tasks, what happened to them on a host, and what variables say about the alert.

Plain values. The adapter of ansible-core makes them; nothing here knows ansible-core. Most are named tuples: each run of
Ansible makes these classes anew, and a data class takes several times as long.
"""

from __future__ import annotations

import functools
import hashlib
import json
import types
import typing as t

_DIGEST_LENGTH = 16
# A mapping that nobody can fill.
NOTHING: t.Mapping[t.Any, t.Any] = types.MappingProxyType({})


def digest(value: t.Any) -> str:
    """Return what stands for a value where the value itself must not be kept: the same in every run.

    :param value: plain data, with keys in any order.
    """
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:_DIGEST_LENGTH]


@functools.lru_cache(maxsize=16384)
def name_digest(name: str) -> str:
    """Return the digest of a name of a host, task or variable. Cheap from the second time on."""
    return digest(name)


# Stands for a variable whose name is put together while the playbook runs, so that it may be any.
EVERY_NAME = name_digest("*")


class Place(t.NamedTuple):
    """A task and the way to it: play, roles and files with the variables and loop items they were included with.

    Two ways to one task are two places. All but the lines and the path are digests, since names and parameters may hold
    secrets, and places are remembered in files.

    :param key: task and way, without lines.
    :param lines: where the task stands, then the imports, the includes and the play around it, innermost first. They tell
        places with the same key apart, as long as nobody edits the playbook.
    :param written: the name and the action of the task as they are written, to find it in its file.
    :param path: the file, relative to the project; or absolute outside of it. Empty when it may not be remembered.
    :param item: for an include on the way to a task: its loop item; empty without a loop.
    :param includes: the dynamic includes around the task, outermost first.
    """

    key: str
    lines: tuple[int, ...]
    written: str = ""
    path: str = ""
    item: str = ""
    includes: tuple[Place, ...] = ()

    def as_data(self) -> list[t.Any]:
        """Return plain data for the ledger."""
        return [
            self.key,
            list(self.lines),
            self.written,
            self.path,
            self.item,
            [include.as_data() for include in self.includes],
        ]

    @classmethod
    def from_data(cls, data: t.Sequence[t.Any]) -> Place:
        """Return what :meth:`as_data` was made of."""
        key, lines, written, path, item, includes = data
        return cls(
            key,
            tuple(lines),
            written,
            path,
            item,
            tuple(map(cls.from_data, includes)),
        )


class Circumstances(t.NamedTuple):
    """What the starter of a run chose, as far as it decides what a run can prove.

    :param extra_vars: digests of the names of extra variables, and of their values.
    :param sources: digests of the sources of the inventory.
    """

    extra_vars: t.Mapping[str, str] = NOTHING
    sources: frozenset[str] = frozenset()

    def as_data(self) -> list[t.Any]:
        """Return plain data for the ledger."""
        return [dict(sorted(self.extra_vars.items())), sorted(self.sources)]

    @classmethod
    def from_data(cls, data: t.Sequence[t.Any]) -> Circumstances:
        """Return what :meth:`as_data` was made of."""
        extra_vars, sources = data
        return cls(extra_vars, frozenset(sources))

    def changed(self, other: Circumstances) -> frozenset[str]:
        """Return the digests of the extra variables that have another value, or are set in one of the two only."""
        return frozenset(
            name
            for name in {*self.extra_vars, *other.extra_vars}
            if self.extra_vars.get(name) != other.extra_vars.get(name)
        )


class Items(t.NamedTuple):
    """What became of the items of a loop; a task without a loop has none. All are digests of the items.

    :param every: all items that were looked at, or None when that is not known, as with ``no_log``.
    :param succeeded: those at which the task worked.
    :param failed: those at which it failed.
    """

    every: frozenset[str] | None = frozenset()
    succeeded: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()


class AlertOverrides(t.NamedTuple):
    """What variables of play, block, task, host and group say about an alert.

    :param label_vars: values of the variables that the option ``label_vars`` names.
    :param groups: the groups of the host.
    :param counts: the numbers of runs that the options ``COUNTS`` of ``settings.py`` are about.
    """

    status: str | None = None
    labels: t.Mapping[str, str] = NOTHING
    label_vars: t.Mapping[str, str] = NOTHING
    description: str | None = None
    groups: tuple[str, ...] = ()
    namespace: str | None = None
    counts: t.Mapping[str, int] = NOTHING
