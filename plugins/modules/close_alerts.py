#!/usr/bin/python
# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: close_alerts
short_description: Close open alerts by hand, and forget them
version_added: 1.0.0
author:
  - Flashcat (@flashcatcloud)
description:
  - Closes alerts that the callback P(flashcat.flashduty.alert_on_failure#callback) has raised and still remembers as open,
    because no run will ever prove that what raised them works again. Its host was decommissioned, its playbook was
    removed, or somebody knows better.
  - Each is closed in Flashduty, which means that an C(Ok) is sent, and forgotten here. When what raised it fails again, it
    opens again.
  - An alert must meet all criteria that are given. Within one of them, one of its values is enough. At least one criterion
    is needed.
  - An alert whose integration is no longer in force is forgotten only. It has to be closed in Flashduty by a person, and a
    warning says so.
  - It runs on the controller, where the state is, whatever host the task is for. So use C(run_once).
  - It fails while the database of O(state_url) cannot be used, since nobody else knows all alerts that are open.
extends_documentation_fragment:
  - flashcat.flashduty._attributes
  - flashcat.flashduty._attributes.actiongroup_flashduty
  - flashcat.flashduty._connection
  - flashcat.flashduty._connection.change
  - flashcat.flashduty._connection.module
  - flashcat.flashduty._open_api.app_key
  - flashcat.flashduty._outbox.delivering
attributes:
  action:
    details:
      - Everything is done on the controller.
  check_mode:
    support: full
    details:
      - Nothing is sent, and nothing is forgotten. The task returns what it would close.
  diff_mode:
    support: full
    details:
      - It shows the titles of the open alerts, before and after.
  idempotent:
    support: full
options:
  alert_key:
    description:
      - Keys of alerts, as M(flashcat.flashduty.outbox_info) shows them.
    type: list
    elements: str
  host:
    description:
      - Names of hosts, as in the inventory. Of an alert that stands for several hosts, these are taken off, and it is closed
        when none is left.
    type: list
    elements: str
  playbook:
    description:
      - Playbooks that have raised the alerts. Each is a name, such as V(site.yml), or what identifies it.
    type: list
    elements: str
  older_than:
    description:
      - For how long an alert has been open at least. It is a number with a unit, which is C(s), C(m), C(h), C(d) or C(w), such
        as V(7d) or V(1h30m). A number alone is seconds.
    type: str
seealso:
  - module: flashcat.flashduty.outbox_info
  - module: flashcat.flashduty.alert_event
    description: Closes any alert whose key is known.
"""

EXAMPLES = r"""
---
- name: Close all alerts of a host that was decommissioned
  flashcat.flashduty.close_alerts:
    host: web9
  run_once: true

- name: Close the alerts of a playbook that was removed
  flashcat.flashduty.close_alerts:
    playbook: [old.yml]
  run_once: true

- name: See what has been open for a month
  flashcat.flashduty.close_alerts:
    older_than: 30d
  check_mode: true
  diff: true
  run_once: true

- name: Close all that has been open for a year, gently
  flashcat.flashduty.close_alerts:
    older_than: 365d
    wait: 600
    rate_limit: 120
    max_in_flight: 2
  run_once: true

- name: Close one alert
  flashcat.flashduty.close_alerts:
    alert_key: ansible:v2:7d9f2c61b0e84f35
  run_once: true
"""

RETURN = r"""
closed:
  description: The alerts that were closed in Flashduty and forgotten here, the oldest first.
  returned: success
  type: list
  elements: dict
  contains: &alert
    alert_key:
      description: The key of the alert.
      type: str
      sample: ansible:v2:7d9f2c61b0e84f35
    title:
      description: The title of the alert.
      type: str
      sample: Restart the service failed on web1 (site.yml)
    status:
      description: The severity of the alert.
      type: str
      sample: Critical
    since:
      description: When the alert was raised first, in UTC.
      type: str
      sample: "2026-11-22T23:15:40Z"
    hosts:
      description: The hosts that it stood for, as far as they matched.
      type: list
      elements: str
      sample: [web1]
    playbook:
      description: The name of the playbook that has raised it.
      type: str
      sample: site.yml
    integration:
      description: What tells two integrations apart, without telling the integration key.
      type: str
      sample: 5f0c7b1e2d3a4c69
forgotten:
  description: The alerts that were only forgotten, because their integration is no longer in force.
  returned: success
  type: list
  elements: dict
  contains: *alert
reduced:
  description: The alerts that stay open for other hosts.
  returned: success
  type: list
  elements: dict
  contains: *alert
delivered:
  description: How many events were delivered, those that have waited before among them.
  returned: success
  type: int
  sample: 1
waiting:
  description: How many events still wait for the integration that is in force.
  returned: success
  type: int
  sample: 0
error:
  description: Why an event was not delivered. It is the latest reason when there are several.
  returned: on failure
  type: dict
  sample:
    code: ConnectionFailed
    message: "Cannot reach api.flashcat.cloud: the connection was refused."
    http_status: null
    request_id: null
    retryable: true
    hint: Check the network, the firewall and the proxy, and api_url or push_url.
state_path:
  description: The folder that holds the outbox.
  returned: always
  type: str
  sample: /home/ansible/.ansible/flashduty
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    close_alerts_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._send_event import (
    refuse_to_run_as_module,
)


def main() -> t.NoReturn:
    refuse_to_run_as_module(
        AnsibleModule(close_alerts_argument_spec(), supports_check_mode=True),
        "close_alerts",
    )


if __name__ == "__main__":
    main()
