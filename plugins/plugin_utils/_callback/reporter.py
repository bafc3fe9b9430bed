# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""One run of one playbook: what the callback hears, turned into what happened to the hosts.

This file is read at every start of Ansible, so it imports only what a run without failures needs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import time
import typing as t

from ansible import context
from ansible.errors import AnsibleError
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._options import (
    has_integration_key,
    resolve_connection,
)

from .._alerts.model import (
    EVERY_NAME,
    AlertOverrides,
    Circumstances,
    Items,
    name_digest,
)
from .._alerts.recorder import RunRecorder
from .._alerts.run_context import (
    AD_HOC,
    RunContext,
    collect_run_context,
    is_partial,
)
from .._ansible import results
from .._ansible.config import configured_layers
from .._ansible.misspelt import misspelt_callback_variables
from .._ansible.narrowing import circumstances_of, limit_leaves_somebody_out
from .._ansible.places import (
    items_of,
    line_of,
    place_of,
    place_of_result,
    written_digest,
)
from .._ansible.play import (
    MissingRoleDetector,
    find_host,
    hosts_of,
    id_of,
    inventory_names,
    path_of,
    stopped_hosts,
    tasks_of,
)
from .._ansible.rescue import Rescues, is_in_rescue
from .._ansible.trust import TrustBoundary
from .._ansible.variables import (
    INTEGRATION_KEY,
    PUSH_URL,
    STATUS,
    PlayHosts,
    Variables,
    integration_layer,
)
from .run_record import RunRecord

if t.TYPE_CHECKING:
    from ansible.executor.task_result import TaskResult
    from ansible.inventory.host import Host
    from ansible.playbook import Playbook
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
        Connection,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        OpenAlert,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
        Redactor,
    )

    from .._alerts.causes import Cause
    from .._alerts.model import Place, TaskOutcome
    from .._alerts.recorder import RunSummary
    from .._alerts.settings import Settings
    from .._alerts.tracker import AlertTracker
    from .._ansible.narrowing import DecidingNames
    from .._ansible.run_secrets import RunSecrets
    from .._delivery import Delivery, DeliveryReport
    from .summary import News

# What stands for the integration in a dry run without a key.
_NO_INTEGRATION = "none"
# Seconds. Whoever terminates a run may not wait long, and a container ends with its first process.
_LONGEST_WAIT_WHEN_TERMINATED = 3.0
# Seconds that the courier goes on alone after Ctrl-C.
_AFTER_INTERRUPTION = 60.0


