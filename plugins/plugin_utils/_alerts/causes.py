# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What an alert waits for before it closes: its causes, as they are remembered. Pure.

Whatever a cause names is a digest, since names of tasks and hosts may hold secrets. Only what a person reads at the end
of a run is text, and it is masked like all text that leaves.
"""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass, replace

from .model import Circumstances, Place, digest, name_digest

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
        OpenAlert,
    )

    from .outcomes import TaskOutcome


@dataclass(frozen=True)
class Cause:
    """Why an alert is open: on which host, at which place, what failed.

    :param status: ``failed``; ``unreachable`` when a machine did not answer; ``aborted`` when a run did not come to its end;
        ``host`` when all that counts is that the host passes (the deployment).
    :param host: digest of the host's name.
    :param place: where it failed.
    :param items: digests of the loop items that failed; empty when the task failed as a whole.
    :param items_unknown: it was a loop, and which items failed is not known.
    :param machine: digest of the name of the machine that did not answer: the host, or a delegate. Empty when it is not
        known which one it was.
    :param handler: the task is a handler: if nobody notifies it again, what it was to do is still owed.
    :param run_once: the task runs on one host for all of them.
    :param way_names: digests of the variables by which the way to the place is told from others.
    :param names: digests of all variables that decide whether the place is worked on.
    :param then: what the starter of the run chose in which it failed.
    :param rescued: for a task in a rescue section: the place whose failure led there. When that one works, the rescue is
        not needed.
    :param what: what a person reads: ``the task "Deploy"``.
    :param host_name: the host for people, masked.
    :param machine_name: the machine that has to answer, for people, masked.
    :param hosts: for an aborted run: digests of the hosts that it was for.
    """

    status: str
    host: str = ""
    place: Place | None = None
    items: frozenset[str] = frozenset()
    items_unknown: bool = False
    machine: str = ""
    handler: bool = False
    run_once: bool = False
    way_names: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    then: Circumstances = Circumstances()
    rescued: Place | None = None
    what: str = ""
    host_name: str = ""
    machine_name: str = ""
    hosts: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        outcome: TaskOutcome,
        *,
        then: Circumstances,
        names: tuple[frozenset[str], frozenset[str]],
        rescued: Place | None,
        mask: t.Callable[[str], str],
    ) -> t.Iterator[Cause]:
        """Yield what an outcome makes an alert wait for: one cause, or one for each machine that did not answer.

        :param names: see ``way_names`` and ``names``.
        :param mask: makes a text fit to be remembered.
        """
        kind = "handler" if outcome.task.handler else "task"
        cause = cls(
            status=outcome.status,
            host=name_digest(outcome.host),
            place=_without_secrets(outcome.place, mask),
            items=outcome.items.failed,
            items_unknown=outcome.items.every is None,
            handler=outcome.task.handler,
            run_once=outcome.run_once,
            way_names=names[0],
            names=names[1],
            then=then,
            rescued=_without_secrets(rescued, mask),
            what=f'the {kind} "{mask(outcome.task.display_name)}"',
            host_name=mask(outcome.host),
        )
        if outcome.status != "unreachable":
            yield cause
            return
        for machine in outcome.silent_machines or ("",):
            yield replace(
                cause,
                machine=name_digest(machine) if machine else "",
                machine_name=mask(machine),
            )

    @functools.cached_property
    def written(self) -> _WrittenCause:
        """The cause as plain data. An alert for many hosts is written several times while it grows."""
        run = self.then.as_data()
        run_key = digest(run)
        data: dict[str, t.Any] = {
            # The outbox tells causes apart by it, when several controllers write about one alert.
            "id": digest(_as_plain(self.identity)),
            "status": self.status,
            "host": self.host,
            "run": run_key,
        }
        for name, place in (("place", self.place), ("rescued", self.rescued)):
            if place is not None:
                data[name] = place.as_data()
        if self.machine:
            data["machine"] = self.machine
        for name in (*_TEXTS, *_FLAGS):
            if getattr(self, name):
                data[name] = getattr(self, name)
        names = {}
        for name in _SETS:
            members = sorted(getattr(self, name))
            if members:
                key = digest(members)
                names[key] = members
                data[name] = key
        return _WrittenCause(data, {run_key: run}, names)

    @property
    def identity(self) -> t.Hashable:
        """What two causes have in common that are the same, but for the failed items."""
        return (
            self.status,
            self.host,
            self.machine,
            self.then.sources,
            frozenset(
                (name, value)
                for name, value in self.then.extra_vars.items()
                if name in self.names
            ),
            self.place and (self.place.key, self.place.lines),
            self.hosts if self.place is None else None,
        )

    @property
    def places(self) -> list[Place]:
        """Return all places that it matters for."""
        found = [*filter(None, (self.place, self.rescued))]
        return [*found, *(include for place in found for include in place.includes)]

    def merged(self, newer: Cause) -> Cause:
        """Return the cause when the place has failed once more: what failed before is still waited for."""
        return replace(newer, items=self.items | newer.items)


def _without_secrets(place: Place | None, mask: t.Callable[[str], str]) -> Place | None:
    """Return a place, and the includes on the way to it, without paths in which there is a secret."""
    if place is None:
        return None
    includes = (_without_secrets(include, mask) for include in place.includes)
    return place._replace(
        path=place.path if mask(place.path) == place.path else "",
        includes=tuple(filter(None, includes)),
    )


_TEXTS = ("what", "host_name", "machine_name")
_FLAGS = ("items_unknown", "handler", "run_once")
_SETS = ("items", "way_names", "names", "hosts")


def causes_of(alert: OpenAlert) -> list[Cause]:
    """Return what an open alert waits for."""
    runs = {
        key: Circumstances.from_data(data)
        for key, data in alert.details.get("runs", {}).items()
    }
    names = {
        key: frozenset(data) for key, data in alert.details.get("names", {}).items()
    }
    return [_from_data(data, runs, names) for data in alert.details.get("causes", ())]


def details_of(causes: t.Iterable[Cause]) -> dict[str, t.Any]:
    """Return causes as plain data for the ledger. What many of them share is written once."""
    runs: dict[str, t.Any] = {}
    names: dict[str, t.Any] = {}
    data = []
    for cause in causes:
        written = cause.written
        data.append(written.data)
        runs.update(written.runs)
        names.update(written.names)
    return {"causes": data, "runs": runs, "names": names}


class _WrittenCause(t.NamedTuple):
    """A cause as plain data, and what it may share with others, by the keys that stand for it there."""

    data: dict[str, t.Any]
    runs: dict[str, t.Any]
    names: dict[str, t.Any]


def _as_plain(value: t.Any) -> t.Any:
    """Return an identity as plain data, the same in every process."""
    if isinstance(value, frozenset):
        return sorted(map(_as_plain, value))
    return list(map(_as_plain, value)) if isinstance(value, tuple) else value


def _from_data(
    data: t.Mapping[str, t.Any],
    runs: t.Mapping[str, Circumstances],
    names: t.Mapping[str, frozenset[str]],
) -> Cause:
    fields: dict[str, t.Any] = {
        "status": data["status"],
        "host": data["host"],
        "machine": data.get("machine", ""),
        "then": runs[data["run"]],
    }
    for name in ("place", "rescued"):
        if name in data:
            fields[name] = Place.from_data(data[name])
    fields.update((name, data[name]) for name in (*_TEXTS, *_FLAGS) if name in data)
    fields.update((name, names[data[name]]) for name in _SETS if name in data)
    return Cause(**fields)
