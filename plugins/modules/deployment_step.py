#!/usr/bin/python
# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment_step
short_description: Tell Flashduty of a deployment over many hosts, step by step
version_added: 1.0.0
author:
  - Flashcat (@flashcatcloud)
description:
  - The role P(flashcat.flashduty.deployment#role) is made of this module, and is what most deployments need. Use the
    module where tasks cannot be put into a file of their own, such as for a deployment of several plays.
  - Every host takes every step. They know of each other through a file of the run, so that there is one change and one
    alert for the deployment, with any strategy, and with C(serial).
  - The first host that begins announces the change as C(Processing). The last one that is through tells C(Done), and
    closes the alert of an earlier deployment with the same O(name). A host that fails, or that is missing when the
    others report, turns the change into C(Canceled) and raises the alert.
  - It runs on the controller, whatever host the task is for. It needs no Python and no connection there.
  - A deployment never fails because of what Flashduty or the network do. What cannot be sent is said in a warning, and
    goes to the outbox when another attempt may succeed; see M(flashcat.flashduty.outbox_flush).
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
      - Nothing is sent. The task returns the events that would be sent.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Every run sends events.
options:
  step:
    description:
      - V(begin) stands before the deployment.
      - V(passed) is the last task of the deployment itself.
      - V(failed) is the first task of the C(rescue) section. It takes note of the task that failed and of its message.
        Of a task with C(no_log) it knows the module only.
      - V(report) stands after both. It tells what there is to tell, and fails for a host whose deployment has failed,
        with the message of the task that did.
    type: str
    choices: [begin, passed, failed, report]
    required: true
  name:
    description:
      - What is deployed. The alert of a failed deployment closes when those with this name have passed on all hosts that had
        failed, so use different names for what is deployed independently, such as C(shop-api production) and C(shop-api staging).
    type: str
    required: true
  version:
    description:
      - The version that is deployed. A name and a version are one change in one run, also if several plays deploy it.
    type: str
    default: ''
  description:
    description:
      - More about the change.
    type: str
    default: ''
  link:
    description:
      - The URL of the ticket or of the job. Where it is not set, it is that of the job in AWX, GitLab, GitHub or Jenkins.
    type: str
    default: ''
  labels:
    description:
      - Labels for the change and the alert, in addition to C(resource), C(service), C(version) and others, or in their
        place. A value may be any scalar.
    type: dict
    default: {}
  hosts:
    description:
      - The hosts that take part, if not all that O(step=begin) is run for. A host of the play that is named here and does
        not get through is a failure, even if it is lost before it begins.
      - This is needed where the steps are skipped for some hosts, and the strategy is C(free) or C(host_pinned), or a
        batch of C(serial) has no other hosts. Else, the deployment would wait for them until the run ends.
    type: list
    elements: str
    default: []
  alert:
    description:
      - Whether a failure raises an alert. With V(false), there are change events only.
    type: bool
    default: true
  alert_status:
    description:
      - The status of the alert. The service fixes it when the alert opens.
    type: str
    choices: [Critical, Warning, Info]
    default: Critical
  callback:
    description:
      - Whether the callback P(flashcat.flashduty.alert_on_failure#callback) raises alerts of its own for this deployment.
        It is what RV(callback) returns when a failure of the deployment raises an alert anyway.
    type: bool
    default: false
  watch:
    description:
      - Whether a process beside the run watches how it ends. When no host is left to report, because all of them have
        become unreachable or the run was killed, it cancels the change and raises the alert. It sends an alert that had
        to wait, too, for up to a minute.
    type: bool
    default: true
  silence:
    description:
      - Which alerts nobody is paged for during the deployment. It is set when the deployment begins, and removed when it is
        done or has failed, before the alert of the deployment is sent.
      - A dictionary with C(channel) or C(channel_id), C(labels) or C(filters), and C(for), as for
        M(flashcat.flashduty.silence). Its name is C(deploy) and the name of the deployment. It needs O(app_key).
      - That it cannot be set or removed is a warning. When the run is killed, it ends by itself.
      - The alert of the deployment must not match, or nobody is paged if the silence cannot be removed. There is a warning
        when it does.
    type: dict
    default: {}
seealso:
  - module: flashcat.flashduty.alert_event
  - module: flashcat.flashduty.change_event
  - plugin: flashcat.flashduty.alert_on_failure
    plugin_type: callback
    description: Raises alerts for the failures of any playbook, without a task.
"""

EXAMPLES = r"""
---
- name: Begin
  flashcat.flashduty.deployment_step:
    step: begin
    name: shop-api
    version: 1.4.2
    silence:
      channel: Shop on call
      labels:
        resource: "{{ ansible_play_hosts }}"
      for: 30m

- name: Deploy
  block:
    - name: Install the package
      ansible.builtin.package:
        name: shop-api-1.4.2
        state: present

    - name: Say that this host is through
      flashcat.flashduty.deployment_step:
        step: passed
        name: shop-api
        version: 1.4.2
  rescue:
    - name: Take note of the failure
      flashcat.flashduty.deployment_step:
        step: failed
        name: shop-api
        version: 1.4.2

- name: Report, and fail where the deployment has failed
  flashcat.flashduty.deployment_step:
    step: report
    name: shop-api
    version: 1.4.2

- name: Begin, with all that can be said of a deployment
  flashcat.flashduty.deployment_step:
    step: begin
    name: shop-api production
    version: 1.4.2
    description: Approved by the release board.
    link: https://tickets.example.com/CHG-4711
    labels:
      service: shop-api
      env: production
      team: shop
    hosts: "{{ groups['shop_api'] }}"
    alert: true
    alert_status: Warning
    callback: true
    watch: false
"""

RETURN = r"""
change_key:
  description: The key of the change, another one in each run.
  returned: when the options are valid
  type: str
  sample: shop-api-1.4.2-0f3a5b7c9d1e
alert_key:
  description: The key of the alert, the same for every deployment with this name.
  returned: when the options are valid
  type: str
  sample: ansible:deployment:v1:64f6b9df2007be4b0bfe56f664f6b9df2007be4b
callback:
  description:
    - The value that the variable C(flashduty_enabled) should have for the deployment, so that the callback
      P(flashcat.flashduty.alert_on_failure#callback) does not raise an alert for the same failure.
    - It is V(false) when the deployment raises the alert, and else what the variable has been before.
  returned: when the options are valid
  type: bool
  sample: false
run_once:
  description: With O(step=failed), whether the failed task had C(run_once), so that Ansible fails all hosts for it.
  returned: when the options are valid
  type: bool
  sample: false
events:
  description: The events that this task has sent; with most tasks, none.
  returned: when the options are valid
  type: list
  elements: dict
  contains:
    kind:
      description: V(alert) or V(change).
      type: str
      sample: change
    key:
      description: The key of the alert or of the change.
      type: str
      sample: shop-api-1.4.2-0f3a5b7c9d1e
    status:
      description: The status.
      type: str
      sample: Processing
    event:
      description: The event as it was sent, or would be sent in check mode.
      type: dict
      sample:
        change_key: shop-api-1.4.2-0f3a5b7c9d1e
        change_status: Processing
        title: Deploy shop-api 1.4.2
        event_time: 1795419427
        labels:
          source: ansible
          resource: shop-api
          service: shop-api
          version: 1.4.2
    request_id:
      description: The id of the request, or V(null) when the event was not delivered.
      type: str
      sample: 0ace00116215ab4ca0ec5244b8fc54b0
    queued:
      description: Whether the event waits in the outbox.
      type: bool
      sample: false
    error:
      description: Why the event was not delivered, as with M(flashcat.flashduty.change_event), or V(null).
      type: dict
      sample: null
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    deployment_step_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._send_event import (
    refuse_to_run_as_module,
)


def main() -> t.NoReturn:
    refuse_to_run_as_module(
        AnsibleModule(deployment_step_argument_spec(), supports_check_mode=True),
        "deployment_step",
    )


if __name__ == "__main__":
    main()
