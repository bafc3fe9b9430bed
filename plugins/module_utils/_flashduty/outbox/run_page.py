# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""What a run and its workers, which are forks of it, tell one another, in a page of memory that they share.

The page was made before the first fork, when this file was imported. It ends with the run, so the next run knows nothing of
it: it tries a database again that could not be used.
"""

from __future__ import annotations

import hashlib
import mmap

_SLOT = 8
_SIZE = mmap.PAGESIZE
# The first slot says whether anything was written; the others have the databases that cannot be used.
_WRITTEN = b"written\0"


def _shared_memory() -> mmap.mmap | bytearray:
    try:
        return mmap.mmap(-1, _SIZE)
    except OSError:
        # Then each process finds out for itself.
        return bytearray(_SIZE)


_memory = _shared_memory()


def trip(url: str) -> None:
    """Note that the database at a URL cannot be used: to find that out costs seconds."""
    mark, free = _mark_of(url), bytes(_SLOT)
    for start in range(_SLOT, _SIZE, _SLOT):
        if _memory[start : start + _SLOT] in (mark, free):
            # Of two that write at once one may be lost, and is found out again.
            _memory[start : start + _SLOT] = mark
            return


def is_tripped(url: str) -> bool:
    """Say whether that was noted."""
    marks = bytes(_memory[:])
    mark = _mark_of(url)
    return any(
        marks[start : start + _SLOT] == mark for start in range(_SLOT, _SIZE, _SLOT)
    )


def note_write() -> None:
    """Note that there is something new in an outbox, or is about to be."""
    _memory[:_SLOT] = _WRITTEN


def was_written() -> bool:
    """Say whether that was noted since it was forgotten, or may have been where nothing is shared."""
    return isinstance(_memory, bytearray) or _memory[:_SLOT] == _WRITTEN


def forget_writes() -> None:
    """Forget what was noted of writes."""
    _memory[:_SLOT] = bytes(_SLOT)


def _mark_of(url: str) -> bytes:
    return hashlib.sha256(url.encode("utf-8", "surrogateescape")).digest()[:_SLOT]
