# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: alert_on_failure
type: notification
short_description: Raise Flashduty alerts for what fails in a run, and close them when it works again
version_added: 1.0.0
description:
  - Raises an alert in Flashduty for every host that a run gives up on, because a task has failed or the host is
    unreachable. A failure that is ignored or rescued raises none.
  - Closes the alert at the end of a later run in which what had failed works again.
  - Runs are not slowed down. Events are written to an outbox and delivered by a process beside the run. What cannot be
    delivered waits for the next run.
  - Nothing of a task's arguments, of extra variables or of the environment is sent, and nothing of the result of a task
    with C(no_log).
author:
  - Flashcat (@flashcatcloud)
requirements:
  - To be enabled with C(callbacks_enabled) in C(ansible.cfg)
  - Python package C(requests) on the controller
extends_documentation_fragment:
  - flashcat.flashduty._connection
  - flashcat.flashduty._connection.plugin
notes:
  - The integration key may also come from the variables C(flashduty_integration_key) and C(flashduty_push_url) of a
    play or of the group C(all), and so from Ansible Vault. They count more than environment and C(ansible.cfg).
  - The variables C(flashduty_enabled), C(flashduty_status), C(flashduty_labels) and C(flashduty_description), set on a
    play, block, task, host or group, override what an alert says, with Ansible's usual precedence and templated. In
    C(flashduty_description), C({description}) stands for the description that would have been sent.
  - So do C(flashduty_failed_after), C(flashduty_unreachable_after) and C(flashduty_recover_after).
    C(flashduty_expected_every) and C(flashduty_max_duration) are for a whole run; the first play that sets one decides.
seealso:
  - module: flashcat.flashduty.outbox_info
  - module: flashcat.flashduty.outbox_flush
  - module: flashcat.flashduty.runs_check
  - module: flashcat.flashduty.runs_info
  - module: flashcat.flashduty.close_alerts
  - module: flashcat.flashduty.connection_info
  - module: flashcat.flashduty.alert_event
    description: Alerts at explicit steps.
