# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What an alert says: its key, title, description and labels, made of an outcome, the run and the options."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    InvalidEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    DESCRIPTION_LIMIT,
    ELLIPSIS,
    LABEL_VALUE_LIMIT,
    LABELS_LIMIT,
    AlertEvent,
    clean_text,
    cut_end,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OpenAlert,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
    DEFAULT_PATTERNS,
    Redactor,
)

from .model import AlertOverrides, TaskOutcome, TaskReference
from .recovery import COMPLETE, PASSED
from .run_context import LOCALHOST, RunContext
from .settings import Settings
from .subject import Subject

TITLES = {
    "failed": "{task} failed on {host} ({playbook})",
    "unreachable": "{host} unreachable ({playbook})",
    "playbook": "{playbook} failed",
    "storm failed": "{task} failed on many hosts ({playbook})",
    "storm unreachable": "many hosts unreachable at {task} ({playbook})",
    "aborted": "{playbook} was aborted",
    "missed": "{playbook} has not run",
    "overlong": "{playbook} is taking too long",
    "passed": "{host} passed ({playbook})",
}

_ABORTED = (
    "The run ended before its recap: it was stopped from outside, or ansible-core gave up on it."
    " Hosts that it had not reached were not worked on."
)
_TAIL_LIMIT = 1000
_MOST_ITEMS = 20
_ITEM_LIMIT = 500
_ITEM_LABEL_LIMIT = 200
# An invisible character that joins words: it ends a template of Flashduty before it begins.
_WORD_JOINER = "\u2060"


