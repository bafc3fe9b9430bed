# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""How far a run is, as it tells a courier that watches it.

It does so by these messages, each of which is short enough to be written at once or not at all:

``{"play": name}``
    A play begins, or a further batch of it. Its hosts follow.
``{"hosts": [name, …]}``
    Hosts that take part in it.
``{"gone": [name, …]}``
    Hosts that take part no more.
``{"task": text}``
    A task begins.
``{"reported": name}``
    A host has finished that task.
"""

from __future__ import annotations

import threading
import typing as t

from .events import cut_end

# Characters of the list of hosts. With the rest it stays below what the service takes.
_HOSTS_LIMIT = 1000


class Progress:
    """How far a run is. One thread tells, another one asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._play = ""
        self._task = ""
        self._hosts: set[str] = set()
        self._reported: set[str] = set()

    def take(self, message: t.Mapping[str, t.Any]) -> None:
        """Take in a message of the run (see above)."""
        with self._lock:
            if "play" in message:
                self._play, self._task = str(message["play"]), ""
                self._hosts, self._reported = set(), set()
            elif "hosts" in message:
                self._hosts.update(message["hosts"])
            elif "gone" in message:
                self._hosts.difference_update(message["gone"])
            elif "task" in message:
                self._task, self._reported = str(message["task"]), set()
            elif "reported" in message:
                self._reported.add(message["reported"])

    def describe(self) -> str:
        """Return for people where the run is now."""
        with self._lock:
            if not self._play:
                return "It has not begun a play yet."
            if not self._task:
                return f"Play: {self._play}\nIt has not begun a task of it yet."
            waiting = sorted(self._hosts - self._reported)
            count = f"{len(waiting)} of {len(self._hosts)} hosts"
            hosts = (
                f"Not reported from it ({count}): {cut_end(', '.join(waiting), _HOSTS_LIMIT)}"
                if waiting
                else f"All {len(self._hosts)} hosts have reported from it."
            )
            return f"Play: {self._play}\nTask: {self._task}\n{hosts}"
