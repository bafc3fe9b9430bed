# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What the events of a deployment say. They are returned as fields, which become events when they are sent."""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    DESCRIPTION_LIMIT,
    KEY_LIMIT,
    LABEL_KEY_LIMIT,
    LABEL_VALUE_LIMIT,
    LABELS_LIMIT,
    TITLE_LIMIT,
    label_text,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.texts import (
    cut_end,
    cut_middle,
)

from .state import Failure

# The version stands in every key, so that what goes into a key can change one day without meeting old alerts.
ALERT_KEY_VERSION = "ansible:deployment:v1:"

Fields = dict[str, t.Any]

_MOST_FAILURES = 10


@dataclass(frozen=True)
class DeploymentEvents:
    """Knows what a deployment is called and whom it concerns, and puts into words what happens to it.

    :param labels: those that somebody has chosen.
    :param clean_name: makes the name of a host fit to leave.
    :param surroundings: labels of the run, such as the job's URL.
    :param alert_status: how bad a failed deployment is.
    """

    name: str
    version: str = ""
    namespace: str = ""
    description: str = ""
    link: str = ""
    alert_status: str = "Critical"
    labels: t.Mapping[str, t.Any] = field(default_factory=dict)
    surroundings: t.Mapping[str, str] = field(default_factory=dict)
    clean_name: t.Callable[[str], str] = str

    @property
    def full_name(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}".strip()

    @property
    def alert_key(self) -> str:
        """The key of the alert: the same for every deployment of this name."""
        identity = json.dumps([self.namespace, self.name])
        return ALERT_KEY_VERSION + hashlib.sha256(identity.encode()).hexdigest()[:40]

    def change_key(self, run_id: str) -> str:
        """Return the key of the change: another one in each run."""
        words = "-".join(filter(None, (self.name, self.version)))
        return f"{words[: KEY_LIMIT - len(run_id) - 1]}-{run_id}"

    def change(
        self,
        key: str,
        status: str,
        *,
        hosts: t.Sequence[str],
        failures: t.Sequence[Failure] = (),
        count: int = 0,
    ) -> Fields:
        """Return the fields of a change event.

        :param hosts: those that have begun.
        :param count: how many take part, where that is more.
        """
        hosts, failures = self._named(hosts, failures)
        summary = _summary(failures, hosts, count) if failures else ""
        parts = [self.description, summary]
        return {
            "change_key": key,
            "change_status": status,
            "title": cut_end(f"Deploy {self.full_name}", TITLE_LIMIT),
            "description": cut_middle(
                "\n\n".join(filter(None, parts)), DESCRIPTION_LIMIT
            )
            or None,
            "link": self.link or None,
            "labels": self._labels({"hosts": ",".join(hosts)}),
        }

    def alert(self, *, hosts: t.Sequence[str], failures: t.Sequence[Failure]) -> Fields:
        """Return the fields of the event that raises the alert, or brings it up to date."""
        hosts, failures = self._named(hosts, failures)
        first = failures[0]
        own = {
            "check": first.task or first.action or "deployment",
            "status": first.status,
            "module": first.action,
            **_named_hosts(failures),
        }
        return {
            "title_rule": self._alert_title,
            "event_status": self.alert_status,
            "alert_key": self.alert_key,
            "description": cut_middle(
                "\n\n".join(
                    [
                        f"Deployment of {self.full_name}: {_summary(failures, hosts)}",
                        *_details(failures),
                    ]
                ),
                DESCRIPTION_LIMIT,
            ),
            "labels": self._labels(own),
        }

    def _named(
        self, hosts: t.Sequence[str], failures: t.Sequence[Failure]
    ) -> tuple[list[str], list[Failure]]:
        """Return hosts and failures with names that may leave: whatever has found a machine may have named it."""
        return [self.clean_name(host) for host in hosts], [
            replace(failure, host=self.clean_name(failure.host)) for failure in failures
        ]

    def recovery(self) -> Fields:
        """Return the fields of the event that closes the alert."""
        return {
            "title_rule": self._alert_title,
            "event_status": "Ok",
            "alert_key": self.alert_key,
            "description": f"{self.full_name} was deployed.",
            "labels": self._labels({}),
        }

    def failure_line(
        self,
        failures: t.Sequence[Failure],
        hosts: t.Sequence[str],
        sent: t.Sequence[t.Mapping[str, t.Any]],
    ) -> str:
        """Return the line for people that a failed deployment prints.

        :param sent: what has become of the events.
        """
        every = len({*hosts, *(failure.host for failure in failures)})
        return (
            f"Flashduty: deployment of {self.full_name} failed on {len(failures)} of {_hosts(every)}"
            f"{_outcomes(sent)}."
        )

    def success_line(
        self, hosts: t.Sequence[str], sent: t.Sequence[t.Mapping[str, t.Any]]
    ) -> str:
        """Return the line for people that a successful deployment prints."""
        return f"Flashduty: {self.full_name} was deployed on {_hosts(len(hosts))}{_outcomes(sent)}."

    @property
    def _alert_title(self) -> str:
        return cut_end(f"Deployment of {self.name} failed", TITLE_LIMIT)

    @property
    def problems(self) -> list[str]:
        """What somebody has chosen and cannot be sent, as sentences."""
        return [
            f"The label {name!r} is left out: its value must be a text, a number or a boolean."
            for name, value in self.labels.items()
            if label_text(value) is None
        ]

    def _labels(self, own: t.Mapping[str, str]) -> dict[str, str]:
        """Return the labels, the most important ones first; what somebody has chosen replaces ours."""
        ours = {
            "source": "ansible",
            "resource": self.name,
            "service": self.name,
            "version": self.version,
            **own,
        }
        ordered = {**ours, **self.labels, **self.surroundings, **self.labels}
        texts = {
            (label_text(name) or "").strip()[:LABEL_KEY_LIMIT]: label_text(value)
            for name, value in ordered.items()
        }
        kept = {
            name: cut_end(text, LABEL_VALUE_LIMIT)
            for name, text in texts.items()
            if name and text
        }
        return dict(list(kept.items())[:LABELS_LIMIT])


