# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The options of the callback, read and checked. A wrong one costs a warning and its default, never an alert.

They are read here, and not by ``get_option`` of ansible-core: each of its versions reads lists, quotes and wrong
booleans in another way, a wrong boolean is false without a word, and one wrong value costs all options.
"""

from __future__ import annotations

import json
import math
import re
import typing as t
from collections.abc import Mapping

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.push_url import (
    looks_like_a_key,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._layers import (
    Layer,
    find_option,
    without_quotes,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._options import (
    to_boolean,
)

RAISING_STATUSES = ("Critical", "Warning", "Info")
COUNTS = ("failed_after", "unreachable_after", "recover_after")
_UNCOUNTABLE = {
    "stateless": (COUNTS, "remembers nothing from run to run"),
    "never": (("recover_after",), "closes no alert"),
}


class Settings(t.NamedTuple):
    """What the callback was told, apart from its connection. The fields are its options, with their defaults.

    How the text of an option is read is said in ``_READERS``, or else by the type of its default.
    """

    enabled: bool = True
    alert_scope: str = "host"
    failed_status: str = "Critical"
    unreachable_status: str = "Critical"
    report_ignored: bool = False
    report_rescued: bool = False
    report_check_mode: bool = False
    report_aborted: bool = True
    watch: bool = False
    expected_every: float | None = None
    max_duration: float | None = None
    failed_after: int = 1
    unreachable_after: int = 1
    recover_after: int = 1
    storm_threshold: int = 50
    alert_namespace: str = ""
    playbook_id: str = ""
    title_rule: str = ""
    labels: t.Mapping[str, str] = {}
    label_vars: tuple[str, ...] = ()
    redact_patterns: tuple[str, ...] = ()
    recovery: str = "auto"
    dry_run: bool = False
    flush_timeout: float = 10.0
    max_in_flight: int = 32
    rate_limit: int = 900


class ReadSettings(t.NamedTuple):
    """Settings, and what came of reading them.

    :param problems: for each option that is wrong, a sentence that names it, the problem and what is allowed.
    :param sources: for each option, how it is written where it was set; ``default`` where it was not, or is wrong.
    """

    settings: Settings
    problems: list[str]
    sources: dict[str, str]


def read_settings(
    layers: t.Sequence[Layer], *, only: t.Collection[str] | None = None
) -> ReadSettings:
    """Read and check the options.

    :param layers: the places that can set them, the one that counts most first.
    :param only: the options that are read; all others keep their defaults.
    """
    values: dict[str, t.Any] = {}
    problems: list[str] = []
    sources: dict[str, str] = {}
    for option in Settings._fields:
        layer, value = (
            find_option(layers, option, empty_counts=option in _BOOLEANS)
            if only is None or option in only
            else (None, None)
        )
        sources[option] = "default"
        if layer is None:
            continue
        place = layer.display_name(option)
        try:
            values[option] = _reader(option)(value)
            sources[option] = place
        except ValueError as exc:
            problem = str(exc) or (
                f"is {_shown(value)}: it must be {_EXPECTED.get(option, 'true or false')}"
            )
            problems.append(f"{option} ({place}) {problem}. The default is used.")
    if values.get("recovery") == "stateless" and values.get("alert_scope") == "task":
        problems.append(
            "recovery is stateless, which goes with alert_scope host or playbook only, but alert_scope is task."
            " recovery auto is used."
        )
        values["recovery"] = "auto"
    useless, why = uncountable(values.get("recovery", "auto"), values)
    if useless:
        problems.append(f"{why} 1 is used.")
        for name in useless:
            del values[name]
            sources[name] = "default"
    return ReadSettings(Settings(**values), problems, sources)


def uncountable(
    recovery: str, counts: t.Mapping[str, t.Any], *, prefix: str = ""
) -> tuple[list[str], str]:
    """Return which numbers of runs are more than 1 where nothing can be counted, and a sentence about them.

    :param counts: may hold the options of ``COUNTS``.
    :param prefix: what their names begin with in the place where they are set.
    """
    names, why = _UNCOUNTABLE.get(recovery, ((), ""))
    useless = [name for name in names if (counts.get(name) or 1) > 1]
    shown = " and ".join(f"{prefix}{name}" for name in useless)
    return useless, (
        f"{shown} must be 1 where recovery is {recovery}, which {why}; more is allowed with recovery auto."
    )


def read_count(value: t.Any) -> int:
    """Read in how many runs in a row something has to happen.

    :raises ValueError: says what is wrong, as the end of a sentence that begins with the option.
    """
    try:
        # Neither true nor 1.0 is a number of runs.
        return _count(1)("" if isinstance(value, (bool, float)) else value)
    except ValueError:
        raise ValueError(f"is {_shown(value)}: it must be {_A_COUNT}") from None


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


def _shown(value: t.Any) -> str:
    """Return a wrong value for a message, unless somebody may have put the key into the wrong option."""
    text = str(value)
    if not text:
        return "empty"
    return "something else" if looks_like_a_key(text) else text


def _type_name(value: t.Any) -> str:
    """Return what a person calls the type: ansible-core has its own classes for all of them."""
    if isinstance(value, Mapping):
        return "dictionary"
    return "list" if isinstance(value, (list, tuple)) else "single value"


def read_duration(value: t.Any) -> float:
    """Read a number of seconds, as people write it.

    :raises ValueError: says what is wrong, as the end of a sentence that begins with the option.
    """
    # Only now: most runs have no such option.
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.durations import (
        parse_duration,
    )

    return parse_duration(value)


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
    """Read a list from a list, JSON, YAML, or texts with commas between them."""
    if isinstance(value, str):
        found = _bracketed(value)
        parts = (without_quotes(part.strip()) for part in value.split(","))
        value = list(parts) if found is None else found
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"is a {_type_name(value)}: it must be a list")
    nested = next((one for one in value if isinstance(one, (list, Mapping))), None)
    if nested is not None:
        raise ValueError(
            f"has a {_type_name(nested)} in it: it must be a list of texts"
        )
    return tuple(text for text in (str(item).strip() for item in value) if text)


def _bracketed(text: str) -> list[t.Any] | None:
    """Read a list in brackets; None where the text is none, such as the regular expression ``[a-z]+``."""
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        # Only now: hardly any run needs it.
        import yaml

        try:
            value = yaml.load(
                text, Loader=yaml.BaseLoader
            )  # noqa: S506 - it makes texts only.
        except yaml.YAMLError:
            return None
    return value if isinstance(value, list) else None


def read_patterns(value: t.Any) -> tuple[str, ...]:
    # [0-9] is an expression, and no list.
    is_expression = (
        isinstance(value, str) and "," not in value and not value.startswith('["')
    )
    patterns = (value.strip(),) if is_expression and value.strip() else _texts(value)
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
    def read(value: t.Any) -> str:
        if value not in allowed:
            raise ValueError
        return str(value)

    return read


def _count(least: int) -> t.Callable[[t.Any], int]:
    def read(value: t.Any) -> int:
        # Python's own words for it are not for the reader of a warning.
        text = str(value).strip()
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
            raise ValueError
        return int(text)

    return read


def _seconds(value: t.Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        raise ValueError from None
    if not 0 <= seconds < math.inf:
        raise ValueError(f"is {seconds}: it must be a number of seconds, 0 or more")
    return seconds


def _boolean(value: t.Any) -> bool:
    found = to_boolean(value)
    if found is None:
        raise ValueError
    return found


def _reader(option: str) -> t.Callable[[t.Any], t.Any]:
    return _READERS.get(option) or (_boolean if option in _BOOLEANS else str)


_BOOLEANS = frozenset(
    name
    for name, default in Settings._field_defaults.items()
    if isinstance(default, bool)
)
_A_COUNT = "a whole number of runs, 1 or more"
_SCOPES = ("host", "task", "playbook")
_RECOVERIES = ("auto", "stateless", "never")

_READERS: dict[str, t.Callable[[t.Any], t.Any]] = {
    "alert_scope": _one_of(*_SCOPES),
    "failed_status": _one_of(*RAISING_STATUSES),
    "unreachable_status": _one_of(*RAISING_STATUSES),
    "recovery": _one_of(*_RECOVERIES),
    "expected_every": read_duration,
    "max_duration": read_duration,
    **dict.fromkeys(COUNTS, read_count),
    "storm_threshold": _count(0),
    "max_in_flight": _count(1),
    "rate_limit": _count(0),
    "flush_timeout": _seconds,
    "labels": read_labels,
    "label_vars": _texts,
    "redact_patterns": read_patterns,
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
}
