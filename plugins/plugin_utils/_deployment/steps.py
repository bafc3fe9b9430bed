# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The steps of a deployment: what a host does at each, what it lets the other hosts know, and what is sent."""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t
import uuid

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OutboxError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
    OpenAlert,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
    Redactor,
)

from .._alerts.causes import Cause, causes_of, details_of
from .._alerts.model import Circumstances, name_digest
from .._alerts.recovery import reasons_line
from .events import DeploymentEvents, Fields
from .failure import (
    failure_of,
    fingerprint,
    repeated_result,
    runs_once,
    unknown_failure,
)
from .memory import (
    RunView,
    details_for,
    failed_again,
    failed_on,
    opened_by,
    still_waits_for,
    why_open,
)
from .sending import DeploymentSender, SentEvent
from .shared_state import SharedState
from .silence import DeploymentSilence
from .state import FAILED, PASSED, STOPPED, Deployment, Failure, PlayView

Result = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What one task sees of its run, and has to do with.

    :param host: the host that takes the step.
    :param variables: the host's variables.
    :param play: the play as it sees it.
    :param events: puts into words what happens.
    :param make_sender: finds out the integrations; what is wrong with them is said unless it is told to be quiet.
    :param make_redactor: finds out what is secret.
    :param resource: returns the name of the machine that a host of the inventory is.
    :param look_at_run: finds out what this run can prove.
    :param silence: what holds back the alerts that the deployment causes.
    :param callback_enabled: what the variable ``flashduty_enabled`` says outside of the deployment.
    :param check_mode: whether nothing is sent.
    :param any_errors_fatal: whether the failure of this host fails all.
    :param find_misspelt: returns a sentence for each variable whose name nobody reads.
    :param warn: shows a warning.
    :param say: prints a line.
    """

    host: str
    variables: t.Mapping[str, t.Any]
    play: PlayView
    events: DeploymentEvents
    make_sender: t.Callable[[bool], DeploymentSender]
    make_redactor: t.Callable[[], Redactor]
    resource: t.Callable[[str], str]
    look_at_run: t.Callable[[], RunView]
    silence: DeploymentSilence
    callback_enabled: bool
    check_mode: bool
    any_errors_fatal: bool
    find_misspelt: t.Callable[[], list[str]]
    warn: t.Callable[[str], None]
    say: t.Callable[[str], None]


def take_step(options: t.Mapping[str, t.Any], around: Surroundings) -> Result:
    """Take one step for one host, and return the result of its task.

    :param options: those of the task, checked.
    """
    events = around.events
    identity = f"{events.alert_key} {options['version']}"
    name = hashlib.sha256(identity.encode()).hexdigest()[:16]
    result: Result = {"alert_key": events.alert_key, "events": []}
    try:
        with SharedState(f"deployment-{name}") as state:
            result.update(_Steps(options, around, state).take())
    except (OSError, ValueError) as exc:
        # The disk is full, or somebody has deleted the folder.
        around.warn(
            f"This step is not reported to Flashduty, because hosts cannot tell each other of it: {exc}."
        )
        result.update(_without_memory(options["step"], around))
    sent = result["events"]
    return {
        **result,
        "changed": any(not one["error"] or one["queued"] for one in sent),
    }


def _without_memory(step: str, around: Surroundings) -> Result:
    """Return the result of a step of which no other step will know."""
    if step == "failed":
        return repeated_result(around.variables)
    return {"callback": around.callback_enabled, "run_once": False}


class _Steps:
    """One step of one host, while it alone has the memory that all share.

    :param state: that memory. ``deployment`` is what all hosts know, ``callback``, ``failed_before`` and ``labels``
        what each has noted for later steps; ``open_alert`` is what the alert waited for when this run last looked;
        ``events_on_exit`` and ``deliver_after_run`` are for the courier.
    """

    def __init__(
        self,
        options: t.Mapping[str, t.Any],
        around: Surroundings,
        state: SharedState,
    ) -> None:
        self._options = options
        self._around = around
        self._host = around.host
        self._events = around.events
        self._state = state
        known = state.data.get("deployment")
        self._deployment = (
            Deployment.from_data(known)
            if known
            else Deployment(self._events.change_key(uuid.uuid4().hex[:12]))
        )

    def take(self) -> Result:
        """Take the step, and return what the task does."""
        steps = {
            "begin": self._begin,
            "passed": self._passed,
            "failed": self._failed,
            "report": self._report,
        }
        result = steps[self._options["step"]]()
        self._state.data["deployment"] = self._deployment.as_data()
        self._state.data["events_on_exit"] = self._events_on_exit()
        return {
            "change_key": self._deployment.change_key,
            "callback": self._of_this_host("callback", True),
            "run_once": False,
            **result,
        }

    def _note(self, name: str, value: t.Any) -> None:
        """Keep something for later steps of this host."""
        self._state.data.setdefault(name, {})[self._host] = value

    def _of_this_host(self, name: str, missing: t.Any) -> t.Any:
        return self._state.data.get(name, {}).get(self._host, missing)

    def _begin(self) -> Result:
        around, deployment = self._around, self._deployment
        self._note("failed_before", fingerprint(around.variables))
        self._note("labels", dict(self._events.labels))
        everybody = set(map(str, around.variables.get("ansible_play_hosts_all", ())))
        # Hosts that --limit leaves out take no part.
        expected = everybody.intersection(self._options["hosts"])
        is_first = not deployment.status
        is_announced = deployment.begin(self._host, around.play, expected=expected)
        sender = around.make_sender(not is_first)
        if is_first:
            for warning in (*around.find_misspelt(), *self._events.problems):
                around.warn(warning)
            if not sender.connections:
                around.warn(
                    "This deployment is not reported to Flashduty: there is neither the key of an alert integration nor"
                    " that of a change integration."
                )
        sent: list[SentEvent] = []
        if is_announced:
            sent = self._send(
                sender,
                change=self._events.change(
                    deployment.change_key, "Processing", hosts=deployment.expected
                ),
            )
        is_sending = bool(sender.connections) and not around.check_mode
        alerting = is_sending and "alert" in sender.connections
        if is_first and alerting:
            self._recall(sender)
        if is_announced and not around.check_mode:
            around.silence.set(self._possible_alert() if alerting else None)
        if is_first and self._options["watch"] and is_sending:
            self._state.save()
            sender.watch_run(self._state.path)
        self._note(
            "callback",
            (not alerting or self._options["callback"]) and around.callback_enabled,
        )
        return {"events": sent}

    def _passed(self) -> Result:
        self._deployment.passed(self._host)
        return {}

    def _failed(self) -> Result:
        variables = self._around.variables
        if fingerprint(variables) == self._of_this_host("failed_before", ""):
            self._deployment.failed(unknown_failure(self._host))
            return {}
        # Whoever looks for secrets has to know the integration keys, too.
        self._around.make_sender(True)
        failure = failure_of(self._host, variables, self._around.make_redactor())
        self._deployment.failed(failure)
        return {"run_once": runs_once(variables)}

    def _report(self) -> Result:
        deployment, play = self._deployment, self._around.play
        was_canceled = deployment.status == "Canceled"
        deployment.update_from_play(play)
        sent: list[SentEvent] = []
        hosts = sorted(deployment.hosts)
        if deployment.take_new_failures():
            # First, so that it does not hold back the alert.
            self._remove_silence()
            # Hosts of later batches take part, too.
            everybody = sorted({*hosts, *deployment.outstanding(play)})
            failures = deployment.failures
            sender = self._around.make_sender(False)
            self._recall(sender)
            sent = self._send(
                sender,
                alert=self._alert(everybody, failures),
                details=self._details(failures),
                change=(
                    None
                    if was_canceled
                    else self._events.change(
                        deployment.change_key,
                        "Canceled",
                        hosts=hosts,
                        failures=failures,
                        count=len(everybody),
                    )
                ),
            )
            self._around.say(self._events.failure_line(failures, everybody, sent))
        elif deployment.take_success(play):
            self._remove_silence()
            sender = self._around.make_sender(False)
            closes, left = self._judge_success(sender)
            sent = self._send(
                sender,
                change=self._events.change(deployment.change_key, "Done", hosts=hosts),
                alert=self._events.recovery() if closes else None,
            )
            self._around.say(self._events.success_line(hosts, sent))
            if left:
                self._around.say(reasons_line([why_open(self._events.name, left)]))
        elif self._is_waited_for():
            # Others are not through yet, and the run may be killed before they are.
            sender = self._around.make_sender(True)
            if self._recall(sender):
                self._note_proof(sender)
        return {"events": sent, **self._end_of_host()}

    # -- what the alert waits for

    def _recall(self, sender: DeploymentSender) -> bool:
        """Look up what the alert waits for; say whether that could be found out."""
        try:
            alert = sender.remembered(self._events.alert_key)
        except OutboxError as exc:
            self._around.warn(
                f"On which hosts this deployment has failed before cannot be looked up now: {exc}."
            )
            return False
        self._state.data["open_alert"] = dataclasses.asdict(alert) if alert else None
        return True

    @property
    def _open_alert(self) -> OpenAlert | None:
        known = self._state.data.get("open_alert")
        return OpenAlert(**known) if known else None

    @property
    def _now(self) -> Circumstances:
        """What the starter of the run chose. It is the same for all hosts."""
        data = self._state.data
        if "now" not in data:
            data["now"] = self._around.look_at_run().now.as_data()
        return Circumstances.from_data(data["now"])

    def _passed_machines(self) -> list[str]:
        failed = {failure.host for failure in self._deployment.failures}
        return [
            self._around.resource(host)
            for host, state in self._deployment.hosts.items()
            if state == PASSED and host not in failed
        ]

    def _is_waited_for(self) -> bool:
        """Say whether this host has passed and had failed in an earlier run."""
        alert, machine = self._open_alert, self._around.resource(self._host)
        return (
            alert is not None
            and machine in self._passed_machines()
            and name_digest(machine) in {cause.host for cause in causes_of(alert)}
        )

    def _judge_success(self, sender: DeploymentSender) -> tuple[bool, list[Cause]]:
        """Return whether a success closes the alert, and what it waits for if not."""
        if "alert" not in sender.connections or not self._recall(sender):
            # What was remembered decides as soon as it can be read again.
            return False, []
        if self._open_alert is None:
            # Either nothing is open, and one Ok too many does no harm; or it was opened by a controller that forgets, or
            # has a memory of its own. Then only a success of the whole deployment says that no host is left.
            return self._around.look_at_run().proves_all, []
        left = self._note_proof(sender)
        return not left, left

    def _note_proof(self, sender: DeploymentSender) -> list[Cause]:
        """Remember what is proven so far of the alert that is open; return what is left to be proven."""
        alert = self._open_alert
        causes = causes_of(alert) if alert else []
        left = still_waits_for(causes, self._passed_machines(), self._now)
        # Where nothing is left, a success closes the alert, and a failure brings it up to date.
        if alert and left and left != causes and not self._around.check_mode:
            details = {**alert.details, **details_of(left)}
            try:
                sender.remember(dataclasses.replace(alert, details=details))
            except OutboxError as exc:
                self._around.warn(
                    f"It cannot be remembered on which hosts this deployment has passed: {exc}."
                )
        return left

    def _details(self, failures: t.Iterable[Failure]) -> dict[str, t.Any]:
        """Return what is to be remembered of the alert for these failures and earlier ones."""
        around, alert, now = self._around, self._open_alert, self._now
        machines = [around.resource(failure.host) for failure in failures]
        causes = failed_again(
            causes_of(alert) if alert else [],
            failed=failed_on(machines, now, around.make_redactor().clean),
            passed=self._passed_machines(),
            now=now,
        )
        return details_for(causes, self._events.namespace)

    # -- what is sent

    def _possible_alert(self) -> Fields:
        """Return the fields of the alert that a failure of this host would raise."""
        return self._alert([self._host], [unknown_failure(self._host)])

    def _remove_silence(self) -> None:
        if not self._around.check_mode:
            self._around.silence.remove()

    def _end_of_host(self) -> Result:
        """Return the part of the result that lets a host fail which has failed."""
        state = self._deployment.hosts.get(self._host)
        if state == FAILED:
            own = [one for one in self._deployment.failures if one.host == self._host]
            if own and own[0].caused_here:
                return repeated_result(self._around.variables)
            return {"failed": True, "msg": own[0].text if own else ""}
        # Where the failure of one host is fatal for all, that of the others is not counted.
        if state == STOPPED and not self._around.any_errors_fatal:
            return {
                "failed": True,
                "msg": "Stopped, because the deployment failed on another host.",
            }
        return {}

    def _alert(self, hosts: list[str], failures: list[Failure]) -> Fields:
        """Return the fields of the alert, with the labels of the host that failed, whoever reports it."""
        events = self._events
        labels = self._state.data.get("labels", {}).get(failures[0].host)
        if labels is not None:
            events = dataclasses.replace(events, labels=labels)
        return events.alert(hosts=hosts, failures=failures)

    def _events_on_exit(self) -> list[Result]:
        """Return what is to be sent if nothing more is heard of this run."""
        deployment = self._deployment
        failures = deployment.failures_if_run_ended(self._around.play)
        if not failures or self._around.check_mode:
            return []
        hosts = sorted({*deployment.hosts, *(failure.host for failure in failures)})
        change = self._events.change(
            deployment.change_key, "Canceled", hosts=hosts, failures=failures
        )
        events = [{"kind": "change", "fields": change}]
        if self._options["alert"]:
            alert = self._alert(hosts, failures)
            opened = opened_by(alert, self._details(failures))
            events.insert(
                0,
                {
                    "kind": "alert",
                    "fields": alert,
                    "opened": dataclasses.asdict(opened),
                },
            )
        return events

    def _send(
        self,
        sender: DeploymentSender,
        *,
        details: Fields | None = None,
        **events: Fields | None,
    ) -> list[SentEvent]:
        """Send events, by their kinds, and return what came of them.

        :param details: what is to be remembered of the alert that is opened.
        """
        results: list[SentEvent] = []
        for kind, fields in events.items():
            try:
                sent = fields and sender.send(
                    kind,
                    fields,
                    details=details if kind == "alert" else None,
                    check_mode=self._around.check_mode,
                )
            except Exception as exc:  # noqa: BLE001
                # A mistake of ours must not cost the deployment.
                self._around.warn(
                    f"The {kind} event could not be sent ({type(exc).__name__})."
                )
                continue
            if sent:
                results.append(sent)
                if sent["queued"] and sent["status"] == self._options["alert_status"]:
                    # Somebody is to be paged, so it must not wait for another run.
                    self._state.data["deliver_after_run"] = True
        return results
