# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The alerts of one run: raised, brought up to date, remembered and closed, by way of the outbox."""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OpenAlert,
)

from .._ansible.secrets import secret_values
from .._ansible.task_files import lines_in_file
from .builder import Alerts, Cause, HostFacts, Subject
from .recovery import causes_of, recovered
from .run_context import LOCALHOST

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
        AlertEvent,
    )

    from .._ansible.results import TaskIdentity, TaskOutcome
    from .._ansible.variables import Variables
    from .._delivery import Delivery
    from .recorder import RunFacts
    from .run_context import RunContext
    from .settings import Settings

# A storm's memory grows with each host, and is written anew when it has grown by this factor.
_GROWTH = 1.1


class _Raised:
    """An alert that this run has raised, and what is needed to bring it up to date."""

    def __init__(
        self, subject: Subject, outcome: TaskOutcome, facts: HostFacts, handled: str
    ) -> None:
        self.subject = subject
        self.outcome = outcome
        self.facts = facts
        self.handled = handled
        # A set that keeps its order.
        self.hosts = {outcome.host: None}
        self.integration = ""
        self.opened: OpenAlert | None = None
        self.causes_written = 1
        self._causes: set[Cause] = set()

    def remember(self, opened: OpenAlert) -> None:
        """Take the alert that was opened, with what it has been waiting for already."""
        self.opened = opened
        self._causes = set(causes_of(opened))

    def wait_for(self, cause: Cause) -> bool:
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


