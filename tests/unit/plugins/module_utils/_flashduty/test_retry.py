# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arithmetic of waiting."""

from __future__ import annotations

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.retry import (
    RetryPolicy,
)
from hypothesis import given
from hypothesis import strategies as st


def waits(
    policy: RetryPolicy, attempts: int, jitter: float = 0.0
) -> list[float | None]:
    return [
        policy.wait(attempt, retry_after=None, jitter=jitter)
        for attempt in range(1, attempts + 1)
    ]


def test_the_first_wait_is_a_second_and_each_further_one_twice_as_long() -> None:
    assert waits(RetryPolicy(), 4) == [1, 2, 4, None]


def test_no_retries_mean_no_wait() -> None:
    assert waits(RetryPolicy(retries=0), 1) == [None]


def test_a_wait_does_not_grow_without_end() -> None:
    assert waits(RetryPolicy(retries=10_000), 10_000)[-3:] == [60, 60, 60]


def test_chance_adds_a_quarter_at_most() -> None:
    assert waits(RetryPolicy(), 3, jitter=0.999) == pytest.approx([1.25, 2.5, 5], 0.001)


def test_the_server_knows_better() -> None:
    policy = RetryPolicy()

    assert policy.wait(1, retry_after=7, jitter=0) == 7
    assert policy.wait(3, retry_after=0, jitter=0) == 0
    assert policy.wait(1, retry_after=60, jitter=0) == 60


def test_a_server_that_asks_for_too_much_is_not_waited_for() -> None:
    assert RetryPolicy().wait(1, retry_after=61, jitter=0) is None


def test_the_last_attempt_is_the_last_whatever_the_server_says() -> None:
    assert RetryPolicy(retries=1).wait(2, retry_after=1, jitter=0) is None


def test_who_never_gives_up_waits_as_long_as_the_server_asks() -> None:
    assert RetryPolicy().back_off(9, retry_after=600, jitter=0) == 600
    assert RetryPolicy(longest_wait=30).back_off(9, retry_after=None, jitter=0) == 30


@given(
    attempt=st.integers(1, 10**9),
    retry_after=st.none() | st.floats(0, 10**9),
    jitter=st.floats(0, 1, exclude_max=True),
)
def test_a_wait_is_never_shorter_than_asked_for_and_never_endless(
    attempt: int, retry_after: float | None, jitter: float
) -> None:
    policy = RetryPolicy(retries=10**9)

    wait = policy.wait(attempt, retry_after=retry_after, jitter=jitter)

    assert wait is None or (retry_after or 0) <= wait <= 75
