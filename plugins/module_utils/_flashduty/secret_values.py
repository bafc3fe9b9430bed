# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Values that are known to be secret, found in texts in whatever way they are written there."""

from __future__ import annotations

import bisect
import html
import json
import re
import typing as t
from urllib.parse import unquote

from .texts import clean_text

# With fewer values it is faster to look for each.
_FEW = 24
_GRAM = 4
_CHUNK = 65_536
# A URL inside of JSON inside of JSON.
_MOST_LAYERS = 3
# Beyond the end of any text.
_FAR = 1 << 62

Span = tuple[int, int]


class SecretValues:
    """Values that are secret. Further ones can be added at any time."""

    def __init__(self, values: t.Iterable[str | None] = ()) -> None:
        self._given: set[str] = set()
        self._values: set[str] = set()
        # By their first characters, and those that are shorter than that.
        self._by_gram: dict[str, list[str]] = {}
        self._short: list[str] = []
        self._with_space = False
        self.longest = 0
        """The number of characters of the longest one."""
        self.add(values)

    def __bool__(self) -> bool:
        return bool(self._values)

    def add(self, values: t.Iterable[str | None]) -> bool:
        """Take further values in, and return whether any was new."""
        new = {value for value in values if value} - self._given
        self._given |= new
        for value in new:
            # Texts are cleaned before they are masked, and often trimmed.
            for form in {value, clean_text(value), value.strip()}:
                if form and form not in self._values:
                    self._add(form)
        return bool(new)

    def _add(self, value: str) -> None:
        self._values.add(value)
        self.longest = max(self.longest, len(value))
        self._with_space = self._with_space or " " in value
        if len(value) < _GRAM:
            self._short.append(value)
        else:
            self._by_gram.setdefault(value[:_GRAM], []).append(value)

    def mask(self, text: str, hidden: str) -> str:
        """Return the text with each value replaced, also where it is encoded."""
        if not self._values or not text:
            return text
        spans = self._spans(text)
        for view in _views(text, with_space=self._with_space):
            spans += [view.origin(span) for span in self._spans(view.text)]
        if not spans:
            return text
        parts, end = [], 0
        for start, stop in sorted(spans):
            if start >= end:
                parts += [text[end:start], hidden]
            end = max(end, stop)
        return "".join([*parts, text[end:]])

    def _spans(self, text: str) -> list[Span]:
        spans = []
        for value in self._candidates(text):
            start = text.find(value)
            while start >= 0:
                spans.append((start, start + len(value)))
                start = text.find(value, start + len(value))
        return spans

    def _candidates(self, text: str) -> t.Iterable[str]:
        """Return the values that may stand in a text."""
        if len(self._values) <= _FEW:
            return self._values
        found: set[str] = set()
        for begin in range(0, len(text), _CHUNK):
            chunk = text[begin : begin + _CHUNK + _GRAM - 1]
            found.update(
                {chunk[n : n + _GRAM] for n in range(len(chunk) - _GRAM + 1)}
                & self._by_gram.keys()
            )
        return [
            *self._short,
            *(value for gram in found for value in self._by_gram[gram]),
        ]


class _View(t.NamedTuple):
    """A text, decoded, that knows where its characters come from.

    :param units: what was decoded: where each begins and ends in this text, and in the one it was made of.
    """

    text: str
    units: list[tuple[int, int, int, int]]
    parent: _View | None = None

    def origin(self, span: Span) -> Span:
        """Return where a part of this text stands in the text that was given in the first place."""
        origin = self._before(span[0])[0], self._before(span[1] - 1)[1]
        return self.parent.origin(origin) if self.parent is not None else origin

    def _before(self, position: int) -> Span:
        index = bisect.bisect_right(self.units, (position, _FAR, 0, 0)) - 1
        if index < 0:
            return position, position + 1
        _start, end, origin_start, origin_end = self.units[index]
        if position < end:
            return origin_start, origin_end
        return origin_end + position - end, origin_end + position - end + 1


def _views(text: str, *, with_space: bool) -> t.Iterator[_View]:
    """Yield the text decoded in each way by itself, once and twice, and in all ways at once, several times over."""
    encodings = [one for one in _ENCODINGS if any(mark in text for mark in one.marks)]
    for encoding in encodings:
        view = _decode(text, encoding.pattern)
        yield view
        if any(mark in view.text for mark in encoding.marks):
            yield _decode(view.text, encoding.pattern, view)
    if with_space and "+" in text:
        yield _decode(text, _FORM)
    if not encodings:
        return
    view = (
        _decode(text, _ANY)
        if len(encodings) > 1
        else _decode(text, encodings[0].pattern)
    )
    if len(encodings) > 1:
        yield view
    for _layer in range(_MOST_LAYERS - 1):
        # What is left of marks may be a layer more.
        if not any(mark in view.text for one in _ENCODINGS for mark in one.marks):
            return
        view = _decode(view.text, _ANY, view)
        yield view


def _decode(text: str, pattern: re.Pattern[str], parent: _View | None = None) -> _View:
    parts: list[str] = []
    units = []
    begin = length = 0
    for match in pattern.finditer(text):
        start, stop = match.span()
        plain = text[begin:start]
        decoded = _character(match.group())
        parts += [plain, decoded]
        length += len(plain)
        units.append((length, length + len(decoded), start, stop))
        length += len(decoded)
        begin = stop
    parts.append(text[begin:])
    return _View("".join(parts), units, parent)


def _character(encoded: str) -> str:
    """Return what an encoded character means."""
    if encoded[0] == "%":
        return unquote(encoded)
    if encoded[0] == "&":
        return html.unescape(encoded)
    if encoded[0] == "'":
        return "'"
    if encoded == "+":
        return " "
    kind = encoded[1]
    if len(encoded) == 2:
        return _AFTER_BACKSLASH.get(kind, kind)
    if kind in "uU":
        if kind == "u" and len(encoded) > 6:
            return str(json.loads(f'"{encoded}"'))
        return chr(min(int(encoded[2:], 16), 0x10FFFF))
    return chr(int(encoded[2:], 16))


_AFTER_BACKSLASH = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "0": "\0"}


class _Encoding(t.NamedTuple):
    """:param marks: one of them stands in every text that has something encoded in this way."""

    marks: tuple[str, ...]
    pattern: re.Pattern[str]


_URL = r"%[0-7][0-9A-Fa-f]|(?:%[89A-Fa-f][0-9A-Fa-f])+"
_BACKSLASH = (
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}"
    r"|\\x[0-9a-fA-F]{2}|\\[^uUx]|\\(?=[uUx])."
)
_HTML = r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,10});"
_SHELL = r"'\"'\"'|'\\''"
_ANY = re.compile("|".join((_SHELL, _URL, _BACKSLASH, _HTML)), re.DOTALL)
_FORM = re.compile(rf"\+|{_URL}")
_ENCODINGS = (
    _Encoding(("%",), re.compile(_URL)),
    _Encoding(("\\",), re.compile(_BACKSLASH, re.DOTALL)),
    _Encoding(("&",), re.compile(_HTML)),
    _Encoding(("'\"'\"'", "'\\''"), re.compile(_SHELL)),
)
