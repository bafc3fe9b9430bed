#!/usr/bin/python
# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runs_check
short_description: Raise an alert in Flashduty for each run that is missed
version_added: 1.0.0
author:
  - Flashcat (@flashcatcloud)
description:
  - Raises an alert for each playbook that has not run in time. A playbook is expected when its run had the option
    C(expected_every) of the callback P(flashcat.flashduty.alert_on_failure#callback), or the variable
    C(flashduty_expected_every). A whole run counts that came to its recap, whether hosts failed or not.
  - The alert has the label C(status=missed). It is sent again after each further period, and the next complete run
    closes it.
  - Raises an alert with the label C(status=aborted) for each run that began and was never heard of again, such as one
    that was killed together with its container.
  - It is made for a timer, a cron job or an AWX schedule. The playbook C(flashcat.flashduty.housekeeping) runs it.
  - It runs on the controller, where the state is, whatever host the task is for. So use C(run_once).
  - It fails while the database of O(state_url) cannot be used, since nobody else knows what ran on other controllers.
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
      - Nothing is sent, and nothing is written. The task returns what it would find.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - The task is changed when it has raised or closed an alert, or has forgotten a playbook.
options:
  forget:
    description:
      - Playbooks that were removed for good, and so are expected no more. An alert that one of them was missed is closed.
      - Each is a name, or what identifies it, as RV(missed[].playbook) and RV(missed[].playbook_id) say. One that is not
        expected does no harm.
    type: list
    elements: str
    default: []
seealso:
  - module: flashcat.flashduty.runs_info
  - plugin: flashcat.flashduty.alert_on_failure
    plugin_type: callback
    description: Remembers the runs.
"""

EXAMPLES = r"""
---
- name: Look for runs that are missed
  flashcat.flashduty.runs_check:
  run_once: true

- name: Expect a playbook no more
  flashcat.flashduty.runs_check:
    forget: [nightly.yml]
  run_once: true

- name: Look after a thousand playbooks, and do not wait for Flashduty for long
  flashcat.flashduty.runs_check:
    wait: 20
    rate_limit: 300
    max_in_flight: 4
  run_once: true
  register: check

- name: Say what has not run
  ansible.builtin.debug:
    msg: "{{ item.playbook }} has not run since {{ item.last_completed }}"
  loop: "{{ check.missed }}"
  loop_control:
    label: "{{ item.playbook }}"
  run_once: true
"""

RETURN = r"""
missed:
  description: The playbooks that have not run in time, whether their alerts are new or not.
  returned: success
  type: list
  elements: dict
  contains:
    playbook:
      description: The name of the playbook.
      type: str
      sample: nightly.yml
    playbook_id:
      description: What identifies the playbook on all controllers.
      type: str
      sample: playbooks/nightly.yml
    namespace:
      description: What keeps installations apart; see C(alert_namespace) of the callback.
      type: str
      sample: ""
    expected_every:
      description: Within which time it is to run again, as it was set.
      type: str
      sample: 26h
    last_started:
      description: When it started last, in UTC.
      type: str
      sample: "2026-11-24T01:00:02Z"
    last_started_by:
      description: The name of the controller that it started on.
      type: str
      sample: control1
    last_completed:
      description: When a whole run of it came to its recap last, in UTC. It is V(null) when none has since it is expected.
      type: str
      sample: "2026-11-23T01:12:40Z"
    last_completed_by:
      description: The name of the controller of that run.
      type: str
      sample: control1
    due:
      description: When it has to have run again, in UTC.
      type: str
      sample: "2026-11-24T03:12:40Z"
    missed:
      description: Whether that is over.
      type: bool
      sample: true
lost:
  description: The runs that were found to be lost, which means that they began and never told of their end.
  returned: success
  type: list
  elements: dict
  contains:
    playbook:
      description: The name of the playbook.
      type: str
      sample: nightly.yml
    playbook_id:
      description: What identifies the playbook on all controllers.
      type: str
      sample: playbooks/nightly.yml
    namespace:
      description: What keeps installations apart; see C(alert_namespace) of the callback.
      type: str
      sample: ""
    run_id:
      description: What identifies the run; it is a label of its alerts.
      type: str
      sample: 3f0c7b1e2d3a4c69a5f0c7b1e2d3a4c6
    controller:
      description: The name of the controller.
      type: str
      sample: control1
    started:
      description: When it started, in UTC.
      type: str
      sample: "2026-11-24T01:00:02Z"
    last_seen:
      description: When it was last heard of, in UTC.
      type: str
      sample: "2026-11-24T01:04:32Z"
raised:
  description: How many alerts were raised, or raised again.
  returned: success
  type: int
  sample: 1
forgotten:
  description: What identifies the playbooks that are expected no more.
  returned: success
  type: list
  elements: str
  sample: [playbooks/nightly.yml]
expected:
  description: How many playbooks are expected.
  returned: success
  type: int
  sample: 12
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
    runs_check_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._send_event import (
    refuse_to_run_as_module,
)


def main() -> t.NoReturn:
    refuse_to_run_as_module(
        AnsibleModule(runs_check_argument_spec(), supports_check_mode=True),
        "runs_check",
    )


if __name__ == "__main__":
    main()