options:
  enabled:
    description:
      - Whether the callback does anything. Set it to V(false) where a run shall raise no alerts, such as on a
        laptop that shares C(ansible.cfg) with the control node.
      - The variable C(flashduty_enabled) does the same for single plays, blocks, tasks, hosts and groups.
    type: bool
    default: true
    env:
      - name: FLASHDUTY_ENABLED
    ini:
      - section: flashduty
        key: enabled
  alert_scope:
    description:
      - What gets an alert of its own.
      - V(host) is one alert for each playbook and host. V(task) is one for each playbook, play, task and host.
        V(playbook) is one for the whole run. It is raised at the first failure, and brought up to date at the end
        with the list of hosts.
    type: str
    default: host
    choices: [host, task, playbook]
    env:
      - name: FLASHDUTY_ALERT_SCOPE
    ini:
      - section: flashduty
        key: alert_scope
  failed_status:
    description:
      - The status of an alert for a failed task.
    type: str
    default: Critical
    choices: [Critical, Warning, Info]
    env:
      - name: FLASHDUTY_FAILED_STATUS
    ini:
      - section: flashduty
        key: failed_status
  unreachable_status:
    description:
      - The status of an alert for an unreachable host.
    type: str
    default: Critical
    choices: [Critical, Warning, Info]
    env:
      - name: FLASHDUTY_UNREACHABLE_STATUS
    ini:
      - section: flashduty
        key: unreachable_status
  report_ignored:
    description:
      - Whether a failure under C(ignore_errors), or an unreachable host under C(ignore_unreachable), raises an
        alert with the status V(Warning).
    type: bool
    default: false
    env:
      - name: FLASHDUTY_REPORT_IGNORED
    ini:
      - section: flashduty
        key: report_ignored
  report_rescued:
    description:
      - Whether a failure that a C(rescue) catches raises an alert with the status V(Warning).
    type: bool
    default: false
    env:
      - name: FLASHDUTY_REPORT_RESCUED
    ini:
      - section: flashduty
        key: report_rescued
  report_check_mode:
    description:
      - Whether a run with C(--check) raises alerts. It never closes one.
    type: bool
    default: false
    env:
      - name: FLASHDUTY_REPORT_CHECK_MODE
    ini:
      - section: flashduty
        key: report_check_mode
  report_aborted:
    description:
      - >-
        Whether a run that ends without its recap raises an alert of its own, labelled C(status=aborted): after an
        exception between plays, after SIGTERM from AWX or a CI system, or when the terminal is gone (SIGHUP). A
        person who presses Ctrl-C gets none. The next complete run closes it.
    type: bool
    default: true
    env:
      - name: FLASHDUTY_REPORT_ABORTED
    ini:
      - section: flashduty
        key: report_aborted
  watch:
    description:
      - Whether the delivering process starts with the run, and so notices when the run is killed with SIGKILL or by
        the kernel for want of memory.
    type: bool
    default: false
    env:
      - name: FLASHDUTY_WATCH
    ini:
      - section: flashduty
        key: watch
  expected_every:
    description:
      - Within which time a playbook is to run again. When it has not, M(flashcat.flashduty.runs_check) raises an alert with
        the label C(status=missed), which the next complete run closes. Without it, nothing is expected.
      - A whole run counts that came to its recap, whether hosts failed or not. One with C(--limit), C(--tags), C(--check)
        and the like does not, and neither does one in which no host took part.
      - A run with C(--check) does not make a playbook expected, and neither does an ad-hoc command.
      - A playbook that is expected stays so when the option is taken away, until M(flashcat.flashduty.runs_check) forgets it.
      - A daily run is better given V(26h) than V(24h). It takes longer on some days, and on the day on which summer time
        ends there are 25 hours between two runs.
      - The variable C(flashduty_expected_every) of a play does the same for one playbook.
      - It is a number with a unit, which is C(s), C(m), C(h), C(d) or C(w), such as V(90m), V(25h) or V(1h30m). A number
        alone is seconds.
    type: str
    env:
      - name: FLASHDUTY_EXPECTED_EVERY
    ini:
      - section: flashduty
        key: expected_every
  max_duration:
    description:
      - How long a run may take. When it takes longer, an alert is raised while it goes on, with the label
        C(status=overlong), which its end closes. Without it, there is no limit.
      - The variable C(flashduty_max_duration) of a play does the same for one playbook.
      - It is a number with a unit, which is C(s), C(m), C(h), C(d) or C(w), such as V(90m), V(25h) or V(1h30m). A number
        alone is seconds.
    type: str
    env:
      - name: FLASHDUTY_MAX_DURATION
    ini:
      - section: flashduty
        key: max_duration
  failed_after:
    description:
      - In how many runs in a row something has to fail until its alert is raised. Earlier failures are only counted.
      - A run in which it works starts the count anew. A run that does not come to it, or with C(--check), counts nothing.
      - The variable C(flashduty_failed_after) does the same for a play, block, task, host or group.
    type: int
    default: 1
    env:
      - name: FLASHDUTY_FAILED_AFTER
    ini:
      - section: flashduty
        key: failed_after
  unreachable_after:
    description:
      - The same for unreachable hosts, such as laptops or machines that are just rebooting.
      - The variable C(flashduty_unreachable_after) does the same for a play, block, task, host or group.
    type: int
    default: 1
    env:
      - name: FLASHDUTY_UNREACHABLE_AFTER
    ini:
      - section: flashduty
        key: unreachable_after
  recover_after:
    description:
      - In how many runs in a row everything has to work again until an alert is closed.
      - The variable C(flashduty_recover_after) does the same for a play, block, task, host or group.
    type: int
    default: 1
    env:
      - name: FLASHDUTY_RECOVER_AFTER
    ini:
      - section: flashduty
        key: recover_after
  storm_threshold:
    description:
      - When more than this number of hosts fail in one run at one task, the further ones are folded into one alert
        for that task. V(0) turns this off.
    type: int
    default: 50
    env:
      - name: FLASHDUTY_STORM_THRESHOLD
    ini:
      - section: flashduty
        key: storm_threshold
  alert_namespace:
    description:
      - Keeps apart what has the same names otherwise, such as the C(web1) of staging and of production. It is a part
        of every alert key.
      - The variable C(flashduty_alert_namespace) of plays, groups and hosts comes before it, and may be a template.
      - It is a name, not a secret. The outbox and M(flashcat.flashduty.runs_info) keep and show it as it is.
    type: str
    default: ''
    env:
      - name: FLASHDUTY_ALERT_NAMESPACE
    ini:
      - section: flashduty
        key: alert_namespace
  playbook_id:
    description:
      - What identifies the playbook in alert keys. Where it is not set, it is the project and the path of the playbook
        in it. The project is what the Git remote C(origin) names, or else the folder at the top of the checkout.
        Outside of Git it is the absolute path of the playbook.
    type: str
    default: ''
    env:
      - name: FLASHDUTY_PLAYBOOK_ID
    ini:
      - section: flashduty
        key: playbook_id
  title_rule:
    description:
      - The title of the alerts, in the place of V({task} failed on {host} ({playbook}\)) and the like.
      - It may use C({task}), C({host}), C({playbook}) and C({status}), and Flashduty's own variables, which the
        labels satisfy, such as C($resource::$check).
    type: str
    default: ''
    env:
      - name: FLASHDUTY_TITLE_RULE
    ini:
      - section: flashduty
        key: title_rule
  labels:
    description:
      - >-
        Labels for all alerts: C(name=value) pairs with commas between them, or a JSON object.
    type: raw
    env:
      - name: FLASHDUTY_LABELS
    ini:
      - section: flashduty
        key: labels
  label_vars:
    description:
      - Names of variables, such as C(team) or C(service), whose values for the affected host become labels of the
        same names.
    type: list
    elements: str
    env:
      - name: FLASHDUTY_LABEL_VARS
    ini:
      - section: flashduty
        key: label_vars
  redact_patterns:
    description:
      - Regular expressions of what is masked in every text that is sent, in addition to the built-in ones for
        passwords, tokens, bearer headers, credentials in URLs and private keys.
      - A list with commas between them, or a JSON list. Of an expression with a group that is named C(secret) only
        the group is masked.
    type: raw
    env:
      - name: FLASHDUTY_REDACT_PATTERNS
    ini:
      - section: flashduty
        key: redact_patterns
  recovery:
    description:
      - How alerts are closed.
      - V(auto) remembers open alerts in the folder O(state_path) or the database O(state_url), and closes one in the first
        run which proves that what raised it works again, or is not wanted any more.
      - V(stateless) is for controllers that forget everything, such as containers, and have no database. After a complete
        run it sends C(Ok) for every host that has passed, whether an alert is open or not. It goes with O(alert_scope)
        V(host) and V(playbook).
      - V(never) leaves alerts open until a person closes them.
    type: str
    default: auto
    choices: [auto, stateless, never]
    env:
      - name: FLASHDUTY_RECOVERY
    ini:
      - section: flashduty
        key: recovery
  dry_run:
    description:
      - Whether nothing is sent or stored, and the events that would have been sent are printed at the end instead.
        With C(-v) they are printed in full.
    type: bool
    default: false
    env:
      - name: FLASHDUTY_DRY_RUN
    ini:
      - section: flashduty
        key: dry_run
  flush_timeout:
    description:
      - How many seconds the end of a run waits, at most, for events to be delivered. What is left is delivered by
        the next run.
    type: float
    default: 10
    env:
      - name: FLASHDUTY_FLUSH_TIMEOUT
    ini:
      - section: flashduty
        key: flush_timeout
  max_in_flight:
    description:
      - How many requests are made at a time, at most. How many there are follows from O(rate_limit) and from how long
        Flashduty takes to answer; there is one while it is in trouble.
    type: int
    default: 32
    env:
      - name: FLASHDUTY_MAX_IN_FLIGHT
    ini:
      - section: flashduty
        key: max_in_flight
  rate_limit:
    description:
      - How many requests a minute are made, at most; a tenth of it in any second. V(0) turns the limit off. The
        service takes 1,000 a minute and 100 a second.
    type: int
    default: 900
    env:
      - name: FLASHDUTY_RATE_LIMIT
    ini:
      - section: flashduty
        key: rate_limit
