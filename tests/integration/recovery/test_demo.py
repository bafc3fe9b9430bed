# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``make demo`` and ``make fleet-demo``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.emulator.control import Emulator
from tests.tools.environments import ROOT

DEMO = ROOT / "tests" / "demo" / "run.py"
FLEET_DEMO = DEMO.with_name("fleet.py")


def run_demo(demo: Path = DEMO, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PUSH_URL", "KEEP")
        and not name.startswith(("ANSIBLE_", "FLASHDUTY_"))
    }
    return subprocess.run(
        [sys.executable, str(demo)],
        env={**inherited, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def demo() -> subprocess.CompletedProcess[str]:
    return run_demo()


def test_the_demo_ends_well(demo: subprocess.CompletedProcess[str]) -> None:
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stderr == ""


@pytest.mark.parametrize(
    "shown",
    [
        "Flashduty: 2 alerts raised.",
        "● open       Critical  Check the settings failed on web2 (site.yml)",
        "● open       Critical  db1 unreachable (site.yml)",
        "Syntax error",
        "team=frontend",
        "task_path=site.yml:",
        "Flashduty: 2 alerts recovered.",
        "✓ recovered  Critical  Check the settings failed on web2 (site.yml)",
        "✓ recovered  Critical  db1 unreachable (site.yml)",
    ],
)
def test_the_demo_shows(demo: subprocess.CompletedProcess[str], shown: str) -> None:
    assert shown in demo.stdout


def test_the_demo_tells_where_the_web_page_is(
    demo: subprocess.CompletedProcess[str],
) -> None:
    assert "http://127.0.0.1:" in demo.stdout.splitlines()[0]


@pytest.mark.thorough
def test_against_the_service_itself_both_alerts_open_and_close(
    flashduty: Emulator,
) -> None:
    demo = run_demo(PUSH_URL=flashduty.push_url)

    assert demo.returncode == 0, demo.stdout + demo.stderr
    alerts = flashduty.alerts()
    assert {alert["labels"]["resource"] for alert in alerts} == {"web2", "db1"}
    assert {alert["status"] for alert in alerts} == {"recovered"}
    assert flashduty.alert_key not in demo.stdout + demo.stderr


def test_against_a_service_that_refuses_the_key_it_says_so(flashduty: Emulator) -> None:
    wrong_key = "f" * 32

    demo = run_demo(PUSH_URL=flashduty.push_url.replace(flashduty.alert_key, wrong_key))

    assert demo.returncode == 1
    assert "The demo did not go as promised" in demo.stdout
    assert wrong_key not in demo.stdout + demo.stderr


def test_another_controller_delivers_and_closes_what_a_destroyed_one_has_raised() -> (
    None
):
    demo = run_demo(FLEET_DEMO)

    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stderr == ""
    for shown in (
        "The first controller is destroyed, and its disk with it.",
        "● open       Critical  Check the settings failed on web2 (site.yml)",
        "Flashduty: 2 alerts recovered.",
        "✓ recovered  Critical  db1 unreachable (site.yml)",
    ):
        assert shown in demo.stdout