def _named_hosts(failures: t.Sequence[Failure]) -> dict[str, str]:
    names = [failure.host for failure in failures if failure.host]
    if not names:
        return {}
    return {"host": names[0]} if len(names) == 1 else {"hosts": ",".join(names)}


def _summary(
    failures: t.Sequence[Failure], hosts: t.Sequence[str], count: int = 0
) -> str:
    """Return how many hosts failed, and which ones."""
    names = [failure.host for failure in failures]
    every = max(count, len({*hosts, *names}))
    return f"{len(names)} of {_hosts(every)} failed: {cut_end(', '.join(names), 500)}."


def _hosts(count: int) -> str:
    return f"{count} {'host' if count == 1 else 'hosts'}"


def _outcomes(sent: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """Return what has become of the events, for the end of a line."""
    words = {
        ("alert", False): "alert raised",
        ("alert", True): "alert NOT delivered",
        ("change", False): "change {status}",
        ("change", True): "change NOT delivered",
    }
    parts = [
        words[event["kind"], bool(event["error"])].format(status=event["status"])
        for event in sent
        if event["status"] != "Ok"
    ]
    return f": {', '.join(parts)}" if parts else ""


def _details(failures: t.Sequence[Failure]) -> list[str]:
    """Return why the hosts failed, each reason once."""
    reasons: dict[str, list[str]] = {}
    for failure in failures:
        reasons.setdefault(failure.text, []).append(failure.host)
    texts = []
    for text, hosts in list(reasons.items())[:_MOST_FAILURES]:
        texts.append(f"{cut_end(', '.join(hosts), 200)}:\n{text}")
    if len(reasons) > _MOST_FAILURES:
        texts.append(f"… and {len(reasons) - _MOST_FAILURES} further reasons.")
    return texts
