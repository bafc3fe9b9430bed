# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Ask for alerts: in windows as long as the service allows, page by page. Pure: the calls are the caller's.

Source of fields and limits: Flashduty Open API documentation.
"""

from __future__ import annotations

import re
import time
import typing as t
from dataclasses import dataclass

from .durations import parse_duration
from .errors import ConfigurationError, UnexpectedResponse
from .events import label_text
from .silences import read_moment

LONGEST_WINDOW = 31 * 86400
# An alert of which nothing was heard for longer than that is not asked for, unless a task says so.
USUAL_AGE = 90 * 86400
# As a duration, it would be 31 years.
_FIRST_EPOCH = 1_000_000_000
PAGE = 100
CONSOLE = "https://app.flashcat.cloud"

Ask = t.Callable[[dict[str, t.Any]], t.Any]


@dataclass(frozen=True)
class Query:
    """Which alerts are asked for.

    :param since: seconds since the epoch: alerts that were updated at or after that.
    :param labels: the values that are allowed, by the names of labels; the service cannot compare them.
    """

    since: float
    only_open: bool = True
    keys: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    channel_id: int | None = None
    labels: t.Mapping[str, frozenset[str]] | None = None


def read_since(value: t.Any, *, now: float) -> float:
    """Return the beginning of the time that is asked for.

    :param value: a duration before now, a date and time with a time zone, or seconds since the epoch. None is 90 days.
    :raises ConfigurationError: when it is neither.
    """
    if value is None:
        return now - USUAL_AGE
    problem = ""
    moment = read_moment(value)
    if moment is None or (moment < _FIRST_EPOCH and not _has_date(value)):
        try:
            return now - parse_duration(value)
        except ValueError as exc:
            problem = str(exc)
    elif 0 <= moment <= now:
        return moment
    else:
        problem = "is in the future: it must be a duration such as 12h"
    raise ConfigurationError(
        f"since {problem}, or a date and time with a time zone, such as 2026-12-01T04:00:00+08:00.",
        option="since",
    )


def _has_date(value: t.Any) -> bool:
    return "-" in str(value).lstrip("-")


def read_labels(labels: t.Mapping[str, t.Any] | None) -> dict[str, frozenset[str]]:
    """Return the values that are allowed for each label.

    :raises ConfigurationError: when a value is neither a scalar nor a list of scalars.
    """
    allowed: dict[str, frozenset[str]] = {}
    for name, given in (labels or {}).items():
        values = [
            label_text(one) for one in (given if isinstance(given, list) else [given])
        ]
        if not values or None in values or given is None:
            raise ConfigurationError(
                f"labels.{name} is not a value to compare with: it must be a text, or a list of texts.",
                option="labels",
            )
        allowed[str(name)] = frozenset(str(value) for value in values)
    return allowed


def windows(since: float, now: float) -> t.Iterator[tuple[int, int]]:
    """Divide a span of time into windows that the service takes, the latest first. Both ends belong to a window."""
    # An alert may be newer than this machine's clock.
    end = int(now) + 60
    start = int(since)
    while True:
        begin = max(start, end - LONGEST_WINDOW)
        yield begin, end
        if begin <= start:
            return
        end = begin


def find(query: Query, ask: Ask, *, now: float) -> t.Iterator[dict[str, t.Any]]:
    """Return the alerts as the service lists them, those with the latest update first.

    :param ask: makes one call of ``/alert/list`` and returns ``data``.
    """
    seen: set[str] = set()
    for start, end in windows(query.since, now):
        for keys in _in_parts(query.keys):
            for item in _pages(_payload(query, start, end, keys), ask):
                number = str(item.get("alert_id"))
                if number not in seen and _has_labels(item, query.labels or {}):
                    seen.add(number)
                    yield item


def _in_parts(keys: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [keys[at : at + PAGE] for at in range(0, len(keys), PAGE)] or [()]


def _payload(
    query: Query, start: int, end: int, keys: tuple[str, ...]
) -> dict[str, t.Any]:
    payload: dict[str, t.Any] = {
        "start_time": start,
        "end_time": end,
        "by_updated_at": True,
        "orderby": "updated_at",
        "asc": False,
        "limit": PAGE,
    }
    if query.only_open:
        payload["is_active"] = True
    if keys:
        payload["alert_keys"] = list(keys)
    if query.severities:
        payload["alert_severity"] = ",".join(query.severities)
    if query.channel_id is not None:
        payload["channel_ids"] = [query.channel_id]
    return payload


def _pages(payload: dict[str, t.Any], ask: Ask) -> t.Iterator[dict[str, t.Any]]:
    cursor = ""
    while True:
        data = ask({**payload, "search_after_ctx": cursor} if cursor else payload)
        yield from data.get("items") or ()
        last, cursor = cursor, str(data.get("search_after_ctx") or "")
        if not data.get("has_next_page"):
            return
        if not cursor or cursor == last:
            # It would be asked for ever; and a list that is too short would be taken for the whole.
            raise UnexpectedResponse(
                "Flashduty's list of alerts goes on, but it does not say where.",
                hint="Narrow the question, and tell Flashduty's support.",
                http_status=200,
                retryable=False,
            )


def _has_labels(
    item: t.Mapping[str, t.Any], wanted: t.Mapping[str, frozenset[str]]
) -> bool:
    labels = item.get("labels") or {}
    return all(labels.get(name) in values for name, values in wanted.items())


def describe(item: t.Mapping[str, t.Any], *, console: str) -> dict[str, t.Any]:
    """Return an alert as tasks return it.

    :param console: the address of the web console, for the link to the incident.
    """
    incident = item.get("incident") or {}
    number = incident.get("incident_id")
    return {
        "key": item.get("alert_key"),
        "alert_id": item.get("alert_id"),
        "title": item.get("title"),
        "description": item.get("description") or "",
        "severity": item.get("alert_severity"),
        "status": item.get("alert_status"),
        "open": not item.get("end_time"),
        "started": _as_utc(item.get("start_time")),
        "last": _as_utc(item.get("last_time")),
        "ended": _as_utc(item.get("end_time")),
        "labels": dict(item.get("labels") or {}),
        "event_count": item.get("event_cnt") or 0,
        "silenced": bool(item.get("ever_muted")),
        "channel": item.get("channel_name"),
        "channel_id": item.get("channel_id"),
        "integration": item.get("integration_name"),
        "incident": (
            {
                "id": number,
                "title": incident.get("title"),
                "progress": incident.get("progress"),
                "link": f"{console}/incident/detail/{number}",
            }
            if number
            else None
        ),
    }


def console_of(api_url: str) -> str:
    """Return the address of the web console. That of a private deployment is taken for that of its API."""
    return re.sub(
        r"^https://api\.flashcat\.cloud(?::443)?$", CONSOLE, api_url.rstrip("/")
    )


def _as_utc(seconds: t.Any) -> str | None:
    return (
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)) if seconds else None
    )
