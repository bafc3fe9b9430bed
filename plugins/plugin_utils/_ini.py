# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Change options in the text of an ini file, and nothing else: comments, order and spelling stay.

The text is read in the way in which ansible-core reads ``ansible.cfg``: Python's configparser, with ``;`` for comments
at the end of a line.
"""

from __future__ import annotations

import configparser
import json
import re
import typing as t
from collections.abc import Mapping

_SECTION = re.compile(r"\[(?P<name>.+)\]")
_OPTION = re.compile(
    r"(?P<head>\s*(?P<name>[^\s=:#;\[][^=:]*?)\s*[=:]\s*)(?P<value>.*)"
)
# What begins with a space and a semicolon is a comment.
_COMMENT = re.compile(r"(?P<text>.*?)(?P<comment>\s+;.*)?")


class IniError(ValueError):
    """The text cannot be changed as asked; the message says why."""


def edit(
    text: str,
    section: str,
    *,
    options: t.Mapping[str, t.Any] | None = None,
    add: t.Mapping[str, str] | None = None,
    remove: t.Mapping[str, str] | None = None,
) -> str:
    """Return the text with some options of one section changed.

    :param options: their new values; an option that is None is removed.
    :param add: items for options that are lists with commas.
    :param remove: items that such options shall not have.
    :raises IniError: when the text cannot be read, or a value cannot be written.
    """
    before = _read(text)
    values = before.setdefault(section, {})
    ini = IniText(text)
    for option, value in (options or {}).items():
        values.pop(option.lower(), None)
        if value is None:
            ini.remove(section, option)
        else:
            ini.set(section, option, as_ini(value))
            values[option.lower()] = as_ini(value).strip()
    for option, item in (add or {}).items():
        items = _items(values.get(option.lower(), ""))
        if item not in items:
            values[option.lower()] = as_ini([*items, item])
            ini.set(section, option, values[option.lower()])
    for option, item in (remove or {}).items():
        items = _items(values.get(option.lower(), ""))
        kept = [one for one in items if one != item]
        if kept == items:
            continue
        if kept:
            values[option.lower()] = as_ini(kept)
            ini.set(section, option, values[option.lower()])
        else:
            del values[option.lower()]
            ini.remove(section, option)
    edited = str(ini)
    if _comparable(_read(edited)) != _comparable(before):
        raise IniError(
            f"Section [{section}] is written in a way that cannot be changed safely. Change it by hand."
        )
    return edited


def _read(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(
        inline_comment_prefixes=(";",), interpolation=None
    )
    problem = ""
    try:
        parser.read_string(text)
    except configparser.Error as exc:
        # Its message would show what is written there.
        problem = type(exc).__name__
    if problem:
        raise IniError(f"The text is no ini file that Ansible could read: {problem}.")
    return {name: dict(parser[name]) for name in parser.sections()}


def _comparable(sections: t.Mapping[str, t.Mapping[str, str]]) -> t.Any:
    """Return sections without what makes no difference to Ansible: how the items of a list are set apart."""
    return {
        name: {option: _items(value) for option, value in options.items()}
        for name, options in sections.items()
        if options
    }


class IniText:
    """The text of an ini file, which configparser can read."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in self._lines)

    def set(self, section: str, option: str, value: str) -> None:
        """
        Give an option a value in one line, where it stands or at the end of its section.

        Comments inside a value of several lines stand above it then.
        """
        if "\n" in value or _text(value) != value.strip():
            raise IniError(
                f"The value of {option} cannot stand in an ini file: it has a line break or ' ;' in it."
            )
        found = self._find(section, option)
        if found is None:
            self._insert(section, f"{option} = {value}".rstrip())
        elif self._value(found) != value.strip():
            head, comment = self._head(found.start)
            if head.endswith((" =", " :")):
                head += " "
            comments = [
                _comment(line) for line in self._lines[found.start + 1 : found.stop]
            ]
            line = f"{head}{value.strip()}".rstrip() + comment
            self._lines[found] = [*filter(None, comments), line]

    def remove(self, section: str, option: str) -> None:
        """Remove an option, and its section if nothing is left of it."""
        found = self._find(section, option)
        if found is None:
            return
        del self._lines[found]
        bounds = self._bounds(section)
        if bounds is not None and not "".join(self._lines[bounds]).strip():
            start = bounds.start - 1
            # The empty line that sets the section apart goes, too.
            if start > 0 and not self._lines[start - 1].strip():
                start -= 1
            del self._lines[start : bounds.stop]

    # -- inside

    def _bounds(self, section: str) -> slice | None:
        """Return the lines of a section, without its header."""
        start = None
        for number, line in enumerate(self._lines):
            header = _SECTION.match(line)
            if header:
                if start is not None:
                    return slice(start, number)
                if header["name"] == section:
                    start = number + 1
        return None if start is None else slice(start, len(self._lines))

    def _find(self, section: str, option: str) -> slice | None:
        """Return the lines of an option, those that continue its value included."""
        bounds = self._bounds(section)
        if bounds is None:
            return None
        start, depth, end = None, 0, bounds.start
        for number in range(bounds.start, bounds.stop):
            line = self._lines[number]
            if _is_comment(line) or not line.strip():
                continue
            indent = len(line) - len(line.lstrip())
            if start is not None and indent > depth:
                end = number + 1
                continue
            if start is not None:
                break
            found = _OPTION.fullmatch(line)
            if found and found["name"].strip().lower() == option.lower():
                start, depth, end = number, indent, number + 1
        return None if start is None else slice(start, end)

    def _value(self, found: slice) -> str:
        head, _comment = self._head(found.start)
        first = _text(self._lines[found.start][len(head) :]).strip()
        rest = [
            _text(line).strip()
            for line in self._lines[found.start + 1 : found.stop]
            if not _is_comment(line)
        ]
        return "\n".join([first, *rest]).rstrip()

    def _head(self, number: int) -> tuple[str, str]:
        """Return what stands before the value of an option, and the comment after it."""
        found = _OPTION.fullmatch(self._lines[number])
        if found is None:
            raise ValueError("no option begins in this line")
        return found["head"], _parts(found["value"])[1]

    def _insert(self, section: str, line: str) -> None:
        bounds = self._bounds(section)
        if bounds is None:
            blank = [""] if self._lines and self._lines[-1].strip() else []
            self._lines += [*blank, f"[{section}]", line]
            return
        # After the last line that says something; comments at the end may belong to the next section.
        end = bounds.start
        for number in range(bounds.start, bounds.stop):
            if self._lines[number].strip() and not _is_comment(self._lines[number]):
                end = number + 1
        self._lines.insert(end, line)


def as_ini(value: t.Any) -> str:
    """Return a value as it is written into ``ansible.cfg``: lists with commas, dictionaries as JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(("#", ";"))


def _parts(text: str) -> tuple[str, str]:
    """Return a line without the comment at its end, and this comment."""
    found = _COMMENT.fullmatch(text)
    if found is None:
        raise ValueError("a line of an ini file has no line break in it")
    return found["text"], found["comment"] or ""


def _text(line: str) -> str:
    return _parts(line)[0]


def _comment(line: str) -> str:
    """Return the comment of a line that continues a value."""
    return line.strip() if _is_comment(line) else _parts(line)[1].strip()


def _items(value: str) -> list[str]:
    return [item for item in (part.strip() for part in value.split(",")) if item]
