# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How time grows with the length of a text."""

from __future__ import annotations

import time
import typing as t


def grows_with_length(work: t.Callable[[str], object], unit: str) -> bool:
    """Say whether work on a text takes as much longer as the text is longer, and no more.

    Where others use the machine, a single look may be wrong.

    :param unit: repeated, it is the text.
    """

    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        started = time.process_time()
        work(text)
        return time.process_time() - started

    # Four times the length takes four times as long; what grows with its square would take sixteen times.
    return any(seconds(100_000) < max(0.3, 10 * seconds(25_000)) for _look in range(4))
