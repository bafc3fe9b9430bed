# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

from __future__ import annotations


class ModuleDocFragment:
    """The app key, and the channel: what the modules on the Open API have in common."""

    DOCUMENTATION = r"""
options:
  channel:
    description:
      - The name of the channel, exactly as the Flashduty console shows it.
      - This costs a call more than O(channel_id).
    type: str
  channel_id:
    description:
      - The id of the channel. It stands in the URL of the channel's page in the Flashduty console.
    type: int
notes:
  - Needs an app key, which the modules that send events do not. The integration key is not used.
  - Where neither O(api_url) nor E(FLASHDUTY_API_URL) is set, the environment variable E(FLASHDUTY_BASE_URL) counts,
    which Flashduty's own tools use. Where no place names a server, it is the one of O(push_url).
  - Runs on the controller, whatever host the task is for, and once for each host. Set C(run_once) where once is meant.
  - The keyword C(environment) of a task has no effect. The environment of Ansible itself counts.
  - An account may make 50 calls a second and 1,000 a minute. What is more is answered with 429, and repeated as
    O(retries) has it.
"""

    # Every module takes it, so that one module_defaults serves all.
    APP_KEY = r"""
options:
  app_key:
    description:
      - The app key for Flashduty's Open API. It is a secret with all rights of the account that it belongs to, so a graver
        one than an integration key.
      - Only M(flashcat.flashduty.silence), M(flashcat.flashduty.alert_info) and the role
        P(flashcat.flashduty.deployment#role) use it. The others take it, too, so that one C(module_defaults) serves all.
    type: str
  app_key_file:
    description:
      - The path of a file on the controller that holds the app key and nothing else.
    type: path
"""
