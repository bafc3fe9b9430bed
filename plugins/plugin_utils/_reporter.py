# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""One run of one playbook: what the callback hears becomes alerts, and at the end their recovery."""

from __future__ import annotations

import os
import time
import typing as t

from ansible import context
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
    Connection,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OpenAlert,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._options import (
    Layer,
    resolve_connection,
)

from . import _results
from ._alerts import Alerts, Cause, HostFacts, Subject
from ._closing import closing_line, preview
from ._configuration import configured_layers
from ._recovery import causes_of, recovered
from ._rescue import Rescues
from ._run_context import AD_HOC, RunContext, describe_run, is_partial
from ._run_recorder import RunRecorder
from ._secrets import secret_values
from ._variables import Variables

if t.TYPE_CHECKING:
    from ansible.executor.task_result import TaskResult
    from ansible.playbook import Playbook
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
        AlertEvent,
    )

    from ._delivery import Delivery
    from ._settings import Settings

_DRY_RUN = "dry-run"


class _Raised:
    """An alert that this run has raised."""

    def __init__(
        self,
        subject: Subject,
        outcome: _results.TaskOutcome,
        facts: HostFacts,
        handled: str,
    ) -> None:
        self.subject = subject
        self.outcome = outcome
        self.facts = facts
        self.handled = handled
        self.hosts: list[str] = []
        self.integration = ""
        self.event: AlertEvent | None = None
        self.opened: OpenAlert | None = None
        # How many hosts there were when the alert was last remembered.
        self.remembered = 0


