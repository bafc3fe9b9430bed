#!/usr/bin/python
# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: alert_info
short_description: Ask which alerts Flashduty holds
version_added: 1.0.0
author:
  - Flashcat (@flashcatcloud)
description:
  - Asks Flashduty for alerts, from whatever source they came, such as to start no deployment in the middle of an
    incident.
  - There is no call that closes an alert. M(flashcat.flashduty.alert_event) with C(event_status=Ok) does.
extends_documentation_fragment:
  - flashcat.flashduty._connection
  - flashcat.flashduty._connection.change
  - flashcat.flashduty._connection.module
  - flashcat.flashduty._open_api
  - flashcat.flashduty._open_api.app_key
  - flashcat.flashduty._attributes
  - flashcat.flashduty._attributes.actiongroup_flashduty
  - flashcat.flashduty._attributes.info
options:
  keys:
    description:
      - Only alerts with one of these keys. An empty list finds nothing.
    type: list
    elements: str
  open:
    description:
      - Whether only open alerts are asked for. With V(false), those that are closed come, too.
    type: bool
    default: true
  severity:
    description:
      - Only alerts of one of these severities.
    type: list
    elements: str
    choices: [Critical, Warning, Info]
  labels:
    description:
      - Only alerts with these labels. All of them have to be there. A list of values means any of them.
      - Values are compared exactly, and by this module, since Flashduty has no such question.
    type: dict
  since:
    description:
      - Only alerts of which something was heard since then. It is a duration before now, such as V(12h) or V(7d), a date
        and time with a time zone, or the seconds since 1970-01-01 UTC. It is V(90d) where it is not set.
      - Flashduty takes 31 days at a time, so that more days are more calls.
    type: raw
  limit:
    description:
      - How many alerts are returned at most. V(0) is all.
    type: int
    default: 100
seealso:
  - module: flashcat.flashduty.silence
  - module: flashcat.flashduty.alert_event
  - module: flashcat.flashduty.outbox_info
"""

EXAMPLES = r"""
---
- name: Ask what is open and Critical for the shop
  flashcat.flashduty.alert_info:
    channel: Shop on call
    severity: [Critical]
    labels:
      service: shop
  register: shop_alerts
  run_once: true

- name: Deploy only when nothing is
  ansible.builtin.assert:
    that: shop_alerts.alerts | length == 0
    fail_msg: "Open: {{ shop_alerts.alerts | map(attribute='title') | join(', ') }}"
  run_once: true

- name: Ask what happened to this host in the last week, open or not
  flashcat.flashduty.alert_info:
    labels:
      resource: "{{ inventory_hostname }}"
    open: false
    since: 7d
    limit: 20

- name: Ask for the alerts of two keys
  flashcat.flashduty.alert_info:
    channel_id: 1001
    keys: [backup-db1, backup-db2]
"""

RETURN = r"""
alerts:
  description: The alerts, the one with the latest event first.
  returned: success
  type: list
  elements: dict
  contains:
    key:
      description: The key of the alert, with which an C(Ok) event closes it.
      type: str
      sample: ansible:v2:7d9f2c61b0e84f35
    alert_id:
      description: Flashduty's id of the alert.
      type: str
      sample: 65f0c0ffee65f0c0ffee0002
    title:
      description: The title of the alert.
      type: str
      sample: Restart the service failed on web1 (site.yml)
    description:
      description: The description of the alert.
      type: str
      sample: The service did not start.
    severity:
      description: The severity of the alert.
      type: str
      sample: Critical
    status:
      description: The status of the alert, which is its severity while it is open, and V(Ok) when it is closed.
      type: str
      sample: Critical
    open:
      description: Whether the alert is open.
      type: bool
      sample: true
    started:
      description: When the alert opened, in UTC.
      type: str
      sample: "2026-11-22T23:15:40Z"
    last:
      description: The time of the last event, in UTC.
      type: str
      sample: "2026-11-22T23:20:40Z"
    ended:
      description: When the alert closed, in UTC. Empty while it is open.
      type: str
      sample: "2026-11-22T23:45:40Z"
    labels:
      description: The labels of the alert.
      type: dict
      sample: {resource: web1, service: shop}
    event_count:
      description: The number of events that the alert consists of.
      type: int
      sample: 2
    silenced:
      description: Whether a silence has ever held this alert back.
      type: bool
      sample: false
    channel:
      description: The name of the channel.
      type: str
      sample: Shop on call
    channel_id:
      description: The id of the channel.
      type: int
      sample: 1001
    integration:
      description: The name of the integration that the alert came from.
      type: str
      sample: Ansible
    incident:
      description: The incident that the alert belongs to. Empty where it has none, so that nobody was paged for it.
      type: dict
      contains:
        id:
          description: Flashduty's id of the incident.
          type: str
          sample: 65f0c0ffee65f0c0ffee0003
        title:
          description: The title of the incident.
          type: str
          sample: Restart the service failed on web1 (site.yml)
        progress:
          description: How far the incident is, such as V(Triggered), V(Processing) or V(Closed).
          type: str
          sample: Processing
        link:
          description: The page of the incident in the Flashduty console. For a private deployment, its server is taken
            for that of the API.
          type: str
          sample: https://app.flashcat.cloud/incident/detail/65f0c0ffee65f0c0ffee0003
truncated:
  description: Whether there are more alerts than O(limit).
  returned: success
  type: bool
  sample: false
request_id:
  description: Flashduty's id of the last request. Its support asks for it.
  returned: when Flashduty answered
  type: str
  sample: 0ace00116215ab4ca0ec5244b8fc54b0
error:
  description: What went wrong, in parts. The guide for troubleshooting explains the codes.
  returned: failure
  type: dict
  sample:
    code: Unauthorized
    message: "Flashduty refused the request with Unauthorized (HTTP 401): app_key is not a valid one."
    http_status: 401
    request_id: 0ace00116215ab4ca0ec5244b8fc54b0
    retryable: false
    hint: Check app_key.
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    alert_info_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._send_event import (
    refuse_to_run_as_module,
)


def main() -> t.NoReturn:
    refuse_to_run_as_module(
        AnsibleModule(alert_info_argument_spec(), supports_check_mode=True),
        "alert_info",
    )


if __name__ == "__main__":
    main()
