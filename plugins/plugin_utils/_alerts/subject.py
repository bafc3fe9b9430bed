# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What an alert is about, and so its key. Pure."""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import dataclass

from .outcomes import TaskIdentity

if t.TYPE_CHECKING:
    from .run_context import RunContext

# The version stands in every key, so that what goes into a key can change one day without meeting old alerts.
KEY_VERSION = "ansible:v2:"


def alert_key(version: str, identity: t.Sequence[t.Any]) -> str:
    """Return the alert key of what is identified by plain data.

    :param version: what the key begins with: kind and version.
    """
    return version + hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:40]


@dataclass(frozen=True)
class Subject:
    """What an alert is about, and so what its key is made of.

    :param scope: ``host``, ``task``, ``playbook``, ``storm`` (many hosts at one task) or ``run`` (it was aborted).
    :param status: the status of the event; the service fixes an alert's severity when it opens.
    :param host: the resource, for the scopes host and task.
    :param task: for the scopes task and storm.
    :param namespace: keeps apart what has the same names otherwise.
    """

    scope: str
    status: str
    host: str = ""
    task: TaskIdentity | None = None
    namespace: str = ""

    def key(self, run: RunContext) -> str:
        """Return the alert key: the same tomorrow, in every checkout and on every control node."""
        return alert_key(
            KEY_VERSION,
            [
                self.scope,
                self.namespace,
                run.playbook_id,
                self.status,
                self.host,
                list(self.task or ()),
            ],
        )
