# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import os
import sys
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    connection_info_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.client import (
    Client,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    is_usable,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.transport import (
    ca_bundle_of,
    proxy_of,
    requests_version,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._options import (
    find_option,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.base import (
    ControllerAction,
    Result,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.settings import (
    read_settings,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible.config import (
    CALLBACK,
    configuration_file,
    configured_layers,
    is_callback_enabled,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._processes import (
    courier_problem,
)

_SECRET = ("integration_key", "url")


class ActionModule(ControllerAction):
    """Show which configuration is in force on the controller."""

    def argument_spec(self) -> dict[str, t.Any]:
        return connection_info_argument_spec()

    def perform(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        alert = self._describe(options, kind="alert")
        callback, callback_problem = self._describe_callback()
        location = self.outbox_location(self.layers(options))
        place, _value = find_option(self.layers(options), "state_path")
        state_writable = is_usable(location)
        problems = [alert["problem"]] if alert["problem"] else []
        if not state_writable:
            problems.append(
                f"The folder {location.path} cannot be written to, or is not safe from other users: nothing can be queued, and"
                " no open alert remembered."
            )
        if requests_version():
            problem = courier_problem(self._keys)
            problems += [problem] if problem else []
        result = {
            "alert": alert,
            "change": self._describe(options, kind="change"),
            "requests_version": requests_version(),
            "python": sys.executable,
            "config_file": configuration_file(),
            "callback_enabled": not callback_problem,
            "callback_problem": callback_problem,
            "callback": callback,
            "state_path": location.path,
            "state_path_source": (
                place.display_name("state_path") if place else "default"
            ),
            "state_writable": state_writable,
            "problems": problems,
        }
        if options["show"]:
            self.show(report_lines(result))
        return result

    def _describe_callback(self) -> tuple[Result, str | None]:
        """Return the callback's options in force, and why it does nothing, or None."""
        settings, problems, sources = read_settings(configured_layers())
        for text in problems:
            self.warn(text)
        problem = None
        if not is_callback_enabled():
            file = configuration_file() or "ansible.cfg"
            problem = (
                f"The callback is not enabled, so no failure raises an alert. Write these two lines into {file}:\n"
                f"[defaults]\ncallbacks_enabled = {CALLBACK}\n" + _listed_already()
            )
        elif not settings.enabled:
            problem = (
                f"The callback is switched off by {sources['enabled']}: it is false."
            )
        return {
            "options": dataclasses.asdict(settings),
            "sources": sources,
        }, problem

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


def _listed_already() -> str:
    """Say what is easily overlooked where other callbacks are enabled."""
    others = os.environ.get("ANSIBLE_CALLBACKS_ENABLED")
    return (
        "ANSIBLE_CALLBACKS_ENABLED is set, and counts before ansible.cfg: add the callback there.\n"
        if others is not None
        else ""
    )


def report_lines(result: Result) -> list[str]:
    """Return what a task has found out, in lines for people."""
    alert, change, callback = result["alert"], result["change"], result["callback"]
    lines = [
        ("Python", result["python"]),
        ("requests", result["requests_version"] or "not installed"),
        ("ansible.cfg", result["config_file"] or "none"),
        (
            "Callback",
            f"{'enabled' if result['callback_enabled'] else 'not enabled'} (alert_on_failure)",
        ),
        (
            "State",
            result["state_path"]
            + ("" if result["state_writable"] else ", not writable"),
        ),
        ("Alerts go to", alert["url"] or "nowhere"),
        ("Changes", change["url"] or "no change integration is configured"),
        ("Proxy", alert["proxy"] or "none"),
        (
            "Authorities",
            (
                (alert["authorities"] or "none, no certificate is verified")
                if alert["configured"]
                else "unknown"
            ),
        ),
    ]
    width = max(len(name) for name, _text in lines) + 1
    return [
        *(f"{name + ':':<{width}} {text}" for name, text in lines),
        *_option_lines(alert),
        *_option_lines(callback),
        f"Option state_path: from {result['state_path_source']}",
        *(result["callback_problem"] or "").splitlines(),
    ]


def _option_lines(described: Result) -> list[str]:
    """Return a line for each option, with its value unless that is a secret, and its place."""
    lines = []
    for option, place in described["sources"].items():
        value = described["options"].get(option)
        shown = "" if value is None else f"{json.dumps(value, ensure_ascii=False)}, "
        lines.append(f"Option {option}: {shown}from {place}")
    return lines
