# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The law of recovery: which open alerts a run has closed, and why the others stay open. Pure.

An alert waits for causes: on which host, at which place, what failed. It closes when a run has proven all of them.

1. Direct proof: the place worked on that host in this run. For ``unreachable``: the machine that did not answer has
   answered over its own connection.
2. Proof by a whole run: the host passed a complete run to its end, and the place was not worked on because it is not wanted
   any more: its condition or that of its include is false, its loop has no such item, the task is gone.
3. A run that was narrowed by whoever started it proves nothing about what it left out.
4. A handler that failed and was not notified again is still owed.
5. An alert for several closes when all that it stands for is proven. What is proven in part is remembered.

Where two places cannot be told apart, the alert stays open.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .causes import causes_of, details_of
from .model import EVERY_NAME, Items

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
        OpenAlert,
    )

    from .causes import Cause
    from .model import Place
    from .recorder import RunSummary

    Lines = tuple[int, ...]

# Why an alert closed: people rely on these texts.
WORKS = "The task works again."
ANSWERED = "The host answered."
SKIPPED = "The host passed a complete run, in which the task was skipped."
ITEM_GONE = "The host passed a complete run, in which the loop had no such item."
GONE = "The host passed a complete run, and the task is gone from the playbook."
NOT_NEEDED = "The host passed a complete run, in which no rescue was needed."
NOT_FOR_HOST = (
    "The host passed a complete run, in which the play was not for it any more."
)
PASSED = "The host passed a complete run."
COMPLETE = "A complete run came to its end."


@dataclass(frozen=True)
class Verdict:
    """What a run says about one cause.

    :param left: what has still to be proven; None when all of it is.
    :param text: why it is proven; or why it is not, although the host passed a complete run.
    :param foreign: the run was for another inventory, so that its hosts are other machines.
    """

    left: Cause | None
    text: str = ""
    foreign: bool = False


@dataclass(frozen=True)
class Recovery:
    """What a run has done to open alerts.

    :param closed: the alerts that it has closed, and why.
    :param partly_recovered: alerts of which it has proven a part; their details hold the rest.
    :param reasons: for each alert that stays open although its hosts passed, why.
    :param foreign: alerts of which another inventory has hosts of the same names.
    """

    closed: list[tuple[OpenAlert, str]]
    partly_recovered: list[OpenAlert]
    reasons: list[str]
    foreign: list[OpenAlert]


