# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of a role as somebody has chosen them, where the machine itself has set them as facts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: _without_facts
short_description: Return the variables of a role that the machine itself has set as facts, as they are without
version_added: 1.0.0
author:
  - Flashcat (@flashcatcloud)
description:
  - B(This lookup is private to the collection.) It may change at any time.
  - A fact counts more than the inventory and the defaults of a role. What a managed machine says decides nothing, so this
    lookup returns what the inventory or the role has for each variable of the role that is a fact, and prints a warning for each.
options:
  _terms:
    description:
      - What the names of the role's variables begin with.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
---
- name: Leave out what the machine itself has set as facts
  ansible.builtin.set_fact:
    "{{ item.key }}": "{{ item.value }}"
  loop: "{{ lookup('flashcat.flashduty._without_facts', 'flashduty_control_node_') | dict2items }}"
"""

RETURN = r"""
_raw:
  description:
    - The variables, those that nobody has set as empty texts. Without such a fact it is empty.
  type: list
  elements: dict
"""

import typing as t

from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
    Redactor,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible.trust import (
    chosen_instead_of_facts,
)

display = Display()


class LookupModule(LookupBase):
    """The lookup of this file."""

    def run(
        self,
        terms: list[str],
        variables: dict[str, t.Any] | None = None,
        **_options: t.Any,
    ) -> list[dict[str, t.Any]]:
        found = chosen_instead_of_facts(
            variables or {},
            tuple(map(str, terms)),
            loader=self._loader,
            warn=lambda text: display.warning(f"Flashduty: {Redactor().clean(text)}"),
        )
        return [found]
