# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Durations as people write them: ``90m``, ``25h``, ``1h30m``, or a number of seconds."""

from __future__ import annotations

import re
import typing as t

WEEK, DAY, HOUR, MINUTE, SECOND = 604800, 86400, 3600, 60, 1

EXPECTED = "a duration such as 90m, 25h, 7d or 1h30m (units are s, m, h, d and w, the longest first; a number alone is seconds)"
"""What is allowed, for messages."""

# A hundred years: what is longer is a slip, and would leave the range of dates.
LONGEST = 36525.0 * DAY

# People write 36h and 90m, but hardly 3661s.
_LARGEST_NUMBER = 120
_UNITS = {"w": WEEK, "d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND}
_NAMES = {WEEK: "week", DAY: "day", HOUR: "hour", MINUTE: "minute", SECOND: "second"}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_ALONE = re.compile(rf"\s*({_NUMBER})\s*", re.ASCII)
_JOINED = re.compile(
    r"\s*" + "".join(rf"(?:({_NUMBER})\s*{unit}\s*)?" for unit in _UNITS), re.ASCII
)


def parse_duration(value: t.Any) -> float:
    """Read a duration.

    :param value: a text, or a number of seconds.
    :returns: seconds, more than 0.
    :raises ValueError: says what is wrong, as the end of a sentence that begins with the name of the option.
    """
    seconds = _seconds(value)
    if seconds is None:
        raise ValueError(f"is {_shown(value)}: it must be {EXPECTED}")
    # Written so that it holds for nan, too.
    if not seconds > 0:
        raise ValueError(f"is {_shown(value)}: it must be more than 0, {EXPECTED}")
    if seconds > LONGEST:
        raise ValueError(f"is {_shown(value)}: it must be less than 100 years")
    return seconds


def format_duration(seconds: float) -> str:
    """Return a duration in the way people write it in an option; fractions of a second are dropped.

    That is one unit where it takes no large number of it, such as ``25h`` or ``90m``, and else several of them.
    """
    left = max(0, int(seconds))
    for unit, size in _UNITS.items():
        if size < WEEK and left % size == 0 and 0 < left // size <= _LARGEST_NUMBER:
            return f"{left // size}{unit}"
    parts = []
    for unit, size in _UNITS.items():
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"


def describe_duration(seconds: float) -> str:
    """Return a duration for people to read, in its largest unit but weeks, such as ``3 days`` or ``1 hour``."""
    whole = max(0, int(seconds))
    size = next((size for size in (DAY, HOUR, MINUTE) if whole >= size), SECOND)
    number = whole // size
    return f"{number} {_NAMES[size]}{'' if number == 1 else 's'}"


def _seconds(value: t.Any) -> float | None:
    """Return the seconds of what has the form of a duration, or None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return _as_float(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    negative = text.startswith("-")
    if negative:
        text = text[1:]
    alone = _ALONE.fullmatch(text)
    if alone:
        seconds = _as_float(alone.group(1))
    else:
        joined = _JOINED.fullmatch(text)
        if joined is None or not any(joined.groups()):
            return None
        seconds = sum(
            _as_float(number) * size
            for number, size in zip(joined.groups(), _UNITS.values())
            if number
        )
    return -seconds if negative else seconds


def _as_float(number: str | float) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf")


def _shown(value: t.Any) -> str:
    return repr(value[:40]) if isinstance(value, str) else repr(value)[:40]
