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

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OpenAlert,
)

from .builder import AlertBuilder
from .causes import Cause, causes_of, details_of
from .model import AlertOverrides
from .recovery import Law, reasons_line, recover
from .run_context import LOCALHOST
from .storms import Storms
from .subject import Subject

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
        AlertEvent,
    )

    from .model import Circumstances, Place, TaskOutcome
    from .recorder import RunSummary
    from .run_context import RunContext
    from .settings import Settings

# A storm's memory grows with each host, and is written anew when it has grown by this factor.
_GROWTH = 1.1


class Ledger(t.Protocol):
    """What remembers open alerts, and delivers events."""

    def open_alerts(self, fingerprint: str, origin: str) -> list[OpenAlert]:
        """Return the alerts that are remembered as open."""

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


class AlertTracker:
    """What one run has to do with alerts. Imported only when there is something to do.

    :param warn: told, once each, what a person should know.
    :param now: where the time comes from, in seconds since the epoch.
    """

    def __init__(
        self,
        run: RunContext,
        settings: Settings,
        ledger: Ledger,
        *,
        warn: t.Callable[[str], None],
        now: t.Callable[[], float] = time.time,
    ) -> None:
        self._run = run
        self._settings = settings
        self._ledger = ledger
        self._builder = AlertBuilder(run, settings, warn)
        self._warn = warn
        self._now = now
        # What was open when the run began.
        self._open: dict[str, dict[str, OpenAlert]] = {}
        self._raised: dict[str, RaisedAlert] = {}
        self._storms = Storms(settings.storm_threshold)
        self._aborted = 0
        self.recovered = 0
        self.stays_open = ""
        """Why alerts stay open although their hosts passed, as a line for people."""
        self.would_send: list[AlertEvent] = []
        """In a dry run: the events that were not sent."""

    @property
    def raised(self) -> int:
        """The number of alerts that this run has raised."""
        return len(self._raised) + self._aborted

    def add_secrets(self, secrets: t.Iterable[str]) -> None:
        """Mask these values, too, in all that is sent from now on."""
        self._builder.add_secrets(secrets)

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
        if self._settings.storm_threshold and subject.scope != "playbook":
            storm = replace(
                self._builder.storm_subject(outcome, status), namespace=namespace
            )
            storm_key = self._builder.key(storm)
            if key not in self._raised and self._storms.takes(
                outcome.host,
                (status, namespace, outcome.task.identity),
                integration=integration,
                storm_key=storm_key,
                is_open=key in self._open.get(integration, {}),
            ):
                subject, key = storm, storm_key
        if key in self._raised:
            self._add_causes(self._raised[key], outcome, overrides, causes)
        else:
            self._raised[key] = raised = RaisedAlert(
                subject, outcome, overrides, handled
            )
            self._raise(key, raised, integration, causes)

    def _raise(
        self,
        key: str,
        raised: RaisedAlert,
        integration: str,
        causes: t.Sequence[Cause],
    ) -> None:
        event, labels = self._event_of(raised)
        before = self._open.get(integration, {}).get(key)
        details = {
            "scope": raised.subject.scope,
            "namespace": raised.subject.namespace,
            "labels": _recovery_labels(labels),
            # What it was open for before, it still waits for.
            **details_of(causes_of(before) if before else ()),
        }
        if raised.subject.host and raised.outcome.host in LOCALHOST:
            details["machine"] = self._run.local_name
        raised.integration = integration
        raised.bind(self._opened(event, details))
        for cause in causes:
            raised.add_cause(cause)
        raised.write_causes()
        self._send(integration, [event], opened=raised.opened)

    def _add_causes(
        self,
        raised: RaisedAlert,
        outcome: TaskOutcome,
        overrides: AlertOverrides,
        causes: t.Sequence[Cause],
    ) -> None:
        raised.hosts[outcome.host] = None
        first = raised.outcome
        if (outcome.status, outcome.host) < (first.status, first.host):
            # One stands for all: always the same one, in whichever order they fail.
            raised.outcome, raised.overrides = outcome, overrides
        # Not any(), which would stop at the first one.
        is_new = [raised.add_cause(cause) for cause in causes]
        if raised.opened is None or not any(is_new):
            return
        stands_for_many = raised.subject.scope in ("storm", "playbook")
        if not stands_for_many or raised.causes > raised.causes_written * _GROWTH:
            raised.write_causes()
            self._send(raised.integration, [], updated=[raised.opened])

    def update_group_alerts(self) -> None:
        """Send alerts that stand for several hosts once more, now that all of them are known."""
        for raised in self._raised.values():
            if raised.subject.scope in ("playbook", "storm") and len(raised.hosts) > 1:
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
        )

    # -- runs that end without their recap

    def raise_aborted(
        self, integration: str, cause: Cause, overrides: AlertOverrides
    ) -> None:
        """Raise the alert for the run itself.

        :param cause: what a later run has to do to close it.
        :param overrides: what the variables of the play say.
        """
        namespace = self._namespace(overrides)
        event = self._builder.aborted(now=int(self._now()), namespace=namespace)
        self._aborted += 1
        self._send(
            integration,
            [event],
            opened=self._opened_by_abort(event, cause, namespace, integration),
        )

    def killed_alert(
        self, integration: str, cause: Cause, overrides: AlertOverrides
    ) -> dict[str, t.Any]:
        """Return what the courier raises when the run is killed; see ``courier.py`` and ``raise_aborted``."""
        namespace = self._namespace(overrides)
        event = self._builder.aborted(now=int(self._now()), namespace=namespace)
        opened = self._opened_by_abort(event, cause, namespace, integration)
        payload = event.payload()
        # Set when the alert is raised, not now.
        del payload["event_time"]
        return {
            "fingerprint": integration,
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

    def _opened_by_abort(
        self, event: AlertEvent, cause: Cause, namespace: str, integration: str
    ) -> OpenAlert:
        before = self._open.get(integration, {}).get(event.alert_key)
        causes = {
            one.identity: one for one in [*(causes_of(before) if before else ()), cause]
        }
        return self._opened(
            event,
            {
                "scope": "run",
                "namespace": namespace,
                "labels": _recovery_labels(event.labels),
                **details_of(causes.values()),
            },
        )

    # -- recovery

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
        reasons: list[str] = []
        for integration, known in self._open.items():
            recovery = recover(
                # Reload: this run may have added causes. Leave alerts alone that another run opened meanwhile.
                [a for a in self._open_alerts(integration) if a.alert_key in known],
                law,
                raised=self._raised,
                applies=lambda alert, cause: (
                    alert.details.get("namespace", "")
                    == self._chosen_namespace(namespace_of(cause.host))
                ),
            )
            reasons.extend(recovery.reasons)
            for alert in recovery.foreign[:1]:
                self._warn(
                    f"The alert {alert.title!r} was raised with another inventory, so this run does not close it."
                    " Set flashduty_alert_namespace in each inventory to keep hosts of the same name apart."
                )
            if recovery.closed or recovery.partly_recovered:
                self.recovered += len(recovery.closed)
                now = int(self._now())
                self._send(
                    integration,
                    [
                        self._builder.recovery(alert, why, now=now)
                        for alert, why in recovery.closed
                    ],
                    updated=recovery.partly_recovered,
                    closed=[alert.alert_key for alert, _why in recovery.closed],
                )
        self.stays_open = reasons_line(reasons)

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
        :param narrowed: an extra variable is named by a condition, a loop or the hosts of a play.
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
        self._send(integration, events)

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
        if summary.failed_hosts:
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
