# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the callback, checked."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.settings import (
    Settings,
    read_labels,
    read_settings,
)
from hypothesis import given
from hypothesis import strategies as st


def read(**values: t.Any) -> tuple[Settings, list[str]]:
    return read_settings(values.get)


def test_without_any_value_the_defaults_are_used() -> None:
    assert read() == (Settings(), [])


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("alert_scope", "task", "task"),
        ("failed_status", "Info", "Info"),
        ("storm_threshold", 0, 0),
        ("flush_timeout", 0.0, 0.0),
        ("label_vars", ["a", " b ", ""], ("a", "b")),
        ("label_vars", "a, b,,c", ("a", "b", "c")),
        ("label_vars", "", ()),
        ("redact_patterns", '["a{1,2}", "b"]', ("a{1,2}", "b")),
        ("redact_patterns", "a+,b", ("a+", "b")),
        ("redact_patterns", "[a-z]{3}", ("[a-z]{3}",)),
        ("redact_patterns", "[ab]x,[cd]y", ("[ab]x", "[cd]y")),
        ("labels", "a=b, c = d=e ,", {"a": "b", "c": "d=e"}),
        (
            "labels",
            '{"a": 1, "b": true, "c": null}',
            {"a": "1", "b": "true", "c": "null"},
        ),
        ("labels", {"a": 1.5}, {"a": "1.5"}),
        ("labels", "a=", {"a": ""}),
    ],
)
def test_values_are_read(option: str, value: t.Any, expected: t.Any) -> None:
    settings, problems = read(**{option: value})

    assert problems == []
    assert getattr(settings, option) == expected


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("alert_scope", "hosts", "is hosts: it must be one of host, task, playbook"),
        ("failed_status", "Ok", "is Ok: it must be one of Critical, Warning, Info"),
        ("recovery", "on", "is on: it must be one of auto, stateless, never"),
        ("storm_threshold", -1, "is -1: it must be a whole number, 0 or more"),
        ("max_in_flight", 0, "is 0: it must be a whole number, 1 or more"),
        (
            "flush_timeout",
            float("nan"),
            "is nan: it must be a number of seconds, 0 or more",
        ),
        ("label_vars", {"a": 1}, "is a dictionary: it must be a list"),
        ("labels", ["a"], "is a list: it must be a dictionary or name=value pairs"),
        ("labels", 3, "is a single value: it must be a dictionary or name=value pairs"),
        ("labels", "a=b,c", "has the part 'c': it must be name=value pairs"),
        ("labels", "=c", "has the part '=c': it must be name=value pairs"),
        ("labels", '{"a": }', "is not valid JSON"),
        ("labels", {"a": ["b"]}, "has a nested value for 'a'"),
        ("redact_patterns", "a{1,2}(", "has '2}(', which is not a regular expression"),
    ],
)
def test_a_wrong_value_costs_a_sentence_and_its_default(
    option: str, value: t.Any, problem: str
) -> None:
    settings, problems = read(**{option: value})

    (sentence,) = problems
    assert sentence.startswith(f"{option} {problem}")
    assert sentence.endswith(" The default is used.")
    assert settings == Settings()


@pytest.mark.parametrize(
    "option", [field.name for field in dataclasses.fields(Settings)]
)
def test_what_ansible_refuses_is_told_in_our_own_words(option: str) -> None:
    def get(name: str) -> t.Any:
        if name == option:
            raise RuntimeError("words of ansible-core")
        return None

    settings, (sentence,) = read_settings(get)

    assert settings == Settings()
    assert sentence.startswith(f"{option} has a wrong value: it must be ")
    assert "words" not in sentence


def test_stateless_does_not_go_with_scope_task() -> None:
    settings, (sentence,) = read(recovery="stateless", alert_scope="task")

    assert settings == Settings(alert_scope="task")
    assert "recovery auto is used" in sentence


names = st.text(
    st.characters(exclude_characters=",={", exclude_categories=["Cs"]), min_size=1
)
values = st.text(st.characters(exclude_characters=",", exclude_categories=["Cs"]))


@given(st.dictionaries(names.map(str.strip).filter(bool), values.map(str.strip)))
def test_pairs_and_json_say_the_same(labels: dict[str, str]) -> None:
    # NUL cannot be sent.
    expected = {name: text.replace("\0", "") for name, text in labels.items()}
    pairs = ",".join(f"{name}={text}" for name, text in labels.items())

    assert read_labels(pairs) == expected
    assert read_labels(json.dumps(labels)) == expected
    assert read_labels(labels) == expected
