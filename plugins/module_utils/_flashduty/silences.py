# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What a silence is, and what has to change to get the one that is wanted. Pure: no network, no clock.

Source of fields, limits and the meaning of conditions: Flashduty Open API documentation.
"""

from __future__ import annotations

import datetime
import math
import re
import typing as t
from dataclasses import dataclass, replace

from .durations import parse_duration
from .errors import ConfigurationError
from .events import label_text

NAME_LIMIT = 39
COMMENT_LIMIT = 500
OPERATORS = ("IN", "NOTIN")
LABEL_PREFIX = "labels."
# The service takes any other key, too, and such a condition never matches, or with NOTIN always.
CONDITION_KEYS = (
    "severity",
    "status",
    "title",
    "description",
    "integration_id",
    "alert_key",
    "title_rule",
)
SEVERITIES = ("Critical", "Warning", "Info", "Ok")
# Seconds that are this large (the year 5138) are milliseconds.
_FIRST_MILLISECONDS = 100_000_000_000
# The service reads regular expressions with RE2, which has no look-around and no references back.
_NOT_RE2 = re.compile(r"\(\?(?:=|!|<=|<!|P=)|(?<!\\)\\[1-9]")

Condition = dict[str, t.Any]
Filters = list[list[Condition]]


@dataclass(frozen=True)
class Silence:
    """A silence of one channel.

    :param start: seconds since the epoch.
    :param end: seconds since the epoch; a silence without an end is never made.
    :param filters: groups of conditions: one group has to hold, and in it all conditions.
    :param comment: None leaves that of a silence that is there as it is.
    :param discard: whether alerts are dropped instead of being kept and marked.
    """

    channel_id: int
    name: str
    start: int
    end: int
    filters: Filters
    comment: str | None = None
    discard: bool = False

    def as_payload(self) -> dict[str, t.Any]:
        """Return the fields of the calls that create and update."""
        return {
            "channel_id": self.channel_id,
            "rule_name": self.name,
            "description": self.comment or "",
            "time_filter": {"start_time": self.start, "end_time": self.end},
            "filters": self.filters,
            "is_directly_discard": self.discard,
            "is_auto_delete": True,
        }

    def in_channel(self, channel_id: int) -> Silence:
        """Return the same silence for a channel."""
        return replace(self, channel_id=channel_id)


def read_name(value: str) -> str:
    """Return the name of a silence.

    :raises ConfigurationError: when it is empty or too long.
    """
    name = value.strip()
    if not name:
        raise ConfigurationError(
            "name is empty: a silence needs a name, by which it is found again.",
            option="name",
        )
    if len(name) > NAME_LIMIT:
        raise ConfigurationError(
            f"name has {len(name)} characters: Flashduty takes 1 to {NAME_LIMIT} for the name of a silence.",
            option="name",
            hint="It is never cut, because two names with the same beginning would be the same silence.",
        )
    return name


def read_comment(value: str | None) -> str | None:
    """Return the comment.

    :raises ConfigurationError: when it is too long.
    """
    if value is not None and len(value) > COMMENT_LIMIT:
        raise ConfigurationError(
            f"comment has {len(value)} characters: Flashduty takes at most {COMMENT_LIMIT}.",
            option="comment",
        )
    return value


def read_end(duration: t.Any, until: t.Any, *, now: float) -> int:
    """Return when a silence ends, in seconds since the epoch.

    :param duration: the option ``for``.
    :param until: the option ``until``: ISO 8601 with a time zone, a date object, or seconds since the epoch.
    :raises ConfigurationError: when there is not exactly one of them, or it is none that is allowed.
    """
    if (duration is None) == (until is None):
        raise ConfigurationError(
            "A silence needs exactly one of for and until: none is made without an end.",
            option="for",
            hint="For example for: 2h.",
        )
    if until is not None:
        return _until(until, now)
    problem = ""
    try:
        return int(now) + math.ceil(parse_duration(duration))
    except ValueError as exc:
        problem = str(exc)
    raise ConfigurationError(f"for {problem}.", option="for")


def slack_of(duration: t.Any) -> float:
    """Return the seconds that may be missing at the end of a silence that is there already: a tenth of ``for``.

    So the same task changes nothing when it runs again soon. A point in time (None) is kept exactly.
    """
    return 0.0 if duration is None else parse_duration(duration) / 10


def _until(value: t.Any, now: float) -> int:
    end = read_moment(value)
    if end is None:
        raise ConfigurationError(
            "until is not a point in time: it must be a date and time with a time zone, such as"
            " 2026-12-01T04:00:00+08:00, or seconds since 1970-01-01 UTC.",
            option="until",
        )
    if end >= _FIRST_MILLISECONDS:
        raise ConfigurationError(
            "until looks like milliseconds: it must be in seconds since 1970-01-01 UTC.",
            option="until",
        )
    if end <= now:
        raise ConfigurationError(
            "until is in the past: a silence must end later than now.", option="until"
        )
    return int(end)


def read_moment(value: t.Any) -> float | None:
    """Return the seconds since the epoch of a date and time with a time zone, or of a number; else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    if not isinstance(value, datetime.datetime):
        text = str(value).strip()
        if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", text):
            return float(text)
        try:
            # Python before 3.11 does not know the Z.
            value = datetime.datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text))
        except ValueError:
            return None
    return None if value.tzinfo is None else float(value.timestamp())


