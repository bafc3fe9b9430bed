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
import functools
import os
import typing as t

from ansible import context
from ansible.errors import AnsibleError

from .._alerts.model import Circumstances
from .._alerts.recorder import RunRecorder
from .._alerts.run_context import AD_HOC, RunContext, collect_run_context, is_partial
from .._ansible import results, tasks
from .._ansible.play import (
    MissingRoleDetector,
    hosts_of,
    id_of,
    line_of,
    path_of,
    stopped_hosts,
)
from .._ansible.rescue import Rescues, is_in_rescue
from .._ansible.variables import STATUS, PlayHosts
from .integrations import Integrations
from .play_variables import PlayVariables
from .run_record import RunRecord

if t.TYPE_CHECKING:
    from ansible.executor.task_result import TaskResult
    from ansible.playbook import Playbook
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
        Connection,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
        OpenAlert,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
        Redactor,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._layers import (
        Layer,
    )

    from .._alerts.model import AlertOverrides
    from .._alerts.outcomes import TaskOutcome
    from .._alerts.recorder import RunSummary
    from .._alerts.settings import Settings
    from .._alerts.tracker import AlertTracker
    from .._ansible.variables import Variables
    from .._delivery import Delivery
    from .evidence import Evidence

# Seconds. Whoever terminates a run may not wait long, and a container ends with its first process.
_LONGEST_WAIT_WHEN_TERMINATED = 3.0
# Seconds that the courier goes on alone after that: a service manager may wait for it, too.
_AFTER_TERMINATION = 10.0
# Seconds that the courier goes on alone after Ctrl-C.
_AFTER_INTERRUPTION = 60.0


