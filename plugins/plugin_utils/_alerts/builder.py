# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What an alert says: its key, title, description and labels, made of an outcome, the run and the options."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    InvalidEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    DESCRIPTION_LIMIT,
    LABEL_VALUE_LIMIT,
    LABELS_LIMIT,
    AlertEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
    OpenAlert,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
    HIDDEN,
    Redactor,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.texts import (
    ELLIPSIS,
    cut_middle,
    cut_names,
    cut_start,
    inert,
)

from .model import AlertOverrides
from .outcomes import TaskOutcome, TaskReference
from .recovery import COMPLETE, PASSED
from .run_context import LOCALHOST, RunContext
from .settings import Settings
from .subject import Subject
from .volatile import even_out

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
# Labels that name hosts, groups and files: masked for keys only, or routing by them would fail.
_NAMES = frozenset(("resource", "host", "hosts", "groups", "playbook", "controller"))
# What has been cleaned with the outcome.
_FINAL = frozenset(("check", "task_path", "delegated_to"))


class AlertBuilder:
    """Makes the events of one run.

    :param redactor: the one way out for every text.
    :param warn: told, once each, what could not be said as it was asked for.
    """

    def __init__(
        self,
        run: RunContext,
        settings: Settings,
        redactor: Redactor,
        warn: t.Callable[[str], None],
    ) -> None:
        self._run = run
        self._settings = settings
        self._redactor = redactor
        self._warn = warn

    def mask(self, text: str) -> str:
        """Return a text as it may be remembered: clean, without secrets."""
        return self._redactor.clean(text)

    def redacted(self, outcome: TaskOutcome) -> TaskOutcome:
        """Return an outcome whose texts hold no secret, cut to what can be of use."""
        return redact_outcome(outcome, self._redactor)

    def task_name(self, task: TaskReference) -> str:
        """Return the name of a task with its place, without secrets."""
        place = f" ({task.path})" if task.path else ""
        return self._redactor.clean(f"{task.display_name}{place}")

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
            own["hosts"] = cut_names(
                self._names(hosts or [outcome.host]), LABEL_VALUE_LIMIT
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
            chosen = inert(self._redactor.clean(overrides.description))
            description = chosen.replace("{description}", description)
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
        named = cut_names(self._names(hosts), DESCRIPTION_LIMIT // 2, separator=", ")
        several = f"{len(hosts)} hosts: {named}\n\n" if len(hosts) > 1 else ""
        return inert(f"{several}On {self._redactor.clean_name(outcome.host)}: ")

    def _names(self, hosts: t.Iterable[str]) -> list[str]:
        return sorted(map(self._redactor.clean_name, hosts))

    def _title(self, kind: str, *, task: str, host: str, status: str) -> str:
        """Return a title. No text of the run in it can become a template of Flashduty's own."""
        template = self._redactor.redact(self._settings.title_rule or TITLES[kind])
        # Elsewhere braces mean nothing, and stand in the names of tasks as they are written.
        is_template = "[TPL]" in template
        texts = {
            "task": inert(task, braces=is_template),
            "host": inert(self._redactor.clean_name(host)),
            "playbook": inert(self._redactor.clean_name(self._run.playbook)),
            "status": status,
        }
        return re.sub(
            r"(?<!\{)\{(task|host|playbook|status)\}(?!\})",
            lambda match: texts[match.group(1)],
            template,
        ).strip()

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
            # Names of ours are no secrets, whatever words are.
            (
                self._redactor.clean(name).strip() if name in chosen else name
            ): self._label(name, str(text), chosen)
            for name, text in ordered.items()
            if text and name.strip()
        }
        if len(labels) > LABELS_LIMIT:
            self._warn(
                f"An alert has {len(labels)} labels, and Flashduty takes {LABELS_LIMIT}: left out are "
                + ", ".join(list(labels)[LABELS_LIMIT:])
                + "."
            )
        return dict(list(labels.items())[:LABELS_LIMIT])

    def _label(self, name: str, text: str, chosen: t.Container[str]) -> str:
        if name in chosen:
            cleaned = self._redactor.clean(text)
            if HIDDEN in cleaned and HIDDEN not in text:
                self._warn(
                    f"The label {name} is masked, since a secret is in it."
                    " What a variable holds is a secret when it comes from Ansible Vault, or when its name says so."
                )
            return inert(cleaned)
        if name in _FINAL:
            return text
        if name in _NAMES:
            return inert(self._redactor.clean_name(text))
        return inert(_one_line(self._redactor.clean(text)), braces=False)

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
            "title_rule": title or "Ansible",
            "event_status": status,
            "alert_key": key,
            "event_time": now,
            "description": cut_middle(description, DESCRIPTION_LIMIT),
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


def redact_outcome(outcome: TaskOutcome, redactor: Redactor) -> TaskOutcome:
    """Return an outcome whose texts may leave: clean, without secrets and templates, cut to what can be of use."""

    def clean(text: str, limit: int, mark: str = f"\n{ELLIPSIS}\n") -> str:
        # Evened out only now: half a secret would not be found any more.
        cleaned = even_out(redactor.clean(text))
        return inert(cut_middle(cleaned, limit, mark=mark))

    task = outcome.task
    name = _one_line(even_out(redactor.clean(task.display_name)))
    return outcome._replace(
        task=task._replace(
            # In the name as it is written, braces are Ansible's.
            display_name=inert(name, braces=task.display_name != task.identity.name),
            path=_one_line(redactor.clean(task.path)),
        ),
        # A template may have named it, and no machine of the inventory need have this name.
        delegated_to=outcome.delegated_to
        and inert(_one_line(redactor.clean(outcome.delegated_to))),
        message=clean(outcome.message, 2 * DESCRIPTION_LIMIT),
        stdout=clean(outcome.stdout, 2 * DESCRIPTION_LIMIT),
        stderr=clean(outcome.stderr, 2 * DESCRIPTION_LIMIT),
        failed_items=_shown_items(
            outcome.failed_items,
            lambda label, text: (
                _one_line(clean(label, _ITEM_LABEL_LIMIT, ELLIPSIS)),
                clean(text, _ITEM_LIMIT),
            ),
        ),
    )


def _shown_items(
    items: t.Sequence[tuple[str, str]],
    make: t.Callable[[str, str], tuple[str, str]],
) -> tuple[tuple[str, str], ...]:
    """Return the items that an alert shows, made fit to leave, and empty ones for the others, which are only counted.

    A machine can return thousands of large ones, and each costs the run time.
    """
    shown = [make(label, text) for label, text in items[:_MOST_ITEMS]]
    return (*shown, *[("", "")] * (len(items) - len(shown)))


class OwnRedactors(t.NamedTuple):
    """What masks the alert of one host, beside that of the run.

    :param of_machine: for texts that the machine had a say in: hides what the machine has called a secret.
    :param of_author: for the words of the playbook's author, which no machine may hide.
    """

    of_machine: Redactor
    of_author: Redactor


def mask_overrides(
    overrides: AlertOverrides, own: OwnRedactors, of_author: AlertOverrides
) -> AlertOverrides:
    """Return what variables say about an alert, cleaned and masked.

    :param of_author: what they say without the machine: a text that is the same then is the author's.
    """

    def masked(text: str, without_machine: str | None) -> str:
        redactor = own.of_author if text == without_machine else own.of_machine
        return redactor.clean(text)

    def all_masked(
        texts: t.Mapping[str, str], without_machine: t.Mapping[str, str]
    ) -> dict[str, str]:
        return {
            name: masked(text, without_machine.get(name))
            for name, text in texts.items()
        }

    return overrides._replace(
        labels=all_masked(overrides.labels, of_author.labels),
        label_vars=all_masked(overrides.label_vars, of_author.label_vars),
        description=overrides.description
        and masked(overrides.description, of_author.description),
    )


def mask_outcome(outcome: TaskOutcome, own: OwnRedactors) -> TaskOutcome:
    """Return an outcome whose texts are clean and masked, and still whole."""
    redactor = own.of_machine
    task = outcome.task
    # Else a template has made something else of what is written.
    is_as_written = task.display_name == task.identity.name
    of_name = own.of_author if is_as_written else redactor
    return outcome._replace(
        task=task._replace(display_name=of_name.clean(task.display_name)),
        message=redactor.clean(outcome.message),
        stdout=redactor.clean(outcome.stdout),
        stderr=redactor.clean(outcome.stderr),
        delegated_to=outcome.delegated_to and redactor.clean(outcome.delegated_to),
        failed_items=_shown_items(
            outcome.failed_items,
            lambda label, text: (redactor.clean(label), redactor.clean(text)),
        ),
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
            parts.append(f"{name}:\n{cut_start(text.strip(), _TAIL_LIMIT)}")
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


def _one_line(text: str) -> str:
    return " ".join(text.split())
