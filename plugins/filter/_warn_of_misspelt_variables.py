# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: _warn_of_misspelt_variables
short_description: Warn of variables that look like those of a role, and that it does not read
version_added: 1.0.0
author:
  - Flashcat (@flashcatcloud)
description:
  - B(This filter is private to the collection.) It may change at any time.
  - Prints a warning for each name that begins like the variables of a role of this collection, and is none of them.
positional: role
options:
  _input:
    description:
      - The names of variables.
    type: list
    elements: str
    required: true
  role:
    description:
      - The name of the role.
    type: str
    required: true
"""

EXAMPLES = r"""
---
- name: Warn of what is misspelt
  ansible.builtin.assert:
    that: >-
      lookup('ansible.builtin.varnames', '^flashduty_deployment_', wantlist=true)
      | flashcat.flashduty._warn_of_misspelt_variables('deployment') is not none
"""

RETURN = r"""
_value:
  description:
    - The warnings.
  type: list
  elements: str
"""

import typing as t

from ansible.utils.display import Display
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
    Redactor,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible.misspelt import (
    misspelt_role_variables,
)

display = Display()


def warn_of_misspelt_variables(names: t.Iterable[str], role: str) -> list[str]:
    """Print the warnings, and return them."""
    warnings = misspelt_role_variables(role, map(str, names))
    for text in warnings:
        # Facts are variables, too, and a machine may give them any name.
        display.warning(Redactor().clean(text))
    return warnings


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., list[str]]]:
        return {"_warn_of_misspelt_variables": warn_of_misspelt_variables}