class Law:
    """Decides what a run has proven.

    :param run: what happened in it.
    :param lines_in_file: returns the lines at which the task of a place stands in its file now, or None when that cannot be
        found out.
    :param names_now: returns digests of the variables that decide now whether the place of a cause is worked on.
    :param in_inventory: says whether the inventory has a host, by the digest of its name.
    """

    def __init__(
        self,
        run: RunSummary,
        *,
        lines_in_file: t.Callable[[Place], frozenset[int] | None],
        names_now: t.Callable[[Cause], frozenset[str]],
        in_inventory: t.Callable[[str], bool],
    ) -> None:
        self._run = run
        self._lines_in_file = lines_in_file
        self._names_now = names_now
        self._in_inventory = in_inventory
        self._seen: dict[str, set[Lines]] = {}
        for spots in (run.worked, run.skipped, run.failed_again, run.pretended):
            for _host, key, lines in spots:
                self._seen.setdefault(key, set()).add(lines)
        self._defined: dict[str, set[Lines]] = {}
        for key, lines in run.defined:
            self._defined.setdefault(key, set()).add(lines)

    def judge(self, cause: Cause) -> Verdict:
        """Say what the run has proven of a cause."""
        run = self._run
        if cause.then.sources and not cause.then.sources & run.now.sources:
            return Verdict(cause, foreign=cause.host in run.took_part)
        if cause.status == "aborted":
            return self._judge_aborted(cause)
        if cause.status == "host":
            return Verdict(None, PASSED) if cause.host in run.passed else Verdict(cause)
        if cause.status == "unreachable" and cause.machine:
            if cause.machine in run.reachable:
                return Verdict(None, ANSWERED)
            return self._stays(
                cause, f"{cause.machine_name} has not answered over its own connection"
            )
        return self._judge_place(cause)

    # -- alerts for a run

    def _judge_aborted(self, cause: Cause) -> Verdict:
        run = self._run
        left_out = {
            host for host in cause.hosts - run.took_part if self._in_inventory(host)
        }
        if (
            not run.complete
            or run.limited
            or run.cut_short
            or not run.took_part
            or left_out
            or self._differs(cause, cause.names)
        ):
            return Verdict(cause)
        return Verdict(None, COMPLETE)

    # -- alerts for hosts

    def _judge_place(self, cause: Cause) -> Verdict:
        run, place = self._run, cause.place
        if place is None or place.written not in run.tracked:
            # Another run, beside this one, has added it meanwhile.
            return Verdict(cause)
        left = self._without_direct_proof(cause, place)
        if left is None:
            return Verdict(None, WORKS)
        if left.host not in run.passed or left.status == "unreachable":
            return Verdict(left)
        if self._lines_in_file(place) == frozenset():
            # Whatever the starter of the run chose, this task cannot run any more.
            return Verdict(None, GONE)
        spots = self._spots(place)
        if any((left.host, place.key, lines) in run.failed_again for lines in spots):
            return self._stays(left, f"{left.what} failed again on {left.host_name}")
        if any((left.host, place.key, lines) in run.pretended for lines in spots):
            return self._stays(
                left, f"{left.what} ran in check mode on {left.host_name}"
            )
        if self._differs(left, left.names | self._names_now(left)):
            return self._stays(
                left,
                "an extra variable that decides about"
                f" {left.what} on {left.host_name} has another value than when it failed",
            )
        text = self._why_not_wanted(left, place)
        return Verdict(None, text) if text else self._stays_undone(left)

    def _stays(self, left: Cause, reason: str) -> Verdict:
        passed = left.host in self._run.passed and left.host != ""
        return Verdict(left, reason if passed else "")

    def _stays_undone(self, left: Cause) -> Verdict:
        if left.handler:
            # What it was to do is still owed.
            return self._stays(
                left, f"{left.what} has not run again on {left.host_name}"
            )
        return self._stays(left, f"{left.what} was not reached on {left.host_name}")

    # -- direct proof

    def _without_direct_proof(self, cause: Cause, place: Place) -> Cause | None:
        """Return what is left of a cause when all is taken away that worked in this run."""
        if self._differs(cause, cause.way_names):
            # The same words in the playbook lead to another place.
            return cause
        spots = self._spots(place)
        if not spots:
            return cause
        if cause.run_once and self._ran_once(cause, place, spots):
            return None
        if not cause.items or cause.items_unknown:
            # Of which items it was is not known, so that the loop has to be the same.
            known = not cause.items_unknown or not self._differs(cause, cause.names)
            whole = all(self._worked(cause.host, place, one) for one in spots)
            return None if known and whole else cause
        succeeded = cause.items
        for lines in spots:
            items = self._run.worked.get((cause.host, place.key, lines))
            succeeded = succeeded & (items.succeeded if items else frozenset())
        left = cause.items - succeeded
        return replace(cause, items=left) if left else None

    def _worked(self, host: str, place: Place, lines: Lines) -> Items | None:
        spot = (host, place.key, lines)
        items = self._run.worked.get(spot)
        return None if spot in self._run.failed_again else items

    def _ran_once(self, cause: Cause, place: Place, spots: t.Collection[Lines]) -> bool:
        """Say whether a task that runs on one host for all of them has worked for the host of the cause."""
        runs = {
            (host, batch)
            for key, lines, host, batch in self._run.once
            if key == place.key and lines in spots
        }
        own = [*{host for host, batch in runs if cause.host in batch}]
        # With some strategies every host runs it; then one says nothing about another.
        if len(own) != 1:
            return False
        host = own[0]
        if any((host, place.key, lines) in self._run.failed_again for lines in spots):
            return False
        done = [self._worked(host, place, lines) for lines in spots]
        return not cause.items or any(
            items is not None and cause.items <= items.succeeded for items in done
        )

    # -- proof by a whole run

    def _why_not_wanted(self, cause: Cause, place: Place) -> str:
        """Return why a place was not worked on, if it is not wanted any more; or an empty text."""
        text = self._why_left_out(cause.host, place, cause.items)
        if text or cause.rescued is None or self._was_seen(cause.host, place):
            return text
        # In a rescue section: it is needed only when something failed.
        rescued = cause.rescued
        spots = self._spots(rescued)
        if spots and all(self._worked(cause.host, rescued, lines) for lines in spots):
            return NOT_NEEDED
        return self._why_left_out(cause.host, rescued, frozenset())

    def _why_left_out(self, host: str, place: Place, items: frozenset[str]) -> str:
        for include in place.includes:
            text, goes_on = self._why_not_included(host, include)
            if not goes_on:
                return text
        spots = self._spots(place)
        if not spots:
            return GONE
        if self._is_for_others(host, spots):
            return NOT_FOR_HOST
        if all((host, place.key, lines) in self._run.skipped for lines in spots):
            return SKIPPED
        worked = [self._run.worked.get((host, place.key, lines)) for lines in spots]
        if items and all(
            done is not None and done.every is not None for done in worked
        ):
            every = frozenset().union(*(d.every or () for d in worked if d))
            tried = frozenset().union(*(d.succeeded | d.failed for d in worked if d))
            if not items & tried:
                return SKIPPED if items & every else ITEM_GONE
        return ""

    def _why_not_included(self, host: str, include: Place) -> tuple[str, bool]:
        """Return why what an include holds was left out; and whether it was not, as far as this include goes."""
        spots = self._spots(include)
        if not spots:
            return GONE, False
        if self._is_for_others(host, spots):
            return NOT_FOR_HOST, False
        if all((host, include.key, lines) in self._run.skipped for lines in spots):
            return SKIPPED, False
        worked = [self._run.worked.get((host, include.key, lines)) for lines in spots]
        if any(done is None for done in worked):
            # It was not reached.
            return "", False
        if include.item:
            if any(done is None or done.every is None for done in worked):
                return "", False
            every = frozenset().union(*(d.every or () for d in worked if d))
            tried = frozenset().union(*(d.succeeded | d.failed for d in worked if d))
            if include.item not in tried:
                return (SKIPPED if include.item in every else ITEM_GONE), False
        return "", True

    def _is_for_others(self, host: str, spots: t.Collection[Lines]) -> bool:
        """Say whether the plays are not for the host any more, though nothing that was chosen for this run says so."""
        hosts = [self._run.plays_of.get(lines[-1]) for lines in spots]
        return not self._run.limited and all(
            others is not None and host not in others for others in hosts
        )

    def _was_seen(self, host: str, place: Place) -> bool:
        return any(
            (host, place.key, lines) in spots
            for lines in self._seen.get(place.key, ())
            for spots in (self._run.worked, self._run.skipped, self._run.failed_again)
        )

    # -- narrowing

    def _differs(self, cause: Cause, names: frozenset[str]) -> bool:
        """Say whether one of these variables was chosen otherwise than in the run that failed."""
        changed = cause.then.changed(self._run.now)
        return bool(changed) and (EVERY_NAME in names or bool(changed & names))

    # -- where a place is now

    def _spots(self, place: Place) -> frozenset[Lines]:
        """Return the lines at which a place stands now; none when it is gone.

        Where it stands as it did, those are its own. When the playbook was edited, it may be any that looks like it, so all
        of them count.
        """
        found = self._places_in_playbook(place)
        return frozenset([place.lines]) if place.lines in found else found

    def _places_in_playbook(self, place: Place) -> frozenset[Lines]:
        if not place.includes:
            return frozenset(self._defined.get(place.key, ()))
        if any(not self._spots(include) for include in place.includes[:1]):
            return frozenset()
        in_file = self._lines_in_file(place)
        way = place.lines[1:]
        if all(
            self._spots(include) == frozenset([include.lines])
            for include in place.includes
        ):
            if in_file is None:
                return frozenset([place.lines])
            return frozenset((line, *way) for line in in_file)
        seen = frozenset(self._seen.get(place.key, ()))
        if in_file is None:
            # Wherever it was seen; or where it was, and so it was not reached.
            return seen or frozenset([place.lines])
        unseen = in_file - {lines[0] for lines in seen}
        return frozenset(lines for lines in seen if lines[0] in in_file) | frozenset(
            (line, *way) for line in unseen
        )


