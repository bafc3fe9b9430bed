# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""In how many runs in a row something has failed, and has worked again. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
    OpenAlert,
    PendingAlert,
)


class FailureCounts:
    """Counts failures that raise no alert yet. A key counts once in a run, however often it fails there."""

    def __init__(self) -> None:
        self._earlier: dict[tuple[str, str], PendingAlert] = {}
        self._pending: dict[tuple[str, str], PendingAlert] = {}
        self._raised: set[tuple[str, str]] = set()

    def load(self, integration: str, pending: t.Iterable[PendingAlert]) -> None:
        """Take what earlier runs have counted."""
        for one in pending:
            self._earlier[integration, one.alert.alert_key] = one

    def failures(self, integration: str, key: str) -> int:
        """Return in how many runs in a row this has failed, with this one."""
        earlier = self._earlier.get((integration, key))
        return (earlier.failures if earlier else 0) + 1

    def is_enough(self, integration: str, key: str, needed: int) -> bool:
        """Say whether an alert is to be raised for one more failure."""
        return (
            self.failures(integration, key) >= needed
            or (integration, key) in self._raised
        )

    def latest(self, integration: str, key: str) -> PendingAlert | None:
        """Return what is pending for a key, from this run or else from earlier ones."""
        place = (integration, key)
        return self._pending.get(place) or self._earlier.get(place)

    def count(self, integration: str, pending: PendingAlert) -> None:
        """Note a failure of this run that raises no alert yet."""
        self._pending[integration, pending.alert.alert_key] = pending

    def raised(self, integration: str, key: str) -> PendingAlert | None:
        """Note that an alert is raised for a key, and return what was pending for it."""
        place = (integration, key)
        self._raised.add(place)
        earlier = self._earlier.pop(place, None)
        return self._pending.pop(place, None) or earlier

    def of(self, integration: str) -> list[PendingAlert]:
        """Return all that is pending for an integration."""
        return [
            one
            for (where, _key), one in {**self._earlier, **self._pending}.items()
            if where == integration
        ]

    @property
    def counted(self) -> list[PendingAlert]:
        """What has failed in this run without an alert."""
        return list(self._pending.values())

    def keys_of_this_run(self, integration: str) -> set[str]:
        """Return the keys of which this run has counted a failure."""
        return {key for where, key in self._pending if where == integration}


def good_run(alert: OpenAlert) -> OpenAlert | None:
    """Return an alert after one more good run, or None when it has had enough of them."""
    needed = alert.details.get("recover_after", 1)
    good = alert.details.get("good_runs", 0) + 1
    if good >= needed:
        return None
    return replace(alert, details={**alert.details, "good_runs": good})
