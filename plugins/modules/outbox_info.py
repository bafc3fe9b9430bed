#!/usr/bin/python
# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: outbox_info
short_description: Show what waits to be delivered to Flashduty, and which alerts are open
version_added: 1.0.0
author:
  - Flashcat (@flashcatcloud)
description:
  - Shows the outbox of the controller, which are the events that wait to be delivered, and the events that Flashduty
    refused for good. Shows the alerts that are open, too, as far as the callback
    P(flashcat.flashduty.alert_on_failure#callback) knows.
  - It runs on the controller, where the state is, whatever host the task is for. So use C(run_once).
  - It opens no connection, and needs no integration key. The connection options are accepted, so that defaults for the
    action group work, and do not count.
extends_documentation_fragment:
  - flashcat.flashduty._attributes
  - flashcat.flashduty._attributes.actiongroup_flashduty
  - flashcat.flashduty._attributes.info
  - flashcat.flashduty._connection
  - flashcat.flashduty._connection.change
  - flashcat.flashduty._open_api.app_key
attributes:
  action:
    details:
      - Everything is done on the controller.
options:
  limit:
    description:
      - How many events and alerts of each list are returned at most, the oldest first. V(0) returns all.
      - RV(counts) does not depend on it.
    type: int
    default: 100
seealso:
  - module: flashcat.flashduty.outbox_flush
  - module: flashcat.flashduty.connection_info
  - plugin: flashcat.flashduty.alert_on_failure
    plugin_type: callback
    description: Fills the outbox, and remembers the open alerts.
"""

EXAMPLES = r"""
---
- name: Look into the outbox
  flashcat.flashduty.outbox_info:
  run_once: true
  register: outbox

- name: Say what Flashduty refused, and why
  ansible.builtin.debug:
    msg: "{{ item.kind }} {{ item.key }}: {{ item.error.message }}"
  loop: "{{ outbox.undeliverable }}"
  loop_control:
    label: "{{ item.key }}"
  run_once: true

- name: Say what waits for keys that are not in force
  ansible.builtin.debug:
    msg: "{{ item.waiting }} events and {{ item.open_alerts }} open alerts for {{ item.server }}"
  loop: "{{ outbox.integrations | rejectattr('in_force') }}"
  loop_control:
    label: "{{ item.integration }}"
  run_once: true

- name: Fail when something has waited for more than an hour
  ansible.builtin.assert:
    that: (now(utc=true) - (outbox.waiting[0].since | to_datetime('%Y-%m-%dT%H:%M:%SZ'))).total_seconds() < 3600
  when: outbox.waiting | length > 0
  run_once: true
"""

RETURN = r"""
waiting:
  description: The events that are not delivered yet, the oldest first.
  returned: success
  type: list
  elements: dict
  contains: &event
    kind:
      description: What the event is, V(alert) or V(change).
      type: str
      sample: alert
    key:
      description: The alert key or the change key.
      type: str
      sample: backup-db1
    event:
      description: The event as it will be sent.
      type: dict
      sample:
        title_rule: Backup of db1 failed
        event_status: Critical
        alert_key: backup-db1
        event_time: 1795419427
    attempts:
      description: How often it was sent without success since it came into the outbox.
      type: int
      sample: 4
    error:
      description:
        - What the latest attempt said, with the keys C(code), C(message), C(http_status), C(request_id), C(retryable)
          and C(hint). It is V(null) when there was none yet.
      type: dict
      sample:
        code: ConnectionFailed
        message: "Cannot reach api.flashcat.cloud: the connection was refused."
        http_status: null
        request_id: null
        retryable: true
        hint: Check the network, the firewall and the proxy, and api_url or push_url.
    since:
      description: When the event came into the outbox, in UTC.
      type: str
      sample: "2026-11-23T05:04:07Z"
    integration:
      description: What tells two integrations apart, without telling the integration key.
      type: str
      sample: 5f0c7b1e2d3a4c69
    server:
      description: Host and port that the event waits for.
      type: str
      sample: api.flashcat.cloud:443
    in_force:
      description: Whether this task finds the key of the integration configured.
      type: bool
      sample: true
undeliverable:
  description: The events that Flashduty refused for good, the oldest first.
  returned: success
  type: list
  elements: dict
  contains: *event
open_alerts:
  description: The alerts that were raised, and for which no recovery was sent yet, the oldest first.
  returned: success
  type: list
  elements: dict
  contains:
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
    host:
      description: The host that it is about. For an alert about a whole run, it is the playbook.
      type: str
      sample: web1
    check:
      description: What failed, which is a task in most cases.
      type: str
      sample: Restart the service
    playbook:
      description: The name of the playbook that has raised it.
      type: str
      sample: site.yml
    times:
      description: In how many runs it has failed since.
      type: int
      sample: 4
    integration:
      description: What tells two integrations apart, without telling the integration key.
      type: str
      sample: 5f0c7b1e2d3a4c69
    server:
      description: Host and port of the integration.
      type: str
      sample: api.flashcat.cloud:443
    in_force:
      description: Whether this task finds the key of the integration configured.
      type: bool
      sample: true
integrations:
  description:
    - What there is for each integration, also for those whose keys are not in force. The latter is sent with the keys in
      force, or discarded, by M(flashcat.flashduty.outbox_flush) with C(adopt) or C(discard_others).
  returned: success
  type: list
  elements: dict
  contains:
    integration:
      description: What tells two integrations apart, without telling the integration key.
      type: str
      sample: 5f0c7b1e2d3a4c69
    kind:
      description: What it takes, V(alert) or V(change).
      type: str
      sample: alert
    server:
      description: Host and port that the latest event was meant for.
      type: str
      sample: api.flashcat.cloud:443
    in_force:
      description: Whether this task finds the key of the integration configured.
      type: bool
      sample: false
    waiting:
      description: The number of events that are not delivered yet.
      type: int
      sample: 3
    undeliverable:
      description: The number of events that Flashduty refused for good.
      type: int
      sample: 0
    open_alerts:
      description: The number of open alerts.
      type: int
      sample: 1
    pending:
      description: The number of failures that were counted, and not raised yet.
      type: int
      sample: 0
pending:
  description:
    - The failures that were counted, and not raised yet, the oldest first. They are described as in RV(open_alerts), with
      C(count), in how many runs in a row it has failed, and C(needed), in how many it has to fail.
  returned: success
  type: list
  elements: dict
  sample:
    - alert_key: ansible:v2:7d9f2c61b0e84f35
      title: Restart the service failed on web1 (site.yml)
      status: Critical
      count: 2
      needed: 3
      since: "2026-11-23T01:12:40Z"
table:
  description: The open alerts as lines of a table for people. Those of integrations that are not in force say so.
  returned: success
  type: list
  elements: str
  sample:
    - "HOST  CHECK                SINCE (UTC)          TIMES  INTEGRATION"
    - "web1  Restart the service  2026-11-22 23:15:40  4      api.flashcat.cloud 5f0c7b1e"
counts:
  description: How many there are.
  returned: success
  type: dict
  contains:
    waiting:
      description: The number of events that are not delivered yet.
      type: int
      sample: 1
    undeliverable:
      description: The number of events that Flashduty refused for good.
      type: int
      sample: 0
    open_alerts:
      description: The number of open alerts.
      type: int
      sample: 1
state_path:
  description: The folder that holds the outbox.
  returned: always
  type: str
  sample: /home/ansible/.ansible/flashduty
state:
  description: The outbox that was read.
  returned: success
  type: dict
  contains:
    kind:
      description: V(postgresql) for a database that controllers share, V(sqlite) for a folder of this one.
      type: str
      sample: sqlite
    location:
      description: Host and database, or the folder.
      type: str
      sample: /home/ansible/.ansible/flashduty
size:
  description: The size of the outbox on the disk in bytes. It is V(0) when there is none yet.
  returned: success
  type: int
  sample: 49152
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    outbox_info_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._send_event import (
    refuse_to_run_as_module,
)


def main() -> t.NoReturn:
    refuse_to_run_as_module(
        AnsibleModule(outbox_info_argument_spec(), supports_check_mode=True),
        "outbox_info",
    )


if __name__ == "__main__":
    main()
