#!/usr/bin/python
# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: alert_event
short_description: Send an alert event to Flashduty
version_added: 1.0.0
author:
  - Flashcat (@flashcatcloud)
description:
  - Raises an alert in Flashduty, or closes one, as an explicit step of a playbook.
  - Events with the same O(alert_key) belong to one alert. An event with the status V(Ok) closes it.
  - The event is sent from the controller, unless O(send_from=target). So it works for hosts that are unreachable or have
    no Python, and the integration key stays on the controller.
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
  title_rule:
    description:
      - The title of the alert, at most 512 characters. A longer one is cut, with a warning.
      - It may use the variables of the service, which are filled in from the labels, as in V($resource::$check) or
        V([TPL]${resource} / ${check}). The form with two braces would be read by Ansible, unless it is marked with
        C(!unsafe).
      - The service compares titles, so keep them stable, and put into labels what differs from run to run.
    type: str
    required: true
    aliases:
      - title
  event_status:
    description:
      - How bad it is. V(Ok) closes the alert.
      - The service fixes the severity of an alert when it opens. What may have different severities needs different
        alert keys.
    type: str
    required: true
    choices:
      - Critical
      - Warning
      - Info
      - Ok
  alert_key:
    description:
      - What the events of one alert have in common, at most 255 characters.
      - It is required for V(Ok). Otherwise, a unique one is made where it is not set. Register the task, and use
        RV(alert_key) to close the alert.
    type: str
  description:
    description:
      - What a person needs to know to act, at most 2048 characters. A longer one is cut, with a warning.
    type: str
  images:
    description:
      - Images to show with the alert. The service keeps one for each O(images[].alt).
    type: list
    elements: dict
    suboptions:
      src:
        description:
          - The HTTP or HTTPS URL of the image, or the C(image_key) of one that was uploaded to Flashduty. At most 256
            characters.
        type: str
        required: true
      alt:
        description:
          - What the image shows, at most 128 characters.
        type: str
      href:
        description:
          - The URL to open when somebody clicks on the image, at most 256 characters.
        type: str
seealso:
  - module: flashcat.flashduty.change_event
  - module: flashcat.flashduty.outbox_flush
  - plugin: flashcat.flashduty.alert_on_failure
    plugin_type: callback
    description: Raises alerts for the failures of any playbook, and closes them, without a task.
"""

EXAMPLES = r"""
---
# The integration key comes from the environment, from ansible.cfg, or from module_defaults.
- name: Say that the certificate expires soon
  flashcat.flashduty.alert_event:
    title_rule: Certificate of {{ inventory_hostname }} expires soon
    event_status: Warning

- name: Raise an alert that a later run can close
  flashcat.flashduty.alert_event:
    integration_key: "{{ vault_flashduty_integration_key }}"
    title_rule: $cluster::$resource::$check
    event_status: Warning
    alert_key: cpu-idle-{{ inventory_hostname }}
    description: cpu idle low than 20%
    labels:
      resource: "{{ inventory_hostname }}"
      check: cpu.idle<20%
      service: engine
      cluster: nj
      metric: node_cpu_seconds_total

- name: Close it
  flashcat.flashduty.alert_event:
    integration_key: "{{ vault_flashduty_integration_key }}"
    title_rule: $cluster::$resource::$check
    event_status: Ok
    alert_key: cpu-idle-{{ inventory_hostname }}

- name: Page somebody when a backup fails, and let the play fail nevertheless
  block:
    - name: Make the backup
      ansible.builtin.command: /usr/local/bin/backup --all
      register: backup
      changed_when: true
  rescue:
    - name: Raise the alert, even if Flashduty cannot be reached just now
      flashcat.flashduty.alert_event:
        push_url: "{{ vault_flashduty_push_url }}"
        title_rule: Backup of {{ inventory_hostname }} failed
        event_status: Critical
        alert_key: backup-{{ inventory_hostname }}
        description: "{{ ansible_failed_result.msg }}"
        labels:
          resource: "{{ inventory_hostname }}"
          service: backup
          team: storage
        queue_on_failure: true
    - name: Fail
      ansible.builtin.fail:
        msg: The backup failed.

- name: Set the connection once for all modules of the collection
  module_defaults:
    group/flashcat.flashduty.flashduty:
      integration_key: "{{ vault_flashduty_integration_key }}"
      api_url: https://flashduty.example.com
      ca_path: /etc/pki/tls/certs/example-ca.pem
  block:
    - name: Raise an alert with a key that is made for it
      flashcat.flashduty.alert_event:
        title_rule: Restart of {{ inventory_hostname }} takes too long
        event_status: Info
      register: slow_restart

    - name: Close the alert again
      flashcat.flashduty.alert_event:
        title_rule: Restart of {{ inventory_hostname }} takes too long
        event_status: Ok
        alert_key: "{{ slow_restart.alert_key }}"

- name: Send from the target, because only that network gets out
  flashcat.flashduty.alert_event:
    integration_key: "{{ vault_flashduty_integration_key }}"
    title: Gateway {{ inventory_hostname }} was replaced
    event_status: Info
    event_time: "{{ ansible_facts['date_time']['epoch'] }}"
    images:
      - src: https://grafana.example.com/render/gateway.png
        alt: Traffic of the last hour
        href: https://grafana.example.com/d/gateway
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
alert_key:
  description: The key of the alert, for the event that closes it.
  returned: when the event is valid
  type: str
  sample: 64f6b9df2007be4b0bfe56f6
event:
  description: The event as it was sent, or would be sent in check mode.
  returned: when the event is valid
  type: dict
  sample:
    title_rule: $cluster::$resource::$check
    event_status: Warning
    alert_key: 64f6b9df2007be4b0bfe56f6
    event_time: 1795419427
    description: cpu idle low than 20%
    labels:
      resource: es.nj.01
      check: cpu.idle<20%
      service: engine
      cluster: nj
      metric: node_cpu_seconds_total
truncated:
  description: The fields that were longer than the service takes, and were cut.
  returned: when the event is valid
  type: list
  elements: str
  sample:
    - description
    - labels.stack
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
      sample: InvalidParameter
    message:
      description: What happened.
      type: str
      sample: >-
        Flashduty refused the event with InvalidParameter (HTTP 400, request 0ace00116215ab4ca0ec5244b8fc54b0):
        integration_key is not a valid one.
    http_status:
      description: The HTTP status of the answer, or V(null) without one.
      type: int
      sample: 400
    request_id:
      description: The id of the request, or V(null) without an answer.
      type: str
      sample: 0ace00116215ab4ca0ec5244b8fc54b0
    retryable:
      description: Whether the same event may be accepted at another time.
      type: bool
      sample: false
    hint:
      description: What to do about it.
      type: str
      sample: Check integration_key or push_url against the integration's page in the Flashduty console.
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    alert_event_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._send_event import (
    run_module,
)


def main() -> t.NoReturn:
    module = AnsibleModule(alert_event_argument_spec(), supports_check_mode=True)
    run_module(module, kind="alert")


if __name__ == "__main__":
    main()
