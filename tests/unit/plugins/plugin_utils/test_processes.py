# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the courier gets to know of the run's environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from ansible_collections.flashcat.flashduty.plugins.plugin_utils import _processes

KEY = "k+y/0123456789abcdef"


def test_no_key_is_in_the_environment_however_it_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLASHDUTY_TIMEOUT", "3")
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("MY_URL", "https://x/?key=k%2By%2F0123456789abcdef")
    monkeypatch.setenv("MY_OTHER_URL", "https://x/?key=k%2By/0123456789abcdef")
    monkeypatch.setenv("MY_OWN", "stays")

    environment = _processes._environment([KEY])

    names = {name for name in environment if name.startswith(("MY_", "FLASHDUTY_"))}
    assert names == {"MY_OWN"}


def test_paths_are_valid_in_another_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "certs/ca.pem")
    monkeypatch.setenv("CURL_CA_BUNDLE", "")
    monkeypatch.setattr(sys, "path", ["", "vendor", *sys.path])

    environment = _processes._environment([])

    assert environment["REQUESTS_CA_BUNDLE"] == str(tmp_path / "certs/ca.pem")
    assert environment["CURL_CA_BUNDLE"] == ""
    path = environment["PYTHONPATH"].split(os.pathsep)
    assert path[0].endswith("module_utils")
    assert path[1:3] == [str(tmp_path), str(tmp_path / "vendor")]
    assert all(map(os.path.isabs, path))


def test_the_working_directory_is_not_on_the_path_of_modules() -> None:
    assert ("-P" in _processes._python()) == (sys.version_info >= (3, 11))
