# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names that nobody reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible import (
    misspelt,
)

COLLECTION = Path(misspelt.__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("FLASHDUTY_DRYRUN", "FLASHDUTY_DRY_RUN"),
        ("FLASHDUTY_ENABLE", "FLASHDUTY_ENABLED"),
        ("FLASHDUTY_INTEGRATIONKEY", "FLASHDUTY_INTEGRATION_KEY"),
        ("FLASHDUTY_CHANGE_KEY_FILE", "FLASHDUTY_CHANGE_INTEGRATION_KEY_FILE"),
        ("FLASHDUTY_QQQQ", ""),
    ],
)
def test_a_variable_of_the_environment(name: str, nearest: str) -> None:
    environ = {name: "x", "FLASHDUTY_WATCH": "true", "HOME": "/"}

    (sentence,) = misspelt.misspelt_options(environ, "/nonexistent")

    assert sentence.startswith(f"{name} is in the environment")
    assert sentence.endswith(f"Did you mean {nearest}?" if nearest else "such option.")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("label_var", "label_vars"),
        ("lables", "labels"),
        ("dryrun", "dry_run"),
        ("Retry", "retries"),
        ("zzz", ""),
    ],
)
def test_a_key_of_ansible_cfg(tmp_path: Path, name: str, nearest: str) -> None:
    file = tmp_path / "ansible.cfg"
    file.write_text(f"[defaults]\nforks=3\n[flashduty]\n{name} = a\nwatch = true\n")

    (sentence,) = misspelt.misspelt_options({}, str(file))

    assert f"{name.lower()} is in section [flashduty] of {file}" in sentence
    assert sentence.endswith(f"Did you mean {nearest}?" if nearest else "such option.")


@pytest.mark.parametrize(
    "section", ["Flashduty", "flash_duty", "flashdutty", "FLASHDUTY"]
)
def test_a_section_of_ansible_cfg(tmp_path: Path, section: str) -> None:
    file = tmp_path / "ansible.cfg"
    file.write_text(f"[defaults]\n[inventory]\n[{section}]\nintegration_key = a\n")

    assert misspelt.misspelt_options({}, str(file)) == [
        f"Section [{section}] of {file} is not read. Did you mean [flashduty]?"
    ]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("flashduty_lables", "flashduty_labels"),
        ("flashduty_enable", "flashduty_enabled"),
        ("flashduty_integration_keys", "flashduty_integration_key"),
        ("flashduty_fail_after", "flashduty_failed_after"),
        ("flashduty_expected_evry", "flashduty_expected_every"),
        # Variables of people's own.
        ("flashduty_raised", ""),
        ("flashduty_closed", ""),
        ("flashduty_connection", ""),
        ("flashduty_outbox", ""),
        ("flashduty_deployment_name", ""),
        ("flashduty_test_labels", ""),
        ("flashduty_labels", ""),
        ("flashduty_unreachable_after", ""),
        ("flashduty_max_duration", ""),
        ("lables", ""),
    ],
)
def test_a_variable_of_the_callback(name: str, nearest: str) -> None:
    assert misspelt.misspelt_callback_variables([name]) == (
        [f"The variable {name} is not read. Did you mean {nearest}?"] if nearest else []
    )


@pytest.mark.parametrize(
    ("role", "name", "nearest"),
    [
        ("deployment", "alert_stauts", "alert_status"),
        ("deployment", "task", "tasks"),
        ("control_node", "integration_keyfile", "integration_key_file"),
    ],
)
def test_a_variable_of_a_role(role: str, name: str, nearest: str) -> None:
    prefix = f"flashduty_{role}_"
    names = [f"{prefix}{name}", f"{prefix}{nearest}", f"_{prefix}x", "flashduty_labels"]

    assert misspelt.misspelt_role_variables(role, names) == [
        f"The variable {prefix}{name} is not read by the role flashcat.flashduty.{role}."
        f" Did you mean {prefix}{nearest}?"
    ]


def test_what_the_documentation_names_is_known() -> None:
    texts = [
        path.read_text(encoding="utf-8")
        for folder in ("plugins", "docs", "roles", "playbooks", "README.md")
        for path in [COLLECTION / folder, *(COLLECTION / folder).rglob("*")]
        if path.suffix in (".py", ".rst", ".md", ".yml")
    ]
    named = {
        name for text in texts for name in re.findall(r"FLASHDUTY_[A-Z_]*[A-Z]", text)
    }
    examples = {"FLASHDUTY_DRYRUN", misspelt.BASE_URL_VARIABLE}

    assert {
        name
        for name in named - examples
        if name.lower().removeprefix("flashduty_") not in misspelt.known_options()
        and not name.startswith("FLASHDUTY_TEST")
    } == set()