"""

EXAMPLES = r"""
---
# Each of these is a text of its own: a part of ansible.cfg, of a shell, or of a playbook.

ansible.cfg, the key in a file that only one user can read: |
  [defaults]
  callbacks_enabled = flashcat.flashduty.alert_on_failure

  [flashduty]
  integration_key_file = ~/.config/flashduty/integration_key

The same in the environment, with the push URL as it is copied from the Flashduty console: |
  export ANSIBLE_CALLBACKS_ENABLED=flashcat.flashduty.alert_on_failure
  export FLASHDUTY_PUSH_URL='https://api.flashcat.cloud/event/push/alert/standard?integration_key=…'

See what would be sent, without a key: |
  FLASHDUTY_DRY_RUN=true ansible-playbook -v site.yml

Labels from the inventory, which say whose a host is: |
  [flashduty]
  label_vars = service, team, env
  labels = region=eu-1, site=berlin

Every task is a check of its own, and nobody is to be woken up for it: |
  [flashduty]
  alert_scope = task
  failed_status = Warning
  title_rule = $resource::$check

A nightly run that has to happen, and to be done within an hour: |
  [flashduty]
  expected_every = 26h
  max_duration = 1h

Nobody is woken up for what mends itself: |
  [flashduty]
  failed_after = 2
  unreachable_after = 3
  recover_after = 2

