# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""When many hosts fail at one task: which of them share one alert. Pure."""

from __future__ import annotations

import typing as t

from .model import name_digest


class Storms:
    """Decides for each failure of a run whether its host gets an alert of its own.

    :param threshold: so many hosts get one, at each task.
    """

    def __init__(self, threshold: int) -> None:
        self._threshold = threshold
        self._hosts_at: dict[t.Hashable, set[str]] = {}
        self._known: dict[tuple[str, str], set[str]] = {}

    def known(self, integration: str, storm_key: str, hosts: set[str]) -> None:
        """Take a storm that was open when the run began, and the digests of its hosts."""
        self._known[integration, storm_key] = hosts

    def holds(self, host: str, *, integration: str, storm_key: str) -> bool:
        """Say whether a host was in a storm that was open when the run began."""
        return name_digest(host) in self._known.get((integration, storm_key), ())

    def takes(
        self,
        host: str,
        place: t.Hashable,
        *,
        integration: str,
        storm_key: str,
        is_open: bool,
    ) -> bool:
        """Say whether so many hosts have failed at this place that this one gets no alert of its own.

        :param place: the task, and the status of the alert.
        :param storm_key: the key of the alert for all of them.
        :param is_open: whether the host's own alert was open when the run began.
        """
        hosts = self._hosts_at.setdefault(place, set())
        hosts.add(host)
        # Hosts fail in another order each time. Whoever is in an open alert stays in that one, or every run of a long
        # storm would open new ones.
        if is_open:
            return False
        if self.holds(host, integration=integration, storm_key=storm_key):
            return True
        return len(hosts) > self._threshold
