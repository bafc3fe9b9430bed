# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

from __future__ import annotations


class ModuleDocFragment:
    """The options of modules that deliver what they have put into the outbox."""

    # For what delivers what it has put into the outbox.
    DELIVERING = r"""
options:
  wait:
    description:
      - For how many seconds delivery is tried at most. The task ends earlier when nothing is left to be delivered.
      - What fails for a reason that may pass is tried again in this time, so O(retries) does not count here. What is not
        delivered at the end waits in the outbox, and the task fails.
    type: float
    default: 60
  max_in_flight:
    description:
      - How many requests are under way at a time. It is V(32) where it is not set.
    type: int
  rate_limit:
    description:
      - How many requests are made in a minute at most, and at most a tenth of them in one second. V(0) is no limit. It
        is V(900) where it is not set.
    type: int
"""
