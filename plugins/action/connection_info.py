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
    HttpClient,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
    Connection,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    check_database,
    is_usable,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.transport import (
    ca_bundle_of,
    proxy_of,
    requests_version,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._layers import (
    Layer,
    find_option,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._open_api_options import (
    has_app_key,
    resolve_open_api,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._options import (
    find_state_url,
    has_integration_key,
    resolve_outbox,
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

_SECRET = ("integration_key", "url", "kind")


class ActionModule(ControllerAction):
    """Show which configuration is in force on the controller."""

    def argument_spec(self) -> dict[str, t.Any]:
        return connection_info_argument_spec()

    def perform(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        layers = self.layers(options)
        open_api_layers = self.open_api_layers(options)
        alert = self._describe_events(layers, "alert")
        change = self._describe_events(layers, "change")
        open_api = _describe_open_api(open_api_layers)
        callback, callback_problem = self._describe_callback()
        state, state_problems = self._describe_state(layers)
        problems = [
            alert["problem"],
            # What is not set at all is not missed.
            change["problem"] if has_integration_key(layers, kind="change") else None,
            open_api["problem"] if has_app_key(open_api_layers) else None,
            *state_problems,
            courier_problem(self.secrets()) if requests_version() else None,
        ]
        result = {
            "alert": alert,
            "change": change,
            "open_api": open_api,
            "requests_version": requests_version(),
            "python": sys.executable,
            "config_file": configuration_file(),
            "callback_enabled": not callback_problem,
            "callback_problem": callback_problem,
            "callback": callback,
            **state,
            "problems": list(dict.fromkeys(filter(None, problems))),
        }
        if options["show"]:
            self.show(report_lines(result))
        return result

    def _describe_state(self, layers: t.Sequence[Layer]) -> tuple[Result, list[str]]:
        """Return where the outbox is, and what is wrong there, a sentence each."""
        problems: list[str] = []
        url_source = None
        try:
            location = self.outbox_location(layers)
            url_source = find_state_url(layers)[1] or None
        except ConfigurationError as exc:
            problems.append(str(exc))
            location = resolve_outbox(layers, tolerate=lambda _text: None)
        place, _value = find_option(layers, "state_path")
        state_writable = is_usable(location)
        if not state_writable:
            problems.append(
                f"The folder {location.path} cannot be written to, or is not safe from other users: nothing can be queued, and"
                " no open alert remembered."
            )
        state: Result = {"kind": location.kind, "location": str(location)}
        database = None
        if location.url:
            database = dataclasses.asdict(check_database(location))
            if database["problem"]:
                problems.append(
                    f"The database of the state is of no use: {database['problem']}."
                )
        return {
            "state": state,
            "database": database,
            "state_path": location.path,
            "state_path_source": (
                place.display_name("state_path") if place else "default"
            ),
            "state_url_source": url_source,
            "state_writable": state_writable,
        }, problems

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
            "options": settings._asdict(),
            "sources": sources,
        }, problem

    def _describe_events(self, layers: t.Sequence[Layer], kind: str) -> Result:
        def resolve() -> tuple[Connection, t.Mapping[str, str]]:
            resolved = self.resolve(layers, kind=kind)
            return resolved.connection, resolved.sources

        return _describe(resolve)


def _describe_open_api(layers: t.Sequence[Layer]) -> Result:
    def resolve() -> tuple[Connection, t.Mapping[str, str]]:
        resolved = resolve_open_api(layers)
        return resolved.connection, resolved.sources

    described = _describe(resolve)
    # Nothing is kept for an app key, so there is nothing to tell apart.
    del described["integration"]
    return described


def _describe(
    resolve: t.Callable[[], tuple[Connection, t.Mapping[str, str]]],
) -> Result:
    """Return what is in force for a connection, or why there is none."""
    facts = dict.fromkeys(("problem", "url", "integration", "proxy", "authorities"))
    result: Result = {"configured": False, **facts, "options": {}, "sources": {}}
    try:
        connection, sources = resolve()
        result.update(
            url=connection.url,
            integration=connection.fingerprint,
            options={
                name: value
                for name, value in dataclasses.asdict(connection).items()
                if name not in _SECRET
            },
            sources=dict(sources),
        )
        # Finds out whether requests and the files are there.
        HttpClient(connection).close()
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
    alert, change, open_api = result["alert"], result["change"], result["open_api"]
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
        *_database_lines(result["state"], result["database"]),
        ("Alerts go to", alert["url"] or "nowhere"),
        ("Changes", change["url"] or "no change integration is configured"),
        ("Open API", open_api["url"] or "no app key is configured"),
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
        *_option_lines(change, prefix="change_", only=("integration_key",)),
        *_option_lines(open_api, only=("app_key",)),
        *_option_lines(result["callback"]),
        f"Option state_path: from {result['state_path_source']}",
        *(
            [f"Option state_url: from {result['state_url_source']}"]
            if result["state_url_source"]
            else []
        ),
        *(f"Problem: {problem}" for problem in result["problems"]),
        *(result["callback_problem"] or "").splitlines(),
    ]


def _database_lines(
    state: Result, database: Result | None
) -> t.Iterator[tuple[str, str]]:
    if database is None:
        return
    if not database["reachable"]:
        yield "Database", f"{state['location']}, not reachable"
        return
    tables = "its tables are there" if database["has_tables"] else "no tables yet"
    yield "Database", (
        f"{state['location']}, PostgreSQL {database['server_version']}, as {database['user']},"
        f" {'with' if database['tls'] else 'without'} TLS, {tables}"
    )


def _option_lines(
    described: Result, *, prefix: str = "", only: t.Container[str] | None = None
) -> list[str]:
    """Return a line for each option, with its value unless that is a secret, and its place."""
    lines = []
    for option, place in described["sources"].items():
        if only is not None and option not in only:
            # It is shown already.
            continue
        value = described["options"].get(option)
        shown = "" if value is None else f"{json.dumps(value, ensure_ascii=False)}, "
        lines.append(f"Option {prefix}{option}: {shown}from {place}")
    return lines
