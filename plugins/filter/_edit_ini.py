# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: _edit_ini
short_description: Change options in the text of ansible.cfg
version_added: 1.0.0
author:
  - Flashcat (@flashcatcloud)
description:
  - B(This filter is private to the collection.) It may change at any time.
  - Changes options of one section in the text of an ini file. Comments, the order of lines, and everything else stay as
    they are; only comments inside a value of several lines come to stand above it when it changes.
  - The text is read as Ansible reads C(ansible.cfg). A value may be continued on further lines, and a semicolon after a
    space begins a comment.
  - The role P(flashcat.flashduty.control_node#role) is made of it.
positional: section
options:
  _input:
    description:
      - The text.
    type: str
    required: true
  section:
    description:
      - The name of the section. It is added at the end where it is missing.
    type: str
    required: true
  options:
    description:
      - Options and their new values. A boolean is written as V(true) or V(false), a list with commas, and a dictionary
        as JSON. An option whose value is V(null) is removed, and the section with it when nothing else is in it.
    type: dict
    default: {}
  add:
    description:
      - For options that are lists with commas, an item that they shall have.
    type: dict
    default: {}
  remove:
    description:
      - For options that are lists with commas, an item that they shall not have. An option without items is removed.
    type: dict
    default: {}
"""

EXAMPLES = r"""
---
- name: Show what ansible.cfg would look like with the callback
  ansible.builtin.debug:
    msg: >-
      {{ lookup('ansible.builtin.file', '/etc/ansible/ansible.cfg')
         | flashcat.flashduty._edit_ini('defaults', add={'callbacks_enabled': 'flashcat.flashduty.alert_on_failure'})
         | flashcat.flashduty._edit_ini('flashduty', options={'label_vars': ['team', 'service'], 'watch': none}) }}

- name: Show what it would look like without
  ansible.builtin.debug:
    msg: >-
      {{ lookup('ansible.builtin.file', '/etc/ansible/ansible.cfg')
         | flashcat.flashduty._edit_ini('defaults', remove={'callbacks_enabled': 'flashcat.flashduty.alert_on_failure'}) }}
"""

RETURN = r"""
_value:
  description:
    - The changed text.
  type: str
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ini import (
    IniError,
    edit,
)


def edit_ini(
    text: str,
    section: str,
    options: t.Mapping[str, t.Any] | None = None,
    add: t.Mapping[str, str] | None = None,
    remove: t.Mapping[str, str] | None = None,
) -> str:
    """Return the text with some options changed."""
    try:
        return edit(text, section, options=options, add=add, remove=remove)
    except IniError as exc:
        problem = str(exc)
    raise AnsibleFilterError(problem)


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., str]]:
        return {"_edit_ini": edit_ini}
