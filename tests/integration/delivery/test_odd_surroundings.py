# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs in surroundings that are odd, and usual all the same: pipes, relative paths, no home folder, a user without a name."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from tests.emulator.control import Emulator
from tests.tools.playbooks import inventory_of

from .conftest import FAILING, Stage

# In a container with a user id that nobody has named, the home folder is unknown.
NOBODY = """\
import os
import pwd


def getpwuid(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")


pwd.getpwuid = getpwuid
os.environ.pop("HOME", None)
"""
# The real package, which tells who has imported it from here.
REQUESTS = """\
import importlib.util
import sys

with open({witness!r}, "a") as file:
    file.write(" ".join(sys.orig_argv) + "\\n")
spec = importlib.util.spec_from_file_location(
    "requests", {real!r} + "/__init__.py", submodule_search_locations=[{real!r}]
)
sys.modules["requests"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["requests"])
"""


def pipe(path: Path, text: str) -> Path:
    """Make a named pipe that can be read once, as a shell does for <(…)."""
    os.mkfifo(path)
    threading.Thread(target=path.write_text, args=[text], daemon=True).start()
    return path


def package_of(stage: Stage) -> str:
    code = "import os, requests; print(os.path.dirname(requests.__file__))"
    return subprocess.run(
        [stage.core.python, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.any_core
def test_a_run_in_odd_surroundings_delivers(stage: Stage) -> None:
    witness = stage.folder / "imported"
    stage.write("vendor/sitecustomize.py", NOBODY)
    stage.write(
        "vendor/requests/__init__.py",
        REQUESTS.format(witness=str(witness), real=package_of(stage)),
    )
    with Emulator(tls=True) as flashduty:
        (stage.folder / "certs").mkdir()
        shutil.copy(flashduty.ca_path, stage.folder / "certs" / "ca.pem")
        variables = pipe(stage.folder / "variables", "flashduty_labels: {team: shop}\n")
        key = pipe(stage.folder / "key", f"{flashduty.alert_key}\n")
        inventory = pipe(stage.folder / "hosts", inventory_of("web1", "web2"))

        run = stage.run(
            FAILING,
            *("-e", f"@{variables}"),
            inventory=inventory,
            environment={
                "ANSIBLE_CALLBACKS_ENABLED": "flashcat.flashduty.alert_on_failure",
                "ANSIBLE_HOME": str(stage.folder / "ansible"),
                "ANSIBLE_REMOTE_TMP": str(stage.folder / "tmp"),
                "ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.ini",
                "PYTHONPATH": "vendor",
                "REQUESTS_CA_BUNDLE": "certs/ca.pem",
                "FLASHDUTY_API_URL": flashduty.url,
                "FLASHDUTY_INTEGRATION_KEY_FILE": str(key),
                "FLASHDUTY_FLUSH_TIMEOUT": "60",
            },
        )

        assert run.rc == 2
        assert "Flashduty: 2 alerts raised." in run.output
        assert "WARNING" not in run.stderr
        labels = [alert["labels"] for alert in flashduty.alerts()]
        assert {(one["host"], one["team"]) for one in labels} == {
            ("web1", "shop"),
            ("web2", "shop"),
        }
    # Run and courier have the same folder, and none is named ~.
    assert (stage.folder / "ansible" / "flashduty" / "outbox.sqlite3").is_file()
    assert not [path for path in stage.folder.rglob("~*")]
    assert "_flashduty.courier" in witness.read_text()


@pytest.mark.any_core
def test_what_waits_goes_to_the_server_that_has_taken_over(stage: Stage) -> None:
    stage.flashduty.stop()
    run = stage.play(FAILING, 1, flush_timeout="0.5")
    assert "1 of 1 alert NOT delivered" in run.output

    with Emulator(alert_keys=(stage.flashduty.alert_key,)) as other:
        run = stage.play(FAILING, 1, push_url=other.push_url)
        assert "Flashduty: 1 still open" in run.output or "1 alert" in run.output
        times = [event["event_time"] for event in other.events()]
        assert len(times) == 2 and times == sorted(times)

        stage.play(FAILING.replace("fail: {", "debug: {"), 1, push_url=other.push_url)
        assert [alert["status"] for alert in other.alerts()] == ["recovered"]
    stage.flashduty.start()
