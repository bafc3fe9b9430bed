# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Where time and chance come from."""

from __future__ import annotations

import random
import time
import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """Where time and chance come from; tests bring their own.

    :param now: seconds since the epoch.
    :param monotonic: seconds since some moment, never set back.
    :param sleep: waits for a number of seconds.
    :param jitter: a random number from 0 up to 1.
    """

    now: t.Callable[[], float] = time.time
    monotonic: t.Callable[[], float] = time.monotonic
    sleep: t.Callable[[float], None] = time.sleep
    jitter: t.Callable[[], float] = random.random


SYSTEM_CLOCK = Clock()
