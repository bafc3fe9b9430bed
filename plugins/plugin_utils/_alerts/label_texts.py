# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Labels as a variable holds them: a dictionary, JSON, or ``name=value`` pairs, with templates in them.

The names are read before anything is templated. So what a template brings in is the value of a label, and never another
label, whatever commas and quotes are in it.
"""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Mapping

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    label_text,
)

# Labels that steer who is paged.
STEERING_PREFIX = "layer_"

_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


class Labels(t.NamedTuple):
    """What a variable says, not templated yet, and what is wrong with it.

    :param problems: each as the end of a sentence that begins with the variable.
    """

    values: dict[str, t.Any]
    problems: list[str]


def read_labels_of_variable(
    value: t.Any, template: t.Callable[[t.Any], t.Any]
) -> Labels:
    """Read the labels of a variable.

    :param value: as it was written.
    :param template: renders a template; it may raise anything.
    :raises ValueError: when it holds no labels; says why, as the end of a sentence that begins with the variable.
    """
    if not isinstance(value, str):
        return _from_mapping(value)
    if not _TEMPLATE.fullmatch(value.strip()):
        written = _from_text(value)
        if written is not None:
            return _without_steering(written)
    # A template as a whole, such as the name of another variable.
    rendered = template(value)
    if not isinstance(rendered, str):
        return _from_mapping(rendered)
    read = _from_text(rendered)
    if read is None:
        raise ValueError(
            "must be a dictionary, JSON, or name=value pairs with commas between them"
        )
    return _without_steering(read)


def label_of(value: t.Any) -> str:
    """Return the text of a label.

    :raises ValueError: when it has a nested value.
    """
    text = label_text(value)
    if text is None:
        raise ValueError("its value must be a text, a number or a boolean")
    return text


def _from_mapping(value: t.Any) -> Labels:
    if not isinstance(value, Mapping):
        raise ValueError("must be a dictionary or name=value pairs")
    labels = Labels({}, [])
    for name, content in value.items():
        _add(labels, str(name), content)
    return labels


def _from_text(text: str) -> Labels | None:
    """Return what a text says, or None when it is neither JSON nor pairs."""
    stripped = text.strip()
    if stripped.startswith("{") and not stripped.startswith(("{{", "{%", "{#")):
        try:
            value = json.loads(stripped)
        except ValueError:
            return None
        return _from_mapping(value) if isinstance(value, dict) else None
    labels = Labels({}, [])
    for part in _parts(text):
        name, equals, content = part.partition("=")
        if not equals or _TEMPLATE.search(name):
            return None
        _add(labels, name.strip(), content.strip())
    return labels


def _parts(text: str) -> list[str]:
    """Split at commas that stand outside of templates."""
    parts, begin, position = [], 0, 0
    spans = [match.span() for match in _TEMPLATE.finditer(text)]
    for position, character in enumerate(text):
        if character == "," and not any(a <= position < b for a, b in spans):
            parts.append(text[begin:position])
            begin = position + 1
    parts.append(text[begin:])
    return [part.strip() for part in parts if part.strip()]


def _add(labels: Labels, name: str, content: t.Any) -> None:
    if name.strip():
        labels.values[name] = content
    else:
        labels.problems.append("has a label with an empty name, which is left out")


def _without_steering(labels: Labels) -> Labels:
    """Leave out what only a dictionary may say: a text can hold what a machine has said."""
    for name in [one for one in labels.values if one.startswith(STEERING_PREFIX)]:
        del labels.values[name]
        labels.problems.append(
            f"has the label {name}, which is left out: labels that steer who is paged must be written as a dictionary"
        )
    return labels
