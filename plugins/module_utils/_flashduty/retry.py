# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""When to try again: pure arithmetic, without a clock and without a network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RetryPolicy:
    """How often, and after which waits, a request is repeated.

    The service's documentation asks for exponential back-off on 429 and 5xx, the first wait one second, three
    retries (source: Flashduty Alert Event API documentation).

    :param retries: further attempts after the first one.
    :param first_wait: seconds before the first retry; each further wait is twice as long.
    :param longest_wait: seconds; no single wait is longer, and a server that asks for more is not waited for.
    """

    retries: int = 3
    first_wait: float = 1.0
    longest_wait: float = 60.0

    def wait(
        self, attempt: int, *, retry_after: float | None, jitter: float
    ) -> float | None:
        """Return the seconds to wait after a failed attempt, or None to give up.

        Given up in this order: no attempt is left; the server asks for a longer wait than is bearable. Else the
        server's own wait counts, and without one the back-off does. Up to a quarter is added to either, so that
        many waiting clients do not return in the same moment.

        :param attempt: the number of the attempt that has just failed, from 1.
        :param retry_after: seconds that the server asked to wait, or None.
        :param jitter: a random number from 0 up to 1.
        """
        if attempt > self.retries:
            return None
        if retry_after is not None and retry_after > self.longest_wait:
            return None
        return self.back_off(attempt, retry_after=retry_after, jitter=jitter)

    def back_off(
        self, attempt: int, *, retry_after: float | None, jitter: float
    ) -> float:
        """Return the seconds to wait before the next attempt, for somebody who never gives up."""
        if retry_after is not None:
            seconds = retry_after
        else:
            # The exponent is bounded: 2 ** 10,000 is no float.
            seconds = min(
                self.first_wait * 2 ** min(attempt - 1, 16), self.longest_wait
            )
        return seconds * (1 + jitter / 4)
