#!/usr/bin/python
# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runs_info
short_description: Show which playbooks ran, when, and how they ended
version_added: 1.0.0
author:
  - Flashcat (@flashcatcloud)
description:
  - Shows the runs that the callback P(flashcat.flashduty.alert_on_failure#callback) has remembered, which are those with
    C(expected_every), C(max_duration) or C(watch); the playbooks that are expected to run; and the failures that were
    counted, and not raised yet, because of C(failed_after) or C(unreachable_after).
  - Of each playbook the latest 30 runs are kept, for 90 days.
  - It runs on the controller, where the state is, whatever host the task is for. So use C(run_once).
  - It opens no connection to Flashduty, and needs no integration key. The connection options are accepted, so that
    defaults for the action group work, and do not count.
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
  playbook:
    description:
      - Only runs of these playbooks. Each is a name, or what identifies it, as RV(runs[].playbook) and
        RV(runs[].playbook_id) say.
    type: list
    elements: str
    default: []
  limit:
    description:
      - How many runs are returned at most, the latest first. V(0) returns all.
    type: int
    default: 100
seealso:
  - module: flashcat.flashduty.runs_check
  - module: flashcat.flashduty.outbox_info
  - plugin: flashcat.flashduty.alert_on_failure
    plugin_type: callback
    description: Remembers the runs.
"""

EXAMPLES = r"""
---
- name: Look at the latest runs
  flashcat.flashduty.runs_info:
    limit: 20
  run_once: true
  register: runs

- name: Show them
  ansible.builtin.debug:
    msg: "{{ runs.table }}"
  run_once: true

- name: Look at the backups
  flashcat.flashduty.runs_info:
    playbook: [backup.yml]
  run_once: true
  register: backups

- name: Fail when the last backup was no good one
  ansible.builtin.assert:
    that: backups.runs[0].status == 'ok'
  when: backups.runs | length > 0
  run_once: true
"""

RETURN = r"""
runs:
  description: The runs, the latest first.
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
    ended:
      description: When it ended, in UTC, or V(null). Of a lost run, when it was last heard of.
      type: str
      sample: "2026-11-24T01:12:40Z"
    duration:
      description: How many seconds it took, or has taken so far.
      type: int
      sample: 758
    status:
      description:
        - How it ended. V(running) has not. V(ok) and V(failed) came to their recap, and V(failed) gave up on a host. V(aborted)
          was terminated, or ended with an exception. V(interrupted) was ended by Ctrl-C. V(lost) began, and nobody has told
          of its end.
      type: str
      sample: ok
    complete:
      description: Whether it was a whole run, without limit, tags and the like, that came to its recap.
      type: bool
      sample: true
    expected_every:
      description: Within which time its playbook is to run again, or V(null).
      type: str
      sample: 26h
    max_duration:
      description: How long it may take, or V(null).
      type: str
      sample: 30m
    hosts:
      description: The numbers of its hosts, by what became of them.
      type: dict
      sample:
        passed: 12
        failed: 1
expected:
  description: The playbooks that are expected to run, the one that is due first in front.
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
pending:
  description: The failures that were counted, and not raised yet, the oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    alert_key:
      description: The key of the alert that will be raised.
      type: str
      sample: ansible:v2:7d9f2c61b0e84f35
    title:
      description: The title of the alert that will be raised.
      type: str
      sample: Restart the service failed on web1 (site.yml)
    status:
      description: The severity of that alert.
      type: str
      sample: Critical
    count:
      description: In how many runs in a row it has failed.
      type: int
      sample: 2
    needed:
      description: In how many runs in a row it has to fail.
      type: int
      sample: 3
    since:
      description: When it failed first, in UTC.
      type: str
      sample: "2026-11-23T01:12:40Z"
table:
  description: The runs as lines of a table for people.
  returned: success
  type: list
  elements: str
  sample:
    - "PLAYBOOK     STARTED (UTC)        TOOK   STATUS  HOSTS      CONTROLLER"
    - "nightly.yml  2026-11-24 01:00:02  12m    ok      12 passed  control1"
metrics:
  description: Numbers for the textfile collector of Prometheus' node exporter.
  returned: success
  type: str
  sample: |
    # HELP flashduty_last_run_timestamp_seconds When the playbook started last.
    # TYPE flashduty_last_run_timestamp_seconds gauge
    flashduty_last_run_timestamp_seconds{playbook="nightly.yml",namespace=""} 1795482002
state:
  description: The outbox that was read. While the database of O(state_url) cannot be used, it is the local one.
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
state_path:
  description: The folder that holds the outbox.
  returned: always
  type: str
  sample: /home/ansible/.ansible/flashduty
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    runs_info_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._send_event import (
    refuse_to_run_as_module,
)


def main() -> t.NoReturn:
    refuse_to_run_as_module(
        AnsibleModule(runs_info_argument_spec(), supports_check_mode=True),
        "runs_info",
    )


if __name__ == "__main__":
    main()
