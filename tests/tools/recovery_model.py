# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What alerts are open after each of many runs: a model that is as plain as the promise."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass, field

Reason = str
ANSWER = "an answer of the host"


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


@dataclass
class Model:
    """The alerts of one playbook."""

    hosts: t.Sequence[str]
    tasks: t.Sequence[str]
    scope: str
    # What each open alert waits for, and how often each has opened.
    waits_for: dict[str, set[Reason]] = field(default_factory=dict)
    episodes: Counter[str] = field(default_factory=Counter)

    @property
    def open(self) -> list[str]:
        return sorted(self.waits_for)

    def play(self, run: Run) -> None:
        """Take in what a run does."""
        if run.check:
            return
        hosts = [h for h in self.hosts if run.limit is None or h in run.limit]
        tasks = [task for task in self.tasks if run.tags is None or task in run.tags]
        failed = False
        for batch in _batches(hosts, run.serial):
            given_up = {host for host in batch if not self._passes(host, tasks, run)}
            failed = failed or bool(given_up)
            if len(given_up) == len(batch):
                # ansible-core ends a playbook there.
                break
        # Nothing closes before the end of a run.
        self.waits_for = {
            alert: reasons for alert, reasons in self.waits_for.items() if reasons
        }
        if self.scope == "playbook":
            if failed:
                self._raise("all", "a run without failure")
            elif run.limit is None and run.tags is None:
                self.waits_for.clear()

    def _passes(self, host: str, tasks: t.Sequence[str], run: Run) -> bool:
        for task in tasks:
            if host in run.gone:
                self._fail(host, task, ANSWER)
                return False
            self._works(host, task, ANSWER)
            if task in run.broken.get(host, ()):
                self._fail(host, task, task)
                return False
            self._works(host, task, task)
        return True

    def _fail(self, host: str, task: str, reason: Reason) -> None:
        if self.scope == "host":
            self._raise(host, reason)
        elif self.scope == "task":
            self._raise(f"{host} {task}", task)

    def _raise(self, alert: str, reason: Reason) -> None:
        if alert not in self.waits_for:
            self.episodes[alert] += 1
        self.waits_for.setdefault(alert, set()).add(reason)

    def _works(self, host: str, task: str, reason: Reason) -> None:
        alert = host if self.scope == "host" else f"{host} {task}"
        if self.scope != "playbook" and alert in self.waits_for:
            self.waits_for[alert].discard(reason)


def _batches(hosts: t.Sequence[str], size: int) -> t.Iterator[t.Sequence[str]]:
    step = size or max(1, len(hosts))
    for start in range(0, len(hosts), step):
        yield hosts[start : start + step]
