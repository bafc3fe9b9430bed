# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What happened to each host in a run: hooks in, a summary out. Pure: no input or output, no clock, nothing of ansible-core.

Memory is a few words a host. What single tasks did is kept only for the places that open alerts wait for.
"""

from __future__ import annotations

import typing as t

from .model import NOTHING, Circumstances, Items, Place, name_digest

if t.TYPE_CHECKING:
    from .outcomes import TaskOutcome

# A host at a place: the digest of its name, the key of the place and its lines.
Spot = tuple[str, str, tuple[int, ...]]


class RunSummary(t.NamedTuple):
    """What is known when a run has ended. Hosts are digests of their names.

    :param complete: the run came to its recap, and was not narrowed by tags, start, check or step.
    :param limited: ``--limit`` left somebody out.
    :param cut_short: a play was ended before its last task.
    :param now: what the starter of the run chose.
    :param failed_hosts: the hosts that ansible-core gave up on.
    :param passed: the hosts that passed all plays they are in, to their ends.
    :param stopped: the hosts that were taken out of a play before its end, for whichever reason, or cannot have passed.
    :param took_part: the hosts that reported anything.
    :param plays_of: for each line of a play, the hosts that it was for.
    :param reachable: of the tracked hosts, those that answered over their own connection.
    :param worked: where a tracked task worked, and what became of the items of its loop.
    :param skipped: where a tracked task was skipped.
    :param failed_again: where a tracked task failed, whether that was ignored or rescued or not.
    :param pretended: where a tracked task ran in check mode.
    :param defined: where the plays of this run hold a tracked task, whether they have reached it or not: key and lines.
    :param once: for tasks that ran once for all hosts: key and lines, the host that ran it, and the hosts of the batch.
    :param tracked: digests of the tasks of which all this is known.
    """

    complete: bool = True
    limited: bool = False
    cut_short: bool = False
    now: Circumstances = Circumstances()
    failed_hosts: frozenset[str] = frozenset()
    passed: frozenset[str] = frozenset()
    stopped: frozenset[str] = frozenset()
    took_part: frozenset[str] = frozenset()
    plays_of: t.Mapping[int, frozenset[str]] = NOTHING
    reachable: frozenset[str] = frozenset()
    worked: t.Mapping[Spot, Items] = NOTHING
    skipped: frozenset[Spot] = frozenset()
    failed_again: frozenset[Spot] = frozenset()
    pretended: frozenset[Spot] = frozenset()
    defined: frozenset[tuple[str, tuple[int, ...]]] = frozenset()
    once: frozenset[tuple[str, tuple[int, ...], str, frozenset[str]]] = frozenset()
    tracked: frozenset[str] = frozenset()


class _Play:
    """One batch of one play."""

    def __init__(self, hosts: frozenset[str]) -> None:
        self.hosts = hosts
        # Hosts that were seen stopped, and the number of the report that came last before.
        self.stopped: dict[str, int] = {}
        # ansible-core ended it before its last task.
        self.cut_short = False


class RunRecorder:
    """Takes in what the hooks of a callback hear.

    :param partial: the run is of a part of the playbook only, by tags and the like.
    :param plays: the number of plays in the playbook.
    """

    def __init__(self, *, partial: bool, plays: int) -> None:
        self._partial = partial
        self._plays = plays
        self._hosts_of_plays: dict[t.Hashable, tuple[frozenset[str], set[str]]] = {}
        self._lines_of_plays: dict[t.Hashable, int] = {}
        self._play: _Play | None = None
        self._limited = False
        self._cut_short = False
        self._reports = 0
        self._latest_report: dict[str, int] = {}
        self._failed_hosts: set[str] = set()
        self._not_passed: set[str] = set()
        self._tracked_tasks: set[str] = set()
        self._tracked_hosts: set[str] = set()
        self._tracks_everybody = False
        self._only_pretended_to_answer: set[str] = set()
        self._reachable: set[str] = set()
        self._worked: dict[Spot, Items] = {}
        self._skipped: set[Spot] = set()
        self._failed_again: set[Spot] = set()
        self._pretended: set[Spot] = set()
        self._defined: set[tuple[str, tuple[int, ...]]] = set()
        self._once: set[tuple[str, tuple[int, ...], str, frozenset[str]]] = set()
        self._rescued: dict[str, Place] = {}

    # -- what is asked while the run goes on

    @property
    def tracks(self) -> bool:
        """Whether it matters what single tasks do."""
        return bool(self._tracked_hosts) or self._tracks_everybody

    def tracks_task(self, task: str) -> bool:
        """Say whether an open alert waits for this task, by the digest of its name and action."""
        return task in self._tracked_tasks

    def awaits_answer(self, host: str) -> bool:
        """Say whether an open alert waits for this host, and nobody has heard of it yet."""
        return host not in self._reachable and (
            self._tracks_everybody or name_digest(host) in self._tracked_hosts
        )

    # -- what the hooks tell

    def track(self, hosts: t.Iterable[str], tasks: t.Iterable[str]) -> None:
        """Note from now on what these tasks do, and whether these hosts answer. All are digests."""
        self._tracked_hosts.update(hosts)
        self._tracked_tasks.update(tasks)

    def track_everybody(self) -> None:
        """Note from now on of every host whether it answers."""
        self._tracks_everybody = True

    def play_started(
        self,
        play: t.Hashable,
        *,
        all_hosts: t.Iterable[str],
        batch: t.Iterable[str],
        line: int = 0,
    ) -> None:
        """A play begins, or a further batch of it.

        :param play: the same for all batches of one play.
        :param all_hosts: all hosts that the play is for, in whichever batch.
        :param line: where the play stands.
        """
        self._end_play(frozenset())
        hosts = frozenset(batch)
        self._lines_of_plays[play] = line
        _all, begun = self._hosts_of_plays.setdefault(
            play, (frozenset(all_hosts), set())
        )
        begun.update(hosts)
        self._play = _Play(hosts)

    def limited(self) -> None:
        """``--limit`` leaves somebody out of a play."""
        self._limited = True

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

    def not_passed(self, host: str) -> None:
        """Whatever else a host does in this run, it has not passed it."""
        self._not_passed.add(host)

    def reported(self, host: str) -> None:
        """A host has finished a task, in whichever way."""
        self._reports += 1
        self._latest_report[host] = self._reports

    def succeeded(
        self, host: str, place: Place, items: Items, *, run_once: bool = False
    ) -> None:
        """A tracked task has worked on a host, or some items of its loop have."""
        spot = _spot(host, place)
        before = self._worked.get(spot)
        if before is not None:
            items = _joined(before, items)
        self._worked[spot] = items
        if run_once and self._play is not None:
            batch = frozenset(map(name_digest, self._play.hosts))
            self._once.add((place.key, place.lines, name_digest(host), batch))

    def skipped(self, host: str, place: Place) -> None:
        """A tracked task was skipped on a host."""
        self._skipped.add(_spot(host, place))

    def pretended(self, host: str, place: Place) -> None:
        """A tracked task has run in check mode on a host, so that nothing is known of it."""
        self._pretended.add(_spot(host, place))

    def answered(self, host: str) -> None:
        """A machine has answered over its own connection."""
        self._reachable.add(host)

    def answered_elsewhere(self, host: str) -> None:
        """A task of a host has run without its own connection, such as with ``connection: local``."""
        self._only_pretended_to_answer.add(host)

    def defined(self, place: Place) -> None:
        """A tracked task stands in the current play."""
        self._defined.add((place.key, place.lines))

    def failed(self, outcome: TaskOutcome, *, handled: str) -> None:
        """A task has failed on a host, or the host is unreachable.

        :param handled: ``ignored`` or ``rescued``; empty when ansible-core gives up on the host there.
        """
        if not handled:
            self._failed_hosts.add(outcome.host)
        place = outcome.place
        if place is None:
            return
        if self.tracks_task(place.written):
            if outcome.items.succeeded:
                self.succeeded(outcome.host, place, outcome.items)
            self._failed_again.add(_spot(outcome.host, place))
        if handled == "rescued":
            self._rescued[outcome.host] = place

    def latest_rescued(self, host: str) -> Place | None:
        """Return the place whose failure on a host was rescued last."""
        return self._rescued.get(host)

    def finish(self, stopped: frozenset[str], now: Circumstances) -> RunSummary:
        """The run has come to its recap.

        :param stopped: the hosts of the last play that are seen stopped now.
        :param now: what the starter of the run chose.
        """
        self._end_play(stopped)
        for all_hosts, begun in self._hosts_of_plays.values():
            # Of these hosts no batch was begun, because an earlier batch had ended the run.
            self._not_passed.update(all_hosts - begun)
        # Hosts of plays that never began are not known; so nobody can be said to have passed everything.
        all_begun = len(self._hosts_of_plays) >= self._plays
        return RunSummary(
            complete=not self._partial,
            limited=self._limited,
            cut_short=self._cut_short or not all_begun,
            now=now,
            failed_hosts=_digests(self._failed_hosts),
            passed=_digests(self.passed_hosts) if all_begun else frozenset(),
            stopped=_digests(self._not_passed),
            took_part=_digests(self._latest_report),
            plays_of=self._plays_of(),
            reachable=_digests(self._reachable),
            worked=self._worked,
            skipped=frozenset(self._skipped),
            failed_again=frozenset(self._failed_again),
            pretended=frozenset(self._pretended),
            defined=frozenset(self._defined),
            once=frozenset(self._once),
            tracked=frozenset(self._tracked_tasks),
        )

    @property
    def passed_hosts(self) -> list[str]:
        """The names of the hosts that have passed all plays so far; after a complete run, those that passed it."""
        if self._partial or len(self._hosts_of_plays) < self._plays:
            return []
        begun = set().union(*(hosts for _all, hosts in self._hosts_of_plays.values()))
        return sorted(
            host
            for host in begun
            if host in self._latest_report
            and host not in self._not_passed
            and host not in self._failed_hosts
        )

    @property
    def answering_hosts(self) -> list[str]:
        """The names of the hosts that have passed, without those of which only this controller has answered."""
        silent = self._only_pretended_to_answer - self._reachable
        return [host for host in self.passed_hosts if host not in silent]

    @property
    def hosts(self) -> frozenset[str]:
        """The names of all hosts of the plays that have begun."""
        return frozenset().union(*(all_ for all_, _b in self._hosts_of_plays.values()))

    def _plays_of(self) -> dict[int, frozenset[str]]:
        found: dict[int, frozenset[str]] = {}
        for play, (all_hosts, _begun) in self._hosts_of_plays.items():
            line = self._lines_of_plays[play]
            found[line] = found.get(line, frozenset()) | _digests(all_hosts)
        return found

    def _end_play(self, stopped: frozenset[str]) -> None:
        play, self._play = self._play, None
        if play is None:
            return
        if play.cut_short:
            self._cut_short = True
            self._not_passed.update(play.hosts)
        for host in stopped:
            play.stopped.setdefault(host, self._reports)
        for host, report in play.stopped.items():
            if self._latest_report.get(host, 0) <= report:
                self._not_passed.add(host)


def _spot(host: str, place: Place) -> Spot:
    return (name_digest(host), place.key, place.lines)


def _digests(hosts: t.Iterable[str]) -> frozenset[str]:
    return frozenset(map(name_digest, hosts))


def _joined(one: Items, other: Items) -> Items:
    """Return what became of all items of two executions: one that failed in either has failed."""
    every = (
        None if one.every is None or other.every is None else one.every | other.every
    )
    failed = one.failed | other.failed
    return Items(every, (one.succeeded | other.succeeded) - failed, failed)
