# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The options of the callback, checked. A wrong one costs a warning and its default, never an alert."""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

RAISING_STATUSES = ("Critical", "Warning", "Info")


@dataclass(frozen=True)
class Settings:
    """What the callback was told, apart from its connection. The fields are its options, with their defaults."""

    enabled: bool = True
    alert_scope: str = "host"
    failed_status: str = "Critical"
    unreachable_status: str = "Critical"
    report_ignored: bool = False
    report_rescued: bool = False
    report_check_mode: bool = False
    report_aborted: bool = True
    watch: bool = False
    storm_threshold: int = 50
    alert_namespace: str = ""
    playbook_id: str = ""
    title_rule: str = ""
    labels: t.Mapping[str, str] = field(default_factory=dict)
    label_vars: tuple[str, ...] = ()
    redact_patterns: tuple[str, ...] = ()
    recovery: str = "auto"
    dry_run: bool = False
    flush_timeout: float = 10.0
    max_in_flight: int = 8
    rate_limit: int = 900


def read_settings(get: t.Callable[[str], t.Any]) -> tuple[Settings, list[str]]:
    """Read and check the options.

    :param get: returns the value of an option; whatever it raises means that the value is wrong.
    :returns: the settings, and for each option that is wrong a sentence that names it, the problem and what is allowed.
    """
    values: dict[str, t.Any] = {}
    problems = []
    for option in (one.name for one in fields(Settings)):
        try:
            value = get(option)
        except Exception:  # noqa: BLE001
            # Ansible's own check of type and choices. What it raises, and says, differs from version to version.
            problems.append(
                f"{option} has a wrong value: it must be {_EXPECTED.get(option, 'true or false')}."
                " The default is used."
            )
            continue
        if value is None:
            continue
        try:
            check = _CHECKS.get(option)
            values[option] = check(value) if check else value
        except ValueError as exc:
            problem = str(exc) or f"is {value}: it must be {_EXPECTED[option]}"
            problems.append(f"{option} {problem}. The default is used.")
    settings = Settings(**values)
    if settings.recovery == "stateless" and settings.alert_scope == "task":
        problems.append(
            "recovery is stateless, which goes with alert_scope host or playbook only, but alert_scope is task."
            " recovery auto is used."
        )
        settings = Settings(**{**values, "recovery": "auto"})
    return settings, problems


def read_labels(value: t.Any) -> dict[str, str]:
    """Read labels from a dictionary, JSON, or ``name=value`` pairs with commas between them.

    :raises ValueError: says what is wrong, as the end of a sentence that begins with the option.
    """
    if isinstance(value, str):
        value = _pairs(value)
    if not isinstance(value, Mapping):
        raise ValueError(
            f"is a {_type_name(value)}: it must be a dictionary or name=value pairs"
        )
    # Only now: a run without labels does without.
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
        label_text,
    )

    labels = {}
    for name, content in value.items():
        text = label_text(content)
        if text is None:
            raise ValueError(
                f"has a nested value for {name!r}: it must be a text, a number or a boolean"
            )
        labels[str(name)] = text
    return labels


def _type_name(value: t.Any) -> str:
    """Return what a person calls the type: ansible-core has its own classes for all of them."""
    if isinstance(value, Mapping):
        return "dictionary"
    return "list" if isinstance(value, (list, tuple)) else "single value"


def _pairs(text: str) -> t.Any:
    if text.strip().startswith("{"):
        try:
            return json.loads(text)
        except ValueError as exc:
            raise ValueError(f"is not valid JSON ({exc})") from None
    pairs: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, content = part.partition("=")
        if not equals or not name.strip():
            raise ValueError(
                f"has the part {part!r}: it must be name=value pairs with commas between them, or JSON"
            )
        pairs[name.strip()] = content.strip()
    return pairs


def _texts(value: t.Any) -> tuple[str, ...]:
    """Read a list from a list, JSON, or texts with commas between them."""
    if isinstance(value, str):
        if value.strip().startswith("["):
            try:
                value = json.loads(value)
            except ValueError:
                # A regular expression, such as [a-z]+.
                value = value.split(",")
        else:
            value = value.split(",")
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"is a {_type_name(value)}: it must be a list")
    return tuple(text for text in (str(item).strip() for item in value) if text)


def _patterns(value: t.Any) -> tuple[str, ...]:
    patterns = _texts(value)
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as exc:
            raise ValueError(
                f"has {pattern!r}, which is not a regular expression ({exc}); a list whose expressions hold commas"
                " is written as JSON"
            ) from None
    return patterns


def _one_of(*allowed: str) -> t.Callable[[t.Any], str]:
    def check(value: t.Any) -> str:
        if value not in allowed:
            raise ValueError
        return str(value)

    return check


def _at_least(least: int) -> t.Callable[[t.Any], t.Any]:
    def check(value: t.Any) -> t.Any:
        # Neither less, nor no number at all (nan).
        if not value >= least:
            raise ValueError
        return value

    return check


_SCOPES = ("host", "task", "playbook")
_RECOVERIES = ("auto", "stateless", "never")

_CHECKS: dict[str, t.Callable[[t.Any], t.Any]] = {
    "alert_scope": _one_of(*_SCOPES),
    "failed_status": _one_of(*RAISING_STATUSES),
    "unreachable_status": _one_of(*RAISING_STATUSES),
    "recovery": _one_of(*_RECOVERIES),
    "storm_threshold": _at_least(0),
    "max_in_flight": _at_least(1),
    "rate_limit": _at_least(0),
    "flush_timeout": _at_least(0),
    "labels": read_labels,
    "label_vars": _texts,
    "redact_patterns": _patterns,
}

_EXPECTED = {
    "alert_scope": f"one of {', '.join(_SCOPES)}",
    "failed_status": f"one of {', '.join(RAISING_STATUSES)}",
    "unreachable_status": f"one of {', '.join(RAISING_STATUSES)}",
    "recovery": f"one of {', '.join(_RECOVERIES)}",
    "storm_threshold": "a whole number, 0 or more",
    "max_in_flight": "a whole number, 1 or more",
    "rate_limit": "a whole number, 0 or more",
    "flush_timeout": "a number of seconds, 0 or more",
    "alert_namespace": "a text",
    "playbook_id": "a text",
    "title_rule": "a text",
    "labels": "name=value pairs or a JSON object",
    "label_vars": "a list of names",
    "redact_patterns": "a list of regular expressions",
}
