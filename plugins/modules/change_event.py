#!/usr/bin/python
# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: change_event
short_description: Send a change event to Flashduty
version_added: 1.0.0
author:
  - Flashcat (@flashcatcloud)
description:
  - Tells Flashduty of a change, as an explicit step of a playbook. Most incidents are caused by changes, and Flashduty
    shows them beside the alerts that they may explain.
  - Events with the same O(change_key) belong to one change. Any subset of the states may be sent.
  - The event is sent from the controller, unless O(send_from=target).
extends_documentation_fragment:
  - flashcat.flashduty._attributes
  - flashcat.flashduty._attributes.actiongroup_flashduty
  - flashcat.flashduty._connection
  - flashcat.flashduty._connection.change
  - flashcat.flashduty._open_api.app_key
  - flashcat.flashduty._connection.module
  - flashcat.flashduty._sending
attributes:
  action:
    details:
      - Everything is done on the controller, unless O(send_from=target).
options:
  change_integration_key:
    description:
      - The key of the change integration that receives the events. It is a secret, and not the key of an alert
        integration, which never serves for a change.
      - It stands in the integration's push URL after C(integration_key=). Set this option, or
        O(change_integration_key_file), or O(change_push_url).
      - Outside the task, it is E(FLASHDUTY_CHANGE_INTEGRATION_KEY), or C(change_integration_key) in C(ansible.cfg).
  integration_key:
    description:
      - The same as O(change_integration_key), which counts first. Set it for this module alone.
      - Where C(module_defaults) sets it for the whole action group, it is the key of the alert integration, and does not
        serve here. Neither does the variable C(flashduty_integration_key).
  integration_key_file:
    description:
      - The same as O(change_integration_key_file), with the rule of O(integration_key).
  push_url:
    description:
      - The same as O(change_push_url), with the rule of O(integration_key). Where it is the URL of the alert integration,
        host and port are taken from it, unless O(api_url) is set.
  api_url:
    description:
      - The address of the Flashduty API without a path, for a private deployment. Where it is set nowhere, it is taken
        from E(FLASHDUTY_PUSH_URL), or C(push_url) in C(ansible.cfg), and then is V(https://api.flashcat.cloud).
  change_key:
    description:
      - What the events of one change have in common, such as the number of a ticket or of a deployment, at most 255
        characters.
    type: str
    required: true
  change_status:
    description:
      - How far the change is. It is V(Planned) when it was submitted, V(Ready) when it is about to start, V(Processing)
        while it is under way, V(Canceled) when it was given up or rolled back, and V(Done) at its end.
    type: str
    required: true
    choices:
      - Planned
      - Ready
      - Processing
      - Canceled
      - Done
  title:
    description:
      - What is changed, at most 512 characters. A longer title is cut, with a warning.
    type: str
    required: true
  description:
    description:
      - More about the change, at most 2048 characters. A longer text is cut, with a warning.
    type: str
  link:
    description:
      - The URL of the ticket or of the job.
    type: str
seealso:
  - module: flashcat.flashduty.alert_event
  - module: flashcat.flashduty.outbox_flush
"""

EXAMPLES = r"""
---
# The key of the change integration comes from the environment, from ansible.cfg, or from module_defaults.
- name: Say that the maintenance begins
  flashcat.flashduty.change_event:
    change_key: CHG-4711
    change_status: Processing
    title: Kernel update of the database cluster
  run_once: true

- name: Tell of a deployment, with what it concerns
  flashcat.flashduty.change_event:
    change_integration_key: "{{ vault_flashduty_change_integration_key }}"
    change_key: shop-api-1.4.2
    change_status: Done
    title: Deploy shop-api 1.4.2
    description: Deployed by {{ lookup('ansible.builtin.env', 'USER') }}
    link: https://git.example.com/shop/api/-/pipelines/10231
    labels:
      service: shop-api
      env: production
      version: 1.4.2
  run_once: true

- name: Announce a change for the coming night
  flashcat.flashduty.change_event:
    change_push_url: "{{ vault_flashduty_change_push_url }}"
    change_key: CHG-4712
    change_status: Ready
    title: Switch the load balancers
    event_time: 1796162400 # date --date '2026-12-01 22:00:00Z' +%s
    queue_on_failure: true
  run_once: true

- name: Use different keys for alerts and changes, in one place
  module_defaults:
    group/flashcat.flashduty.flashduty:
      integration_key: "{{ vault_flashduty_integration_key }}"
      change_integration_key: "{{ vault_flashduty_change_integration_key }}"
  block:
    - name: Say that the certificates are renewed
      flashcat.flashduty.change_event:
        change_key: certificates-{{ inventory_hostname }}
        change_status: Done
        title: Certificates of {{ inventory_hostname }} renewed
        send_from: target
"""

RETURN = r"""
request_id:
  description:
    - The id of the request, which Flashduty's support asks for. It is V(null) when nothing was sent or nothing was
      answered.
  returned: always
  type: str
  sample: 0ace00116215ab4ca0ec5244b8fc54b0
change_key:
  description: The key of the change.
  returned: when the event is valid
  type: str
  sample: shop-api-1.4.2
event:
  description: The event as it was sent, or would be sent in check mode.
  returned: when the event is valid
  type: dict
  sample:
    change_key: shop-api-1.4.2
    change_status: Done
    title: Deploy shop-api 1.4.2
    event_time: 1795419427
    link: https://git.example.com/shop/api/-/pipelines/10231
    labels:
      service: shop-api
      env: production
      version: 1.4.2
truncated:
  description: The fields that were longer than the service takes, and were cut.
  returned: when the event is valid
  type: list
  elements: str
  sample:
    - description
attempts:
  description: How often the event was sent, the successful attempt included. It is V(0) in check mode.
  returned: always
  type: int
  sample: 1
http_status:
  description: The HTTP status of the answer. It is V(null) when nothing was sent or nothing was answered.
  returned: always
  type: int
  sample: 200
queued:
  description: Whether the event waits in the outbox, because of O(queue_on_failure).
  returned: when the event is valid
  type: bool
  sample: false
error:
  description: Why the event was not delivered.
  returned: when the event was not delivered, also when it was queued
  type: dict
  contains:
    code:
      description:
        - The error code of the service, such as V(InvalidParameter), V(Unauthorized), V(RequestTooFrequently) or
          V(InternalError).
        - It is V(ConnectionFailed) or V(Timeout) when there was no answer, V(UnexpectedResponse) when the answer was
          not Flashduty's, V(InvalidEvent) when the event breaks a rule of the service, and V(InvalidConfiguration) when
          an option is wrong. In the last two cases nothing was sent. V(InternalFailure) is a bug of the collection.
      type: str
      sample: ConnectionFailed
    message:
      description: What happened.
      type: str
      sample: "Cannot reach api.flashcat.cloud: the connection was refused."
    http_status:
      description: The HTTP status of the answer, or V(null) without one.
      type: int
      sample: null
    request_id:
      description: The id of the request, or V(null) without an answer.
      type: str
      sample: null
    retryable:
      description: Whether the same event may be accepted at another time.
      type: bool
      sample: true
    hint:
      description: What to do about it.
      type: str
      sample: Check the network, the firewall and the proxy, and api_url or push_url.
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    change_event_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._send_event import (
    run_module,
)


def main() -> t.NoReturn:
    module = AnsibleModule(change_event_argument_spec(), supports_check_mode=True)
    run_module(module, kind="change")


if __name__ == "__main__":
    main()