class RunReporter:
    """Everything that one run of one playbook has to do with alerts.

    :param layers: the places below the variables that can set an option.
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
        layers: t.Sequence[Layer],
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
        self._variables = PlayVariables(
            settings.label_vars, warn=warn, redactor=redactor
        )
        self._playbook = playbook
        # Their conditions and loops count among what decides about the run.
        self._included_tasks: list[Task] = []
        self._integrations = Integrations(
            layers,
            delivery,
            dry_run=settings.dry_run,
            warn=warn,
            hide_key=hide_key,
            connected=self._connected,
        )
        self._rescues = Rescues()
        # Hosts whose latest rescued failure is the end of a deployment that has raised its alert.
        self._hosts_of_deployments: set[str] = set()
        self._run: RunContext | None = None
        self._tracker: AlertTracker | None = None
        self._missing_roles: MissingRoleDetector | None = None
        # That of the current play's first host; None where there is no key.
        self._integration: str | None = None
        self._statuses = {settings.failed_status, settings.unreachable_status}
        if settings.report_ignored or settings.report_rescued:
            self._statuses.add("Warning")
        self._record = RunRecord(settings, delivery, playbook_path=self._path)
        self._closed_with_run: list[OpenAlert] = []
        self._ending_task = ""

    # -- plays and tasks

    def play_started(self, play: Play) -> None:
        """A play begins, or a further batch of it."""
        self._take_missing_roles()
        is_first = self._run is None
        if self._run is None:
            self._run = self._begin_run(play)
            if self._settings.recovery == "stateless":
                self._recorder.track_everybody()
        self._missing_roles = MissingRoleDetector(play)
        self._rescues = Rescues()
        hosts = PlayHosts(*hosts_of(play))
        is_new_play = self._variables.play_started(play, hosts)
        self._recorder.play_started(
            id_of(play),
            all_hosts=hosts.everybody,
            batch=hosts.batch,
            line=line_of(play),
        )
        if self._run.limited:
            from .._ansible.narrowing import limit_leaves_somebody_out

            if limit_leaves_somebody_out(play):
                self._recorder.limited()
        variables = self._variables.of_play()
        if self._settings.recovery == "stateless" and variables.status:
            self._statuses.add(variables.status)
        # Its files of variables may not be readable, as ansible-core will say when the host's turn comes.
        with contextlib.suppress(AnsibleError):
            variables = self._variables.of_first_host(next(iter(hosts.everybody), None))
        self._variables.warn_of_misspelt_names(variables)
        known = set(self._integrations.known)
        self._integration = self._integrations.of(variables)
        if self._integration in known:
            # Else it has just been begun.
            self._begin_record(
                variables, self._integrations.connection(self._integration)
            )
        if is_first:
            self._integrations.deliver_changes()
        if is_new_play:
            self._connect_further_hosts()
        self._record.play_started(play.get_name(), hosts.batch)
        if self._recorder.tracks:
            self._evidence.look_for_tracked_tasks(play)

    def no_hosts_remaining(self) -> None:
        """ansible-core ends the play, because too many hosts have failed."""
        self._recorder.play_cut_short()

    def task_started(self, task: Task) -> None:
        """A task or a handler begins, on whichever hosts."""
        self._take_missing_roles()
        stopped = stopped_hosts(self._variables.play)
        self._recorder.stopped(stopped)
        if self._record.tells_progress:
            from .._ansible.task_references import reference

            name = self._alert_tracker.task_name(reference(task))
            self._record.task_started(name, stopped)
        self._rescues.task_started(task)
        self._ending_task = ""
        if tasks.is_meta(task, "end_play", "end_batch"):
            # ansible-core 2.16 does not say for which hosts, and nobody reports that it was done.
            self._ending_task = id_of(task)
            self._recorder.play_cut_short()
        if task.get_first_parent_include() is not None:
            self._included_tasks.append(task)
        if self._settings.recovery == "stateless" and STATUS in task.get_vars():
            # Which one is known only when it fails; closing one that is not open does nothing.
            self._statuses.update(("Critical", "Warning", "Info"))

    def handler_notified(self, host: str) -> None:
        """A handler will run for a host."""
        self._rescues.handler_notified(host)

    # -- results

    def ok(self, result: TaskResult) -> None:
        """A task has succeeded on a host."""
        host, task = self._reported(result)
        if task.register:
            self._variables.registered(result)
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
        if self._recorder.tracks and self._evidence.is_tracked(task):
            place = self._evidence.tracked_place(result)
            # In check mode, a module that cannot tell what it would do is skipped, too.
            if tasks.flag(task.check_mode, unclear=True):
                self._recorder.pretended(host, place)
            else:
                self._recorder.skipped(host, place)

    def failed(self, result: TaskResult, ignore_errors: bool | None) -> None:
        """A task has failed on a host."""
        host, task = self._reported(result)
        if task.register:
            self._variables.registered(result)
        self._forget_missing_role(host)
        from .._ansible.outcomes import failed_outcome

        outcome = failed_outcome(result, ignore_errors)
        handled = ""
        if outcome.ignored:
            handled = "ignored"
            self._note_ignored(host, task, "ignore_errors")
        elif self._rescues.will_rescue(host, task):
            handled = "rescued"
            self._note_rescued(host, result)
        self._take(outcome, result, handled)

    def _note_ignored(self, host: str, task: Task, keyword: str) -> None:
        """Note that in another run this may not have been ignored, so that an alert may be open for it."""
        if self._settings.recovery == "stateless" and tasks.is_by_template(
            task, keyword
        ):
            self._recorder.not_passed(host)

    def _note_rescued(self, host: str, result: TaskResult) -> None:
        """Remember for how long the alert of a failed deployment stands for what happens in the rescue of it."""
        self._hosts_of_deployments.discard(host)
        if results.has_alert_of_deployment(result):
            self._hosts_of_deployments.add(host)

    def unreachable(self, result: TaskResult) -> None:
        """A host did not answer."""
        host, task = self._reported(result)
        self._forget_missing_role(host)
        from .._ansible.outcomes import unreachable_outcome

        outcome = unreachable_outcome(result)
        if outcome.ignored:
            self._note_ignored(host, task, "ignore_unreachable")
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
        pretended = tasks.flag(task.check_mode, unclear=True)
        if self._evidence.is_tracked(task):
            place = self._evidence.tracked_place(result)
            if pretended:
                self._recorder.pretended(host, place)
            else:
                self._recorder.succeeded(
                    host,
                    place,
                    self._evidence.items_of_result(result, worked=True),
                    run_once=tasks.flag(task.run_once, unclear=True),
                )
        play = self._variables.play
        if pretended or play is None:
            return
        if not task.delegate_to and not self._recorder.awaits_answer(host):
            return
        from .._ansible.machines import answering_machines, is_own_connection

        for machine in answering_machines(result, self._variables.template_of(result)):
            if self._recorder.awaits_answer(machine):
                if is_own_connection(task, machine, play):
                    self._recorder.answered(machine)
                else:
                    self._recorder.answered_elsewhere(machine)

    def _take(self, outcome: TaskOutcome, result: TaskResult, handled: str) -> None:
        task = results.task_of(result)
        outcome = outcome._replace(
            place=self._evidence.place_of_result(result),
            items=self._evidence.items_of_result(result, worked=False),
            run_once=tasks.flag(task.run_once, unclear=True),
        )
        self._recorder.failed(outcome, handled=handled)
        wanted = {
            "": True,
            "ignored": self._settings.report_ignored,
            "rescued": self._settings.report_rescued,
        }
        if (
            outcome.host in self._hosts_of_deployments
            and tasks.is_fail(task)
            and is_in_rescue(task)
        ):
            # After a rollback, somebody lets the host fail once more: the deployment has raised the alert for that.
            return
        if not wanted[handled] or not self._raises:
            return
        variables = self._variables.of_result(result, with_present=True)
        self._variables.warn_of_misspelt_names(variables)
        if not variables.enabled:
            return
        integration = self._integrations.of(variables)
        if integration is None:
            return
        self._delivery.expect_events()
        if outcome.status == "unreachable":
            from .._ansible.machines import silent_machines

            machines = silent_machines(result, self._variables.template_of(result))
            outcome = outcome._replace(silent_machines=machines)
        own = self._variables.learn_secrets(variables, result)
        if own is not None:
            from .._alerts.builder import mask_outcome

            # What the machine itself has said is masked here, and in no alert of others.
            outcome = mask_outcome(outcome, own)
        self._alert_tracker.failed(
            outcome,
            self._variables.overrides(variables, own),
            integration=integration,
            handled=handled,
            names=self._evidence.names_of_task(task, variables.all),
            then=self._evidence.circumstances,
            rescued=(
                self._recorder.latest_rescued(outcome.host)
                if is_in_rescue(task)
                else None
            ),
        )

    # -- ends

    def finish(self) -> None:
        """The run has come to its recap: close what works again, deliver, and say how things stand."""
        self._take_missing_roles()
        summary = self._recorder.finish(
            stopped_hosts(self._variables.play),
            # It matters only where there may be something to close.
            Circumstances() if self._tracker is None else self._evidence.circumstances,
        )
        if self._tracker is not None:
            self._alert_tracker.update_group_alerts()
        if self._run is not None and not self._run.is_known_again:
            self._warn(
                "The playbook is no file, so that it cannot be known again, and nothing is closed. Set playbook_id."
            )
        elif self._run is not None and not self._run.check:
            if self._settings.recovery == "stateless":
                for integration in self._integrations.known:
                    self._alert_tracker.close_stateless(
                        summary,
                        hosts=self._recorder.answering_hosts,
                        narrowed=self._evidence.extra_variables_decide(),
                        integration=integration,
                        play_namespace=self._evidence.play_overrides().namespace,
                        statuses=self._statuses,
                        overrides_of=functools.partial(
                            self._overrides_of, integration=integration
                        ),
                    )
            elif self._tracker is not None and self._tracker.may_close:
                self._close(summary)
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
        integration = self._integration or next(
            reversed(self._integrations.known), None
        )
        if how != "interrupted" and self._reports_abort() and integration is not None:
            self._alert_tracker.raise_aborted(
                integration,
                self._evidence.aborted_cause(),
                self._evidence.play_overrides(),
            )
        self._record.abort(how)
        if how == "interrupted" and not self._settings.dry_run:
            self._delivery.detach(_AFTER_INTERRUPTION)
        elif how == "terminated":
            self._deliver(
                min(self._settings.flush_timeout, _LONGEST_WAIT_WHEN_TERMINATED),
                alone=_AFTER_TERMINATION,
            )
        else:
            self._deliver(self._settings.flush_timeout)

    def _deliver(self, timeout: float, *, alone: float = 0.0) -> None:
        if self._settings.dry_run:
            if self._tracker is not None and self._tracker.would_send:
                from .summary import preview

                for line in preview(self._tracker.would_send, in_full=self._in_full):
                    self._say(line)
            return
        self._integrations.deliver_changes()
        report = self._delivery.flush(timeout, alone=alone)
        lines: list[str] = []
        if self._tracker or self._closed_with_run or report.has_news:
            from .summary import news_of, summary_lines

            lines = summary_lines(
                news_of(report, self._tracker, closed=self._closed_with_run)
            )
        for line in lines:
            self._say(line)
        if self._in_full and not lines:
            self._say_that_nothing_happened()

    def _say_that_nothing_happened(self) -> None:
        """Show that the callback is there, for whoever wants to know much."""
        ages = self._delivery.ages_of_open_alerts()
        if ages is None:
            return
        from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.durations import (
            describe_duration,
        )

        from .summary import quiet_line

        oldest = describe_duration(max(ages, default=0.0))
        self._say(quiet_line(open_alerts=len(ages), oldest=oldest))

    def _describe_run_without_plays(self, play: Play) -> None:
        """Find out what an alert for a run needs to say that ends before its first play begins.

        The reason may be that the play's variables cannot be read; ansible-core says which. Those of the command line
        can be.
        """
        self._run = self._begin_run(play)
        self._variables.play = play
        self._integration = self._integrations.of(
            self._variables.of_play_or_extra_vars()
        )

    def _reports_abort(self) -> bool:
        return (
            self._settings.report_aborted
            and self._raises
            and self._variables.play is not None
            and self._variables.of_play_or_extra_vars().enabled
        )

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

    @functools.cached_property
    def _evidence(self) -> Evidence:
        """What the run could prove, once somebody asks: in most runs nothing fails, and nothing is open."""
        from .evidence import Evidence

        if self._first_play is None:
            raise RuntimeError("no play has started yet")
        return Evidence(
            self._playbook,
            self._first_play,
            self._run.project if self._run is not None else "",
            recorder=self._recorder,
            variables=self._variables,
            included_tasks=self._included_tasks,
        )

    @property
    def _raises(self) -> bool:
        """Whether this run raises alerts at all."""
        return self._run is not None and (
            not self._run.check or self._settings.report_check_mode
        )

    def _begin_run(self, play: Play) -> RunContext:
        action = ""
        if self._path == AD_HOC:
            action = str(context.CLIARGS.get("module_name") or "command")
        run = collect_run_context(
            playbook_path=self._path,
            ad_hoc_action=action,
            cli=context.CLIARGS,
            environ=os.environ,
            extra_vars=play.get_variable_manager().extra_vars,
            playbook_id=self._settings.playbook_id,
            namespace=self._settings.alert_namespace,
        )
        self._delivery.begin_playbook(run.origin)
        return run

    def _close(self, summary: RunSummary) -> None:
        from .._alerts.recovery import Law

        law = Law(
            summary,
            lines_in_file=self._evidence.lines_in_file,
            names_now=self._evidence.names_now,
            in_inventory=self._evidence.is_in_inventory,
        )
        self._alert_tracker.close(law, namespace_of=self._evidence.namespace_of)

    # -- integrations

    def _connected(
        self,
        integration: str,
        variables: Variables,
        connection: Connection | None,
        is_new: bool,
    ) -> None:
        """An integration is in force for a host, perhaps for the first time: find out what is open there."""
        # Before the open alerts are looked up: it may find runs that were lost.
        self._begin_record(variables, connection)
        if (
            is_new
            and self._settings.recovery != "stateless"
            and self._delivery.has_state()
        ):
            self._recorder.track(*self._alert_tracker.load_open(integration))

    def _connect_further_hosts(self) -> None:
        """Find out the integrations of the play's other hosts, where one of theirs may have open alerts.

        Else this waits until they fail: it takes time for each host.
        """
        if self._settings.recovery != "auto" or self._run is None:
            return
        if self._delivery.has_alerts_of_others(
            self._integrations.known, self._run.origin
        ):
            for name in self._variables.play_hosts.everybody[1:]:
                with contextlib.suppress(AnsibleError):
                    self._integrations.of(self._variables.of_host(name))

    def _run_in_its_namespace(self) -> RunContext:
        """Return the run with the namespace that the variables of the play give it."""
        if self._run is None:
            raise RuntimeError("no play has started yet")
        namespace = self._evidence.play_overrides().namespace
        if namespace is None:
            return self._run
        return self._run._replace(namespace=namespace)

    def _begin_record(
        self, variables: Variables, connection: Connection | None
    ) -> None:
        """Have the run remembered and watched, where an option or a variable of the play asks for it."""
        if connection is None or self._run is None or not variables.enabled:
            return
        integration, server = connection.fingerprint, connection.server
        self._record.begin(
            self._run_in_its_namespace,
            variables.duration,
            fingerprint=integration,
            server=server,
            alert=lambda scope: self._alert_tracker.run_alert(
                scope,
                integration,
                self._evidence.aborted_cause() if scope == "run" else None,
                self._evidence.play_overrides(),
            ),
            is_known_again=self._run.is_known_again,
            raises=self._raises,
            reports_abort=self._reports_abort(),
        )

    def _overrides_of(self, name: str, *, integration: str) -> AlertOverrides | None:
        """Return what the variables of a host say; None where no alert of this integration is wanted for it."""
        belongs = any(
            self._integrations.of(self._variables.of_host(name, play=play))
            == integration
            for play, hosts in self._variables.plays
            if name in hosts
        )
        variables = self._variables.of_host(name)
        if not belongs or not variables.enabled:
            return None
        return self._variables.overrides(
            variables, self._variables.learn_secrets(variables, None)
        )