def recover(
    alerts: t.Iterable[OpenAlert],
    law: Law,
    *,
    raised: t.Container[str],
    applies: t.Callable[[OpenAlert, Cause], bool],
) -> Recovery:
    """Return what a run has done to open alerts.

    :param raised: keys of the alerts that this very run has raised.
    :param applies: says whether the host of a cause is the same machine in this run, and not one of another namespace.
    """
    found = Recovery([], [], [], [])
    for alert in alerts:
        causes = causes_of(alert)
        verdicts = [
            law.judge(cause) if applies(alert, cause) else Verdict(cause)
            for cause in causes
        ]
        left = [verdict.left for verdict in verdicts if verdict.left is not None]
        if not left and alert.alert_key not in raised:
            texts = dict.fromkeys(verdict.text for verdict in verdicts)
            found.closed.append((alert, " ".join(filter(None, texts)) or PASSED))
            continue
        if left and left != causes:
            details = {**alert.details, **details_of(left)}
            found.partly_recovered.append(replace(alert, details=details))
        if alert.alert_key not in raised:
            reasons = [v.text for v in verdicts if v.left is not None and v.text]
            found.reasons.extend(reasons[:1])
        if any(verdict.foreign for verdict in verdicts):
            found.foreign.append(alert)
    return found


def reasons_line(reasons: t.Sequence[str]) -> str:
    """Return the line that says why alerts stay open although their hosts passed; empty without a reason."""
    if not reasons:
        return ""
    number = "1 alert stays" if len(reasons) == 1 else f"{len(reasons)} alerts stay"
    shown = list(dict.fromkeys(reasons))
    more = f"; and {len(shown) - 3} more" if len(shown) > 3 else ""
    return f"Flashduty: {number} open: {'; '.join(shown[:3])}{more}."
