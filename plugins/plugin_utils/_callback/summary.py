# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What a person reads at the end of a run: a line for each kind of news, and none if there is nothing to say. Pure."""

from __future__ import annotations

import json
import os
import re
import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
        AlertEvent,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
        OpenAlert,
    )

    from .._alerts.tracker import AlertTracker
    from .._delivery import DeliveryReport

Error = t.Mapping[str, t.Any]

_HOUSEKEEPING = "ansible-playbook flashcat.flashduty.housekeeping"
_UNREACHABLE = re.compile(r"Cannot reach (?P<address>\S+): (?P<reason>.*)", re.DOTALL)
_REFUSAL = re.compile(
    r"Flashduty refused the event with (?P<code>\S+ \(.*?\))(?:: (?P<said>.*))?",
    re.DOTALL,
)
_ADDRESS = re.compile(r"https?://\S+")


@dataclass(frozen=True)
class OtherKey:
    """What the outbox holds for an integration key that is not in force.

    :param server: host and port that it is meant for; empty where that is not known.
    :param waiting: events that are not delivered yet.
    :param open_alerts: alerts that are open.
    """

    server: str
    waiting: int
    open_alerts: int


@dataclass(frozen=True)
class News:
    """What a run has to tell, as far as people want to know. A new kind of news is a field, and a function in ``_KINDS``.

    :param raised: the keys of alerts that this run has raised, and that were not open before.
    :param still_open: the keys of those that it has raised once more.
    :param recovered: the keys of those that it has closed.
    :param pending: for each failure that raised no alert yet, in how many runs it has failed, and how many it takes.
    :param stays_open: sentences that say what stays open although its host has passed, and why.
    :param waiting: the keys of all events that are not delivered yet, with the key in force.
    :param reason: why they are not, as the latest error in plain data, or None.
    :param undeliverable: keys and errors of events that were refused for good, and that nobody was told of.
    :param dropped: the number of events that were dropped because they were too old or too many.
    :param place: where what waits is kept.
    :param others: what belongs to other keys.
    """

    raised: t.Collection[str] = ()
    still_open: t.Collection[str] = ()
    recovered: t.Collection[str] = ()
    pending: t.Sequence[tuple[int, int]] = ()
    stays_open: t.Sequence[str] = ()
    waiting: t.Collection[str] = ()
    reason: Error | None = None
    undeliverable: t.Sequence[tuple[str, Error]] = ()
    dropped: int = 0
    place: str = ""
    others: t.Sequence[OtherKey] = ()


def news_of(
    report: DeliveryReport,
    tracker: AlertTracker | None,
    *,
    closed: t.Iterable[OpenAlert],
) -> News:
    """Return what there is to tell at the end of a run.

    :param report: what became of what was to be delivered.
    :param tracker: the alerts of the run, if there was anything to do with them.
    :param closed: the alerts about earlier runs that this one has closed.
    """
    still_open = tracker.still_open_keys if tracker else set()
    recovered = {alert.alert_key for alert in closed}
    return News(
        raised=tracker.raised_keys - still_open if tracker else (),
        still_open=still_open,
        recovered=recovered | (tracker.recovered_keys if tracker else set()),
        pending=tracker.pending if tracker else (),
        stays_open=(
            [tracker.stays_open.removeprefix("Flashduty: ")]
            if tracker and tracker.stays_open
            else ()
        ),
        waiting=report.waiting,
        reason=report.reason,
        undeliverable=report.undeliverable,
        dropped=report.dropped,
        place=report.place,
        others=[
            OtherKey(one.server, one.waiting, one.open_alerts) for one in report.others
        ],
    )


def summary_lines(news: News) -> list[str]:
    """Return the lines: what did not arrive first, since it is not counted among what did."""
    return [f"Flashduty: {line}" for kind in _KINDS for line in kind(news)]


def quiet_line(*, open_alerts: int, oldest: str) -> str:
    """Return what ``-v`` shows when there is nothing to report.

    :param open_alerts: the number of alerts that are open.
    :param oldest: for how long the oldest of them has been open, in words.
    """
    line = "Flashduty: enabled, nothing to report"
    if open_alerts:
        line += f", {_count(open_alerts, 'alert')} open (the oldest for {oldest})"
    return f"{line}."


