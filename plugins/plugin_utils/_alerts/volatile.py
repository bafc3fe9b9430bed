# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What differs from run to run by itself: Flashduty drops an event that repeats the last one, so it is evened out."""

from __future__ import annotations

import functools
import re

# Eight characters are what mkstemp and mkdtemp of Python put between any prefix and any suffix.
_RANDOM = r"[a-z0-9_]{8}"
# Where no temporary file is to be expected, digits in its middle tell it from words, versions and dates.
_SURELY_RANDOM = (
    r"(?![a-z_]{8}|[0-9_]{8}|[a-z_]+[0-9]+(?![a-z0-9_])|[0-9]+[a-z_]+(?![a-z0-9_]))"
    rf"{_RANDOM}"
)
_SUFFIX = r"(?:\.[A-Za-z0-9]{1,10}|[-_][A-Za-z]{1,10}|~)?(?![\w-])(?!\.\w)"

_VOLATILE = (
    (r"ansible-tmp-\d+(?:\.\d+)?(?:-\d+)*", "ansible-tmp-…"),
    (r"ansible-local-\w+", "ansible-local-…"),
    (r"(ansible_[\w.]{1,100}?_payload)_\w{6,}", r"\1_…"),
    (rf"(?<=[/._-]tmp){_RANDOM}", "…"),
    # Hidden files, and what is in a folder for temporary ones; a word of eight letters is none of these.
    (rf"(/\.(?:[\w.-]{{0,80}}[._-])){_RANDOM}({_SUFFIX})", r"\1…\2"),
    (
        rf"(/(?:tmp|shm)/(?:[\w.-]{{0,80}}[._-])?)(?![a-z_]{{8}}){_RANDOM}({_SUFFIX})",
        r"\1…\2",
    ),
    (rf"(/[\w.-]{{0,80}}[._-]){_SURELY_RANDOM}({_SUFFIX})(?!/)", r"\1…\2"),
    # What mktemp of a shell makes: ten characters.
    (r"(?<=/tmp\.)[A-Za-z0-9]{10}\b", "…"),
    (r"\bj\d{6,}\.\d+\b", "j…"),
    (r"\b0x[0-9a-f]{8,}\b", "0x…"),
    (r"(?m)^Shared connection to .* closed\.(?:\n|\Z)", ""),
    # Until 2.18, messages of ansible-core show the lines around an error, perhaps with another task's arguments.
    (r"(?s)The error appears to (?:be|have been) in '.*", ""),
)


@functools.cache
def _volatile() -> list[tuple[re.Pattern[str], str]]:
    """Return the patterns, compiled when they are needed first: it takes some milliseconds."""
    return [(re.compile(pattern), replacement) for pattern, replacement in _VOLATILE]


def even_out(text: str) -> str:
    """Return a text without what is another one in every run, such as the names of temporary files."""
    for pattern, replacement in _volatile():
        text = pattern.sub(replacement, text)
    return text.strip()
