# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The section [flashduty] is read as Ansible reads its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.config.manager import ConfigManager
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible.config import (
    configured_layers,
    read_sections,
)

CONTENT = """
[defaults]
forks = 7 ; a comment
nocows = from another section

[flashduty]
push_url = https://e.example/push?integration_key=a%2Fb ; a comment
Timeout=5
labels = team=storage,
  env=production
note = "quoted" # kept
empty =
percent = 100%(forks)s
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "ansible.cfg"
    file.write_text(CONTENT, encoding="utf-8")
    return file


def test_values_are_raw(file: Path) -> None:
    assert read_sections(str(file))["flashduty"] == {
        "push_url": "https://e.example/push?integration_key=a%2Fb",
        "timeout": "5",
        "labels": "team=storage,\nenv=production",
        "note": '"quoted" # kept',
        "empty": "",
        "percent": "100%(forks)s",
    }


def test_ansible_reads_comments_in_the_same_way(file: Path) -> None:
    assert ConfigManager(str(file)).get_config_value("DEFAULT_FORKS") == 7


@pytest.mark.parametrize(
    "content", [None, b"", b"[defaults]\n", b"[flashduty\n", b"\xff[flashduty]"]
)
def test_a_file_without_our_section_sets_nothing(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "ansible.cfg"
    if content is not None:
        file.write_bytes(content)

    assert "flashduty" not in read_sections(str(file))


def test_no_file_sets_nothing() -> None:
    assert read_sections(None) == {}


def test_the_environment_comes_before_the_file(file: Path) -> None:
    environ = {"FLASHDUTY_TIMEOUT": "9"}

    environment, ini, defaults = configured_layers(environ=environ, path=str(file))

    assert (environment.value("timeout"), ini.value("timeout")) == ("9", "5")
    assert ini.display_name("timeout") == f"timeout in section [flashduty] of {file}"
    assert ini.folder == str(file.parent)
    assert (ini.value("empty"), ini.value("note")) == (None, '"quoted" # kept')
    assert str(defaults.value("state_path")).endswith("/flashduty")
