# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""How many requests the rate limit allows now. Pure arithmetic.

A request counts from its claim until a second, and a minute, after it began to leave the limit. That is the time that
the fastest answer takes before its end. Nobody knows when in between it reached the service. But the part of its way that
came after that, and the part of a later request's way that comes before, take at least as long as the fastest answer. So
two that follow one another in the limit reach the service a whole second apart, and it never sees more than the limit, in
whichever second it counts; however long an answer takes, the limit is reached. Only many answers tell what the fastest
takes: until they have come, a request counts until a second, and a minute, after its end.

Requests are counted in buckets: by the tenth of a second in which they began to leave, rounded up.
"""

from __future__ import annotations

import math
import typing as t

# Seconds in which the whole limit counts; a tenth of it counts in any one second.
WINDOW = 60.0
_BUCKETS_A_SECOND = 10
# Seconds until it is worth asking again while requests are under way: when they end is not known.
_WHILE_UNDER_WAY = 0.05
_SHORTEST_PAUSE = 0.01


def bucket_of(now: float) -> float:
    """Return the bucket in which a request counts that begins to leave now, in seconds since the epoch."""
    return math.ceil(now * _BUCKETS_A_SECOND) / _BUCKETS_A_SECOND


def allowance(
    rate_limit: int,
    *,
    now: float,
    under_way: int,
    leaving: t.Sequence[tuple[float, int]],
) -> tuple[int, float]:
    """Return how many requests may begin now, and if none, in how many seconds to ask again.

    :param rate_limit: requests a minute.
    :param now: seconds since the epoch.
    :param under_way: requests that have begun and not ended.
    :param leaving: bucket and number of the requests that are leaving, the latest bucket first.
    """
    pauses = [_SHORTEST_PAUSE]
    allowed = rate_limit
    for limit, window in ((max(1, rate_limit // 10), 1.0), (rate_limit, WINDOW)):
        room = limit - under_way
        if room <= 0:
            pauses.append(_WHILE_UNDER_WAY)
        for bucket, count in leaving:
            if room <= 0 or bucket <= now - window:
                break
            room -= count
            if room <= 0:
                pauses.append(bucket + window - now)
        allowed = min(allowed, room)
    return (allowed, 0.0) if allowed > 0 else (0, max(pauses))
