# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The alerts of one run: raised, brought up to date, remembered and closed, by way of the outbox."""

from __future__ import annotations

import time
import typing as t
from dataclasses import replace

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
    OpenAlert,
    PendingAlert,
)

from .builder import AlertBuilder
from .causes import Cause, causes_of, details_of
from .counts import FailureCounts, good_run
from .model import AlertOverrides
from .run_context import LOCALHOST
from .settings import uncountable
from .storms import Storms
from .subject import Subject

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
        AlertEvent,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.runs import (
        RunAlert,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
        Redactor,
    )

    from .model import Circumstances, Place
    from .outcomes import TaskOutcome, TaskReference
    from .recorder import RunSummary
    from .recovery import Law, Recovery
    from .run_context import RunContext
    from .settings import Settings

# A storm's memory grows with each host, and is written anew when it has grown by this factor.
_GROWTH = 1.1
# Alerts about runs that the ledger of runs closes by itself; see ``outbox/runs.py``.
_CLOSED_ELSEWHERE = ("missed", "overlong")


class Ledger(t.Protocol):
    """What remembers open alerts, and delivers events."""

    def open_alerts(self, fingerprint: str, origin: str) -> list[OpenAlert]:
        """Return the alerts that are remembered as open."""

    def pending_alerts(self, integration: str, origin: str) -> list[PendingAlert]:
        """Return the failures that were counted, and raised no alert yet."""

    def submit(
        self, fingerprint: str, events: t.Sequence[AlertEvent], **memory: t.Any
    ) -> bool:
        """Deliver events, and remember in the same transaction what they open and close; see ``Outbox.add``."""


class RaisedAlert:
    """An alert that this run has raised, and what is needed to bring it up to date."""

    def __init__(
        self,
        subject: Subject,
        outcome: TaskOutcome,
        overrides: AlertOverrides,
        handled: str,
    ) -> None:
        self.subject = subject
        self.outcome = outcome
        self.overrides = overrides
        self.handled = handled
        # A set that keeps its order.
        self.hosts = {outcome.host: None}
        self.integration = ""
        self.opened: OpenAlert | None = None
        self.causes_written = 0
        # In how many runs in a row it was seen.
        self.times = 1
        self._causes: dict[t.Hashable, Cause] = {}

    def bind(self, opened: OpenAlert) -> None:
        """Take the alert that was opened, with what it has been waiting for already."""
        self.opened = opened
        self._causes = {cause.identity: cause for cause in causes_of(opened)}

    def add_cause(self, cause: Cause) -> bool:
        """Add to what the alert waits for, and return whether that was new."""
        before = self._causes.get(cause.identity)
        merged = before.merged(cause) if before is not None else cause
        if merged == before:
            return False
        self._causes[cause.identity] = merged
        return True

    def write_causes(self) -> None:
        """Put what the alert waits for into what is remembered."""
        if self.opened is not None:
            self.causes_written = len(self._causes)
            self.opened.details.update(details_of(self._causes.values()))

    @property
    def causes(self) -> int:
        """The number of things that the alert waits for."""
        return len(self._causes)

    @property
    def stands_for_many(self) -> bool:
        """Whether it is about several hosts."""
        return self.subject.scope in ("storm", "playbook")


