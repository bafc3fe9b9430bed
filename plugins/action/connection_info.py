# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import sys
import typing as t

from ansible import constants as C
from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    connection_info_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.client import (
    Client,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._options import (
    resolve_state_path,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.base import (
    ControllerAction,
    Result,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.diagnostics import (
    ca_bundle_of,
    is_writable,
    proxy_of,
    requests_version,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible.config import (
    configuration_file,
)

CALLBACK = "flashcat.flashduty.alert_on_failure"
_SECRET = ("integration_key", "url")


class ActionModule(ControllerAction):
    """Show which configuration is in force on the controller."""

    def argument_spec(self) -> dict[str, t.Any]:
        return connection_info_argument_spec()

    def perform(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        alert = self._describe(options, kind="alert")
        state_path = resolve_state_path(self.layers(options))
        state_writable = is_writable(state_path)
        problems = [alert["problem"]] if alert["problem"] else []
        if not state_writable:
            problems.append(
                f"The folder {state_path} cannot be written to: nothing can be queued, and no open alert remembered."
            )
        return {
            "alert": alert,
            "change": self._describe(options, kind="change"),
            "requests_version": requests_version(),
            "python": sys.executable,
            "config_file": configuration_file(),
            "callback_enabled": CALLBACK in getattr(C, "CALLBACKS_ENABLED", []),
            "state_path": state_path,
            "state_writable": state_writable,
            "problems": problems,
        }

    def _describe(self, options: dict[str, t.Any], *, kind: str) -> Result:
        facts = dict.fromkeys(("problem", "url", "integration", "proxy", "authorities"))
        result: Result = {"configured": False, **facts, "options": {}, "sources": {}}
        try:
            resolved = self.resolve(self.layers(options), kind=kind)
            connection = resolved.connection
            result.update(
                url=connection.url,
                integration=connection.fingerprint,
                options={
                    name: value
                    for name, value in dataclasses.asdict(connection).items()
                    if name not in _SECRET
                },
                sources=dict(resolved.sources),
            )
            # Finds out whether requests and the files are there.
            Client(connection).close()
            result.update(
                configured=True,
                proxy=proxy_of(connection),
                authorities=ca_bundle_of(connection),
            )
        except ConfigurationError as exc:
            result["problem"] = str(exc)
        return result