class RunAlerts:
    """What one run has to do with alerts. Imported only when there is something to do.

    :param warn: told, once each, what a person should know.
    :param now: where the time comes from, in seconds since the epoch.
    """

    def __init__(
        self,
        run: RunContext,
        settings: Settings,
        delivery: Delivery,
        *,
        warn: t.Callable[[str], None],
        now: t.Callable[[], float] = time.time,
    ) -> None:
        self._run = run
        self._settings = settings
        self._delivery = delivery
        self._alerts = Alerts(run, settings, warn)
        self._now = now
        # What was open when the run began.
        self._open: dict[str, dict[str, OpenAlert]] = {}
        self._raised: dict[str, _Raised] = {}
        self._hosts_at: dict[tuple[str, TaskIdentity], set[str]] = {}
        self._hosts_in_storms: dict[tuple[str, str], set[str]] = {}
        self._aborted = 0
        self.recovered = 0
        self.would_send: list[AlertEvent] = []
        """In a dry run: the events that were not sent."""

    @property
    def raised(self) -> int:
        """The number of alerts that this run has raised."""
        return len(self._raised) + self._aborted

    def hide(self, secrets: t.Iterable[str]) -> None:
        """Mask these values, too, in all that is sent from now on."""
        self._alerts.hide(secrets)

    def remember_open(self, integration: str) -> tuple[set[str], set[TaskIdentity]]:
        """Look up what is open for this playbook, and return the hosts and tasks that it waits for."""
        alerts = self._open_alerts(integration)
        self._open[integration] = {alert.alert_key: alert for alert in alerts}
        for alert in alerts:
            if alert.details.get("scope") == "storm":
                self._hosts_in_storms[integration, alert.alert_key] = {
                    cause.host for cause in causes_of(alert)
                }
        causes = [cause for alert in alerts for cause in causes_of(alert)]
        return (
            {cause.host for cause in causes},
            {task for cause in causes for task in cause.tasks},
        )

    # -- failures

    def failed(
        self,
        outcome: TaskOutcome,
        variables: Variables,
        *,
        integration: str,
        handled: str,
        instead_of: tuple[TaskIdentity, int] | None,
    ) -> None:
        """Raise the alert for an outcome, or remember one more reason for one that is raised already.

        :param variables: those of the host and the task.
        :param handled: ``ignored`` or ``rescued``, for what did not end the play for the host.
        :param instead_of: see ``Cause``.
        """
        if not variables.enabled:
            return
        self._alerts.hide(secret_values(variables.all, os.environ))
        outcome = self._alerts.without_secrets(outcome)
        facts = HostFacts.of(variables, self._settings.label_vars)
        status = self._alerts.status_of(outcome, facts, handled=bool(handled))
        subject = self._alerts.subject(outcome, status)
        key = self._alerts.key(subject)
        if self._settings.storm_threshold and subject.scope != "playbook":
            storm = self._alerts.storm_subject(outcome, status)
            if self._is_in_storm(
                outcome, status, key, self._alerts.key(storm), integration
            ):
                subject, key = storm, self._alerts.key(storm)
        if key in self._raised:
            self._add_reason(self._raised[key], outcome, facts, instead_of)
        else:
            self._raised[key] = raised = _Raised(subject, outcome, facts, handled)
            self._raise(key, raised, integration, instead_of)

    def _is_in_storm(
        self, outcome: TaskOutcome, status: str, key: str, storm: str, integration: str
    ) -> bool:
        """Say whether so many hosts have failed at this task that this one gets no alert of its own.

        :param key: the key of its own alert.
        :param storm: the key of the alert for all of them.
        """
        if key in self._raised:
            return False
        hosts = self._hosts_at.setdefault((status, outcome.task.identity), set())
        hosts.add(outcome.host)
        # Hosts fail in another order each time. Whoever is in an open alert stays in that one, or every run of a long
        # storm would open new ones.
        if key in self._open.get(integration, {}):
            return False
        if outcome.host in self._hosts_in_storms.get((integration, storm), ()):
            return True
        return len(hosts) > self._settings.storm_threshold

    def _raise(
        self,
        key: str,
        raised: _Raised,
        integration: str,
        instead_of: tuple[TaskIdentity, int] | None,
    ) -> None:
        event, labels = self._event_of(raised)
        before = self._open.get(integration, {}).get(key)
        # What it was open for before, it still waits for.
        causes = list(before.details.get("causes", ())) if before else []
        details = {
            "scope": raised.subject.scope,
            "labels": _lasting(labels),
            "causes": causes,
        }
        if raised.subject.host and raised.outcome.host in LOCALHOST:
            details["machine"] = self._run.local_name
        raised.integration = integration
        raised.remember(self._opened(event, details))
        raised.wait_for(Cause.of(raised.outcome, instead_of))
        self._send(integration, [event], opened=raised.opened)

    def _add_reason(
        self,
        raised: _Raised,
        outcome: TaskOutcome,
        facts: HostFacts,
        instead_of: tuple[TaskIdentity, int] | None,
    ) -> None:
        raised.hosts[outcome.host] = None
        first = raised.outcome
        if (outcome.status, outcome.host) < (first.status, first.host):
            # One stands for all: always the same one, in whichever order they fail.
            raised.outcome, raised.facts = outcome, facts
        if raised.opened and raised.wait_for(Cause.of(outcome, instead_of)):
            causes = len(raised.opened.details["causes"])
            if (
                raised.subject.scope != "storm"
                or causes > raised.causes_written * _GROWTH
            ):
                raised.causes_written = causes
                self._send(raised.integration, [], updated=[raised.opened])

    def bring_up_to_date(self) -> None:
        """Send alerts that stand for several hosts once more, now that all of them are known."""
        for raised in self._raised.values():
            if raised.subject.scope in ("playbook", "storm") and len(raised.hosts) > 1:
                event, _labels = self._event_of(raised)
                self._send(
                    raised.integration,
                    [event],
                    updated=[raised.opened] if raised.opened else [],
                )

    def _event_of(self, raised: _Raised) -> tuple[AlertEvent, dict[str, str]]:
        return self._alerts.failure(
            raised.subject,
            raised.outcome,
            raised.facts,
            now=int(self._now()),
            handled=raised.handled,
            hosts=list(raised.hosts),
        )

    # -- runs that end without their recap

    def raise_aborted(self, integration: str) -> None:
        """Raise the alert for the run itself."""
        event = self._alerts.aborted(now=int(self._now()))
        self._aborted += 1
        self._send(integration, [event], opened=self._opened_by_abort(event))

    def when_killed(self, integration: str) -> dict[str, t.Any]:
        """Return what the courier raises when the run is killed; see ``courier.py``."""
        event = self._alerts.aborted(now=int(self._now()))
        opened = self._opened_by_abort(event)
        payload = event.payload()
        # It happens when it happens.
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
            event, {"scope": "run", "labels": _lasting(event.labels), "causes": []}
        )

    # -- recovery

    def close(self, facts: RunFacts) -> None:
        """Close what the run has shown to work again."""
        for integration, known in self._open.items():
            closed, mended = recovered(
                # As they are now: the run itself has added reasons. Those that another run has opened meanwhile are its.
                [a for a in self._open_alerts(integration) if a.alert_key in known],
                facts,
                raised=self._raised,
                limited=self._run.limited,
                lines_in_file=self._lines_in_file,
            )
            if closed or mended:
                self.recovered += len(closed)
                now = int(self._now())
                self._send(
                    integration,
                    [self._alerts.recovery(alert, now=now) for alert in closed],
                    updated=mended,
                    closed=[alert.alert_key for alert in closed],
                )

    def close_stateless(
        self,
        facts: RunFacts,
        *,
        integration: str,
        statuses: t.Collection[str],
        variables_of: t.Callable[[str], Variables],
    ) -> None:
        """Close, for each host that passed, whatever may be open, without knowing whether anything is.

        :param statuses: the statuses that alerts of this playbook can have.
        :param variables_of: returns the variables of a host.
        """
        if not facts.complete:
            return
        now = int(self._now())
        events = []
        if self._settings.alert_scope == "host":
            for host in sorted(facts.passed):
                variables = variables_of(host)
                host_facts = HostFacts.of(variables, self._settings.label_vars)
                for status in (
                    sorted({*statuses, *filter(None, [host_facts.status])})
                    if variables.enabled
                    else ()
                ):
                    subject = Subject("host", status, self._alerts.host_identity(host))
                    events.append(
                        self._alerts.passed(subject, host, host_facts, now=now)
                    )
        for scope, status in self._whole_run_subjects(facts, statuses):
            events.append(
                self._alerts.passed(Subject(scope, status), "", HostFacts(), now=now)
            )
        self._send(integration, events)

    def _whole_run_subjects(
        self, facts: RunFacts, statuses: t.Collection[str]
    ) -> t.Iterator[tuple[str, str]]:
        """Yield scope and status of the alerts that a complete run closes as a whole."""
        if self._settings.report_aborted:
            yield "run", self._settings.failed_status
        if facts.given_up or self._run.limited:
            return
        threshold = self._settings.storm_threshold
        for status in sorted(statuses):
            if self._settings.alert_scope == "playbook":
                yield "playbook", status
            elif threshold and len(facts.passed) > threshold:
                yield "storm", status

    # -- inside

    def _open_alerts(self, integration: str) -> list[OpenAlert]:
        """Return what is open for this playbook. Several machines may share a home, and localhost is each of them."""
        here = self._run.local_name
        return [
            alert
            for alert in self._delivery.open_alerts(integration, self._run.origin)
            if alert.details.get("machine", here) == here
        ]

    def _lines_in_file(self, cause: Cause) -> frozenset[int] | None:
        return lines_in_file(cause.path, cause.task, project=self._run.project)

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
            self._delivery.add(integration, events, run_id=self._run.run_id, **memory)


def _lasting(labels: t.Mapping[str, str]) -> dict[str, str]:
    """Return the labels that a recovery repeats: without those of one run, and those that steer who is paged."""
    return {
        name: text
        for name, text in labels.items()
        if name not in ("run_id", "job_id", "job_url")
        and not name.startswith(("layer_", "hosts"))
    }
