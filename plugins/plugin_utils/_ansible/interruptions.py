# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Where a signal has come into the work of ansible-core."""

from __future__ import annotations

import types

# Printing, masking and importing take locks that know nothing of the thread that has them already, or fail when they are
# begun once more in the middle. What runs around a fork has all of them.
_CANNOT_BE_BEGUN_TWICE = frozenset(
    {
        "ansible.module_utils._internal._concurrent._fork_safe_lock",
        "ansible.module_utils._internal._secrets",
        "ansible.utils.display",
        "importlib._bootstrap",
        "multiprocessing.popen_fork",
    }
)


def came_into_what_an_alert_needs(frame: types.FrameType | None) -> bool:
    """Say whether a signal has come in the middle of something that a handler must not begin once more.

    :param frame: where it has come, as handlers are told.
    """
    while frame is not None:
        if frame.f_globals.get("__name__") in _CANNOT_BE_BEGUN_TWICE:
            return True
        frame = frame.f_back
    return False