class AlertBuilder:
    """Makes the events of one run.

    :param warn: told, once each, what could not be said as it was asked for.
    """

    def __init__(
        self, run: RunContext, settings: Settings, warn: t.Callable[[str], None]
    ) -> None:
        self._run = run
        self._settings = settings
        self._warn = warn
        self._secrets: set[str] = set()
        self._redactor = Redactor((), (*DEFAULT_PATTERNS, *settings.redact_patterns))

    def add_secrets(self, secrets: t.Iterable[str]) -> None:
        """Mask these values, too, wherever they turn up."""
        new = set(secrets) - self._secrets
        if new:
            self._secrets |= new
            self._redactor = Redactor(
                self._secrets, (*DEFAULT_PATTERNS, *self._settings.redact_patterns)
            )

    def mask(self, text: str) -> str:
        """Return a text as it may be remembered: clean, without secrets."""
        return self._redactor.scrub(clean_text(text))

    def redacted(self, outcome: TaskOutcome) -> TaskOutcome:
        """Return an outcome whose texts hold no secret, cut to what can be of use.

        In this order: half a secret would not be found any more.
        """

        def mask(text: str) -> str:
            return cut_middle(
                self._redactor.scrub(clean_text(text)), 2 * DESCRIPTION_LIMIT
            )

        return dataclasses.replace(
            outcome,
            message=mask(outcome.message),
            stdout=mask(outcome.stdout),
            stderr=mask(outcome.stderr),
            failed_items=tuple(
                (
                    cut_middle(mask(label), _ITEM_LABEL_LIMIT, mark=ELLIPSIS),
                    cut_middle(mask(text), _ITEM_LIMIT),
                )
                for label, text in outcome.failed_items
            ),
        )

    def task_name(self, task: TaskReference) -> str:
        """Return the name of a task with its place, without secrets."""
        place = f" ({task.path})" if task.path else ""
        return self._redactor.scrub(clean_text(f"{task.display_name}{place}"))

    def status_of(
        self, outcome: TaskOutcome, overrides: AlertOverrides, *, handled: bool
    ) -> str:
        """Return the status of the event for an outcome; ``handled`` means ignored or rescued."""
        if overrides.status:
            return overrides.status
        if handled:
            return "Warning"
        return (
            self._settings.failed_status
            if outcome.status == "failed"
            else self._settings.unreachable_status
        )

    def host_identity(self, host: str) -> str:
        """Return what identifies a host: another localhost is another machine."""
        resource = self._run.resource(host)
        return f"localhost of {resource}" if host in LOCALHOST else resource

    def subject(self, outcome: TaskOutcome, status: str) -> Subject:
        """Return what an outcome's own alert is about, after the configured scope."""
        scope = self._settings.alert_scope
        if scope == "playbook":
            return Subject(scope, status)
        host = self.host_identity(outcome.host)
        return Subject(
            scope, status, host, outcome.task.identity if scope == "task" else None
        )

    def storm_subject(self, outcome: TaskOutcome, status: str) -> Subject:
        """Return what the alert is about that stands for many hosts at one task."""
        # A controller that forgets everything can close only what it knows without having seen the failure.
        stateless = self._settings.recovery == "stateless"
        return Subject(
            "storm", status, task=None if stateless else outcome.task.identity
        )

    def key(self, subject: Subject) -> str:
        """Return the alert key of a subject."""
        return subject.key(self._run)

    def failure(
        self,
        subject: Subject,
        outcome: TaskOutcome,
        overrides: AlertOverrides,
        *,
        now: int,
        hosts: t.Sequence[str] = (),
        handled: str = "",
        runs: int = 1,
    ) -> tuple[AlertEvent, dict[str, str]]:
        """Return the event that raises an alert, or brings it up to date, and its labels.

        :param now: seconds since the epoch.
        :param hosts: for an alert that stands for several, all of them, when they are known.
        :param handled: ``ignored`` or ``rescued``, for what did not end the play for the host.
        :param runs: in how many runs in a row it has to fail until the alert is raised.
        """
        run = self._run
        title = {"playbook": "playbook", "storm": f"storm {outcome.status}"}.get(
            subject.scope, outcome.status
        )
        host = run.resource(outcome.host)
        own = {
            "source": "ansible",
            "resource": run.playbook if subject.scope == "playbook" else host,
            "host": outcome.host,
            "check": outcome.task.display_name,
            "status": outcome.status,
            "playbook": run.playbook,
            "module": outcome.task.action,
            "role": outcome.task.role,
            "task_path": outcome.task.path,
            "play": outcome.task.identity.play,
            "delegated_to": outcome.delegated_to or "",
            "groups": ",".join(overrides.groups),
        }
        if subject.scope in ("playbook", "storm"):
            del own["host"], own["groups"], own["delegated_to"]
            if subject.scope == "storm":
                own["resource"] = run.playbook
            own["hosts"] = cut_end(
                ",".join(sorted(hosts or [outcome.host])), LABEL_VALUE_LIMIT
            )
        description = (
            self._several(outcome, hosts)
            if subject.scope in ("playbook", "storm")
            else ""
        )
        description += describe(outcome, handled=handled)
        if runs > 1:
            # Only the number that the option fixes: how many it were by now would differ from run to run.
            description += f"\n\n{outcome.status.capitalize()} in {runs} runs in a row."
        if overrides.description is not None:
            # Whoever replaces the description can still have ours in it.
            description = overrides.description.replace("{description}", description)
        labels = self._labels(own, overrides)
        event = self._event(
            title=self._title(
                title, task=outcome.task.display_name, host=host, status=outcome.status
            ),
            status=subject.status,
            key=self.key(subject),
            description=description,
            labels=labels,
            own=own,
            now=now,
        )
        return event, dict(event.labels)

    def about_run(self, scope: str, *, now: int, namespace: str) -> AlertEvent:
        """Return an alert about the run itself.

        :param scope: ``run`` (it ends without its recap), ``missed`` or ``overlong``; the description of the latter two
            is up to whoever finds it out.
        """
        subject = Subject(scope, self._settings.failed_status, namespace=namespace)
        kind = "aborted" if scope == "run" else scope
        own = {
            "source": "ansible",
            "resource": self._run.playbook,
            "check": "run",
            "status": kind,
            "playbook": self._run.playbook,
        }
        return self._event(
            title=self._title(kind, task="run", host=self._run.playbook, status=kind),
            status=subject.status,
            key=self.key(subject),
            description=_ABORTED if scope == "run" else "",
            labels=self._labels(own, AlertOverrides()),
            own=own,
            now=now,
        )

    def recovery(self, alert: OpenAlert, why: str, *, now: int) -> AlertEvent:
        """Return the event that closes an alert: same key, same title, and what its labels were.

        :param why: what has proven that it works again.
        """
        return AlertEvent.create(
            title_rule=alert.title,
            event_status="Ok",
            alert_key=alert.alert_key,
            event_time=now,
            description=why,
            labels=alert.details.get("labels"),
        )

    def stateless_recovery(
        self, subject: Subject, host: str, overrides: AlertOverrides, *, now: int
    ) -> AlertEvent:
        """Return the event that closes an alert which may be open or not, on a controller that forgets."""
        resource = self._run.resource(host) if host else self._run.playbook
        own = {
            "source": "ansible",
            "resource": resource,
            "host": host,
            "playbook": self._run.playbook,
            "groups": ",".join(overrides.groups),
        }
        # What is about the whole run has the same title when it opens.
        kind = {"run": "aborted", "playbook": "playbook"}.get(subject.scope, "passed")
        return self._event(
            title=self._title(kind, task="run", host=resource, status="ok"),
            status="Ok",
            key=self.key(subject),
            description=COMPLETE if subject.scope == "run" else PASSED,
            labels=self._labels(own, overrides),
            own=own,
            now=now,
        )

    # -- inside

    def _several(self, outcome: TaskOutcome, hosts: t.Sequence[str]) -> str:
        # In which order hosts fail differs from run to run.
        named = cut_end(", ".join(sorted(hosts)), DESCRIPTION_LIMIT // 2)
        several = f"{len(hosts)} hosts: {named}\n\n" if len(hosts) > 1 else ""
        return f"{several}On {outcome.host}: "

    def _title(self, kind: str, **texts: str) -> str:
        template = self._settings.title_rule or TITLES[kind]
        return _fill(template, {**texts, "playbook": self._run.playbook})

    def _labels(
        self, own: t.Mapping[str, str], overrides: AlertOverrides
    ) -> dict[str, str]:
        """Return all labels, the most important ones first; what was chosen by a person replaces ours."""
        chosen = {**self._settings.labels, **overrides.label_vars, **overrides.labels}
        most = ("source", "resource", "host", "hosts", "check", "status", "playbook")
        ordered = {
            **{name: own[name] for name in most if name in own},
            **chosen,
            **{name: text for name, text in own.items() if name not in chosen},
            "run_id": self._run.run_id,
            "controller": self._run.controller,
            **self._run.system,
        }
        ordered.update(chosen)
        labels = {
            name: self._redactor.scrub(clean_text(text))
            for name, text in ordered.items()
            if text
        }
        if len(labels) > LABELS_LIMIT:
            self._warn(
                f"An alert has {len(labels)} labels, and Flashduty takes {LABELS_LIMIT}: left out are "
                + ", ".join(list(labels)[LABELS_LIMIT:])
                + "."
            )
        return dict(list(labels.items())[:LABELS_LIMIT])

    def _event(
        self,
        *,
        title: str,
        status: str,
        key: str,
        description: str,
        labels: t.Mapping[str, str],
        own: t.Mapping[str, str],
        now: int,
    ) -> AlertEvent:
        fields: dict[str, t.Any] = {
            "title_rule": self._redactor.scrub(clean_text(title)).strip() or "Ansible",
            "event_status": status,
            "alert_key": key,
            "event_time": now,
            "description": cut_middle(
                self._redactor.scrub(clean_text(description)), DESCRIPTION_LIMIT
            ),
        }
        try:
            return AlertEvent.create(**fields, labels=labels)
        except InvalidEvent as exc:
            # Only a label that somebody has chosen can be at fault; the alert matters more.
            self._warn(
                f"Labels that were added to an alert are left out: {exc.message}"
            )
            return AlertEvent.create(
                **fields,
                labels={name: text for name, text in labels.items() if name in own},
            )


def describe(outcome: TaskOutcome, *, handled: str = "") -> str:
    """Return what a person needs to act: the message, and where there is one the output's end, items and place."""
    rc = f" (rc {outcome.rc})" if outcome.rc is not None else ""
    message = outcome.message or (
        "The host is unreachable." if outcome.status == "unreachable" else "It failed."
    )
    parts = [f"{handled.capitalize()}: {message}{rc}" if handled else message + rc]
    # What the message says already is not said twice.
    for name, text in (("stderr", outcome.stderr), ("stdout", outcome.stdout)):
        if text.strip() and text.strip() not in message:
            parts.append(f"{name}:\n{_tail(text.strip(), _TAIL_LIMIT)}")
    if outcome.failed_items:
        items = [
            f"- {label}: {text}" for label, text in outcome.failed_items[:_MOST_ITEMS]
        ]
        more = len(outcome.failed_items) - len(items)
        parts.append(
            "\n".join(
                [f"Failed items ({len(outcome.failed_items)}):", *items]
                + [f"- … {more} more"] * (more > 0)
            )
        )
    place = f"Task: {outcome.task.display_name}"
    if outcome.task.path:
        place += f" ({outcome.task.path})"
    if outcome.delegated_to:
        place += f", delegated to {outcome.delegated_to}"
    return "\n\n".join([*parts, place])


def cut_middle(text: str, limit: int, *, mark: str = f"\n{ELLIPSIS}\n") -> str:
    """Return the text, cut to a number of characters: its middle goes, since beginning and end say most."""
    if len(text) <= limit:
        return text
    head = (limit - len(mark)) * 3 // 5
    return text[:head] + mark + text[len(text) - (limit - len(mark) - head) :]


def _tail(text: str, limit: int) -> str:
    return text if len(text) <= limit else ELLIPSIS + text[len(text) - limit + 1 :]


def _fill(template: str, texts: t.Mapping[str, str]) -> str:
    """Put texts of the run into a title. None of them can become a template of Flashduty's own."""

    is_template = "[TPL]" in template

    def replace(match: re.Match[str]) -> str:
        text = texts.get(match.group(1))
        if text is None:
            return match.group()
        inert = _inert(text)
        # Elsewhere braces mean nothing, and stand in the names of tasks.
        return re.sub(r"\{(?=\{)", "{" + _WORD_JOINER, inert) if is_template else inert

    return re.sub(r"(?<!\{)\{(task|host|playbook|status)\}(?!\})", replace, template)


def _inert(text: str) -> str:
    text = re.sub(r"\$(?=[A-Za-z_{])", "$" + _WORD_JOINER, " ".join(text.split()))
    return re.sub(r"\[(?=TPL\])", "[" + _WORD_JOINER, text, flags=re.IGNORECASE)
