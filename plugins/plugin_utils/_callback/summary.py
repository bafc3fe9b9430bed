# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What a person reads at the end of a run: one line, and only if there is something to say."""

from __future__ import annotations

import json
import os
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
        AlertEvent,
    )

    from .._delivery import DeliveryReport


def summary_line(
    *,
    raised: int,
    recovered: int,
    pending: t.Sequence[tuple[int, int]] = (),
    ending: DeliveryReport,
) -> str:
    """Return the line, or an empty text.

    :param pending: for each failure that raised no alert yet, in how many runs it has failed, and how many it takes.
    """
    sentences = []
    if raised or recovered:
        parts = [_count(raised, "alert") + " raised"] if raised else []
        if recovered:
            parts.append(
                f"{recovered} recovered"
                if raised
                else f"{_count(recovered, 'alert')} recovered"
            )
        sentences.append(", ".join(parts))
    if pending:
        counts = ", ".join(f"{n} of {of}" for n, of in sorted(set(pending)))
        sentences.append(f"{_count(len(pending), 'failure')} not raised yet ({counts})")
    if ending.undeliverable:
        reasons = list(
            dict.fromkeys(
                f"{error['message']} {error['hint']}".strip()
                for error in ending.undeliverable
            )
        )
        more = (
            f" (and {_count(len(reasons) - 1, 'other reason')})"
            if len(reasons) > 1
            else ""
        )
        sentences.append(
            f"{len(ending.undeliverable)} refused and kept aside: {reasons[0].rstrip('.')}{more}"
        )
    if ending.waiting:
        why = f" ({short_reason(ending.reason)})" if ending.reason else ""
        sentences.append(
            f"{ending.waiting} not delivered yet{why}, kept in {_short(ending.place)}"
        )
    if ending.dropped:
        sentences.append(
            f"{ending.dropped} dropped, because they had waited too long or were too many"
        )
    return "Flashduty: " + ". ".join(sentences) + "." if sentences else ""


def short_reason(error: t.Mapping[str, t.Any]) -> str:
    """Return a few words for an error: why something is not delivered yet."""
    code, message = str(error.get("code")), str(error.get("message", "")).rstrip(".")
    if code in ("ConnectionFailed", "InvalidConfiguration"):
        return message.rpartition(": ")[2]
    if code == "Timeout":
        return "no answer in time"
    status = f", HTTP {error['http_status']}" if error.get("http_status") else ""
    return f"{code}{status}"


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
