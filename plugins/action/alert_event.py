# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    alert_event_argument_spec,
)

# The strategies load this file before they fork a worker for each host, so the client is imported once.
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    FIELDS,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.send_event import (
    EventAction,
)


class ActionModule(EventAction):
    """Send an alert event from the controller, or have the target send it."""

    kind = "alert"
    event_options = frozenset(FIELDS["alert"])

    def argument_spec(self) -> dict[str, t.Any]:
        return alert_event_argument_spec()
