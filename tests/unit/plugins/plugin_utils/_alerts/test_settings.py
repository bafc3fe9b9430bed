# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the callback, checked."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._layers import (
    environment_layer,
    ini_layer,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.settings import (
    Settings,
    read_labels,
    read_settings,
)
from hypothesis import given
from hypothesis import strategies as st


def read(**values: t.Any) -> tuple[Settings, list[str]]:
    settings, problems, _sources = read_settings([ini_layer(values.get)])
    return settings, problems


def place(option: str) -> str:
    return f"{option} in section [flashduty] of ansible.cfg"


def test_without_any_value_the_defaults_are_used() -> None:
    assert read() == (Settings(), [])


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("alert_scope", "task", "task"),
        ("failed_status", "Info", "Info"),
        ("alert_scope", "'task'", "task"),
        ("storm_threshold", "0", 0),
        ("flush_timeout", "0.0", 0.0),
        ("enabled", "no", False),
        ("dry_run", '"True"', True),
        ("label_vars", "a, b,,c", ("a", "b", "c")),
        ("label_vars", "", ()),
        ("label_vars", "a", ("a",)),
        ("label_vars", '"a, b"', ("a", "b")),
        ("label_vars", "'a', 'b'", ("a", "b")),
        ("label_vars", "[a, b]", ("a", "b")),
        ("label_vars", "['a', b ]", ("a", "b")),
        ("label_vars", '["a", "b"]', ("a", "b")),
        ("label_vars", '"[a, b]"', ("a", "b")),
        ("label_vars", "[]", ()),
        ("title_rule", '"$resource: down"', "$resource: down"),
        ("redact_patterns", "[ab, cd]", ("ab", "cd")),
        ("redact_patterns", "[0-9]", ("[0-9]",)),
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
        ("enabled", "flase", "is flase: it must be true or false"),
        ("enabled", "2", "is 2: it must be true or false"),
        ("enabled", "", "is empty: it must be true or false"),
        ("dry_run", "ture", "is ture: it must be true or false"),
        ("watch", "e3a17c52f09b4d68a1c45be7d2036f94", "is something else: it must be"),
        ("storm_threshold", "-1", "is -1: it must be a whole number, 0 or more"),
        ("storm_threshold", "50.5", "is 50.5: it must be a whole number, 0 or more"),
        ("max_in_flight", "0", "is 0: it must be a whole number, 1 or more"),
        ("max_in_flight", "9" * 5000, "is something else: it must be a whole number"),
        ("flush_timeout", "nan", "is nan: it must be a number of seconds, 0 or more"),
        ("flush_timeout", "inf", "is inf: it must be a number of seconds, 0 or more"),
        ("flush_timeout", "10s", "is 10s: it must be a number of seconds, 0 or more"),
        (
            "label_vars",
            "[a, {b: c}]",
            "has a dictionary in it: it must be a list of texts",
        ),
        ("labels", "a=b,c", "has the part 'c': it must be name=value pairs"),
        ("labels", "=c", "has the part '=c': it must be name=value pairs"),
        ("labels", '{"a": }', "is not valid JSON"),
        ("labels", '{"a": ["b"]}', "has a nested value for 'a'"),
        ("redact_patterns", "a{1,2}(", "has '2}(', which is not a regular expression"),
    ],
)
def test_a_wrong_value_costs_a_sentence_and_its_default(
    option: str, value: t.Any, problem: str
) -> None:
    settings, problems = read(**{option: value})

    (sentence,) = problems
    assert sentence.startswith(f"{option} ({place(option)}) {problem}")
    assert sentence.endswith(" The default is used.")
    assert settings == Settings()


@pytest.mark.parametrize(
    "option",
    [
        option
        for option, default in Settings._field_defaults.items()
        if isinstance(default, bool)
    ],
)
@pytest.mark.parametrize("text", ["flase", "", "2"])
def test_a_boolean_that_is_none_costs_a_sentence_and_its_default(
    option: str, text: str
) -> None:
    name = f"FLASHDUTY_{option.upper()}"

    settings, (sentence,), sources = read_settings([environment_layer({name: text})])

    assert settings == Settings()
    assert sentence.startswith(f"{option} ({name}) is ")
    assert sources[option] == "default"


def test_every_option_says_what_is_allowed() -> None:
    for option, kind in t.get_type_hints(Settings).items():
        settings, problems = read(**{option: "\x00{[("})

        assert settings == Settings() or kind is str or not problems
        assert all(": it must be " in one or "JSON" in one for one in problems)


def test_an_empty_text_of_other_options_says_nothing() -> None:
    defaults = Settings._field_defaults.items()
    texts = {name: "" for name, value in defaults if not isinstance(value, bool)}

    assert read(**texts) == (Settings(), [])


def test_the_environment_counts_first_and_places_are_known() -> None:
    layers = [
        environment_layer({"FLASHDUTY_WATCH": "true"}),
        ini_layer({"watch": "false", "rate_limit": "5"}.get),
    ]

    settings, _problems, sources = read_settings(layers)
    others, _problems, _sources = read_settings(layers, only=["rate_limit"])

    assert (settings.watch, settings.rate_limit) == (True, 5)
    assert sources["watch"] == "FLASHDUTY_WATCH"
    assert sources["rate_limit"] == place("rate_limit")
    assert sources["dry_run"] == "default"
    assert (others.watch, others.rate_limit) == (False, 5)


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