def read_filters(labels: t.Any, filters: t.Any) -> Filters:
    """Return the conditions that a task describes.

    :param labels: values, or lists of values, by the names of labels: all of them have to match.
    :param filters: groups of conditions as the service has them. The labels have to match in addition to any group.
    :raises ConfigurationError: when there is none, or one that can never match as it is meant.
    """
    common = [
        _condition(
            {"key": LABEL_PREFIX + str(name), "vals": values},
            f"labels.{name}",
            "labels",
        )
        for name, values in (labels or {}).items()
    ]
    if filters is None or filters == []:
        if common:
            return [common]
        raise ConfigurationError(
            "A silence needs labels or filters: without a condition it would silence the whole channel.",
            option="labels",
            hint='To do that on purpose, match every severity: [[{"key": "severity", "vals": ["*"]}]].',
        )
    if not isinstance(filters, list):
        raise _not_filters()
    groups = []
    for number, group in enumerate(filters, 1):
        if not isinstance(group, list) or not group:
            raise _not_filters()
        groups.append(
            common
            + [
                _condition(
                    one, f"Condition {index} of group {number} in filters", "filters"
                )
                for index, one in enumerate(group, 1)
            ]
        )
    return groups


def _not_filters() -> ConfigurationError:
    return ConfigurationError(
        "filters is not a list of groups, each a list of conditions.",
        option="filters",
        hint='For example [[{"key": "severity", "oper": "IN", "vals": ["Info"]}]].',
    )


def _condition(source: t.Any, where: str, option: str) -> Condition:
    if (
        not isinstance(source, dict)
        or set(source) - {"key", "oper", "vals"}
        or "key" not in source
    ):
        raise ConfigurationError(
            f"{where} is not a condition: it must have key and vals, and may have oper.",
            option=option,
        )
    key = _checked_key(source["key"], where, option)
    oper = source.get("oper", "IN")
    if oper not in OPERATORS:
        raise ConfigurationError(
            f"{where} has an oper that does not exist: it must be IN or NOTIN.",
            option=option,
        )
    given = source.get("vals")
    values = [
        label_text(value) for value in (given if isinstance(given, list) else [given])
    ]
    if given is None or not values or None in values or "" in values:
        raise ConfigurationError(
            f"{where} has no value to compare with: it must be a text, or a list of texts that are not empty.",
            option=option,
        )
    texts = [str(value) for value in values]
    for text in texts:
        _check_expression(text, where, option)
        if key in ("severity", "status") and text.isalnum() and text not in SEVERITIES:
            raise ConfigurationError(
                f"{where} compares {key} with what it never is: it must be one of {', '.join(SEVERITIES)}.",
                option=option,
            )
    return {"key": key, "oper": oper, "vals": list(dict.fromkeys(texts))}


def _checked_key(value: t.Any, where: str, option: str) -> str:
    key = str(value)
    label = key[len(LABEL_PREFIX) :] if key.startswith(LABEL_PREFIX) else None
    if key in CONDITION_KEYS or (
        label and label.isprintable() and label == label.strip()
    ):
        return key
    meant = {"alert_severity": "severity", "data_source_id": "integration_id"}.get(
        key, f"labels.{key}" if label is None and key else ""
    )
    raise ConfigurationError(
        f"{where} has a key that does not exist, so it would never match: it must be one of"
        f" {', '.join(CONDITION_KEYS)} or labels. followed by the name of a label.",
        option=option,
        hint=f"Did you mean {meant}?" if meant else "",
    )


def _check_expression(text: str, where: str, option: str) -> None:
    """Refuse a regular expression that the service cannot read: it would never match."""
    if len(text) < 2 or not (text.startswith("/") and text.endswith("/")):
        return
    problem = "uses what RE2 does not know" if _NOT_RE2.search(text) else ""
    try:
        re.compile(text[1:-1])
    except re.error:
        problem = "is none"
    if problem:
        raise ConfigurationError(
            f"{where} has a value between slashes, which is a regular expression for Flashduty, but it {problem}.",
            option=option,
        )


def only_excludes(filters: Filters) -> bool:
    """Say whether a group has nothing but NOTIN: it matches all alerts that lack what is named, so nearly all."""
    return any(all(one["oper"] == "NOTIN" for one in group) for group in filters)