def _not_delivered(news: News) -> t.Iterator[str]:
    mine = _own(news)
    late = mine.intersection(news.waiting)
    earlier = set(news.waiting) - mine
    parts = []
    if late:
        parts.append(f"{len(late)} of {_count(len(mine), 'alert')} NOT delivered")
    if earlier:
        parts.append(
            f"{_count(len(earlier), 'event')} from before"
            + ("" if late else " NOT delivered")
        )
    if parts:
        why = short_reason(news.reason) if news.reason else "no answer yet"
        pronoun = "it waits" if len(late) + len(earlier) == 1 else "they wait"
        yield (
            f"{' and '.join(parts)}: {why}. The next run tries again; {pronoun} in {_short(news.place)}."
        )


def _refused(news: News) -> t.Iterator[str]:
    reasons: dict[str, set[str]] = {}
    for key, error in news.undeliverable:
        reasons.setdefault(_refusal(error), set()).add(key)
    mine = _own(news)
    for reason, keys in reasons.items():
        noun = "alert" if keys <= mine else "event"
        cause = "key" if "integration_key" in reason else "cause"
        yield (
            f"{_count(len(keys), noun)} REFUSED: {reason}. Mend the {cause}, then: {_HOUSEKEEPING} -e retry=true"
        )


def _counts(news: News) -> t.Iterator[str]:
    lost = {*news.waiting, *(key for key, _error in news.undeliverable)}
    parts: list[str] = []
    for keys, did in (
        (news.raised, "raised"),
        (news.still_open, "still open"),
        (news.recovered, "recovered"),
    ):
        number = len(set(keys) - lost)
        if number:
            parts.append(f"{number if parts else _count(number, 'alert')} {did}")
    if parts:
        yield ", ".join(parts) + "."


def _pending(news: News) -> t.Iterator[str]:
    if news.pending:
        counts = ", ".join(f"{n} of {of}" for n, of in sorted(set(news.pending)))
        yield f"{_count(len(news.pending), 'failure')} not raised yet ({counts})."


def _stays_open(news: News) -> t.Iterator[str]:
    yield from news.stays_open


def _dropped(news: News) -> t.Iterator[str]:
    if news.dropped:
        yield f"{_count(news.dropped, 'event')} dropped, because they had waited too long or were too many."


def _of_other_keys(news: News) -> t.Iterator[str]:
    waiting = sum(one.waiting for one in news.others)
    open_alerts = sum(one.open_alerts for one in news.others)
    parts = []
    if waiting:
        parts.append(
            f"{_count(waiting, 'event')} {'waits' if waiting == 1 else 'wait'}"
        )
    if open_alerts:
        parts.append(
            f"{_count(open_alerts, 'alert')} {'is' if open_alerts == 1 else 'are'} open"
        )
    if parts:
        servers = sorted({one.server for one in news.others if one.server})
        where = f" ({', '.join(servers)})" if servers else ""
        yield (
            f"{' and '.join(parts)} for another integration key than the one in force{where}."
            " Let flashcat.flashduty.outbox_flush adopt or discard them."
        )


_KINDS: tuple[t.Callable[[News], t.Iterator[str]], ...] = (
    _not_delivered,
    _refused,
    _counts,
    _pending,
    _stays_open,
    _dropped,
    _of_other_keys,
)


def _own(news: News) -> set[str]:
    """Return the keys of the alerts that this run has sent anything for."""
    return {*news.raised, *news.still_open, *news.recovered}


def short_reason(error: Error) -> str:
    """Return a few words for an error: why something is not delivered yet."""
    code, message = str(error.get("code")), str(error.get("message", "")).rstrip(".")
    if code in ("ConnectionFailed", "InvalidConfiguration"):
        found = _UNREACHABLE.fullmatch(message)
        return f"{found['reason']} at {found['address']}" if found else message
    if code == "Timeout":
        address = _ADDRESS.search(message)
        return "no answer in time" + (f" from {address[0]}" if address else "")
    status = f", HTTP {error['http_status']}" if error.get("http_status") else ""
    return f"{code}{status}"


def _refusal(error: Error) -> str:
    """Return what Flashduty said against an event."""
    message = str(error.get("message", "")).rstrip(".")
    found = _REFUSAL.fullmatch(message)
    return (found["said"] or found["code"]) if found else message


def preview(events: t.Sequence[AlertEvent], *, in_full: bool) -> list[str]:
    """Return the lines of a dry run: what would have been sent."""
    lines = [f"Flashduty (dry run): {_count(len(events), 'event')} would be sent."]
    for event in events:
        lines.append(f"  {event.event_status}: {event.title_rule} [{event.alert_key}]")
        if in_full:
            text = json.dumps(event.payload(), indent=2, ensure_ascii=False)
            lines.extend("    " + line for line in text.splitlines())
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _short(path: str) -> str:
    home = os.path.expanduser("~")
    return "~" + path[len(home) :] if path.startswith(home + os.sep) else path
