# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Texts from anywhere: made harmless for terminals, logs and Flashduty's templates, and cut."""

from __future__ import annotations

import re

ELLIPSIS = "…"

# What a terminal takes for a command.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours and cursor movements
    r"|\x1b\][^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"  # window titles, links
    r"|\x9d[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]+[0-~]|\x1b[0-~]"
)
# Control characters but tab and line feed, those that change the direction of what follows, and those that nobody sees.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u180e\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
_LONE_SURROGATES = re.compile("[\ud800-\udfff]+")
# An invisible character that joins words: it ends a template of Flashduty before it begins.
WORD_JOINER = "\u2060"
_TEMPLATES = re.compile(r"\$(?=[A-Za-z_{])|\[(?=(?:TPL|MD)\])", re.IGNORECASE)
_MARKS = re.compile(
    r"\$(?:[A-Za-z_][A-Za-z0-9_]*|\{)|\[(?:TPL|MD)\]|\{\{", re.IGNORECASE
)
_BRACES = re.compile(r"\{(?=\{)")


def clean_text(text: object) -> str:
    """Return a text without escapes, control characters and what cannot be encoded. Lines end with a line feed."""
    text = str(text).replace("\r\n", "\n").replace("\r", "\n")
    if "\x1b" in text or "\x9b" in text or "\x9d" in text:
        text = _ESCAPES.sub("", text)
    # What Python could not decode it keeps as lone surrogates, which cannot be encoded again.
    return _LONE_SURROGATES.sub("\ufffd", _CONTROLS.sub("", text))


def inert(text: str, *, braces: bool = True) -> str:
    """Return a text in which nothing is a template of Flashduty's. To be done last: cleaning would undo it.

    :param braces: whether ``{{`` counts. In the name of a task as it is written it is Ansible's.
    """
    text = _TEMPLATES.sub(_join, text)
    return _BRACES.sub(_join, text) if braces else text


def inert_from_outside(text: str, written: str) -> str:
    """Return a text in which nothing is a template that its author has not written.

    :param written: what the author has written, with whatever is around it.
    """
    known = written.lower()
    return _MARKS.sub(
        lambda match: (
            match.group()
            if match.group().lower() in known
            else match.group()[0] + WORD_JOINER + match.group()[1:]
        ),
        text,
    )


def _join(match: re.Match[str]) -> str:
    return match.group() + WORD_JOINER


def cut_end(text: str, limit: int) -> str:
    """Return the text, cut to a number of characters, the last one an ellipsis where something is missing."""
    return text if len(text) <= limit else text[: limit - 1] + ELLIPSIS


def cut_middle(text: str, limit: int, *, mark: str = f"\n{ELLIPSIS}\n") -> str:
    """Return the text, cut to a number of characters: its middle goes, since beginning and end say most."""
    if len(text) <= limit:
        return text
    head = (limit - len(mark)) * 3 // 5
    return text[:head] + mark + text[len(text) - (limit - len(mark) - head) :]


def cut_start(text: str, limit: int) -> str:
    """Return the last characters of a text, the first one an ellipsis where something is missing."""
    return text if len(text) <= limit else ELLIPSIS + text[len(text) - limit + 1 :]


def cut_names(names: list[str], limit: int, *, separator: str = ",") -> str:
    """Return names in one text of at most some characters: whole ones, then how many more there are."""
    text = separator.join(names)
    if len(text) <= limit:
        return text
    kept: list[str] = []
    length = 0
    # Room for the number of those that are left out.
    room = limit - len(f" and {len(names)} more")
    for name in names:
        length += len(name) + (len(separator) if kept else 0)
        if length > room:
            break
        kept.append(name)
    more = len(names) - len(kept)
    if not kept:
        return f"{more} in all"
    return f"{separator.join(kept)} and {more} more"
