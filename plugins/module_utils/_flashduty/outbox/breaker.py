# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""Remembers that a database cannot be used, for the rest of a run: to find that out costs seconds.

A run and its workers, which are forks of it, know of each other's findings. They share a page of memory that was made
before the first fork, when this file was imported. It ends with the run, so the next run tries again.
"""

from __future__ import annotations

import hashlib
import mmap

_SLOT = 8
_SIZE = mmap.PAGESIZE


def _shared_memory() -> mmap.mmap | bytearray:
    try:
        return mmap.mmap(-1, _SIZE)
    except OSError:
        # Then each process finds out for itself.
        return bytearray(_SIZE)


_memory = _shared_memory()


def trip(url: str) -> None:
    """Note that the database at a URL cannot be used."""
    mark, free = _mark_of(url), bytes(_SLOT)
    for start in range(0, _SIZE, _SLOT):
        if _memory[start : start + _SLOT] in (mark, free):
            # Of two that write at once one may be lost, and is found out again.
            _memory[start : start + _SLOT] = mark
            return


def is_tripped(url: str) -> bool:
    """Say whether that was noted."""
    marks = bytes(_memory[:])
    mark = _mark_of(url)
    return any(marks[start : start + _SLOT] == mark for start in range(0, _SIZE, _SLOT))


def _mark_of(url: str) -> bytes:
    return hashlib.sha256(url.encode("utf-8", "surrogateescape")).digest()[:_SLOT]
