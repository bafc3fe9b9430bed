# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.tools import run_tests
from tests.tools.run_tests import Runner, Step, report, table

STEADY = "def test_steady(): pass\n"
# It passes when it runs for the second time.
UNSTEADY = """
from pathlib import Path

def test_unsteady():
    seen = Path(__file__).with_suffix(".seen")
    if not seen.exists():
        seen.touch()
        raise AssertionError("the first time")
"""
BROKEN = "def test_broken(): raise AssertionError('each time')\n"


def run_step(folder: Path, monkeypatch: pytest.MonkeyPatch, *tests: str) -> Step:
    """Run a step that consists of these tests, and return it."""
    monkeypatch.setattr(run_tests, "LOGS", folder / "logs")
    for number, text in enumerate(tests):
        (folder / f"test_{number}.py").write_text(text, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", str(folder), f"--rootdir={folder}"]
    step = Step("unit", "unit", command, pytest_arguments=["-ra"])
    Runner([[step]]).run()
    return step


def test_a_test_that_passes_alone_is_named_and_fails_no_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = run_step(tmp_path, monkeypatch, STEADY, UNSTEADY)

    assert step.status == 0
    assert "passed, when run again: test_1.py::test_unsteady" in table([step])
    # Both goes can be read.
    assert "the first time" in step.output()
    assert "1 passed" in report(step)


def test_a_test_that_fails_alone_fails_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = run_step(tmp_path, monkeypatch, STEADY, UNSTEADY, BROKEN)

    assert "FAILED, status 1" in table([step])
    assert "each time" in report(step)


def test_many_failures_are_no_accident(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_tests, "MOST_TESTS_TO_RUN_AGAIN", 1)
    step = run_step(tmp_path, monkeypatch, UNSTEADY, UNSTEADY)

    assert step.status == 1
    assert "2 failed" in report(step)
    assert not step.unsteady


def test_a_step_that_collects_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_step(tmp_path, monkeypatch, "import nonsense").status == 2
