# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools import cores
from tests.tools.cores import Core
from tests.tools.interpreters import Version


def with_pythons(monkeypatch: pytest.MonkeyPatch, *versions: Version) -> None:
    pythons = {v: Path(f"/python{v[0]}.{v[1]}") for v in versions}
    monkeypatch.setattr(cores, "working_pythons", lambda: pythons)


def test_the_newest_core_gets_the_newest_python_and_the_others_their_oldest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_pythons(monkeypatch, (3, 13), (3, 12), (3, 11), (3, 10))

    chosen = {version: str(python) for version, python in cores.available().items()}

    assert chosen == {
        "2.16": "/python3.10",
        "2.17": "/python3.10",
        "2.18": "/python3.11",
        "2.19": "/python3.11",
        "2.20": "/python3.12",
        "2.21": "/python3.12",
        "2.22": "/python3.13",
    }
    assert cores.missing() == {}


def test_one_python_is_enough_for_an_oldest_and_a_newest_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_pythons(monkeypatch, (3, 11))

    assert cores.oldest_and_newest() == ["2.16", "2.19"]
    assert cores.missing()["2.21"].startswith("needs Python 3.12 or 3.13 or 3.14")


def test_a_machine_without_a_fitting_python_has_no_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_pythons(monkeypatch, (3, 9))

    assert cores.oldest_and_newest() == []


def test_the_newest_of_a_minor_version_is_installed_or_its_candidate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cores, "CANDIDATES", {"2.30": "2.30.0b2"})

    assert cores.requirement("2.29") == "ansible-core==2.29.*"
    assert cores.requirement("2.30") == "ansible-core~=2.30.0b2"


def test_a_command_sees_nothing_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in (
        "ANSIBLE_CONFIG",
        "FLASHDUTY_PUSH_URL",
        "HTTPS_PROXY",
        "PYTHONPATH",
        "CI",
        "REQUESTS_CA_BUNDLE",
    ):
        monkeypatch.setenv(name, "from the machine")

    environment = Core("2.21", Path("/venv")).environment(tmp_path, ANSIBLE_FORKS="2")

    assert "from the machine" not in environment.values()
    assert environment["HOME"] == str(tmp_path)
    assert environment["PATH"].startswith("/venv/bin:")
    assert environment["ANSIBLE_FORKS"] == "2"
