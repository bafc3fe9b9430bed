# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What happened to each host in a run: hooks in, a summary out. Pure: no input or output, no clock, nothing of ansible-core.

Memory is a few words a host. What single tasks did is kept only for the tasks that open alerts wait for.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from .model import TaskIdentity, TaskOutcome


@dataclass(frozen=True)
class RunSummary:
    """What is known when a run has ended.

    :param complete: whether the whole playbook ran, as far as hosts were left to run it on.
    :param failed_hosts: the hosts that ansible-core gave up on.
    :param passed: the hosts that passed all plays they are in, to their ends.
    :param reachable: of the tracked hosts, those that gave an answer.
    :param succeeded: where a tracked task succeeded: host, task and line.
    :param tolerated: where a tracked task failed, and was ignored or rescued: host, task and line.
    :param tracked: the tasks of which all this is known; they were waited for when the run began.
    :param defined: where the plays of this run hold a tracked task, whether they have reached it or not: task and line.
    """

    complete: bool
    failed_hosts: frozenset[str]
    passed: frozenset[str]
    reachable: frozenset[str]
    succeeded: frozenset[tuple[str, TaskIdentity, int]]
    tolerated: frozenset[tuple[str, TaskIdentity, int]]
    defined: frozenset[tuple[TaskIdentity, int]]
    tracked: frozenset[TaskIdentity]


@dataclass
class _Play:
    """One batch of one play."""

    hosts: frozenset[str]
    # Hosts that were seen stopped, and the number of the report that came last before.
    stopped: dict[str, int] = field(default_factory=dict)
    # ansible-core ended it before its last task.
    cut_short: bool = False


class RunRecorder:
    """Takes in what the hooks of a callback hear.

    :param partial: the run is of a part of the playbook only, by tags and the like.
    :param plays: the number of plays in the playbook.
    """

    def __init__(self, *, partial: bool, plays: int) -> None:
        self._partial = partial
        self._plays = plays
        self._plays_begun: set[t.Hashable] = set()
        self._hosts_of_plays: dict[t.Hashable, tuple[frozenset[str], set[str]]] = {}
        self._play: _Play | None = None
        self._reports = 0
        self._latest_report: dict[str, int] = {}
        self._failed_hosts: set[str] = set()
        self._not_passed: set[str] = set()
        self._tracked_tasks: set[TaskIdentity] = set()
        self._tracked_hosts: set[str] = set()
        self._reachable: set[str] = set()
        self._succeeded: set[tuple[str, TaskIdentity, int]] = set()
        self._tolerated: set[tuple[str, TaskIdentity, int]] = set()
        self._defined: set[tuple[TaskIdentity, int]] = set()
        self._rescued: dict[str, tuple[TaskIdentity, int]] = {}

    # -- what is asked while the run goes on

    @property
    def tracks(self) -> bool:
        """Whether it matters what single tasks do."""
        return bool(self._tracked_hosts)

    def tracks_task(self, task: TaskIdentity) -> bool:
        """Say whether an open alert waits for this task."""
        return task in self._tracked_tasks

    def tracks_host(self, host: str) -> bool:
        """Say whether an open alert waits for this host."""
        return host in self._tracked_hosts

    # -- what the hooks tell

    def track(self, hosts: t.Iterable[str], tasks: t.Iterable[TaskIdentity]) -> None:
        """Note from now on what these tasks do, and whether these hosts answer."""
        self._tracked_hosts.update(hosts)
        self._tracked_tasks.update(tasks)

    def play_started(
        self, play: t.Hashable, *, all_hosts: t.Iterable[str], batch: t.Iterable[str]
    ) -> None:
        """A play begins, or a further batch of it.

        :param play: the same for all batches of one play.
        :param all_hosts: all hosts that the play is for, in whichever batch.
        """
        self._end_play(frozenset())
        hosts = frozenset(batch)
        self._plays_begun.add(play)
        _all, begun = self._hosts_of_plays.setdefault(
            play, (frozenset(all_hosts), set())
        )
        begun.update(hosts)
        self._play = _Play(hosts)

    def stopped(self, hosts: frozenset[str]) -> None:
        """These hosts of the current play have been seen stopped, for whichever reason, before a task begins."""
        if self._play is not None:
            for host in hosts:
                # One that reports again afterwards went on after all.
                self._play.stopped.setdefault(host, self._reports)

    def play_cut_short(self) -> None:
        """ansible-core ends the current play before its last task, with no word on which hosts."""
        if self._play is not None:
            self._play.cut_short = True

    def play_not_cut_short(self) -> None:
        """The task that would have ended the play was skipped."""
        if self._play is not None:
            self._play.cut_short = False

    def reported(self, host: str) -> None:
        """A host has finished a task, in whichever way."""
        self._reports += 1
        self._latest_report[host] = self._reports

    def succeeded(self, host: str, task: TaskIdentity, line: int) -> None:
        """A tracked task has succeeded on a host."""
        self._succeeded.add((host, task, line))

    def reachable(self, host: str) -> None:
        """A tracked host has given an answer."""
        self._reachable.add(host)

    def defined(self, task: TaskIdentity, line: int) -> None:
        """A tracked task stands in the current play."""
        self._defined.add((task, line))

    def failed(self, outcome: TaskOutcome, *, handled: str) -> None:
        """A task has failed on a host, or the host is unreachable.

        :param handled: ``ignored`` or ``rescued``; empty when ansible-core gives up on the host there.
        """
        task, line = outcome.task.identity, outcome.task.line
        if not handled:
            self._failed_hosts.add(outcome.host)
        elif self.tracks_task(task):
            self._tolerated.add((outcome.host, task, line))
        if handled == "rescued":
            self._rescued[outcome.host] = (task, line)

    def latest_rescued(self, host: str) -> tuple[TaskIdentity, int] | None:
        """Return the task whose failure on a host was rescued last, and its line."""
        return self._rescued.get(host)

    def finish(self, stopped: frozenset[str]) -> RunSummary:
        """The run has come to its recap.

        :param stopped: the hosts of the last play that are seen stopped now.
        """
        self._end_play(stopped)
        for all_hosts, begun in self._hosts_of_plays.values():
            # Of these hosts no batch was begun, because an earlier batch had ended the run.
            self._not_passed.update(all_hosts - begun)
        complete = not self._partial
        # Hosts of plays that never began are not known; so nobody can be said to have passed everything.
        all_begun = len(self._plays_begun) >= self._plays
        passed: set[str] = set()
        if complete and all_begun:
            ran = set().union(*(begun for _all, begun in self._hosts_of_plays.values()))
            passed = {
                host
                for host in ran
                if host in self._latest_report
                and host not in self._not_passed
                and host not in self._failed_hosts
            }
        return RunSummary(
            complete=complete,
            failed_hosts=frozenset(self._failed_hosts),
            passed=frozenset(passed),
            reachable=frozenset(self._reachable),
            succeeded=frozenset(self._succeeded),
            tolerated=frozenset(self._tolerated),
            defined=frozenset(self._defined),
            tracked=frozenset(self._tracked_tasks),
        )

    def _end_play(self, stopped: frozenset[str]) -> None:
        play, self._play = self._play, None
        if play is None:
            return
        if play.cut_short:
            self._not_passed.update(play.hosts)
        for host in stopped:
            play.stopped.setdefault(host, self._reports)
        for host, report in play.stopped.items():
            if self._latest_report.get(host, 0) <= report:
                self._not_passed.add(host)
