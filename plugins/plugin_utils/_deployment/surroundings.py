# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What a task of a deployment sees of its run: the play, the integrations, what is secret."""

from __future__ import annotations

import os
import typing as t

from ansible import context
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
    Connection,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
    Redactor,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.texts import (
    inert,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._options import (
    has_integration_key,
    resolve_outbox,
)

from .._actions.base import ControllerAction
from .._alerts.run_context import RunContext, collect_run_context
from .._alerts.settings import Settings, read_settings
from .._ansible.config import configured_layers
from .._ansible.misspelt import misspelt_role_variables
from .._ansible.narrowing import circumstances_of, limit_leaves_somebody_out
from .._ansible.tasks import play_of
from .._ansible.variables import ENABLED
from .events import DeploymentEvents
from .memory import RunView, narrowing
from .sending import DeploymentSender
from .silence import DeploymentSilence
from .state import PlayView
from .steps import Surroundings

Options = t.Mapping[str, t.Any]
Variables = t.Mapping[str, t.Any]

# With these strategies, every host goes through the play at its own pace.
_NOT_IN_LOCKSTEP = ("free", "host_pinned")


def surroundings_of(
    action: ControllerAction,
    options: Options,
    variables: Variables,
    *,
    task: t.Any,
) -> Surroundings:
    """Return what a task sees.

    :param action: the action plugin that runs the task.
    :param options: those of the task, checked.
    :param variables: those of its host.
    :param task: ansible-core's task.
    """
    settings = _callback_settings(action.warn)

    def make_sender(quietly: bool) -> DeploymentSender:
        return _sender(action, options, quietly=quietly)

    redactor = action.learn(variables)
    options = _redacted(options, redactor)
    run = _run_context(task, settings.alert_namespace)

    return Surroundings(
        host=str(variables["inventory_hostname"]),
        variables=variables,
        play=_play_view(task, variables),
        events=_events(options, run, redactor),
        make_sender=make_sender,
        make_redactor=lambda: redactor,
        resource=run.resource,
        look_at_run=lambda: _run_view(task, run.project),
        silence=DeploymentSilence(
            options["silence"],
            options["name"],
            lambda: action.resolve_open_api(options),
            action.warn,
        ),
        # Without facts, or a machine could keep the callback from telling of it.
        callback_enabled=action.variables is None
        or _callback_is_enabled(action.variables.get(ENABLED)),
        check_mode=bool(task.check_mode),
        any_errors_fatal=bool(task.any_errors_fatal),
        find_misspelt=lambda: misspelt_role_variables("deployment", variables),
        warn=action.warn,
        say=lambda line: action.show([line]),
    )


def _sender(
    action: ControllerAction, options: Options, *, quietly: bool
) -> DeploymentSender:
    """Return what sends to the integrations that are configured; what is wrong with one is said, and it does without."""
    connections: dict[str, Connection] = {}
    layers = action.layers(options)
    location = resolve_outbox([])
    for kind in ("alert", "change"):
        if not has_integration_key(layers, kind=kind) or (
            kind == "alert" and not options["alert"]
        ):
            continue
        try:
            location = action.outbox_location(layers)
            connections[kind] = action.resolve(layers, kind=kind).connection
        except ConfigurationError as exc:
            if not quietly:
                action.warn(f"No {kind} events are sent. {exc.as_result()['msg']}")
    return DeploymentSender(connections, location, action.warn)


def _play_view(task: t.Any, variables: Variables) -> PlayView:
    def hosts(name: str) -> frozenset[str]:
        return frozenset(map(str, variables.get(name, ())))

    play = play_of(task)
    strategy = str(play.strategy) if play is not None else ""
    return PlayView(
        active=hosts("ansible_play_hosts"),
        batch=hosts("ansible_play_batch"),
        lockstep=strategy.rpartition(".")[2] not in _NOT_IN_LOCKSTEP,
    )


def _run_view(task: t.Any, project: str) -> RunView:
    play = play_of(task)
    if play is None:
        return RunView(narrowing(context.CLIARGS), limited=True)
    sources = circumstances_of(play, project).sources
    return RunView(
        narrowing(context.CLIARGS, sources), limited=limit_leaves_somebody_out(play)
    )


def _run_context(task: t.Any, namespace: str) -> RunContext:
    play = play_of(task)
    arguments = [str(argument) for argument in context.CLIARGS.get("args") or ()]
    return collect_run_context(
        playbook_path=arguments[0] if arguments else "",
        ad_hoc_action=str(context.CLIARGS.get("module_name") or ""),
        cli=context.CLIARGS,
        environ=os.environ,
        extra_vars=play.get_variable_manager().extra_vars if play is not None else {},
        playbook_id="-",
        namespace=namespace,
    )


def _events(options: Options, run: RunContext, redactor: Redactor) -> DeploymentEvents:
    return DeploymentEvents(
        options["name"],
        version=options["version"],
        namespace=run.namespace,
        description=options["description"],
        link=options["link"] or run.system.get("job_url", ""),
        alert_status=options["alert_status"],
        labels=options["labels"],
        clean_name=lambda name: inert(redactor.clean_name(name)),
        surroundings={
            "playbook": run.playbook,
            "controller": run.controller,
            **run.system,
        },
    )


def _redacted(options: Options, redactor: Redactor) -> Options:
    """Return options of which every text may leave, whatever it was put together from."""

    def clean(value: t.Any) -> t.Any:
        return inert(redactor.clean(value)) if isinstance(value, str) else value

    return {
        **options,
        "name": " ".join(clean(options["name"]).split()),
        "version": " ".join(clean(options["version"]).split()),
        "description": clean(options["description"]),
        "link": redactor.clean(options["link"]),
        "labels": {
            clean(name): clean(text) for name, text in options["labels"].items()
        },
    }


def _callback_is_enabled(value: t.Any) -> bool:
    try:
        return value is None or bool(boolean(value))
    except TypeError:
        # The callback itself complains about it.
        return True


def _callback_settings(warn: t.Callable[[str], None]) -> Settings:
    """Return those options of the callback that count here, too, from environment and ansible.cfg."""
    only = ("alert_namespace", "redact_patterns")
    settings, problems, _sources = read_settings(configured_layers(), only=only)
    for problem in problems:
        warn(problem)
    return settings
