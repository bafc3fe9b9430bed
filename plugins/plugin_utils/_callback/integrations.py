# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Which integration the alerts of each host go to: it is each host's own, and most say nothing about it.

This file is read at every start of Ansible, so it imports only what a run without failures needs.
"""

from __future__ import annotations

import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._options import (
    has_integration_key,
    resolve_connection,
)

from .._ansible.variables import INTEGRATION_KEY, PUSH_URL, integration_layer

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
        Connection,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._layers import (
        Layer,
    )

    from .._ansible.variables import Variables
    from .._delivery import Delivery

# What stands for the integration in a dry run without a key.
_NO_INTEGRATION = "none"


class Integrations:
    """Finds the integrations of a run, and has their events delivered.

    :param layers: the places below the variables that can set an option.
    :param connected: told of each integration, with the variables that chose it, and whether it is a new one. The
        connection is None in a dry run.
    """

    def __init__(
        self,
        layers: t.Sequence[Layer],
        delivery: Delivery,
        *,
        dry_run: bool,
        warn: t.Callable[[str], None],
        hide_key: t.Callable[[str], None],
        connected: t.Callable[[str, Variables, Connection | None, bool], None],
    ) -> None:
        self._layers = layers
        self._delivery = delivery
        self._dry_run = dry_run
        self._warn = warn
        self._hide_key = hide_key
        self._connected = connected
        # In the order in which they were found.
        self.known: list[str] = []
        self._connections: dict[str, Connection] = {}
        # By what variables say about it; most hosts say nothing, or all the same.
        self._found: dict[tuple[str | None, ...], str | None] = {}

    def of(self, variables: Variables) -> str | None:
        """Return the integration that variables choose; None where there is no key."""
        said = (variables.text(INTEGRATION_KEY), variables.text(PUSH_URL))
        if said not in self._found:
            self._found[said] = self._connect(*said, variables)
        return self._found[said]

    def connection(self, integration: str | None) -> Connection | None:
        """Return how to reach an integration; None in a dry run."""
        return self._connections.get(integration) if integration else None

    def _connect(
        self, key: str | None, push_url: str | None, variables: Variables
    ) -> str | None:
        try:
            connection = resolve_connection(
                [integration_layer(key, push_url), *self._layers], tolerate=self._warn
            ).connection
        except ConfigurationError as exc:
            if not self._dry_run:
                self._warn(f"{exc} Alerts of hosts for which this holds are not sent.")
                return None
            integration = _NO_INTEGRATION
        else:
            integration = connection.fingerprint
            self._hide_key(connection.integration_key)
            if not self._dry_run:
                self._delivery.connect(connection)
                self._connections[integration] = connection
        is_new = integration not in self.known
        if is_new:
            self.known.append(integration)
        self._connected(integration, variables, self.connection(integration), is_new)
        return integration

    def deliver_changes(self) -> None:
        """Have change events delivered, too, that tasks of this run or of earlier ones have left in the outbox."""
        if self._dry_run or not self._delivery.has_state():
            return
        try:
            if has_integration_key(self._layers, kind="change"):
                self._delivery.connect(
                    resolve_connection(
                        self._layers, kind="change", tolerate=self._warn
                    ).connection
                )
        except ConfigurationError as exc:
            self._warn(str(exc))