class RunReporter:
    """Everything that one run of one playbook has to do with alerts.

    :param warn: told, once each, what a person should know.
    :param say: prints a line.
    :param redactor: returns the one way out for every text; it is made when it is asked for.
    :param hide_key: told of each integration key.
    :param in_full: whether a dry run prints whole events.
    """

    def __init__(
        self,
        playbook: Playbook,
        settings: Settings,
        delivery: Delivery,
        *,
        warn: t.Callable[[str], None],
        say: t.Callable[[str], None],
        redactor: t.Callable[[], Redactor],
        hide_key: t.Callable[[str], None],
        in_full: bool,
    ) -> None:
        self._path = path_of(playbook) or AD_HOC
        self._first_play: Play | None = next(iter(playbook.get_plays()), None)
        self._settings = settings
        self._delivery = delivery
        self._warn = warn
        self._say = say
        self._redactor = redactor
        self._hide_key = hide_key
        self._in_full = in_full
        self._recorder = RunRecorder(
            partial=is_partial(context.CLIARGS), plays=len(playbook.get_plays())
        )
        self._playbook = playbook
        self._circumstances = Circumstances()
        self._names: DecidingNames | None = None
        self._included_tasks: list[Task] = []
        # The tasks of the places that open alerts wait for, as they are now.
        self._tasks_at: dict[str, Task] = {}
        self._rescues = Rescues()
        # Hosts whose latest rescued failure is the end of a deployment that has raised its alert.
        self._hosts_of_deployments: set[str] = set()
        self._run: RunContext | None = None
        self._tracker: AlertTracker | None = None
        self._play: Play | None = None
        self._play_hosts = PlayHosts([], [])
        self._missing_roles: MissingRoleDetector | None = None
        self._boundary = TrustBoundary(settings.label_vars, warn)
        # Made once there is anything to hide. Until then, the variables that hold results of no_log.
        self._secrets: RunSecrets | None = None
        self._hidden_variables: set[str] = set()
        # That of the current play's first host; None where there is no key. And the keys of all.
        self._integration: str | None = None
        self._keys: dict[str, str] = {}
        # By what variables say about it; most hosts say nothing, or all the same.
        self._integrations: dict[tuple[str | None, ...], str | None] = {}
        self._connections: dict[str, Connection] = {}
        self._plays: list[tuple[Play, list[str]]] = []
        self._statuses = {settings.failed_status, settings.unreachable_status}
        if settings.report_ignored or settings.report_rescued:
            self._statuses.add("Warning")
        self._namespaces: dict[str, str | None] = {}
        # Variables of which it is known whether their names are misspelt.
        self._names_looked_at: set[str] = set()
        self._lines: dict[tuple[str, str], frozenset[int] | None] = {}
        self._record = RunRecord(settings, delivery)
        self._closed_with_run: list[OpenAlert] = []
        self._ending_task = ""
        self._plays_looked_into: set[str] = set()

    # -- plays and tasks

    def play_started(self, play: Play) -> None:
        """A play begins, or a further batch of it."""
        self._take_missing_roles()
        if self._run is None:
            self._run = self._collect_run_context(play)
            self._circumstances = circumstances_of(play, self._project)
            if self._settings.recovery == "stateless":
                self._recorder.track_everybody()
            self._deliver_changes()
        self._play = play
        self._missing_roles = MissingRoleDetector(play)
        self._rescues = Rescues()
        variables = self._variables()
        if self._settings.recovery == "stateless" and variables.status:
            self._statuses.add(variables.status)
        all_hosts, batch = hosts_of(play)
        self._play_hosts = PlayHosts(all_hosts, batch)
        self._recorder.play_started(
            id_of(play),
            all_hosts=self._play_hosts.everybody,
            batch=self._play_hosts.batch,
            line=line_of(play),
        )
        if self._run.limited and limit_leaves_somebody_out(play):
            self._recorder.limited()
        # The play's variables of a host have those of the group "all" in them, which is where vaults are kept.
        host = self._host(str(all_hosts[0])) if all_hosts else None
        self._plays.append((play, self._play_hosts.everybody))
        # Its files of variables may not be readable, as ansible-core will say when the host's turn comes.
        with contextlib.suppress(AnsibleError):
            variables = self._variables(host=host)
        self._warn_of_misspelt_names(variables)
        known = set(self._connections)
        self._integration = self._integration_of(variables)
        if self._integration in known:
            self._begin_record(variables, self._connections[self._integration])
        self._connect_further_hosts()
        self._record.play_started(play.get_name(), self._play_hosts.batch)
        if self._recorder.tracks:
            self._look_for_tracked_tasks(play)

    def no_hosts_remaining(self) -> None:
        """ansible-core ends the play, because too many hosts have failed."""
        self._recorder.play_cut_short()

    def task_started(self, task: Task) -> None:
        """A task or a handler begins, on whichever hosts."""
        self._take_missing_roles()
        stopped = stopped_hosts(self._play)
        self._recorder.stopped(stopped)
        if self._record.tells_progress:
            name = self._alert_tracker.task_name(results.reference(task))
            self._record.task_started(name, stopped)
        self._rescues.task_started(task)
        self._ending_task = ""
        if results.is_meta(task, "end_play", "end_batch"):
            # ansible-core 2.16 does not say for which hosts, and nobody reports that it was done.
            self._ending_task = id_of(task)
            self._recorder.play_cut_short()
        if task.get_first_parent_include() is not None:
            if self._names is not None:
                self._names.note(task)
            else:
                self._included_tasks.append(task)
        if self._settings.recovery == "stateless" and STATUS in task.get_vars():
            # Which one is known only when it fails; closing one that is not open does nothing.
            self._statuses.update(("Critical", "Warning", "Info"))

    def handler_notified(self, host: str) -> None:
        """A handler will run for a host."""
        self._rescues.handler_notified(host)

    def _look_for_tracked_tasks(self, play: Play) -> None:
        """Find out where the tasks stand now that open alerts wait for: this run may not come to them."""
        if id_of(play) in self._plays_looked_into:
            # A further batch of it.
            return
        self._plays_looked_into.add(id_of(play))
        for task in tasks_of(play):
            if self._recorder.tracks_task(written_digest(task)):
                place = place_of(task, self._project)
                self._tasks_at[place.key] = task
                self._recorder.defined(place)

    # -- results

    def ok(self, result: TaskResult) -> None:
        """A task has succeeded on a host."""
        host, task = self._reported(result)
        if task.register:
            self._hidden_variables.update(results.hidden_registers(result))
        if self._missing_roles is not None:
            self._missing_roles.ok(result)
        if self._recorder.tracks:
            self._track_success(result, host, task)

    def skipped(self, result: TaskResult) -> None:
        """A task was skipped on a host."""
        host, task = self._reported(result)
        self._forget_missing_role(host)
        if id_of(task) == self._ending_task:
            self._recorder.play_not_cut_short()
        if self._recorder.tracks and self._recorder.tracks_task(written_digest(task)):
            place = self._tracked_place(result)
            # In check mode, a module that cannot tell what it would do is skipped, too.
            if results.flag(task.check_mode, unclear=True):
                self._recorder.pretended(host, place)
            else:
                self._recorder.skipped(host, place)

    def failed(self, result: TaskResult, ignore_errors: bool | None) -> None:
        """A task has failed on a host."""
        host, task = self._reported(result)
        if task.register:
            self._hidden_variables.update(results.hidden_registers(result))
        self._forget_missing_role(host)
        outcome = results.failed_outcome(result, ignore_errors)
        handled = ""
        if outcome.ignored:
            handled = "ignored"
        elif self._rescues.will_rescue(host, task):
            handled = "rescued"
            self._note_rescued(host, result)
        self._take(outcome, result, handled)

    def _note_rescued(self, host: str, result: TaskResult) -> None:
        """Remember for how long the alert of a failed deployment stands for what happens in the rescue of it."""
        self._hosts_of_deployments.discard(host)
        if results.has_alert_of_deployment(result):
            self._hosts_of_deployments.add(host)

    def unreachable(self, result: TaskResult) -> None:
        """A host did not answer."""
        host, _task = self._reported(result)
        self._forget_missing_role(host)
        outcome = results.unreachable_outcome(result)
        self._take(outcome, result, "ignored" if outcome.ignored else "")

    def _reported(self, result: TaskResult) -> tuple[str, Task]:
        host, task = results.host_name(result), results.task_of(result)
        self._recorder.reported(host)
        if self._record.tells_progress:
            self._record.reported(host)
        self._rescues.task_reported(host, task)
        return host, task

    def _forget_missing_role(self, host: str) -> None:
        if self._missing_roles is not None:
            self._missing_roles.reported(host)

    def _take_missing_roles(self) -> None:
        """Take in the failures that ansible-core 2.16 keeps to itself."""
        if self._missing_roles is not None:
            for result, outcome in self._missing_roles.missing():
                task = results.task_of(result)
                is_rescued = self._rescues.will_rescue(outcome.host, task)
                self._take(outcome, result, "rescued" if is_rescued else "")

    def _track_success(self, result: TaskResult, host: str, task: Task) -> None:
        """Note what an open alert may be waiting for: that a task works, or that a machine answers."""
        pretended = results.flag(task.check_mode, unclear=True)
        if self._recorder.tracks_task(written_digest(task)):
            place = self._tracked_place(result)
            if pretended:
                self._recorder.pretended(host, place)
            else:
                self._recorder.succeeded(
                    host,
                    place,
                    self._items_of(result),
                    run_once=results.flag(task.run_once, unclear=True),
                )
        if pretended or self._play is None:
            return
        if not task.delegate_to and not self._recorder.awaits_answer(host):
            return
        from .._ansible.machines import answering_machines, is_own_connection

        for machine in answering_machines(result, self._template_of(result)):
            if self._recorder.awaits_answer(machine):
                if is_own_connection(task, machine, self._play):
                    self._recorder.answered(machine)
                else:
                    self._recorder.answered_elsewhere(machine)

    def _tracked_place(self, result: TaskResult) -> Place:
        place = place_of_result(result, self._project)
        self._tasks_at.setdefault(place.key, results.task_of(result))
        return place

    def _items_of(self, result: TaskResult) -> Items:
        task = results.task_of(result)
        if not results.has_loop(task):
            return Items()
        from .._ansible.machines import delegate_of_items

        return items_of(result, delegate_of_items(task, self._template_of(result)))

    def _template_of(self, result: TaskResult) -> t.Callable[..., str]:
        """Return what templates a text for the host and the task of a result."""

        def template(text: str, more: t.Mapping[str, t.Any]) -> str:
            if self._play is None:
                return ""
            variables = self._variables(
                host=results.host_of(result),
                task=results.task_of(result),
                hosts=self._play_hosts,
            )
            return variables.rendered(text, more)

        return template

    def _take(self, outcome: TaskOutcome, result: TaskResult, handled: str) -> None:
        task = results.task_of(result)
        outcome = dataclasses.replace(
            outcome,
            place=place_of_result(result, self._project),
            items=self._items_of(result),
            run_once=results.flag(task.run_once, unclear=True),
        )
        self._recorder.failed(outcome, handled=handled)
        wanted = {
            "": True,
            "ignored": self._settings.report_ignored,
            "rescued": self._settings.report_rescued,
        }
        if (
            outcome.host in self._hosts_of_deployments
            and results.is_fail(task)
            and is_in_rescue(task)
        ):
            # After a rollback, somebody lets the host fail once more: the deployment has raised the alert for that.
            return
        if not wanted[handled] or not self._raises or self._play is None:
            return
        variables = self._variables(
            host=results.host_of(result),
            task=task,
            hosts=self._play_hosts,
            present=results.present_variables(result),
        )
        self._warn_of_misspelt_names(variables)
        if not variables.enabled:
            return
        integration = self._integration_of(variables)
        if integration is None:
            return
        if outcome.status == "unreachable":
            from .._ansible.machines import silent_machines

            machines = silent_machines(result, self._template_of(result))
            outcome = dataclasses.replace(outcome, silent_machines=machines)
        outcome, overrides = self._without_secrets_of_machine(outcome, variables, task)
        self._alert_tracker.failed(
            outcome,
            overrides,
            integration=integration,
            handled=handled,
            names=self._deciding_names.of_task(task, variables.all),
            then=self._circumstances,
            rescued=(
                self._recorder.latest_rescued(outcome.host)
                if is_in_rescue(task)
                else None
            ),
        )

    def _without_secrets_of_machine(
        self, outcome: TaskOutcome, variables: Variables, task: Task
    ) -> tuple[TaskOutcome, AlertOverrides]:
        """Learn what is secret, and mask what the machine itself has said: here, and in no alert of others."""
        of_machine = self._learn(variables, task)
        overrides = variables.overrides(self._settings.label_vars)
        if not of_machine:
            return outcome, overrides
        from .._alerts.builder import mask_outcome, mask_overrides

        redactor = type(self._redactor())(of_machine)
        return mask_outcome(outcome, redactor), mask_overrides(overrides, redactor)

    def _learn(self, variables: Variables, task: Task | None) -> set[str]:
        """Have the secrets masked that are known by now, and return those that the machine itself has said."""
        from .._ansible.run_secrets import RunSecrets

        self._secrets = self._secrets or RunSecrets()
        of_run, of_machine = self._secrets.known(
            variables,
            task,
            plays=[play for play, _hosts in self._plays],
            hidden_variables=self._hidden_variables,
        )
        self._redactor().add(of_run)
        return of_machine

    # -- ends

    def finish(self) -> None:
        """The run has come to its recap: close what works again, deliver, and say how things stand."""
        self._take_missing_roles()
        summary = self._recorder.finish(stopped_hosts(self._play), self._circumstances)
        if self._tracker is not None:
            self._alert_tracker.update_group_alerts()
        if self._run is not None and not self._run.is_known_again:
            self._warn(
                "The playbook is no file, so that it cannot be known again, and nothing is closed. Set playbook_id."
            )
        elif self._run is not None and not self._run.check:
            if self._settings.recovery != "stateless" and self._tracker is not None:
                self._close(summary)
            elif self._settings.recovery == "stateless":
                for integration in self._keys:
                    self._alert_tracker.close_stateless(
                        summary,
                        hosts=self._recorder.answering_hosts,
                        narrowed=self._extra_variables_decide(),
                        integration=integration,
                        play_namespace=self._play_overrides().namespace,
                        statuses=self._statuses,
                        overrides_of=functools.partial(
                            self._overrides_of, integration=integration
                        ),
                    )
        if (
            self._run is not None
            and self._run.is_known_again
            and not self._settings.dry_run
        ):
            self._closed_with_run = self._record.finish(
                self._run_in_its_namespace,
                whole=summary.complete and not summary.limited,
                hosts=summary.took_part,
                failed=summary.failed_hosts,
            )
        self._deliver(self._settings.flush_timeout)

    def abort(self, how: str) -> None:
        """The run ends without its recap.

        :param how: ``exit`` (an exception), ``terminated`` (SIGTERM) or ``interrupted`` (a person pressed Ctrl-C).
        """
        self._take_missing_roles()
        if self._run is None and self._first_play is not None:
            self._describe_run_without_plays(self._first_play)
        if self._tracker is not None:
            self._alert_tracker.update_group_alerts()
        # Where the current play has no key, an earlier one may have had.
        integration = self._integration or next(reversed(self._keys), None)
        if how != "interrupted" and self._reports_abort() and integration is not None:
            self._alert_tracker.raise_aborted(
                integration, self._aborted_cause(), self._play_overrides()
            )
        self._record.abort(how)
        if how == "interrupted" and not self._settings.dry_run:
            self._delivery.detach(_AFTER_INTERRUPTION)
        elif how == "terminated":
            self._deliver(
                min(self._settings.flush_timeout, _LONGEST_WAIT_WHEN_TERMINATED)
            )
        else:
            self._deliver(self._settings.flush_timeout)

    def _deliver(self, timeout: float) -> None:
        if self._settings.dry_run:
            if self._tracker is not None and self._tracker.would_send:
                from .summary import preview

                for line in preview(self._tracker.would_send, in_full=self._in_full):
                    self._say(line)
            return
        self._deliver_changes()
        news = self._news(self._delivery.flush(timeout))
        lines: list[str] = []
        if news is not None:
            from .summary import summary_lines

            lines = summary_lines(news)
        if lines:
            for line in lines:
                self._say(line)
        elif self._in_full:
            self._say_that_nothing_happened()

    def _news(self, report: DeliveryReport) -> News | None:
        """Return what there is to tell, or None."""
        tracker = self._tracker
        if tracker is None and not (
            self._closed_with_run
            or report.waiting
            or report.undeliverable
            or report.dropped
            or report.others
        ):
            return None
        from .summary import News, OtherKey

        still_open = tracker.still_open_keys if tracker else set()
        recovered = {alert.alert_key for alert in self._closed_with_run}
        return News(
            raised=tracker.raised_keys - still_open if tracker else (),
            still_open=still_open,
            recovered=recovered | (tracker.recovered_keys if tracker else set()),
            pending=tracker.pending if tracker else (),
            stays_open=(
                [tracker.stays_open.removeprefix("Flashduty: ")]
                if tracker and tracker.stays_open
                else ()
            ),
            waiting=report.waiting,
            reason=report.reason,
            undeliverable=report.undeliverable,
            dropped=report.dropped,
            place=report.place,
            others=[
                OtherKey(one.server, one.waiting, one.open_alerts)
                for one in report.others
            ],
        )

    def _say_that_nothing_happened(self) -> None:
        """Show that the callback is there, for whoever wants to know much."""
        alerts = self._delivery.all_open_alerts()
        if alerts is None:
            return
        from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.durations import (
            describe_duration,
        )

        from .summary import quiet_line

        oldest = max((time.time() - alert.opened_at for alert in alerts), default=0.0)
        self._say(quiet_line(open_alerts=len(alerts), oldest=describe_duration(oldest)))

    def _describe_run_without_plays(self, play: Play) -> None:
        """Find out what an alert for a run needs to say that ends before its first play begins.

        The reason may be that the play's variables cannot be read; ansible-core says which. Those of the command line
        can be.
        """
        self._run = self._collect_run_context(play)
        self._circumstances = circumstances_of(play, self._project)
        self._play = play
        self._integration = self._integration_of(self._variables_or_extra_vars(play))

    def _variables_or_extra_vars(self, play: Play) -> Variables:
        try:
            return self._variables(play=play)
        except AnsibleError:
            return self._variables(
                play=play, collected=dict(play.get_variable_manager().extra_vars)
            )

    def _reports_abort(self) -> bool:
        if not (
            self._settings.report_aborted and self._raises and self._play is not None
        ):
            return False
        return self._variables_or_extra_vars(self._play).enabled

    # -- the run and its surroundings

    @property
    def _alert_tracker(self) -> AlertTracker:
        """The alerts of this run, once there is anything to do with them."""
        if self._tracker is None:
            from .._alerts.tracker import AlertTracker

            if self._run is None:
                raise RuntimeError("no play has started yet")
            self._tracker = AlertTracker(
                self._run,
                self._settings,
                self._delivery,
                redactor=self._redactor(),
                warn=self._warn,
            )
            for secret in self._delivery.location.secrets:
                self._hide_key(secret)
        return self._tracker

    @property
    def _raises(self) -> bool:
        """Whether this run raises alerts at all."""
        return self._run is not None and (
            not self._run.check or self._settings.report_check_mode
        )

    def _collect_run_context(self, play: Play) -> RunContext:
        action = ""
        if self._path == AD_HOC:
            action = str(context.CLIARGS.get("module_name") or "command")
        return collect_run_context(
            playbook_path=self._path,
            ad_hoc_action=action,
            cli=context.CLIARGS,
            environ=os.environ,
            extra_vars=play.get_variable_manager().extra_vars,
            playbook_id=self._settings.playbook_id,
            namespace=self._settings.alert_namespace,
        )

    @property
    def _project(self) -> str:
        return self._run.project if self._run is not None else ""

    # -- what a run can prove

    def _close(self, summary: RunSummary) -> None:
        from .._alerts.recovery import Law

        law = Law(
            summary,
            lines_in_file=self._lines_in_file,
            names_now=self._names_now,
            in_inventory=self._is_in_inventory,
        )
        self._alert_tracker.close(law, namespace_of=self._namespace_of)

    @property
    def _deciding_names(self) -> DecidingNames:
        if self._names is None:
            from .._ansible.narrowing import DecidingNames

            plays = self._playbook.get_plays()
            self._names = DecidingNames(
                task for play in plays for task in tasks_of(play)
            )
            for task in self._included_tasks:
                self._names.note(task)
            self._included_tasks.clear()
        return self._names

    def _names_now(self, cause: Cause) -> frozenset[str]:
        found: frozenset[str] = frozenset()
        host = self._hosts_by_digest.get(cause.host)
        for place in cause.places:
            task = self._tasks_at.get(place.key)
            if task is not None and self._play is not None:
                variables = self._variables(
                    host=self._host(host) if host else None,
                    task=task,
                    hosts=self._play_hosts,
                )
                found |= self._deciding_names.of_task(task, variables.all)[1]
        return found

    def _names_of_run(self) -> frozenset[str]:
        if self._play is None:
            return frozenset()
        return self._deciding_names.of_run(
            self._playbook.get_plays(), self._variables_or_extra_vars(self._play).all
        )

    def _extra_variables_decide(self) -> bool:
        """Say whether an extra variable is named by a condition, a loop or the hosts of a play."""
        chosen = set(self._circumstances.extra_vars)
        return bool(chosen) and bool({EVERY_NAME, *chosen} & self._names_of_run())

    def _aborted_cause(self) -> Cause:
        from .._alerts.causes import Cause

        return Cause(
            status="aborted",
            hosts=frozenset(map(name_digest, self._recorder.hosts)),
            names=self._names_of_run(),
            then=self._circumstances,
        )

    @functools.cached_property
    def _hosts_by_digest(self) -> dict[str, str]:
        """The names of the hosts of this run. Only for its end, when all of them are known."""
        return {name_digest(host): host for host in self._recorder.hosts}

    def _is_in_inventory(self, host: str) -> bool:
        if self._play is None:
            return False
        return any(name_digest(name) == host for name in inventory_names(self._play))

    def _namespace_of(self, host: str) -> str | None:
        if not host:
            return self._play_overrides().namespace
        name = self._hosts_by_digest.get(host)
        if name is None or self._play is None:
            return None
        if host not in self._namespaces:
            self._namespaces[host] = self._variables(
                host=self._host(name), hosts=self._play_hosts
            ).namespace
        return self._namespaces[host]

    def _play_overrides(self) -> AlertOverrides:
        if self._play is None:
            return AlertOverrides()
        return AlertOverrides(
            namespace=self._variables_or_extra_vars(self._play).namespace
        )

    def _integration_of(self, variables: Variables) -> str | None:
        """Find out which integration the alerts of a host go to, and what is open there; None where there is no key."""
        said = (variables.text(INTEGRATION_KEY), variables.text(PUSH_URL))
        if said not in self._integrations:
            self._integrations[said] = self._connect(*said, variables)
        return self._integrations[said]

    def _connect_further_hosts(self) -> None:
        """Find out the integrations of the play's other hosts, where one of theirs may have open alerts.

        Else this waits until they fail: it takes time for each host.
        """
        if self._settings.recovery != "auto" or self._run is None:
            return
        if not self._delivery.has_state():
            return
        origin = self._run.origin
        known = sum(len(self._delivery.open_alerts(i, origin)) for i in self._keys)
        if len(self._delivery.open_alerts(None, origin)) > known:
            for name in self._play_hosts.everybody[1:]:
                with contextlib.suppress(AnsibleError):
                    self._integration_of(
                        self._variables(host=self._host(name), hosts=self._play_hosts)
                    )

    def _connect(
        self, key: str | None, push_url: str | None, variables: Variables
    ) -> str | None:
        """Return the integration that is in force, and let its events be delivered.

        :param key: what the variable of a host says.
        :param push_url: the same.
        :param variables: all of them.
        """
        try:
            connection = resolve_connection(
                [integration_layer(key, push_url), *configured_layers()],
                tolerate=self._warn,
            ).connection
        except ConfigurationError as exc:
            if not self._settings.dry_run:
                self._warn(f"{exc} Alerts of hosts for which this holds are not sent.")
                return None
            integration, key = _NO_INTEGRATION, ""
        else:
            integration, key = connection.fingerprint, connection.integration_key
        is_new = integration not in self._keys
        self._keys[integration] = key
        self._hide_key(key)
        if key and not self._settings.dry_run:
            self._delivery.connect(connection)
            self._connections[integration] = connection
            # Before the open alerts are looked up: it may find runs that were lost.
            self._begin_record(variables, connection)
        if (
            is_new
            and self._settings.recovery != "stateless"
            and self._delivery.has_state()
        ):
            self._recorder.track(*self._alert_tracker.load_open(integration))
        return integration

    def _run_in_its_namespace(self) -> RunContext:
        """Return the run with the namespace that the variables of the play give it."""
        if self._run is None:
            raise RuntimeError("no play has started yet")
        namespace = self._play_overrides().namespace
        if namespace is None:
            return self._run
        return dataclasses.replace(self._run, namespace=namespace)

    def _begin_record(self, variables: Variables, connection: Connection) -> None:
        """Have the run remembered and watched, where an option or a variable of the play asks for it."""
        if self._run is not None and variables.enabled:
            self._record.begin(
                self._run_in_its_namespace,
                variables.duration,
                fingerprint=connection.fingerprint,
                server=connection.server,
                alert=lambda scope: self._alert_tracker.run_alert(
                    scope,
                    connection.fingerprint,
                    self._aborted_cause() if scope == "run" else None,
                    self._play_overrides(),
                ),
                is_known_again=self._run.is_known_again,
                raises=self._raises,
                reports_abort=self._reports_abort(),
            )

    def _deliver_changes(self) -> None:
        """Have change events delivered, too, that tasks of this run or of earlier ones have left in the outbox."""
        if self._settings.dry_run or not self._delivery.has_state():
            return
        layers = configured_layers()
        try:
            if has_integration_key(layers, kind="change"):
                self._delivery.connect(
                    resolve_connection(
                        layers, kind="change", tolerate=self._warn
                    ).connection
                )
        except ConfigurationError as exc:
            self._warn(str(exc))

    def _variables(
        self,
        *,
        host: Host | None = None,
        task: Task | None = None,
        hosts: PlayHosts | None = None,
        present: t.Mapping[str, t.Any] | None = None,
        collected: dict[str, t.Any] | None = None,
        play: Play | None = None,
    ) -> Variables:
        """Return the variables in force in a play, the current one if it is not given."""
        play = play or self._play
        if play is None:
            raise RuntimeError("no play has started yet")
        return Variables(
            play,
            host=host,
            task=task,
            hosts=hosts,
            present=present,
            collected=collected,
            boundary=self._boundary,
            warn=self._warn_of_variables,
        )

    def _warn_of_variables(self, variables: Variables, text: str) -> None:
        """Warn of a variable. What is wrong with it may be told with values, so secrets have to be known before."""
        self._learn(variables, None)
        self._warn(text)

    def _warn_of_misspelt_names(self, variables: Variables) -> None:
        """Say which variables have names that are nearly ours, so that nobody reads them."""
        names = variables.all.keys() - self._names_looked_at
        self._names_looked_at |= names
        for problem in misspelt_callback_variables(sorted(names)):
            self._warn(problem)

    def _host(self, name: str) -> Host | None:
        return find_host(self._play, name) if self._play else None

    def _overrides_of(self, name: str, *, integration: str) -> AlertOverrides | None:
        """Return what the variables of a host say; None where no alert of this integration is wanted for it."""
        belongs = any(
            self._integration_of(self._variables(host=self._host(name), play=play))
            == integration
            for play, hosts in self._plays
            if name in hosts
        )
        variables = self._variables(host=self._host(name), hosts=self._play_hosts)
        if not belongs or not variables.enabled:
            return None
        of_machine = self._learn(variables, None)
        overrides = variables.overrides(self._settings.label_vars)
        if not of_machine:
            return overrides
        from .._alerts.builder import mask_overrides

        return mask_overrides(overrides, type(self._redactor())(of_machine))

    def _lines_in_file(self, place: Place) -> frozenset[int] | None:
        key = (place.path, place.written)
        if key not in self._lines:
            from .._ansible.task_files import lines_in_file

            self._lines[key] = lines_in_file(*key, project=self._project)
        return self._lines[key]
