# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

from __future__ import annotations


class ModuleDocFragment:
    """The options of modules that have to do with alerts and changes alike."""

    DOCUMENTATION = r"""
options:
  change_integration_key:
    description:
      - The key of the change integration. It is a secret. The other options for the key are those of the alert
        integration.
      - Outside the task, it is E(FLASHDUTY_CHANGE_INTEGRATION_KEY), or C(change_integration_key) in C(ansible.cfg).
    type: str
  change_integration_key_file:
    description:
      - The path of a file on the controller that holds the key of the change integration and nothing else.
      - Outside the task, it is E(FLASHDUTY_CHANGE_INTEGRATION_KEY_FILE), or C(change_integration_key_file) in
        C(ansible.cfg).
    type: path
  change_push_url:
    description:
      - The whole push URL of the change integration. It is a secret, since it holds the key.
      - Outside the task, it is E(FLASHDUTY_CHANGE_PUSH_URL), or C(change_push_url) in C(ansible.cfg).
    type: str
"""
