# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What alerts are open after each of many runs: a model that is as plain as the promise."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass, field

ANSWER = "an answer"
# Host and task that have to work again; or host and ANSWER, when it was unreachable.
Reason = tuple[str, str]


@dataclass(frozen=True)
class Run:
    """One run of a playbook: what is the matter with its hosts, and what part of it is asked for.

    :param broken: for each host, the tasks that fail on it.
    :param gone: the hosts that do not answer.
    :param limit: only these hosts; None is all.
    :param tags: only these tasks; None is all.
    :param serial: the size of batches; 0 is one for all.
    """

    broken: t.Mapping[str, frozenset[str]]
    gone: frozenset[str]
    limit: frozenset[str] | None = None
    tags: frozenset[str] | None = None
    check: bool = False
    serial: int = 0
    strategy: str = "linear"


@dataclass(frozen=True)
class Counts:
    """In how many runs in a row something has to happen, until an alert opens or closes."""

    failed_after: int = 1
    unreachable_after: int = 1
    recover_after: int = 1


@dataclass
class Model:
    """The alerts of one playbook, each of whose tasks runs whenever it is reached.

    :param waits_for: what each open alert waits for.
    :param pending: the same for failures that raised no alert yet, and how many runs in a row have failed so.
    :param good_runs: in how many runs in a row all of it has worked that an open alert waits for.
    :param episodes: how often each alert has opened.
    """

    hosts: t.Sequence[str]
    tasks: t.Sequence[str]
    scope: str
    counts: Counts = Counts()
    waits_for: dict[str, set[Reason]] = field(default_factory=dict)
    pending: dict[str, tuple[int, set[Reason]]] = field(default_factory=dict)
    good_runs: Counter[str] = field(default_factory=Counter)
    episodes: Counter[str] = field(default_factory=Counter)

    @property
    def open(self) -> list[str]:
        return sorted(self.waits_for)

    @property
    def counted(self) -> dict[str, int]:
        """For each alert that was not raised yet: in how many runs in a row it has failed."""
        return {alert: runs for alert, (runs, _reasons) in self.pending.items()}

    def play(self, run: Run) -> None:
        """Take in what a run does."""
        if run.check:
            return
        hosts = [h for h in self.hosts if run.limit is None or h in run.limit]
        tasks = [task for task in self.tasks if run.tags is None or task in run.tags]
        works: set[Reason] = set()
        fails: list[tuple[str, Reason]] = []
        for batch in _batches(hosts, run.serial):
            given_up = 0
            for host in batch:
                reasons, failure = _played(host, tasks, run)
                works |= reasons
                if failure:
                    fails.append(failure)
                    given_up += 1
            if given_up == len(batch):
                # ansible-core ends a playbook there.
                break
        failing = self._fail(fails)
        # Nothing opens or closes before the end of a run.
        for alert, reasons in list(self.waits_for.items()):
            left = reasons - works
            if left or alert in failing:
                self.waits_for[alert] = left
                continue
            self.good_runs[alert] += 1
            if self.good_runs[alert] >= self.counts.recover_after:
                del self.waits_for[alert], self.good_runs[alert]
        for alert, (runs, reasons) in list(self.pending.items()):
            left = reasons - works
            self.pending[alert] = (runs, left)
            if not left and alert not in failing:
                del self.pending[alert]

    def _fail(self, fails: t.Iterable[tuple[str, Reason]]) -> set[str]:
        """Take in the failures of a run, each with its task, and return the alerts that they belong to."""
        names = {"playbook": "all", "host": "{0}", "task": "{0} {1}"}
        failing: set[str] = set()
        for task, reason in fails:
            alert = names[self.scope].format(reason[0], task)
            is_first = alert not in failing
            failing.add(alert)
            if alert in self.waits_for:
                self.waits_for[alert].add(reason)
                self.good_runs[alert] = 0
                continue
            runs, reasons = self.pending.get(alert, (0, set()))
            self.pending[alert] = (runs + is_first, reasons | {reason})
            needed = (
                self.counts.unreachable_after
                if reason[1] == ANSWER
                else self.counts.failed_after
            )
            if runs + is_first >= needed:
                self.episodes[alert] += 1
                self.waits_for[alert] = self.pending.pop(alert)[1]
        return failing


def _played(
    host: str, tasks: t.Sequence[str], run: Run
) -> tuple[set[Reason], tuple[str, Reason] | None]:
    """Return what works on a host, and where ansible-core gives up on it, if it does: the task, and what it waits for."""
    works: set[Reason] = set()
    for task in tasks:
        if host in run.gone:
            return works, (task, (host, ANSWER))
        works.add((host, ANSWER))
        if task in run.broken.get(host, ()):
            return works, (task, (host, task))
        works.add((host, task))
    return works, None


def _batches(hosts: t.Sequence[str], size: int) -> t.Iterator[t.Sequence[str]]:
    step = size or max(1, len(hosts))
    for start in range(0, len(hosts), step):
        yield hosts[start : start + step]
