# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tasks say of open alerts."""

from __future__ import annotations

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
    OpenAlert,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.open_alerts import (
    describe_open,
    open_alerts_table,
)


def test_the_table_says_which_integration_is_in_force() -> None:
    details = {"labels": {"host": "web1", "check": "Install"}, "times": 3}
    alert = OpenAlert("key", "play", "t", "Critical", 0.0, details)
    mine = {**describe_open("0123456789ab", "a.example:443", alert), "in_force": True}
    other = {**describe_open("ba9876543210", "b.example:443", alert), "in_force": False}

    heading, first, second = open_alerts_table([mine, other])

    assert heading.split()[-1] == "INTEGRATION"
    assert first.split() == [
        *("web1", "Install", "1970-01-01", "00:00:00", "3"),
        *("a.example:443", "01234567"),
    ]
    assert second.endswith("not in force: b.example:443 ba987654")
    assert open_alerts_table([]) == []