class AlertTracker:
    """What one run has to do with alerts. Imported only when there is something to do.

    :param redactor: the one way out for every text.
    :param warn: told, once each, what a person should know.
    :param now: where the time comes from, in seconds since the epoch.
    """

    def __init__(
        self,
        run: RunContext,
        settings: Settings,
        ledger: Ledger,
        *,
        redactor: Redactor,
        warn: t.Callable[[str], None],
        now: t.Callable[[], float] = time.time,
    ) -> None:
        self._run = run
        self._settings = settings
        self._ledger = ledger
        self._builder = AlertBuilder(run, settings, redactor, warn)
        self._warn = warn
        self._now = now
        # What was open when the run began.
        self._open: dict[str, dict[str, OpenAlert]] = {}
        self._raised: dict[str, RaisedAlert] = {}
        self._storms = Storms(settings.storm_threshold)
        self._counts = FailureCounts()
        # Alerts of this run that wait for what earlier runs have counted, too.
        self._counted_before: set[str] = set()
        self._aborted = 0
        self.recovered = 0
        self.recovered_keys: set[str] = set()
        self._aborted_keys: set[str] = set()
        self.stays_open = ""
        """Why alerts stay open although their hosts passed, as a line for people."""
        self.would_send: list[AlertEvent] = []
        """In a dry run: the events that were not sent."""

    @property
    def raised(self) -> int:
        """The number of alerts that this run has raised."""
        return len(self._raised) + self._aborted

    @property
    def pending(self) -> list[tuple[int, int]]:
        """For each failure of this run that raised no alert yet: in how many runs it has failed, and how many it takes."""
        return sorted((one.failures, one.needed) for one in self._counts.counted)

    def task_name(self, task: TaskReference) -> str:
        """Return the name of a task with its place, as it may be sent."""
        return self._builder.task_name(task)

    @property
    def raised_keys(self) -> set[str]:
        """The keys of alerts that this run has raised, whether they were open before or not."""
        return {*self._raised, *self._aborted_keys}

    @property
    def still_open_keys(self) -> set[str]:
        """The keys of those that were open before."""
        known = {key for alerts in self._open.values() for key in alerts}
        return known & self.raised_keys

    def load_open(self, integration: str) -> tuple[set[str], set[str]]:
        """Look up what is open for this playbook, and return digests of the hosts and tasks that it waits for."""
        alerts = self._open_alerts(integration)
        self._open[integration] = {alert.alert_key: alert for alert in alerts}
        for alert in alerts:
            if alert.details.get("scope") == "storm":
                self._storms.known(
                    integration,
                    alert.alert_key,
                    {cause.host for cause in causes_of(alert)},
                )
        pending = self._pending_alerts(integration)
        self._counts.load(integration, pending)
        alerts += [one.alert for one in pending]
        causes = [cause for alert in alerts for cause in causes_of(alert)]
        return (
            {host for cause in causes for host in (cause.host, cause.machine)},
            {place.written for cause in causes for place in cause.places},
        )

    # -- failures

    def failed(
        self,
        outcome: TaskOutcome,
        overrides: AlertOverrides,
        *,
        integration: str,
        handled: str,
        names: tuple[frozenset[str], frozenset[str]],
        then: Circumstances,
        rescued: Place | None,
    ) -> None:
        """Raise the alert for an outcome, or remember one more reason for one that is raised already.

        :param overrides: what the variables of the host and the task say.
        :param handled: ``ignored`` or ``rescued``, for what did not end the play for the host.
        :param names: see ``Cause``, as for the others.
        """
        outcome = self._builder.redacted(outcome)
        status = self._builder.status_of(outcome, overrides, handled=bool(handled))
        namespace = self._namespace(overrides)
        subject = replace(self._builder.subject(outcome, status), namespace=namespace)
        causes = [
            *Cause.of(
                outcome,
                then=then,
                names=names,
                rescued=rescued,
                mask=self._builder.mask,
            )
        ]
        key = self._builder.key(subject)
        storm = replace(
            self._builder.storm_subject(outcome, status), namespace=namespace
        )
        storm_key = self._builder.key(storm)
        failure = RaisedAlert(subject, outcome, overrides, handled)
        failure.times = self._counts.failures(integration, key)
        if not (
            self._is_raised(key, storm_key, outcome.host, integration)
            or self._counts.is_enough(integration, key, self._needed(failure))
        ):
            self._count(key, failure, integration, causes)
            return
        pending = self._counts.raised(integration, key)
        if (
            self._settings.storm_threshold
            and subject.scope != "playbook"
            and key not in self._raised
            and self._storms.takes(
                outcome.host,
                (status, namespace, outcome.task.identity),
                integration=integration,
                storm_key=storm_key,
                is_open=key in self._open.get(integration, {}),
            )
        ):
            failure.subject, key = storm, storm_key
        if pending is not None:
            # What it has failed at before, it still waits for, unless that works again in this run.
            causes = [*causes_of(pending.alert), *causes]
            self._counted_before.add(key)
        if key in self._raised:
            self._add_causes(self._raised[key], failure, causes, pending)
        else:
            self._raised[key] = failure
            self._raise(key, failure, integration, causes, pending)

    def _is_raised(self, key: str, storm_key: str, host: str, integration: str) -> bool:
        """Say whether there is an alert already that a failure of this key belongs to."""
        return (
            key in self._raised
            or key in self._open.get(integration, {})
            or self._storms.holds(host, integration=integration, storm_key=storm_key)
        )

    def _needed(self, failure: RaisedAlert) -> int:
        """Return in how many runs in a row this has to fail until its alert is raised."""
        return self._number(f"{failure.outcome.status}_after", failure.overrides)

    def _number(self, option: str, overrides: AlertOverrides) -> int:
        useless, why = uncountable(
            self._settings.recovery, overrides.counts, prefix="flashduty_"
        )
        if useless:
            self._warn(f"{why} 1 is used.")
        if option in useless:
            return 1
        return int(overrides.counts.get(option) or getattr(self._settings, option))

    def _count(
        self,
        key: str,
        failure: RaisedAlert,
        integration: str,
        causes: t.Sequence[Cause],
    ) -> None:
        """Remember a failure that raises no alert yet."""
        before = self._counts.latest(integration, key)
        self._bind(failure, before.alert if before else None, causes)
        failure.write_causes()
        if failure.opened is None:
            return
        pending = PendingAlert(failure.opened, failure.times, self._needed(failure))
        self._counts.count(integration, pending)
        self._send(integration, [], pending=[pending])

    def _bind(
        self,
        failure: RaisedAlert,
        before: OpenAlert | None,
        causes: t.Sequence[Cause],
    ) -> AlertEvent:
        """Fill in what is to be remembered of a failure, and return the event that tells of it.

        :param before: the same alert as earlier runs have left it: what it was waiting for, it still waits for.
        """
        event, labels = self._event_of(failure)
        details: dict[str, t.Any] = {
            "scope": failure.subject.scope,
            "namespace": failure.subject.namespace,
            "labels": _recovery_labels(labels),
            "times": failure.times,
            **details_of(causes_of(before) if before else ()),
        }
        recover_after = self._number("recover_after", failure.overrides)
        if recover_after > 1:
            details["recover_after"] = recover_after
        if failure.subject.host and failure.outcome.host in LOCALHOST:
            details["machine"] = self._run.local_name
        failure.bind(self._opened(event, details))
        for cause in causes:
            failure.add_cause(cause)
        return event

    def _raise(
        self,
        key: str,
        raised: RaisedAlert,
        integration: str,
        causes: t.Sequence[Cause],
        pending: PendingAlert | None,
    ) -> None:
        before = self._open.get(integration, {}).get(key)
        if before is not None:
            raised.times = before.details.get("times", 1) + 1
        raised.integration = integration
        event = self._bind(raised, before, causes)
        raised.write_causes()
        self._send(
            integration,
            [event],
            opened=raised.opened,
            no_longer_pending=[pending.alert.alert_key] if pending else [],
        )

    def _add_causes(
        self,
        raised: RaisedAlert,
        failure: RaisedAlert,
        causes: t.Sequence[Cause],
        pending: PendingAlert | None,
    ) -> None:
        outcome, first = failure.outcome, raised.outcome
        raised.hosts[outcome.host] = None
        if (outcome.status, outcome.host) < (first.status, first.host):
            # One stands for all: always the same one, in whichever order they fail.
            raised.outcome, raised.overrides = outcome, failure.overrides
        # Not any(), which would stop at the first one.
        is_new = [raised.add_cause(cause) for cause in causes]
        if raised.opened is None:
            return
        is_due = any(is_new) and (
            not raised.stands_for_many
            or raised.causes > raised.causes_written * _GROWTH
        )
        if is_due or pending is not None:
            raised.write_causes()
            self._send(
                raised.integration,
                [],
                updated=[raised.opened],
                no_longer_pending=[pending.alert.alert_key] if pending else [],
            )

    def update_group_alerts(self) -> None:
        """Send alerts that stand for several hosts once more, now that all of them are known."""
        for raised in self._raised.values():
            if raised.stands_for_many and len(raised.hosts) > 1:
                event, _labels = self._event_of(raised)
                raised.write_causes()
                self._send(
                    raised.integration,
                    [event],
                    updated=[raised.opened] if raised.opened else [],
                )

    def _event_of(self, raised: RaisedAlert) -> tuple[AlertEvent, dict[str, str]]:
        return self._builder.failure(
            raised.subject,
            raised.outcome,
            raised.overrides,
            now=int(self._now()),
            handled=raised.handled,
            hosts=list(raised.hosts),
            runs=self._needed(raised),
        )

    # -- runs that end without their recap

    def raise_aborted(
        self, integration: str, cause: Cause, overrides: AlertOverrides
    ) -> None:
        """Raise the alert for the run itself.

        :param cause: what a later run has to do to close it.
        :param overrides: what the variables of the play say.
        """
        alert = self.run_alert("run", integration, cause, overrides)
        event, opened = alert.raised(now=self._now())
        self._aborted += 1
        self._aborted_keys.add(event.alert_key)
        self._send(integration, [event], opened=opened)

    def run_alert(
        self,
        scope: str,
        integration: str,
        cause: Cause | None,
        overrides: AlertOverrides,
    ) -> RunAlert:
        """Return an alert about the run itself, to be raised by whoever finds the reason.

        :param scope: ``run`` (it ends without its recap), ``missed`` or ``overlong``.
        :param cause: what a later run has to do to close it, for a ``run``; the others are closed by the ledger of runs.
        :param overrides: what the variables of the play say.
        """
        # Only now: most runs are not watched.
        from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.runs import (
            RunAlert,
        )

        namespace = self._namespace(overrides)
        event = self._builder.about_run(
            scope, now=int(self._now()), namespace=namespace
        ).payload()
        # Set when the alert is raised, not now.
        del event["event_time"]
        labels = _recovery_labels(event["labels"])
        if scope == "missed":
            # Raised when this run is long gone.
            event["labels"] = labels
        details = {"scope": scope, "namespace": namespace, "labels": labels}
        if cause is None:
            return RunAlert(event, self._run.origin, details)
        before = self._open.get(integration, {}).get(event["alert_key"])
        causes = {
            one.identity: one for one in [*(causes_of(before) if before else ()), cause]
        }
        return RunAlert(
            event, self._run.origin, {**details, **details_of(causes.values())}
        )

    # -- recovery

    @property
    def may_close(self) -> bool:
        """Whether anything was open or counted when the run began, as far as anybody has looked."""
        return bool(self._open)

    def close(
        self,
        law: Law,
        *,
        namespace_of: t.Callable[[str], str | None],
    ) -> None:
        """Close what the run has shown to work again.

        :param namespace_of: returns what the variables of a host, by the digest of its name, say of its namespace; those of
            the play for an empty name.
        """
        # Only now: where nothing was open, there is nothing to judge.
        from .recovery import reasons_line, recover

        reasons: list[str] = []
        for integration, known in self._open.items():
            # Reload: this run may have added causes. Leave alerts alone that another run opened meanwhile.
            may_close = {*known, *self._counted_before}
            alerts = [
                alert
                for alert in (self._open_alerts(integration) if may_close else ())
                if alert.alert_key in may_close
            ]
            if self._settings.recovery == "never":
                alerts = []
            pending = self._counts.of(integration)
            recovery, of_pending = (
                recover(
                    candidates,
                    law,
                    raised=raised,
                    applies=lambda alert, cause: (
                        alert.details.get("namespace", "")
                        == self._chosen_namespace(namespace_of(cause.host))
                    ),
                )
                for candidates, raised in (
                    (alerts, self._raised),
                    (
                        [one.alert for one in pending],
                        self._counts.keys_of_this_run(integration),
                    ),
                )
            )
            reasons.extend(recovery.reasons)
            for alert in recovery.foreign[:1]:
                self._warn(
                    f"The alert {alert.title!r} was raised with another inventory, so this run does not close it."
                    " Set flashduty_alert_namespace in each inventory to keep hosts of the same name apart."
                )
            self._write_recovery(integration, recovery, of_pending)
        self.stays_open = reasons_line(reasons)

    def _write_recovery(
        self, integration: str, recovery: Recovery, of_pending: Recovery
    ) -> None:
        """Close what has worked in enough runs, and remember the rest.

        :param of_pending: the same for failures that were only counted. Nobody heard of them, so they are forgotten.
        """
        again = [(alert, why, good_run(alert)) for alert, why in recovery.closed]
        closed = [(alert, why) for alert, why, later in again if later is None]
        self.recovered += len(closed)
        self.recovered_keys.update(alert.alert_key for alert, _why in closed)
        now = int(self._now())
        self._send(
            integration,
            [self._builder.recovery(alert, why, now=now) for alert, why in closed],
            updated=[
                *(later for _alert, _why, later in again if later is not None),
                *recovery.partly_recovered,
            ],
            closed=[alert.alert_key for alert, _why in closed],
            pending=[
                replace(latest, alert=alert)
                for alert in of_pending.partly_recovered
                if (latest := self._counts.latest(integration, alert.alert_key))
            ],
            no_longer_pending=[alert.alert_key for alert, _why in of_pending.closed],
        )

    def _namespace(self, overrides: AlertOverrides) -> str:
        return self._chosen_namespace(overrides.namespace)

    def _chosen_namespace(self, chosen: str | None) -> str:
        return self._run.namespace if chosen is None else chosen

    def close_stateless(
        self,
        summary: RunSummary,
        *,
        hosts: t.Sequence[str],
        narrowed: bool,
        integration: str,
        play_namespace: str | None,
        statuses: t.Collection[str],
        overrides_of: t.Callable[[str], AlertOverrides | None],
    ) -> None:
        """Close, for each host that passed, whatever may be open, without knowing whether anything is.

        :param hosts: the names of the hosts that passed, and answered themselves.
        :param narrowed: an extra variable is named by a condition, a loop, the hosts of a play, or the way to a task.
        :param statuses: the statuses that alerts of this playbook can have.
        :param overrides_of: returns what the variables of a host say; None where alerts are turned off.
        """
        if not summary.complete or narrowed:
            return
        now = int(self._now())
        events = []
        if self._settings.alert_scope == "host":
            for host in hosts:
                overrides = overrides_of(host)
                if overrides is None:
                    continue
                for status in sorted({*statuses, *filter(None, [overrides.status])}):
                    subject = Subject(
                        "host",
                        status,
                        self._builder.host_identity(host),
                        namespace=self._namespace(overrides),
                    )
                    events.append(
                        self._builder.stateless_recovery(
                            subject, host, overrides, now=now
                        )
                    )
        whole = self._chosen_namespace(play_namespace)
        for scope, status in self._whole_run_subjects(summary, hosts, statuses):
            subject = Subject(scope, status, namespace=whole)
            events.append(
                self._builder.stateless_recovery(subject, "", AlertOverrides(), now=now)
            )
        # What was ignored or rescued lets its host pass, and may have raised a warning all the same.
        self._send(
            integration, [e for e in events if e.alert_key not in self.raised_keys]
        )

    def _whole_run_subjects(
        self,
        summary: RunSummary,
        passed: t.Sequence[str],
        statuses: t.Collection[str],
    ) -> t.Iterator[tuple[str, str]]:
        """Yield scope and status of the alerts that a complete run closes as a whole."""
        is_a_part = "system" in self._run.system and not self._settings.playbook_id
        if not passed or summary.limited or summary.cut_short or is_a_part:
            # Job systems slice inventories without a word.
            return
        if self._settings.report_aborted:
            yield "run", self._settings.failed_status
        if summary.failed_hosts or summary.stopped:
            # What these hosts have not come to may be what the alert stands for.
            return
        threshold = self._settings.storm_threshold
        for status in sorted(statuses):
            if self._settings.alert_scope == "playbook":
                yield "playbook", status
            elif threshold and len(passed) > threshold:
                yield "storm", status

    # -- inside

    def _open_alerts(self, integration: str) -> list[OpenAlert]:
        """Return what is open for this playbook. Several machines may share a home, and localhost is each of them."""
        return [
            alert
            for alert in self._ledger.open_alerts(integration, self._run.origin)
            if self._is_of_this_machine(alert)
            and alert.details.get("scope") not in _CLOSED_ELSEWHERE
        ]

    def _pending_alerts(self, integration: str) -> list[PendingAlert]:
        return [
            one
            for one in self._ledger.pending_alerts(integration, self._run.origin)
            if self._is_of_this_machine(one.alert)
        ]

    def _is_of_this_machine(self, alert: OpenAlert) -> bool:
        here = self._run.local_name
        return bool(alert.details.get("machine", here) == here)

    def _opened(self, event: AlertEvent, details: dict[str, t.Any]) -> OpenAlert:
        return OpenAlert(
            alert_key=event.alert_key,
            origin=self._run.origin,
            title=event.title_rule,
            status=event.event_status,
            details=details,
        )

    def _send(
        self,
        integration: str,
        events: list[AlertEvent],
        *,
        opened: OpenAlert | None = None,
        updated: t.Sequence[OpenAlert] = (),
        closed: t.Sequence[str] = (),
        pending: t.Sequence[PendingAlert] = (),
        no_longer_pending: t.Sequence[str] = (),
    ) -> None:
        if self._settings.dry_run:
            self.would_send.extend(events)
            return
        memory: dict[str, t.Any] = {
            "pending": pending,
            "no_longer_pending": no_longer_pending,
        }
        if self._settings.recovery == "auto":
            memory.update(opened=opened, updated=updated, closed=closed)
        if events or any(memory.values()):
            self._ledger.submit(integration, events, run_id=self._run.run_id, **memory)


def _recovery_labels(labels: t.Mapping[str, str]) -> dict[str, str]:
    """Return the labels that a recovery repeats: without those of one run, and those that steer who is paged."""
    return {
        name: text
        for name, text in labels.items()
        if name not in ("run_id", "job_id", "job_url")
        and not name.startswith(("layer_", "hosts"))
    }
