# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""One deployment over many hosts: which of them are through, and so what there is to tell. Pure, no I/O, no clock.

Every host takes its own steps, in whatever order the strategy brings them. What one host cannot tell, because it has
become unreachable, the others see: it is missing among the hosts that are still in the play.
"""

from __future__ import annotations

import dataclasses
import typing as t
from dataclasses import dataclass, field

RUNNING, PASSED, FAILED, UNREACHABLE, STOPPED = (
    "running",
    "passed",
    "failed",
    "unreachable",
    "stopped",
)


@dataclass(frozen=True)
class Failure:
    """Why one host did not get through.

    :param text: what a person needs to act, without secrets.
    :param task: the name of the failed task; empty when it is not known, or must not be.
    :param action: its module.
    :param status: ``failed``, ``unreachable`` or ``aborted``.
    :param caused_here: whether a task of this very host failed. Else, something stopped it that it cannot tell.
    :param stops_all: whether ansible-core stops all other hosts for it.
    """

    host: str
    text: str
    task: str = ""
    action: str = ""
    status: str = "failed"
    caused_here: bool = True
    stops_all: bool = False


@dataclass(frozen=True)
class PlayView:
    """What a host sees of its play while it takes a step.

    :param active: the hosts that are still in it, those of all batches.
    :param batch: the hosts of the current batch.
    :param lockstep: whether the hosts of a batch take every step together, as they do by default.
    """

    active: frozenset[str]
    batch: frozenset[str]
    lockstep: bool = True


@dataclass
class Deployment:
    """One deployment in one run.

    :param change_key: ties together the events of the change.
    :param expected: the hosts that take part, where somebody has said so; else, whoever begins does.
    """

    change_key: str
    expected: list[str] = field(default_factory=list)
    # How far each host is that has begun.
    hosts: dict[str, str] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    # The hosts of the batches so far, whether they take part or not.
    batch_hosts: list[str] = field(default_factory=list)
    # The latest status of the change: Processing, Done or Canceled.
    status: str = ""
    # The hosts whose failure was reported.
    reported_hosts: list[str] = field(default_factory=list)

    # -- steps of a host

    def begin(
        self, host: str, play: PlayView, *, expected: t.Iterable[str] = ()
    ) -> bool:
        """A host begins; return whether the change is to be announced."""
        self.expected = sorted({*self.expected, *expected})
        self.batch_hosts = sorted({*self.batch_hosts, *play.batch, host})
        self.hosts[host] = RUNNING
        if self.status in ("", "Done"):
            self.status = "Processing"
            return True
        return False

    def passed(self, host: str) -> None:
        """A host is through."""
        self.hosts[host] = PASSED

    def failed(self, failure: Failure) -> None:
        """A host has failed for good."""
        self._forget(failure.host)
        self.hosts[failure.host] = FAILED
        self.failures.append(failure)

    # -- how things stand

    def update_from_play(self, play: PlayView) -> None:
        """Note which hosts have gone missing, and which ones only stopped because another one failed."""
        if any(failure.stops_all for failure in self.failures):
            for failure in [one for one in self.failures if not one.caused_here]:
                self._forget(failure.host)
                self.hosts[failure.host] = STOPPED
            for host in self._missing(play):
                self.hosts[host] = STOPPED
        for host in self._missing(play):
            self.hosts[host] = UNREACHABLE
            text = (
                "The host became unreachable, or left the play before it was through."
            )
            self.failures.append(Failure(host, text, status="unreachable"))
        # In one order, whoever was the first: the service compares descriptions.
        self.failures.sort(key=lambda one: (one.status, not one.caused_here, one.host))

    def outstanding(self, play: PlayView) -> list[str]:
        """Return the hosts that are not through, but still may be."""
        running = {host for host, state in self.hosts.items() if state == RUNNING}
        if self.expected:
            to_come = frozenset(self.expected) - frozenset(self.hosts)
        else:
            # In lockstep, who has not begun by now does not take part. Else, it may be on its way.
            known = {*self.batch_hosts, *play.batch} if play.lockstep else {*self.hosts}
            to_come = play.active - known
        return sorted((running | to_come) & play.active)

    def take_new_failures(self) -> bool:
        """Return whether there are failures that were not reported yet; now they count as reported."""
        hosts = sorted(failure.host for failure in self.failures)
        if hosts == self.reported_hosts:
            return False
        self.reported_hosts = hosts
        self.status = "Canceled"
        return True

    def take_success(self, play: PlayView) -> bool:
        """Return whether all hosts are through; now that counts as reported."""
        passed = [host for host, state in self.hosts.items() if state == PASSED]
        if (
            self.failures
            or not passed
            or self.status != "Processing"
            or self.outstanding(play)
        ):
            return False
        self.status = "Done"
        return True

    def failures_if_run_ended(self, play: PlayView) -> list[Failure]:
        """Return all failures there would be if the run ended now, or nothing if all was reported."""
        if self.status != "Processing":
            return []
        running = {host for host, state in self.hosts.items() if state == RUNNING}
        text = "The run ended before this host was through: it became unreachable, or the run was stopped."
        return [
            *self.failures,
            *(
                Failure(host, text, status="aborted")
                for host in sorted({*running, *self.outstanding(play)})
            ),
        ]

    def _missing(self, play: PlayView) -> list[str]:
        begun = [host for host, state in self.hosts.items() if state == RUNNING]
        expected = [host for host in self.expected if host not in self.hosts]
        return [host for host in (*begun, *expected) if host not in play.active]

    def _forget(self, host: str) -> None:
        self.failures = [one for one in self.failures if one.host != host]

    # -- storage

    def as_data(self) -> dict[str, t.Any]:
        """Return plain data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_data(cls, data: t.Mapping[str, t.Any]) -> Deployment:
        """Return what :meth:`as_data` was made of."""
        failures = [Failure(**failure) for failure in data["failures"]]
        return cls(**{**data, "failures": failures})
