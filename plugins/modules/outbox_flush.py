#!/usr/bin/python
# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: outbox_flush
short_description: Deliver what waits to be delivered to Flashduty, now
version_added: 1.0.0
author:
  - Flashcat (@flashcatcloud)
description:
  - Delivers the events that wait in the outbox of the controller, because Flashduty could not be reached before. It can
    also give events that Flashduty refused another try, or delete them.
  - Events are delivered for the alert integration and the change integration that are in force. What waits for other
    integrations is left alone, and counted in RV(waiting_for_others).
  - The task fails when an event is still waiting at the end, or was refused.
  - It runs on the controller, where the state is, whatever host the task is for. So use C(run_once).
extends_documentation_fragment:
  - flashcat.flashduty._attributes
  - flashcat.flashduty._attributes.actiongroup_flashduty
  - flashcat.flashduty._connection
  - flashcat.flashduty._connection.change
  - flashcat.flashduty._open_api.app_key
  - flashcat.flashduty._connection.module
attributes:
  action:
    details:
      - Everything is done on the controller.
  check_mode:
    support: full
    details:
      - Nothing is sent, and nothing is deleted. The task returns what it would do if every event was accepted.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - The task is changed when it has delivered or deleted something, or has given an event another try.
options:
  wait:
    description:
      - For how many seconds delivery is tried at most. The task ends earlier when nothing is left to be delivered.
      - What fails for a reason that may pass is tried again in this time, so O(retries) does not count here.
    type: float
    default: 60
  retry_undeliverable:
    description:
      - Whether events that Flashduty refused get another try, with the integrations that are in force now. Use it once
        the reason has been mended.
      - It cannot be used together with O(discard_undeliverable).
    type: bool
    default: false
  discard_undeliverable:
    description:
      - Whether events that Flashduty refused are deleted before anything is sent.
    type: bool
    default: false
  adopt:
    description:
      - Whether the integrations in force get what waits, was refused or is open for other integration keys, such as
        after a key was changed. Failures that are only counted are counted on.
      - It cannot be used together with O(discard_others).
    type: bool
    default: false
  discard_others:
    description:
      - Whether what waits, was refused, is open or was counted for integration keys that are not in force is deleted. The
        alerts stay open in Flashduty.
    type: bool
    default: false
  max_in_flight:
    description:
      - How many requests are under way at a time, at most. It is V(32) where it is not set.
    type: int
  rate_limit:
    description:
      - How many requests are made in a minute at most, and at most a tenth of them in one second. V(0) is no limit. It
        is V(900) where it is not set.
    type: int
seealso:
  - module: flashcat.flashduty.outbox_info
"""

EXAMPLES = r"""
---
- name: Deliver what waits
  flashcat.flashduty.outbox_flush:
  run_once: true

- name: Deliver what waits, and do not wait for Flashduty for long
  flashcat.flashduty.outbox_flush:
    integration_key: "{{ vault_flashduty_integration_key }}"
    change_integration_key: "{{ vault_flashduty_change_integration_key }}"
    wait: 10
  run_once: true
  ignore_errors: true

- name: Deliver a large backlog overnight, gently
  flashcat.flashduty.outbox_flush:
    wait: 3600
    rate_limit: 120
    max_in_flight: 2
  run_once: true

- name: Send again what was refused because of a wrong integration key
  flashcat.flashduty.outbox_flush:
    integration_key: "{{ vault_flashduty_integration_key }}"
    retry_undeliverable: true
  run_once: true

- name: Send with the new key what waited for the old one
  flashcat.flashduty.outbox_flush:
    integration_key: "{{ vault_flashduty_integration_key }}"
    adopt: true
  run_once: true

- name: Forget what waits for keys that nobody has any more
  flashcat.flashduty.outbox_flush:
    integration_key: "{{ vault_flashduty_integration_key }}"
    discard_others: true
  run_once: true

- name: Forget what was refused
  flashcat.flashduty.outbox_flush:
    discard_undeliverable: true
  run_once: true
"""

RETURN = r"""
delivered:
  description: How many events were delivered.
  returned: when the outbox could be used
  type: int
  sample: 3
waiting:
  description: How many events still wait, for the integrations that are in force.
  returned: when the outbox could be used
  type: int
  sample: 0
waiting_for_others:
  description: How many events wait for other integrations.
  returned: when the outbox could be used
  type: int
  sample: 0
undeliverable:
  description: How many events Flashduty refused for good, at any time.
  returned: when the outbox could be used
  type: int
  sample: 0
retried:
  description: How many refused events were given another try.
  returned: when the outbox could be used
  type: int
  sample: 0
discarded:
  description: How many refused events were deleted.
  returned: when the outbox could be used
  type: int
  sample: 0
state_path:
  description: The folder that holds the outbox.
  returned: always
  type: str
  sample: /home/ansible/.ansible/flashduty
error:
  description: Why an event was not delivered. It is the latest reason when there are several.
  returned: on failure
  type: dict
  contains:
    code:
      description: The error code, as in the return values of M(flashcat.flashduty.alert_event).
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
    outbox_flush_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._send_event import (
    refuse_to_run_as_module,
)


def main() -> t.NoReturn:
    refuse_to_run_as_module(
        AnsibleModule(outbox_flush_argument_spec(), supports_check_mode=True),
        "outbox_flush",
    )


if __name__ == "__main__":
    main()
