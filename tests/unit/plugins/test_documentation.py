# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the documentation of a module says is what the code does."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.flashcat.flashduty.plugins.module_utils import _argspec

COLLECTION = Path(_argspec.__file__).parents[2]
TREE = COLLECTION.parents[2]
MODULES = sorted(
    path.stem for path in (COLLECTION / "plugins" / "modules").glob("*.py")
)

Facts = dict[str, t.Any]


@functools.cache
def documentation() -> dict[str, Facts]:
    """Return what ansible-doc shows, fragments included."""
    answer = subprocess.run(
        [sys.executable, "-m", "ansible", "doc", "--json"]
        + [f"flashcat.flashduty.{name}" for name in MODULES],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(TREE)},
        capture_output=True,
        text=True,
        check=True,
    )
    return t.cast("dict[str, Facts]", json.loads(answer.stdout))


def documented(module: str) -> Facts:
    return documentation()[f"flashcat.flashduty.{module}"]


def specified(module: str) -> Facts:
    return t.cast(Facts, getattr(_argspec, f"{module}_argument_spec")())


def of_documentation(options: Facts) -> Facts:
    return {
        name: {
            "type": facts.get("type", "str"),
            "required": facts.get("required", False),
            "default": facts.get("default"),
            "choices": facts.get("choices"),
            "aliases": facts.get("aliases", []),
            "elements": facts.get("elements"),
            "options": of_documentation(facts.get("suboptions") or {}),
        }
        for name, facts in options.items()
    }


def of_specification(options: Facts) -> Facts:
    return {
        name: {
            "type": facts.get("type", "str"),
            "required": facts.get("required", False),
            "default": facts.get("default"),
            "choices": facts.get("choices"),
            "aliases": facts.get("aliases", []),
            "elements": facts.get("elements"),
            "options": of_specification(facts.get("options") or {}),
        }
        for name, facts in options.items()
    }


def sentences(options: Facts) -> t.Iterator[str]:
    for facts in options.values():
        description = facts["description"]
        yield from [description] if isinstance(description, str) else description
        yield from sentences(facts.get("suboptions") or facts.get("contains") or {})


def values_without_samples(values: Facts, prefix: str = "") -> list[str]:
    missing = []
    for name, facts in values.items():
        if facts.get("contains"):
            missing += values_without_samples(facts["contains"], f"{prefix}{name}.")
        elif "sample" not in facts:
            missing.append(prefix + name)
    return missing


@pytest.mark.parametrize("module", MODULES)
def test_the_argument_spec_is_what_is_documented(module: str) -> None:
    options = documented(module)["doc"]["options"]

    assert of_documentation(options) == of_specification(specified(module))


@pytest.mark.parametrize("module", MODULES)
def test_every_option_is_described_in_full_sentences(module: str) -> None:
    texts = list(sentences(documented(module)["doc"]["options"]))

    assert texts
    assert [text for text in texts if not text.rstrip().endswith(".")] == []


@pytest.mark.parametrize("module", MODULES)
def test_every_return_value_is_described_and_has_a_sample(module: str) -> None:
    values = documented(module)["return"]

    assert [text for text in sentences(values) if not text.rstrip().endswith(".")] == []
    assert values_without_samples(values) == []


@pytest.mark.parametrize("module", MODULES)
def test_every_option_of_its_own_has_an_example(module: str) -> None:
    own = set(specified(module)) - set(_argspec.connection_argument_spec())
    own -= {
        f"change_{name}"
        for name in ("integration_key", "integration_key_file", "push_url")
    }

    examples = documented(module)["examples"]

    spelled = {
        name: [name, *specified(module)[name].get("aliases", [])]
        for name in own - {"limit"}
    }
    assert [
        name
        for name, forms in spelled.items()
        if not any(f"{form}:" in examples for form in forms)
    ] == []


@pytest.mark.parametrize("module", MODULES)
def test_examples_have_names_and_full_module_names(module: str) -> None:
    tasks = yaml.safe_load(documented(module)["examples"])

    while tasks:
        task = tasks.pop()
        assert task["name"][0].isupper()
        tasks += task.get("block", []) + task.get("rescue", [])
        actions = [name for name in task if "." in name]
        assert actions or "block" in task


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_an_action_plugin_and_is_in_the_action_group(module: str) -> None:
    runtime = yaml.safe_load(
        (COLLECTION / "meta" / "runtime.yml").read_text(encoding="utf-8")
    )

    assert (COLLECTION / "plugins" / "action" / f"{module}.py").is_file()
    assert module in runtime["action_groups"]["flashduty"]


def test_modules_accept_whatever_the_group_may_set() -> None:
    common = set(_argspec.connection_argument_spec())

    assert all(common <= set(specified(module)) for module in MODULES)
