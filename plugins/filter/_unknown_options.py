# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: _unknown_options
short_description: Say which options of the callback do not exist
version_added: 1.0.0
author:
  - Flashcat (@flashcatcloud)
description:
  - B(This filter is private to the collection.) It may change at any time.
  - Returns a sentence for each name that is no option of the section C([flashduty]) of C(ansible.cfg).
options:
  _input:
    description:
      - The names.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
---
- name: Say what is misspelt
  ansible.builtin.debug:
    msg: "{{ ['label_var', 'watch'] | flashcat.flashduty._unknown_options }}"
"""

RETURN = r"""
_value:
  description:
    - The sentences.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible.misspelt import (
    known_options,
    meant,
)


def unknown_options(names: t.Iterable[str]) -> list[str]:
    """Return a sentence for each name that is no option."""
    known = known_options()
    return [
        f"There is no option {name}.{meant(name, known)}"
        for name in map(str, names)
        if name not in known
    ]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., list[str]]]:
        return {"_unknown_options": unknown_options}
