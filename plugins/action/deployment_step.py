# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import hashlib
import os
import typing as t
import uuid

from ansible import context
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    deployment_step_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
    Connection,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
    InvalidEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
    DEFAULT_PATTERNS,
    Redactor,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._options import (
    has_integration_key,
    resolve_state_path,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.base import (
    ControllerAction,
    Result,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.run_context import (
    collect_run_context,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.settings import (
    Settings,
    read_settings,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible.config import (
    configured_layers,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible.results import (
    play_of,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible.secrets import (
    secret_values,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._deployment.events import (
    Fields,
    Narrator,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._deployment.failure import (
    failure_of,
    fingerprint,
    repeated_result,
    runs_once,
    unknown_failure,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._deployment.integrations import (
    Integrations,
    Sent,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._deployment.shared_state import (
    SharedState,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._deployment.state import (
    FAILED,
    STOPPED,
    Deployment,
    Failure,
    Play,
)

# With these strategies, every host goes through the play at its own pace.
_NOT_IN_LOCKSTEP = ("free", "host_pinned")


class ActionModule(ControllerAction):
    """Take one step of a deployment for one host, and tell Flashduty what there is to tell."""

    event_options = frozenset(("name", "version", "labels"))

    def argument_spec(self) -> dict[str, t.Any]:
        return deployment_step_argument_spec()

    def perform(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        if not options["name"].strip():
            raise InvalidEvent("name is empty: it must be a text.", option="name")
        self._options = options
        self._task_vars = task_vars
        self._host = str(task_vars["inventory_hostname"])
        self._settings = self._callback_settings()
        self._play = self._play_as_seen()
        narrator = self._narrator()
        identity = f"{narrator.alert_key} {options['version']}"
        name = hashlib.sha256(identity.encode()).hexdigest()[:16]
        result: Result = {"alert_key": narrator.alert_key, "events": []}
        try:
            with SharedState(f"deployment-{name}") as state:
                result.update(self._take_step(narrator, state))
        except (OSError, ValueError) as exc:
            # The disk is full, or somebody has deleted the folder.
            self.warn(
                f"This step is not reported to Flashduty, because hosts cannot tell each other of it: {exc}."
            )
            result.update(self._step_without_memory())
        events = result["events"]
        return {
            **result,
            "changed": any(not one["error"] or one["queued"] for one in events),
        }

    def _take_step(self, narrator: Narrator, state: SharedState) -> Result:
        known = state.data.get("deployment")
        deployment = (
            Deployment.from_data(known)
            if known
            else Deployment(narrator.change_key(uuid.uuid4().hex[:12]))
        )
        steps = {
            "begin": self._begin,
            "passed": self._passed,
            "failed": self._failed,
            "report": self._report,
        }
        result = steps[self._options["step"]](deployment, narrator, state)
        state.data["deployment"] = deployment.as_data()
        state.data["will"] = self._will(deployment, narrator, state)
        return {
            "change_key": deployment.change_key,
            "callback": state.data.get("callback", {}).get(self._host, True),
            "run_once": False,
            **result,
        }

    def _step_without_memory(self) -> Result:
        """Return the result of a step of which no other step will know."""
        if self._options["step"] == "failed":
            return repeated_result(self._task_vars)
        return {"callback": self._callback_is_wanted(), "run_once": False}

    # -- steps

    def _begin(
        self, deployment: Deployment, narrator: Narrator, state: SharedState
    ) -> Result:
        before = state.data.setdefault("failed_before", {})
        before[self._host] = fingerprint(self._task_vars)
        state.data.setdefault("labels", {})[self._host] = self._options["labels"]
        everybody = set(map(str, self._task_vars.get("ansible_play_hosts_all", ())))
        # Hosts that --limit leaves out take no part.
        expected = everybody.intersection(self._options["hosts"])
        is_first = not deployment.status
        is_announced = deployment.begin(self._host, self._play, expected=expected)
        integrations = self._integrations(quietly=not is_first)
        events: list[Sent] = []
        if is_first:
            for warning in narrator.problems:
                self.warn(warning)
            if not integrations.connections:
                self.warn(
                    "This deployment is not reported to Flashduty: there is neither the key of an alert integration nor"
                    " that of a change integration."
                )
        if is_announced:
            events = self._tell(
                integrations,
                state,
                change=narrator.change(
                    deployment.change_key, "Processing", hosts=deployment.expected
                ),
            )
        if is_first and self._options["watch"] and self._is_sending(integrations):
            state.save()
            integrations.leave_last_will(state.path)
        alerting = (
            self._is_sending(integrations) and "alert" in integrations.connections
        )
        state.data.setdefault("callback", {})[self._host] = (
            not alerting or self._options["callback"]
        ) and self._callback_is_wanted()
        return {"events": events}

    def _passed(
        self, deployment: Deployment, narrator: Narrator, state: SharedState
    ) -> Result:
        deployment.passed(self._host)
        return {}

    def _failed(
        self, deployment: Deployment, narrator: Narrator, state: SharedState
    ) -> Result:
        before = state.data.get("failed_before", {}).get(self._host, "")
        if fingerprint(self._task_vars) == before:
            deployment.failed(unknown_failure(self._host))
            return {}
        # Whoever looks for secrets has to know the integration keys, too.
        self._integrations(quietly=True)
        deployment.failed(failure_of(self._host, self._task_vars, self._redactor()))
        return {"run_once": runs_once(self._task_vars)}

    def _report(
        self, deployment: Deployment, narrator: Narrator, state: SharedState
    ) -> Result:
        was_canceled = deployment.status == "Canceled"
        deployment.look_around(self._play)
        events: list[Sent] = []
        hosts = sorted(deployment.hosts)
        if deployment.tell_failure():
            events = self._tell(
                self._integrations(),
                state,
                alert=self._alert(narrator, state, hosts, deployment.failures),
                change=(
                    None
                    if was_canceled
                    else narrator.change(
                        deployment.change_key,
                        "Canceled",
                        hosts=hosts,
                        failures=deployment.failures,
                    )
                ),
            )
        elif deployment.tell_success(self._play):
            events = self._tell(
                self._integrations(),
                state,
                change=narrator.change(deployment.change_key, "Done", hosts=hosts),
                alert=narrator.recovery(),
            )
        return {"events": events, **self._end_of_host(deployment)}

    def _end_of_host(self, deployment: Deployment) -> Result:
        """Return the part of the result that lets a host fail which has failed."""
        state = deployment.hosts.get(self._host)
        if state == FAILED:
            own = [one for one in deployment.failures if one.host == self._host]
            if own and own[0].is_own:
                return repeated_result(self._task_vars)
            return {"failed": True, "msg": own[0].text if own else ""}
        # Where the failure of one host is fatal for all, that of the others is not counted.
        if state == STOPPED and not self._task.any_errors_fatal:
            return {
                "failed": True,
                "msg": "Stopped, because the deployment failed on another host.",
            }
        return {}

    def _alert(
        self,
        narrator: Narrator,
        state: SharedState,
        hosts: list[str],
        failures: list[Failure],
    ) -> Fields:
        """Return the fields of the alert, with the labels of the host that failed, whoever reports it."""
        labels = state.data.get("labels", {}).get(failures[0].host)
        if labels is not None:
            narrator = dataclasses.replace(narrator, labels=labels)
        return narrator.alert(hosts=hosts, failures=failures)

    def _will(
        self, deployment: Deployment, narrator: Narrator, state: SharedState
    ) -> list[Result]:
        """Return what is to be sent if nothing more is heard of this run."""
        failures = deployment.if_the_run_ended(self._play)
        if not failures or self._task.check_mode:
            return []
        hosts = sorted({*deployment.hosts, *(failure.host for failure in failures)})
        alert = self._alert(narrator, state, hosts, failures)
        change = narrator.change(
            deployment.change_key, "Canceled", hosts=hosts, failures=failures
        )
        return [
            *([{"kind": "alert", "fields": alert}] if self._options["alert"] else []),
            {"kind": "change", "fields": change},
        ]

    # -- sending

    def _tell(
        self, integrations: Integrations, state: SharedState, **events: Fields | None
    ) -> list[Sent]:
        """Send events, by their kinds, and return what came of them."""
        told: list[Sent] = []
        for kind, fields in events.items():
            try:
                sent = fields and integrations.send(
                    kind, fields, dry=bool(self._task.check_mode)
                )
            except Exception as exc:  # noqa: BLE001
                # A mistake of ours must not cost the deployment.
                self.warn(f"The {kind} event could not be sent ({type(exc).__name__}).")
                continue
            if sent:
                told.append(sent)
                if sent["queued"] and sent["status"] == self._options["alert_status"]:
                    # Somebody is to be paged, so it must not wait for another run.
                    state.data["urgent"] = True
        return told

    def _is_sending(self, integrations: Integrations) -> bool:
        return bool(integrations.connections) and not self._task.check_mode

    def _integrations(self, *, quietly: bool = False) -> Integrations:
        """Return the integrations that are configured. What is wrong with one is said, and it does without."""
        connections: dict[str, Connection] = {}
        state_path = ""
        layers = self.layers(self._options)
        for kind in ("alert", "change"):
            if not has_integration_key(layers, kind=kind) or (
                kind == "alert" and not self._options["alert"]
            ):
                continue
            try:
                state_path = resolve_state_path(layers)
                connections[kind] = self.resolve(layers, kind=kind).connection
            except ConfigurationError as exc:
                if not quietly:
                    self.warn(f"No {kind} events are sent. {exc.as_result()['msg']}")
        return Integrations(connections, state_path, self.warn)

    # -- surroundings

    def _callback_is_wanted(self) -> bool:
        """Return what the variable says outside of the deployment."""
        value = self._templar.template(self._task_vars.get("flashduty_enabled", True))
        try:
            return bool(boolean(value))
        except TypeError:
            # The callback itself complains about it.
            return True

    def _play_as_seen(self) -> Play:
        def hosts(name: str) -> frozenset[str]:
            return frozenset(map(str, self._task_vars.get(name, ())))

        play = play_of(self._task)
        strategy = str(play.strategy) if play is not None else ""
        return Play(
            active=hosts("ansible_play_hosts"),
            batch=hosts("ansible_play_batch"),
            lockstep=strategy.rpartition(".")[2] not in _NOT_IN_LOCKSTEP,
        )

    def _narrator(self) -> Narrator:
        arguments = [str(argument) for argument in context.CLIARGS.get("args") or ()]
        run = collect_run_context(
            playbook_path=arguments[0] if arguments else "",
            ad_hoc_action=str(context.CLIARGS.get("module_name") or ""),
            cli=context.CLIARGS,
            environ=os.environ,
            extra_vars=self._task_vars,
            playbook_id="-",
            namespace=self._settings.alert_namespace,
        )
        options = self._options
        return Narrator(
            options["name"],
            version=options["version"],
            namespace=run.namespace,
            description=options["description"],
            link=options["link"] or run.system.get("job_url", ""),
            alert_status=options["alert_status"],
            labels=options["labels"],
            surroundings={
                "playbook": run.playbook,
                "controller": run.controller,
                **run.system,
            },
        )

    def _redactor(self) -> Redactor:
        return Redactor(
            {*self._secrets(), *secret_values(self._task_vars, os.environ)},
            (*DEFAULT_PATTERNS, *self._settings.redact_patterns),
        )

    def _callback_settings(self) -> Settings:
        """Return those options of the callback that count here, too, from environment and ansible.cfg."""
        only = ("alert_namespace", "redact_patterns")
        settings, problems, _sources = read_settings(configured_layers(), only=only)
        for problem in problems:
            self.warn(problem)
        return settings