class RunReporter:
    """Everything that one run of one playbook has to do with alerts.

    :param warn: told, once each, what a person should know.
    :param say: prints a line.
    """

    def __init__(
        self,
        playbook: Playbook,
        settings: Settings,
        delivery: Delivery,
        *,
        warn: t.Callable[[str], None],
        say: t.Callable[[str], None],
        verbosity: int,
    ) -> None:
        self._path = str(playbook._file_name or AD_HOC)
        self._settings = settings
        self._delivery = delivery
        self._warn = warn
        self._say = say
        self._verbosity = verbosity
        self._recorder = RunRecorder(
            partial=is_partial(context.CLIARGS), plays=len(playbook.get_plays())
        )
        self._run: RunContext | None = None
        self._alerts: Alerts | None = None
        self._play: Play | None = None
        self._lost_roles: _results.LostRoles | None = None
        self._connection: Connection | None = None
        self._integrations: list[str] = []
        # What was open when the run began, and what it has raised since, by key.
        self._open: dict[str, OpenAlert] = {}
        self._raised: dict[str, _Raised] = {}
        self._hosts_at: dict[tuple[str, _results.TaskIdentity], set[str]] = {}
        self._rescues = Rescues()
        self._statuses = {settings.failed_status, settings.unreachable_status}
        if settings.report_ignored or settings.report_rescued:
            self._statuses.add("Warning")
        self._ending_task = ""
        self._would_send: list[AlertEvent] = []
        self._recovered = 0
        self._now = time.time

    # -- plays

    def play_started(self, play: Play) -> None:
        """A play begins, or a further batch of it."""
        self._find_lost_roles()
        if self._alerts is None:
            self._describe_run(play)
        self._connect(play)
        self._play = play
        self._lost_roles = _results.LostRoles(play)
        self._rescues = Rescues()
        variables = play.get_variable_manager().get_vars(play=play)
        all_hosts = variables.get("ansible_play_hosts_all") or []
        # Of a play that matches no host, ansible-core says that its batch is the whole inventory.
        batch = variables.get("ansible_play_batch") or [] if all_hosts else []
        self._recorder.play_started(
            play._uuid, all_hosts=map(str, all_hosts), batch=map(str, batch)
        )

    def no_hosts_remaining(self) -> None:
        """ansible-core ends the play, because too many hosts have failed."""
        self._recorder.play_cut_short()

    def task_started(self, task: Task) -> None:
        """A task or a handler begins, on whichever hosts."""
        self._find_lost_roles()
        self._recorder.stopped(_results.stopped_hosts(self._play))
        self._rescues.task_started(task)
        self._ending_task = ""
        if _results.is_meta(task, "end_play", "end_batch"):
            # ansible-core 2.16 does not say for which hosts, and nobody reports that it was done.
            self._ending_task = task._uuid
            self._recorder.play_cut_short()
        if (
            self._settings.recovery == "stateless"
            and "flashduty_status" in task.get_vars()
        ):
            self._statuses.update(("Critical", "Warning", "Info"))

    def handler_notified(self, host: str) -> None:
        """A handler will run for a host."""
        self._rescues.handler_notified(host)

    # -- results

    def ok(self, result: TaskResult) -> None:
        """A task has succeeded on a host."""
        host, task = self._reported(result)
        if self._lost_roles is not None:
            self._lost_roles.ok(result)
        if self._recorder.watches:
            reference = _results.reference(task)
            if self._recorder.watches_task(reference.identity):
                self._recorder.succeeded(host, reference.identity, reference.line)
            if self._recorder.watches_host(host) and _results.answered_by_host(result):
                self._recorder.answered(host)

    def skipped(self, result: TaskResult) -> None:
        """A task was skipped on a host."""
        host, task = self._reported(result)
        if self._lost_roles is not None:
            self._lost_roles.reported(host)
        if task._uuid == self._ending_task:
            self._recorder.play_not_cut_short()
        if self._recorder.watches:
            identity = _results.reference(task).identity
            if self._recorder.watches_task(identity):
                self._recorder.skipped(host, identity)

    def failed(self, result: TaskResult, ignore_errors: bool | None) -> None:
        """A task has failed on a host."""
        host, task = self._reported(result)
        if self._lost_roles is not None:
            self._lost_roles.reported(host)
        outcome = _results.failed(result, ignore_errors)
        handled = ""
        if outcome.ignored:
            handled = "ignored"
        elif self._rescues.will_rescue(host, task):
            handled = "rescued"
        self._take(outcome, task, result._host, handled)

    def unreachable(self, result: TaskResult) -> None:
        """A host did not answer."""
        host, task = self._reported(result)
        if self._lost_roles is not None:
            self._lost_roles.reported(host)
        outcome = _results.unreachable(result)
        self._take(outcome, task, result._host, "ignored" if outcome.ignored else "")

    # -- ends

    def finish(self) -> None:
        """The run has come to its recap: close what works again, deliver, and say how things stand."""
        self._find_lost_roles()
        facts = self._recorder.finish(_results.stopped_hosts(self._play))
        self._bring_up_to_date()
        if self._alerts is not None and self._connection is not None:
            if self._settings.recovery == "auto":
                self._recover(facts)
            elif self._settings.recovery == "stateless":
                self._recover_stateless(facts)
        if self._settings.dry_run:
            if self._would_send:
                for line in preview(self._would_send, in_full=self._verbosity > 0):
                    self._say(line)
            return
        self._close(self._delivery.finish(self._settings.flush_timeout))

    def abort(self, how: str) -> None:
        """The run ends without its recap.

        :param how: ``exit`` (an exception), ``terminated`` (SIGTERM) or ``interrupted`` (a person pressed Ctrl-C).
        """
        self._find_lost_roles()
        self._bring_up_to_date()
        if (
            how != "interrupted"
            and self._settings.report_aborted
            and self._wants_aborted()
        ):
            self._raise_aborted()
        if self._settings.dry_run:
            return
        if how == "exit":
            self._close(self._delivery.finish(self._settings.flush_timeout))
        elif how == "terminated":
            # Whoever stops us may not wait long, and a container ends with its first process.
            self._delivery.finish(min(self._settings.flush_timeout, 3.0))
        else:
            self._delivery.leave(60.0)

    # -- inside: the run

    def _describe_run(self, play: Play) -> None:
        ad_hoc = self._path == AD_HOC
        action = ""
        if ad_hoc:
            action = str(context.CLIARGS.get("module_name") or "command")
        manager = play.get_variable_manager()
        self._run = describe_run(
            playbook_path=self._path,
            ad_hoc_action=action,
            cli=context.CLIARGS,
            environ=os.environ,
            extra_vars=manager.extra_vars,
            playbook_id=self._settings.playbook_id,
        )
        self._alerts = Alerts(self._run, self._settings, self._warn)

    def _connect(self, play: Play) -> None:
        """Find out which integration this play's alerts go to, and what is open there."""
        variables = Variables(play, warn=self._warn)
        self._connection = None
        try:
            layers = [_play_layer(variables), *configured_layers("alert")]
            self._connection = resolve_connection(layers).connection
        except ConfigurationError as exc:
            if not self._settings.dry_run:
                self._warn(f"{exc} Alerts of this play are not sent.")
                return
        integration = self._connection.fingerprint if self._connection else _DRY_RUN
        if self._alerts is None or integration in self._integrations:
            return
        self._integrations.append(integration)
        if self._connection is not None and not self._settings.dry_run:
            self._alerts.hide([self._connection.integration_key])
            self._delivery.use(self._connection)
            if self._settings.watch and self._settings.report_aborted:
                self._delivery.watch(self._on_kill(integration))
        if self._settings.recovery == "auto":
            for alert in self._delivery.open_alerts(integration, self._alerts.origin):
                self._open[alert.alert_key] = alert
                causes = causes_of(alert)
                self._recorder.watch(
                    [cause.host for cause in causes],
                    [task for cause in causes for task in (cause.task, *cause.within)],
                )

    # -- inside: failures

    def _reported(self, result: TaskResult) -> tuple[str, Task]:
        host, task = _results.host_name(result), _results.task_of(result)
        self._recorder.reported(host)
        self._rescues.task_reported(host, task)
        return host, task

    def _find_lost_roles(self) -> None:
        if self._lost_roles is not None:
            for host, task, outcome in self._lost_roles.missing():
                handled = "rescued" if self._rescues.will_rescue(host, task) else ""
                inventory = task.get_variable_manager()._inventory
                self._take(outcome, task, inventory.get_host(host), handled)

    def _take(
        self, outcome: _results.TaskOutcome, task: Task, host: t.Any, handled: str
    ) -> None:
        self._recorder.failed(outcome, given_up=not handled)
        wanted = {
            "": True,
            "ignored": self._settings.report_ignored,
            "rescued": self._settings.report_rescued,
        }
        if (
            not wanted[handled]
            or self._alerts is None
            or self._run is None
            or self._play is None
        ):
            return
        if self._run.check and not self._settings.report_check_mode:
            return
        if self._connection is None and not self._settings.dry_run:
            return
        variables = Variables(self._play, host=host, task=task, warn=self._warn)
        if not variables.enabled:
            return
        self._alerts.hide(secret_values(variables.all, os.environ))
        facts = self._host_facts(variables)
        status = self._alerts.status_of(outcome, facts, handled=bool(handled))
        subject = self._alerts.subject(outcome, status)
        if subject.scope != "playbook" and self._is_storm(
            outcome, status, self._alerts.key(subject)
        ):
            subject = self._alerts.storm_subject(outcome, status)
        self._raise(_Raised(subject, outcome, facts, handled))

    def _host_facts(self, variables: Variables) -> HostFacts:
        label_vars = {}
        for name in self._settings.label_vars:
            value = variables.get(name)
            if value is not None:
                label_vars[name] = (
                    ",".join(map(str, value))
                    if isinstance(value, (list, tuple))
                    else str(value)
                )
        return HostFacts(
            status=variables.status,
            labels=variables.labels,
            label_vars=label_vars,
            description=variables.description,
            groups=tuple(map(str, variables.all.get("group_names") or ())),
        )

    def _is_storm(self, outcome: _results.TaskOutcome, status: str, key: str) -> bool:
        """Say whether so many hosts have failed at this task that no further one gets an alert of its own."""
        threshold = self._settings.storm_threshold
        if not threshold or key in self._raised:
            return False
        hosts = self._hosts_at.setdefault((status, outcome.task.identity), set())
        hosts.add(outcome.host)
        return len(hosts) > threshold

    def _raise(self, raised: _Raised) -> None:
        """Send the alert, or, when this run has raised it already, remember one more reason."""
        if self._alerts is None:
            return
        key = self._alerts.key(raised.subject)
        known = self._raised.setdefault(key, raised)
        host = raised.outcome.host
        if host not in known.hosts:
            known.hosts.append(host)
        if known is not raised:
            self._remember(known, raised.outcome)
            return
        event, labels = self._alerts.failure(
            raised.subject,
            raised.outcome,
            raised.facts,
            now=int(self._now()),
            handled=raised.handled,
            hosts=raised.hosts,
        )
        known.event = event
        known.integration = (
            self._connection.fingerprint if self._connection else _DRY_RUN
        )
        before = self._open.get(key)
        causes = list(before.details.get("causes", ())) if before else []
        known.opened = OpenAlert(
            alert_key=key,
            origin=self._alerts.origin,
            title=event.title_rule,
            status=event.event_status,
            opened_at=self._now(),
            details={
                "scope": raised.subject.scope,
                "labels": _lasting(labels),
                "causes": causes,
            },
        )
        self._note_cause(known.opened, raised.outcome)
        known.remembered = 1
        self._send(known.integration, event, known.opened)

    def _remember(self, known: _Raised, outcome: _results.TaskOutcome) -> None:
        """Note one more reason for an alert. Of a storm the notes are written ever more rarely: they grow."""
        if known.opened is None or not self._note_cause(known.opened, outcome):
            return
        causes = len(known.opened.details["causes"])
        if causes >= known.remembered * 1.1 or known.subject.scope != "storm":
            known.remembered = causes
            self._update_memory(known)

    def _note_cause(self, alert: OpenAlert, outcome: _results.TaskOutcome) -> bool:
        if alert.details["scope"] == "playbook":
            # It closes by a run without any failure, whatever the reasons were.
            return False
        cause = Cause.of(outcome).as_data()
        causes = alert.details["causes"]
        if cause in causes:
            return False
        causes.append(cause)
        return True

    def _update_memory(self, known: _Raised) -> None:
        if (
            self._settings.recovery == "auto"
            and not self._settings.dry_run
            and known.opened is not None
        ):
            self._delivery.add(known.integration, [], updated=[known.opened])

    def _send(
        self, integration: str, event: AlertEvent, opened: OpenAlert | None = None
    ) -> None:
        if self._settings.dry_run:
            self._would_send.append(event)
            return
        self._delivery.add(
            integration,
            [event],
            run_id=self._run.run_id if self._run else "",
            opened=opened if self._settings.recovery == "auto" else None,
        )

    # -- inside: ends

    def _bring_up_to_date(self) -> None:
        """Send alerts that stand for several hosts once more, now that all of them are known."""
        for known in self._raised.values():
            if self._alerts is None or known.event is None or len(known.hosts) < 2:
                continue
            if known.subject.scope in ("playbook", "storm"):
                self._update_memory(known)
                event, _labels = self._alerts.failure(
                    known.subject,
                    known.outcome,
                    known.facts,
                    now=int(self._now()),
                    handled=known.handled,
                    hosts=known.hosts,
                )
                self._send(known.integration, event)

    def _recover(self, facts: t.Any) -> None:
        if self._alerts is None or self._run is None or self._run.check:
            return
        for integration in self._integrations:
            alerts = (
                list(self._open.values())
                if self._settings.dry_run
                else self._delivery.open_alerts(integration, self._alerts.origin)
            )
            closed, mended = recovered(
                alerts,
                facts,
                raised=self._raised,
                limited=self._run.limited,
                is_still_written=_is_still_written,
            )
            events = [
                self._alerts.recovery(alert, now=int(self._now())) for alert in closed
            ]
            self._recovered += len(closed)
            if self._settings.dry_run:
                self._would_send.extend(events)
            elif events or mended:
                self._delivery.add(
                    integration,
                    events,
                    run_id=self._run.run_id,
                    updated=mended,
                    closed=[alert.alert_key for alert in closed],
                )

    def _recover_stateless(self, facts: t.Any) -> None:
        """Close, for each host that passed, whatever may be open, without knowing whether it is."""
        if self._alerts is None or self._run is None or not facts.complete:
            return
        now = int(self._now())
        events = []
        if self._settings.alert_scope == "host":
            for host in sorted(facts.passed):
                host_facts, statuses = self._passed_host(host)
                for status in sorted(statuses):
                    subject = Subject("host", status, self._alerts.host_identity(host))
                    events.append(
                        self._alerts.passed(subject, host, host_facts, now=now)
                    )
        nobody_failed = not facts.given_up
        scopes = ["run"] if self._settings.report_aborted else []
        if nobody_failed and not self._run.limited:
            if self._settings.alert_scope == "playbook":
                scopes.append("playbook")
            elif (
                self._settings.storm_threshold
                and len(facts.passed) > self._settings.storm_threshold
            ):
                scopes.append("storm")
        for scope in scopes:
            statuses = (
                {self._settings.failed_status} if scope == "run" else self._statuses
            )
            for status in sorted(statuses):
                events.append(
                    self._alerts.passed(
                        Subject(scope, status), "", HostFacts(), now=now
                    )
                )
        if self._settings.dry_run:
            self._would_send.extend(events)
        elif events and self._connection is not None:
            self._delivery.add(
                self._connection.fingerprint, events, run_id=self._run.run_id
            )

    def _passed_host(self, name: str) -> tuple[HostFacts, set[str]]:
        """Return what the variables of a host say that has passed, and the statuses that its alerts can have."""
        if self._play is None:
            return HostFacts(), self._statuses
        host = self._play.get_variable_manager()._inventory.get_host(name)
        variables = Variables(self._play, host=host, warn=self._warn)
        if not variables.enabled:
            return HostFacts(), set()
        facts = self._host_facts(variables)
        return facts, self._statuses | ({facts.status} if facts.status else set())

    def _wants_aborted(self) -> bool:
        if self._alerts is None or self._run is None or self._play is None:
            return False
        if self._run.check and not self._settings.report_check_mode:
            return False
        return Variables(self._play, warn=self._warn).enabled

    def _raise_aborted(self) -> None:
        if self._alerts is None:
            return
        subject, event = self._alerts.aborted(now=int(self._now()))
        integration = self._connection.fingerprint if self._connection else _DRY_RUN
        if self._connection is not None or self._settings.dry_run:
            self._raised[event.alert_key] = _Raised(subject, None, HostFacts(), "")  # type: ignore[arg-type]
            self._send(integration, event, self._opened_by_abort(event))

    def _opened_by_abort(self, event: AlertEvent) -> OpenAlert:
        return OpenAlert(
            alert_key=event.alert_key,
            origin=self._alerts.origin if self._alerts else "",
            title=event.title_rule,
            status=event.event_status,
            opened_at=self._now(),
            details={"scope": "run", "labels": _lasting(event.labels), "causes": []},
        )

    def _on_kill(self, integration: str) -> dict[str, t.Any]:
        """Return what the courier raises when the run is killed."""
        if self._alerts is None or self._run is None:
            return {}
        _subject, event = self._alerts.aborted(now=int(self._now()))
        payload = event.payload()
        # It happens when it happens.
        del payload["event_time"]
        opened = self._opened_by_abort(event)
        return {
            "integration": integration,
            "run_id": self._run.run_id,
            "event": payload,
            "opened": {
                "alert_key": opened.alert_key,
                "origin": opened.origin,
                "title": opened.title,
                "status": opened.status,
                "details": opened.details,
            },
        }

    def _close(self, ending: t.Any) -> None:
        line = closing_line(
            raised=len(self._raised), recovered=self._recovered, ending=ending
        )
        if line:
            self._say(line)


def _play_layer(variables: Variables) -> Layer:
    """Return the variables of a play as a place that can set the key, so that it may live in Ansible Vault."""
    names = {
        "integration_key": "flashduty_integration_key",
        "push_url": "flashduty_push_url",
    }

    def get(option: str) -> str | None:
        return variables.text(names[option]) if option in names else None

    return Layer("the play's variables", get, lambda option: names.get(option, option))


def _lasting(labels: t.Mapping[str, str]) -> dict[str, str]:
    """Return the labels that a recovery repeats: without those of one run, and those that steer who is paged."""
    return {
        name: text
        for name, text in labels.items()
        if name not in ("run_id", "job_id", "job_url", "hosts")
        and not name.startswith("layer_")
    }


def _is_still_written(cause: Cause) -> bool:
    """Say whether the task of a cause still stands in its file, as far as can be seen from here."""
    try:
        with open(cause.path, encoding="utf-8") as file:
            return cause.task.name in file.read()
    except (OSError, UnicodeDecodeError):
        return False