def named(items: t.Iterable[dict[str, t.Any]], name: str) -> list[dict[str, t.Any]]:
    """Return the silences of that name; the service allows several."""
    return [item for item in items if item.get("rule_name") == name]


@dataclass(frozen=True)
class Plan:
    """What is to be done to have a silence.

    :param action: ``none``, ``create`` or ``update``.
    :param silence: the silence as it will be.
    :param existing: the one that is there, as the service lists it.
    """

    action: str
    silence: Silence
    existing: dict[str, t.Any] | None = None

    @property
    def needs_enabling(self) -> bool:
        """Whether somebody has switched off the silence that is there."""
        return self.existing is not None and self.existing.get("status") == "disabled"


def plan(
    wanted: Silence,
    items: t.Sequence[dict[str, t.Any]],
    *,
    now: float,
    slack: float = 0.0,
) -> Plan:
    """Find out what has to change.

    A silence that is there stays as it is when it is enabled, matches the same and lasts long enough. One that lasts
    less is extended and keeps its start. It is never made shorter: somebody else may rely on it.

    :param items: the silences of the channel, as the service lists them.
    :param slack: seconds that may be missing at the end.
    :raises ConfigurationError: when that name is taken by a silence that repeats.
    """
    found = named(items, wanted.name)
    if not found:
        return Plan("create", replace(wanted, comment=wanted.comment or ""))
    if any(item.get("time_filters") for item in found):
        raise ConfigurationError(
            f"There is a silence {wanted.name} in this channel that repeats, which is left alone.",
            option="name",
            hint="Choose another name.",
        )
    plans = [_plan_for(item, wanted, now, slack) for item in found]
    # One that is there already, or else the one that lasts longest.
    return min(
        plans,
        key=lambda one: (one.action != "none", one.needs_enabling, -_end(one.existing)),
    )


def _plan_for(
    item: dict[str, t.Any], wanted: Silence, now: float, slack: float
) -> Plan:
    start, end = _start(item), _end(item)
    is_current = start <= now < end
    lasts = is_current and end >= wanted.end - slack
    silence = replace(
        wanted,
        start=start if is_current else wanted.start,
        end=end if lasts else max(end, wanted.end) if is_current else wanted.end,
        comment=(
            item.get("description", "") if wanted.comment is None else wanted.comment
        ),
    )
    is_same = (
        lasts and item.get("status") != "disabled" and not differences(silence, item)
    )
    return Plan("none" if is_same else "update", silence, item)


def differences(wanted: Silence, item: dict[str, t.Any]) -> list[str]:
    """Name each difference between a silence and what the service has, as ``field is … instead of …``."""
    expected = wanted.as_payload()
    have = {
        **item,
        "filters": _comparable(item.get("filters")),
        # Older versions of the service do not know it.
        "is_auto_delete": item.get("is_auto_delete", True),
        "is_directly_discard": bool(item.get("is_directly_discard")),
        "description": item.get("description") or "",
        "time_filter": {"start_time": _start(item), "end_time": _end(item)},
    }
    expected["filters"] = _comparable(expected["filters"])
    return [
        f"{name} is {have.get(name)} instead of {value}"
        for name, value in expected.items()
        if have.get(name) != value
    ]


def _comparable(filters: t.Any) -> t.Any:
    """Return conditions in an order that makes equal what means the same."""
    try:
        return sorted(
            sorted([one["key"], one["oper"], sorted(one["vals"])] for one in group)
            for group in filters
        )
    except (TypeError, KeyError, AttributeError):
        return filters


def _start(item: dict[str, t.Any] | None) -> int:
    return int(((item or {}).get("time_filter") or {}).get("start_time") or 0)


def _end(item: dict[str, t.Any] | None) -> int:
    return int(((item or {}).get("time_filter") or {}).get("end_time") or 0)


def silences_labels(filters: Filters, fields: t.Mapping[str, str]) -> bool:
    """Say whether conditions match an alert, as far as can be told here: exact values, wildcards, expressions.

    :param fields: the values of the keys of conditions, such as ``severity`` and ``labels.resource``.
    """
    return any(all(_holds(one, fields) for one in group) for group in filters)


def _holds(condition: Condition, fields: t.Mapping[str, str]) -> bool:
    text = fields.get(condition["key"])
    found = text is not None and any(_fits(text, value) for value in condition["vals"])
    return found if condition["oper"] == "IN" else not found


def _fits(text: str, value: str) -> bool:
    if len(value) > 1 and value.startswith("/") and value.endswith("/"):
        return re.search(value[1:-1], text) is not None
    if "*" in value or "?" in value:
        pattern = re.escape(value).replace(r"\*", ".*").replace(r"\?", ".")
        return re.fullmatch(pattern, text, re.DOTALL) is not None
    return text == value
