# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Durations as people write them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.durations import (
    describe_duration,
    format_duration,
    parse_duration,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3s", 3),
        ("90m", 5400),
        ("25h", 90000),
        ("7d", 604800),
        ("2w", 1209600),
        ("1h30m", 5400),
        ("1w2d3h4m5s", 788645),
        (" 1h 30m ", 5400),
        ("1.5h", 5400),
        ("0.5", 0.5),
        ("90", 90),
        (90, 90),
        (0.25, 0.25),
    ],
)
def test_what_people_write(text: t.Any, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "h",
        "5x",
        "5 minutes",
        "5M",
        "5ms",
        "1h30",
        "30m1h",
        "1h1h",
        "1,5h",
        "1e3",
        "٣h",
        "PT1H",
        "never",
        True,
        None,
        [],
        {"h": 1},
        float("nan"),
    ],
)
def test_what_is_no_duration_is_refused_with_what_is_allowed(value: t.Any) -> None:
    with pytest.raises(ValueError, match=r"^is .*: it must be .*90m.*s, m, h, d and w"):
        parse_duration(value)


@pytest.mark.parametrize("value", ["0", "0s", "0h0m", 0, "-1h", "-5", -1, "-1h30m"])
def test_no_time_and_less_than_that_are_refused(value: t.Any) -> None:
    with pytest.raises(ValueError, match="it must be more than 0"):
        parse_duration(value)


@pytest.mark.parametrize("value", ["9999999w", 10**400, float("inf"), "9" * 400])
def test_more_than_a_life_is_refused(value: t.Any) -> None:
    with pytest.raises(ValueError, match="less than 100 years"):
        parse_duration(value)


def test_what_is_shown_of_a_long_value_is_short() -> None:
    with pytest.raises(ValueError, match="is 'x{40}':"):
        parse_duration("x" * 10_000)


@given(st.integers(1, 36525 * 86400))
def test_what_is_written_reads_as_the_same(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.text() | st.floats() | st.integers())
def test_anything_is_a_duration_or_a_clear_error(value: t.Any) -> None:
    try:
        seconds = parse_duration(value)
    except ValueError as exc:
        assert str(exc).startswith("is ")
    else:
        assert 0 < seconds <= 36525 * 86400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (-3, "0s"),
        (5400.9, "90m"),
        (90000, "25h"),
        (604800, "7d"),
        (26 * 604800, "26w"),
        (3661, "1h1m1s"),
    ],
)
def test_a_duration_in_the_words_of_an_option(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 seconds"),
        (1.9, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (7199, "1 hour"),
        (86400, "1 day"),
        (21 * 86400, "21 days"),
    ],
)
def test_a_duration_in_the_words_of_people(seconds: float, text: str) -> None:
    assert describe_duration(seconds) == text
