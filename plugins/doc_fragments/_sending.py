# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

from __future__ import annotations


class ModuleDocFragment:
    """What alert_event and change_event have in common, beside the connection."""

    DOCUMENTATION = r"""
options:
  event_time:
    description:
      - When it happened, in seconds since 1970-01-01 UTC. Where it is not set, it is the time at which the task runs.
      - Milliseconds are refused.
    type: int
  labels:
    description:
      - Facts about the event, at most 50. Names are cut to 128 characters, and values to 2048, each with a warning.
      - A value may be any scalar. It is sent as a text in the way YAML writes it, such as V(true) or V(3). A list or a
        dictionary as a value is an error.
    type: dict
  queue_on_failure:
    description:
      - What happens when Flashduty could not be reached, and an attempt at another time may succeed. With V(true), the
        event goes to the outbox on the controller, the task is changed with RV(queued=true) and a warning, and the play
        goes on. With V(false), the task fails.
      - The event is delivered with its original time by the next run with the callback
        P(flashcat.flashduty.alert_on_failure#callback) that uses the same integration, or by
        M(flashcat.flashduty.outbox_flush).
      - An event that Flashduty refuses makes the task fail in any case.
    type: bool
    default: false
  send_from:
    description:
      - Where the event is sent from. V(controller) needs neither Python nor a network on the target, nor a connection
        to it.
      - V(target) is for networks in which only the target gets out. It needs Python 3.9 or newer and the Python package
        C(requests) on the target. The connection options are still found out on the controller, the integration key
        is handed over as a secret option of the module, and O(ca_path), O(client_cert) and O(client_key) are paths on
        the target.
      - As with every module, Ansible keeps the module and its options in a temporary file on the target while it runs,
        readable for one user alone, unless pipelining is on.
    type: str
    choices:
      - controller
      - target
    default: controller
notes:
  - The keyword C(environment) of a task has an effect on O(send_from=target) only. An event that is sent from the
    controller is sent in the environment of Ansible itself.
attributes:
  check_mode:
    support: full
    details:
      - Nothing is sent. The task is changed, and returns the event that would be sent.
  diff_mode:
    support: full
    details:
      - Shows the event.
  idempotent:
    support: none
    details:
      - Every run sends an event, and is changed. The service itself drops an event that repeats the one before.
"""
