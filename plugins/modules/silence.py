#!/usr/bin/python
# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: silence
short_description: Silence alerts of a channel for a while
version_added: 1.0.0
author:
  - Flashcat (@flashcatcloud)
description:
  - Sets a silence of a Flashduty channel, so that nobody is paged for what is expected, such as during patching, a reboot
    or a deployment, and removes it again.
  - A silence always has an end. So it is over by itself when the run that has set it is killed.
  - Flashduty looks at silences when an event arrives. An event that matches makes an alert that is marked as silenced,
    and no incident, so nobody is paged. An alert that was open before is not changed.
  - After writing, the silence is read back and compared with what was asked for. A difference is an error that names
    it.
extends_documentation_fragment:
  - flashcat.flashduty._connection
  - flashcat.flashduty._connection.change
  - flashcat.flashduty._connection.module
  - flashcat.flashduty._open_api
  - flashcat.flashduty._open_api.app_key
  - flashcat.flashduty._attributes
  - flashcat.flashduty._attributes.actiongroup_flashduty
attributes:
  check_mode:
    support: full
    details:
      - The silences of the channel are listed, and nothing is written.
  diff_mode:
    support: full
    details:
      - Shows the silence before and after.
  idempotent:
    support: full
    details:
      - A silence of that name that is enabled, matches the same and lasts long enough stays as it is. One that lasts less
        is extended and keeps its start. It is never made shorter.
options:
  state:
    description:
      - Whether there is to be such a silence.
      - With V(absent), all silences of that name are removed, but those that repeat weekly or by a calendar.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - The name of the silence, 1 to 39 characters. The channel and the name say which silence is meant.
      - A longer name is an error. It is not cut, because two long names may begin alike.
    type: str
    required: true
  labels:
    description:
      - Which alerts are silenced, by their labels. All labels have to match. A list of values means any of them.
      - Flashduty takes a value with C(*) or C(?) as a pattern, a value between slashes as a regular expression (RE2), and
        values that begin with C(cidr:) or C(num:) as ranges.
      - Set this or O(filters) or both, unless O(state=absent).
    type: dict
  filters:
    description:
      - Which alerts are silenced, in the form that Flashduty has for it. It is a list of groups. One group has to match, and
        in it all conditions. What O(labels) says has to match as well.
      - A condition has a C(key), an C(oper), which is V(IN) where it is missing, or V(NOTIN), and C(vals), a list of values.
      - The keys are V(severity), V(status), V(title), V(description), V(integration_id), V(alert_key), V(title_rule), and
        V(labels.) followed by the name of a label. Flashduty takes any other key, too, and such a condition never matches.
        So another key is an error here.
      - A condition with V(NOTIN) also matches alerts that do not have the label at all.
    type: list
    elements: raw
  for:
    description:
      - How long the silence lasts from now on, such as V(2h), V(90m) or V(1h30m). The units are C(s), C(m), C(h), C(d) and
        C(w). A number alone is seconds.
      - A silence that is there already and has nine tenths of this left lasts long enough.
      - Set this or O(until), unless O(state=absent).
    type: raw
  until:
    description:
      - When the silence ends. It is a date and time with a time zone, such as V(2026-12-01T04:00:00+08:00), or the seconds
        since 1970-01-01 UTC.
    type: raw
  comment:
    description:
      - Why this is silenced, at most 500 characters. Where it is not set, that of a silence that is there stays.
    type: str
  discard:
    description:
      - Whether alerts that match are dropped, so that nothing is left of them. Else they are kept and marked, and can be
        looked for with M(flashcat.flashduty.alert_info).
    type: bool
    default: false
seealso:
  - module: flashcat.flashduty.alert_info
  - plugin: flashcat.flashduty.deployment
    plugin_type: role
"""

EXAMPLES = r"""
---
- name: No pages while this host is patched
  flashcat.flashduty.silence:
    channel: Database on call
    name: "patch {{ inventory_hostname }}"
    labels:
      resource: "{{ inventory_hostname }}"
    for: 2h
    comment: Kernel update, change 4711

- name: Page again
  flashcat.flashduty.silence:
    channel: Database on call
    name: "patch {{ inventory_hostname }}"
    state: absent

- name: No pages for warnings of two teams until four in the morning
  flashcat.flashduty.silence:
    channel_id: 1001
    name: storage migration
    labels:
      team: [dba, storage]
    filters:
      - - key: severity
          oper: IN
          vals: [Warning, Info]
    until: "2036-12-01T04:00:00+08:00"
  run_once: true

- name: Forget what a load test causes
  flashcat.flashduty.silence:
    channel: Shop on call
    name: load test
    labels:
      service: shop
      resource: "loadtest-*"
    for: 30m
    discard: true
"""

RETURN = r"""
rule_id:
  description: The id of the silence. It is empty in check mode where there is no silence yet.
  returned: success
  type: str
  sample: 65f0c0ffee65f0c0ffee0001
silence:
  description: The silence as Flashduty returned it after writing, or as it would be in check mode. Empty when there is
    none.
  returned: success
  type: dict
  sample:
    channel_id: 1001
    rule_id: 65f0c0ffee65f0c0ffee0001
    rule_name: patch db1
    status: enabled
    is_effective: true
    is_auto_delete: true
    is_directly_discard: false
    time_filter:
      start_time: 1800000000
      end_time: 1800007200
    filters: [[{key: labels.resource, oper: IN, vals: [db1]}]]
effective:
  description: Whether the silence holds alerts back now.
  returned: success
  type: bool
  sample: true
until:
  description: When the silence ends, in UTC. Empty when there is none.
  returned: success
  type: str
  sample: "2027-01-15T10:00:00Z"
request_id:
  description: Flashduty's id of the last request that wrote something, or of the list where nothing was written. Its
    support asks for it.
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
    silence_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._send_event import (
    refuse_to_run_as_module,
)


def main() -> t.NoReturn:
    refuse_to_run_as_module(
        AnsibleModule(silence_argument_spec(), supports_check_mode=True),
        "silence",
    )


if __name__ == "__main__":
    main()