One alert for the whole run, and one for a run that is killed: |
  [flashduty]
  alert_scope = playbook
  watch = true

A file that laptops share with the control node, which sets FLASHDUTY_ENABLED=true: |
  [flashduty]
  enabled = false

Containers, such as those of AWX, which share what they remember in a database: |
  export FLASHDUTY_STATE_URL='postgresql://flashduty@db.example.com/automation?sslmode=verify-full'

Containers without a database, which remember nothing of the run before: |
  export FLASHDUTY_STATE_URL=
  export FLASHDUTY_RECOVERY=stateless
  export FLASHDUTY_FLUSH_TIMEOUT=30

A private deployment with its own certificate authority, beside a proxy for the rest of the world: |
  [flashduty]
  api_url = https://flashduty.example.com
  ca_path = /etc/pki/tls/certs/example-ca.pem
  use_proxy = false

More to be masked than what looks like a password, a token or a key: |
  [flashduty]
  redact_patterns = ["customer-[0-9]{6}", "(?i)iban: (?P<secret>[A-Z0-9 ]+)"]

Variables override an alert where the task is written: |
  - name: Renew the certificate
    ansible.builtin.command: /opt/shop/bin/renew --days 30
    changed_when: true
    vars:
      flashduty_status: Warning
      flashduty_labels:
        service: certificates
      flashduty_description: |
        Runbook: https://wiki.example.com/certificates

        {description}
"""

import contextlib
import typing as t

from ansible.plugins.callback import CallbackBase
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._callback.plugin import (
    AlertCallback,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._callback.reporter import (
    RunReporter,
)

if t.TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import TaskResult
    from ansible.inventory.host import Host
    from ansible.playbook import Playbook
    from ansible.playbook.handler import Handler
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task


class CallbackModule(CallbackBase):
    """The hooks that ansible-core calls. Each of them hands over at once."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "flashcat.flashduty.alert_on_failure"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        # The flush of handlers at the end of a section is one: handlers that fail there are not rescued.
        self.wants_implicit_tasks = True
        self._callback = AlertCallback(self._display)

    def set_options(
        self, task_keys: t.Any = None, var_options: t.Any = None, direct: t.Any = None
    ) -> None:
        """Take the options as Ansible has found them. Ours are read in _alerts/settings.py, wrong ones and all."""
        # A wrong value costs a warning and its default there; here, it would cost the whole callback.
        with contextlib.suppress(Exception):
            super().set_options(
                task_keys=task_keys, var_options=var_options, direct=direct
            )

    def v2_playbook_on_start(self, playbook: Playbook) -> None:
        self._callback.playbook_started(playbook)

    def v2_playbook_on_play_start(self, play: Play) -> None:
        self._callback.dispatch(RunReporter.play_started, play)

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        self._callback.dispatch(RunReporter.no_hosts_remaining)

    def v2_playbook_on_task_start(self, task: Task, is_conditional: bool) -> None:
        self._callback.dispatch(RunReporter.task_started, task)

    def v2_playbook_on_handler_task_start(self, task: Handler) -> None:
        self._callback.dispatch(RunReporter.task_started, task)

    def v2_playbook_on_notify(self, handler: Handler, host: Host) -> None:
        self._callback.dispatch(RunReporter.handler_notified, host.name)

    def v2_runner_on_ok(self, result: TaskResult) -> None:
        self._callback.dispatch(RunReporter.ok, result)

    def v2_runner_on_skipped(self, result: TaskResult) -> None:
        self._callback.dispatch(RunReporter.skipped, result)

    def v2_runner_on_failed(
        self, result: TaskResult, ignore_errors: bool = False
    ) -> None:
        self._callback.dispatch(RunReporter.failed, result, ignore_errors)

    def v2_runner_on_unreachable(self, result: TaskResult) -> None:
        self._callback.dispatch(RunReporter.unreachable, result)

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        self._callback.playbook_ended()
