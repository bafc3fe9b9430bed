# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The alerts of one run: raised, brought up to date, remembered and closed, by way of the outbox."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OpenAlert,
)

from .builder import AlertBuilder
from .model import AlertOverrides
from .recovery import recovered
from .run_context import LOCALHOST
from .storms import Storms
from .subject import Cause, Subject, causes_of

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
        AlertEvent,
    )

    from .model import TaskIdentity, TaskOutcome
    from .recorder import RunSummary
    from .run_context import RunContext
    from .settings import Settings

# A storm's memory grows with each host, and is written anew when it has grown by this factor.
_GROWTH = 1.1


class Ledger(t.Protocol):
    """What remembers open alerts, and delivers events."""

    def open_alerts(self, integration: str, origin: str) -> list[OpenAlert]:
        """Return the alerts that are remembered as open."""

    def submit(
        self, integration: str, events: t.Sequence[AlertEvent], **memory: t.Any
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
        self.causes_written = 1
        self._causes: set[Cause] = set()

    def bind(self, opened: OpenAlert) -> None:
        """Take the alert that was opened, with what it has been waiting for already."""
        self.opened = opened
        self._causes = set(causes_of(opened))

    def add_cause(self, cause: Cause) -> bool:
        """Add to what the alert waits for, and return whether that was new."""
        # That of a playbook closes by a run without any failure, whatever the reasons were.
        if (
            self.opened is None
            or self.subject.scope == "playbook"
            or cause in self._causes
        ):
            return False
        self._causes.add(cause)
        self.opened.details["causes"].append(cause.as_data())
        return True


class AlertTracker:
    """What one run has to do with alerts. Imported only when there is something to do.

    :param warn: told, once each, what a person should know.
    :param lines_in_file: returns the lines at which a task stands in a file now, or None when that cannot be found out.
    :param now: where the time comes from, in seconds since the epoch.
    """

    def __init__(
        self,
        run: RunContext,
        settings: Settings,
        ledger: Ledger,
        *,
        warn: t.Callable[[str], None],
        lines_in_file: t.Callable[[str, TaskIdentity], frozenset[int] | None],
        now: t.Callable[[], float] = time.time,
    ) -> None:
        self._run = run
        self._settings = settings
        self._ledger = ledger
        self._builder = AlertBuilder(run, settings, warn)
        self._lines_in_file = lines_in_file
        self._now = now
        # What was open when the run began.
        self._open: dict[str, dict[str, OpenAlert]] = {}
        self._raised: dict[str, RaisedAlert] = {}
        self._storms = Storms(settings.storm_threshold)
        self._aborted = 0
        self.recovered = 0
        self.would_send: list[AlertEvent] = []
        """In a dry run: the events that were not sent."""

    @property
    def raised(self) -> int:
        """The number of alerts that this run has raised."""
        return len(self._raised) + self._aborted

    def add_secrets(self, secrets: t.Iterable[str]) -> None:
        """Mask these values, too, in all that is sent from now on."""
        self._builder.add_secrets(secrets)

    def load_open(self, integration: str) -> tuple[set[str], set[TaskIdentity]]:
        """Look up what is open for this playbook, and return the hosts and tasks that it waits for."""
        alerts = self._open_alerts(integration)
        self._open[integration] = {alert.alert_key: alert for alert in alerts}
        for alert in alerts:
            if alert.details.get("scope") == "storm":
                self._storms.known(
                    integration,
                    alert.alert_key,
                    {cause.host for cause in causes_of(alert)},
                )
        causes = [cause for alert in alerts for cause in causes_of(alert)]
        return (
            {cause.host for cause in causes},
            {task for cause in causes for task in cause.tasks},
        )

    # -- failures

    def failed(
        self,
        outcome: TaskOutcome,
        overrides: AlertOverrides,
        *,
        integration: str,
        handled: str,
        rescued_task: tuple[TaskIdentity, int] | None,
    ) -> None:
        """Raise the alert for an outcome, or remember one more reason for one that is raised already.

        :param overrides: what the variables of the host and the task say.
        :param handled: ``ignored`` or ``rescued``, for what did not end the play for the host.
        :param rescued_task: see ``Cause``.
        """
        outcome = self._builder.redacted(outcome)
        status = self._builder.status_of(outcome, overrides, handled=bool(handled))
        subject = self._builder.subject(outcome, status)
        key = self._builder.key(subject)
        if self._settings.storm_threshold and subject.scope != "playbook":
            storm = self._builder.storm_subject(outcome, status)
            storm_key = self._builder.key(storm)
            if key not in self._raised and self._storms.takes(
                outcome.host,
                (status, outcome.task.identity),
                integration=integration,
                storm_key=storm_key,
                is_open=key in self._open.get(integration, {}),
            ):
                subject, key = storm, storm_key
        if key in self._raised:
            self._add_cause(self._raised[key], outcome, overrides, rescued_task)
        else:
            self._raised[key] = raised = RaisedAlert(
                subject, outcome, overrides, handled
            )
            self._raise(key, raised, integration, rescued_task)

    def _raise(
        self,
        key: str,
        raised: RaisedAlert,
        integration: str,
        rescued_task: tuple[TaskIdentity, int] | None,
    ) -> None:
        event, labels = self._event_of(raised)
        before = self._open.get(integration, {}).get(key)
        # What it was open for before, it still waits for.
        causes = list(before.details.get("causes", ())) if before else []
        details = {
            "scope": raised.subject.scope,
            "labels": _recovery_labels(labels),
            "causes": causes,
        }
        if raised.subject.host and raised.outcome.host in LOCALHOST:
            details["machine"] = self._run.local_name
        raised.integration = integration
        raised.bind(self._opened(event, details))
        raised.add_cause(Cause.of(raised.outcome, rescued_task))
        self._send(integration, [event], opened=raised.opened)

    def _add_cause(
        self,
        raised: RaisedAlert,
        outcome: TaskOutcome,
        overrides: AlertOverrides,
        rescued_task: tuple[TaskIdentity, int] | None,
    ) -> None:
        raised.hosts[outcome.host] = None
        first = raised.outcome
        if (outcome.status, outcome.host) < (first.status, first.host):
            # One stands for all: always the same one, in whichever order they fail.
            raised.outcome, raised.overrides = outcome, overrides
        if raised.opened and raised.add_cause(Cause.of(outcome, rescued_task)):
            causes = len(raised.opened.details["causes"])
            if (
                raised.subject.scope != "storm"
                or causes > raised.causes_written * _GROWTH
            ):
                raised.causes_written = causes
                self._send(raised.integration, [], updated=[raised.opened])

    def update_group_alerts(self) -> None:
        """Send alerts that stand for several hosts once more, now that all of them are known."""
        for raised in self._raised.values():
            if raised.subject.scope in ("playbook", "storm") and len(raised.hosts) > 1:
                event, _labels = self._event_of(raised)
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
        )

    # -- runs that end without their recap

    def raise_aborted(self, integration: str) -> None:
        """Raise the alert for the run itself."""
        event = self._builder.aborted(now=int(self._now()))
        self._aborted += 1
        self._send(integration, [event], opened=self._opened_by_abort(event))

    def killed_alert(self, integration: str) -> dict[str, t.Any]:
        """Return what the courier raises when the run is killed; see ``courier.py``."""
        event = self._builder.aborted(now=int(self._now()))
        opened = self._opened_by_abort(event)
        payload = event.payload()
        # Set when the alert is raised, not now.
        del payload["event_time"]
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

    def _opened_by_abort(self, event: AlertEvent) -> OpenAlert:
        return self._opened(
            event,
            {"scope": "run", "labels": _recovery_labels(event.labels), "causes": []},
        )

    # -- recovery

    def close(self, summary: RunSummary) -> None:
        """Close what the run has shown to work again."""
        for integration, known in self._open.items():
            closed, partly_recovered = recovered(
                # Reload: this run may have added causes. Leave alerts alone that another run opened meanwhile.
                [a for a in self._open_alerts(integration) if a.alert_key in known],
                summary,
                raised=self._raised,
                limited=self._run.limited,
                lines_in_file=lambda cause: self._lines_in_file(cause.path, cause.task),
            )
            if closed or partly_recovered:
                self.recovered += len(closed)
                now = int(self._now())
                self._send(
                    integration,
                    [self._builder.recovery(alert, now=now) for alert in closed],
                    updated=partly_recovered,
                    closed=[alert.alert_key for alert in closed],
                )

    def close_stateless(
        self,
        summary: RunSummary,
        *,
        integration: str,
        statuses: t.Collection[str],
        overrides_of: t.Callable[[str], AlertOverrides | None],
    ) -> None:
        """Close, for each host that passed, whatever may be open, without knowing whether anything is.

        :param statuses: the statuses that alerts of this playbook can have.
        :param overrides_of: returns what the variables of a host say; None where alerts are turned off.
        """
        if not summary.complete:
            return
        now = int(self._now())
        events = []
        if self._settings.alert_scope == "host":
            for host in sorted(summary.passed):
                overrides = overrides_of(host)
                if overrides is None:
                    continue
                for status in sorted({*statuses, *filter(None, [overrides.status])}):
                    subject = Subject("host", status, self._builder.host_identity(host))
                    events.append(
                        self._builder.stateless_recovery(
                            subject, host, overrides, now=now
                        )
                    )
        for scope, status in self._whole_run_subjects(summary, statuses):
            events.append(
                self._builder.stateless_recovery(
                    Subject(scope, status), "", AlertOverrides(), now=now
                )
            )
        self._send(integration, events)

    def _whole_run_subjects(
        self, summary: RunSummary, statuses: t.Collection[str]
    ) -> t.Iterator[tuple[str, str]]:
        """Yield scope and status of the alerts that a complete run closes as a whole."""
        if self._settings.report_aborted:
            yield "run", self._settings.failed_status
        if summary.failed_hosts or self._run.limited:
            return
        threshold = self._settings.storm_threshold
        for status in sorted(statuses):
            if self._settings.alert_scope == "playbook":
                yield "playbook", status
            elif threshold and len(summary.passed) > threshold:
                yield "storm", status

    # -- inside

    def _open_alerts(self, integration: str) -> list[OpenAlert]:
        """Return what is open for this playbook. Several machines may share a home, and localhost is each of them."""
        here = self._run.local_name
        return [
            alert
            for alert in self._ledger.open_alerts(integration, self._run.origin)
            if alert.details.get("machine", here) == here
        ]

    def _opened(self, event: AlertEvent, details: dict[str, t.Any]) -> OpenAlert:
        return OpenAlert(
            alert_key=event.alert_key,
            origin=self._run.origin,
            title=event.title_rule,
            status=event.event_status,
            opened_at=self._now(),
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
    ) -> None:
        if self._settings.dry_run:
            self.would_send.extend(events)
            return
        memory: dict[str, t.Any] = {}
        if self._settings.recovery == "auto":
            memory = {"opened": opened, "updated": updated, "closed": closed}
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
