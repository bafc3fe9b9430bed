# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples do what their README.md says: each is copied and run, with hosts that are all this machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from tests.emulator.control import Emulator
from tests.tools.cores import Core
from tests.tools.environments import ROOT, TREE
from tests.tools.playbooks import PlaybookRun, Workspace

EXAMPLES = ROOT / "docs" / "examples"
TESTED = (
    "execution_environment",
    "explicit_alert",
    "nightly_convergence",
    "ownership_labels",
    "rolling_update",
)


class Copy(Workspace):
    """A copy of an example, as a user would make one."""

    def __init__(
        self, name: str, folder: Path, core: Core, flashduty: Emulator
    ) -> None:
        shutil.copytree(EXAMPLES / name, folder, dirs_exist_ok=True)
        super().__init__(folder, core)
        self.flashduty = flashduty

    def play(self, playbook: str, **extra_vars: t.Any) -> PlaybookRun:
        """Run a playbook of it; variables come on top of those in the inventory."""
        return self.run(
            self.folder / playbook,
            "--extra-vars",
            json.dumps({"ansible_connection": "local", **extra_vars}),
            inventory=self.folder / "inventory.yml",
            environment={
                "FLASHDUTY_PUSH_URL": self.flashduty.push_url,
                "FLASHDUTY_CHANGE_PUSH_URL": self.flashduty.change_push_url,
            },
        )

    def alerts(self) -> dict[str, str]:
        """The titles of all alerts, and their status."""
        return {alert["title"]: alert["status"] for alert in self.flashduty.alerts()}


@pytest.fixture
def copy_of(
    tmp_path: Path, cores: list[Core], flashduty: Emulator
) -> t.Iterator[t.Callable[[str], Copy]]:
    """Copy an example, to be run with the newest ansible-core."""
    copies: list[Copy] = []

    def copy(name: str) -> Copy:
        copies.append(Copy(name, tmp_path / name, cores[-1], flashduty))
        return copies[-1]

    yield copy
    for made in copies:
        made.close()


def on_hosts(variable: str, condition: str, *, good: str, bad: str) -> dict[str, str]:
    """Return a variable that is bad on the hosts for which a condition holds, which Ansible evaluates for each."""
    return {variable: f"{{{{ {bad!r} if {condition} else {good!r} }}}}"}


def test_every_example_is_tested_and_described() -> None:
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir()}
    assert folders == set(TESTED)
    overview = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for name in folders:
        assert f"({name})" in overview
        assert (EXAMPLES / name / "README.md").is_file()


def test_no_example_holds_a_secret() -> None:
    for path in EXAMPLES.rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            assert text.count("integration_key=") == text.count(
                "integration_key=..."
            ), path


@pytest.mark.thorough
def test_rolling_update(copy_of: t.Callable[[str], Copy]) -> None:
    example = copy_of("rolling_update")
    variables = {
        "shop_folder": str(example.folder / "hosts" / "{{ inventory_hostname }}"),
        "shop_restart": "true",
    }
    title = "Deployment of shop failed"

    run = example.play("rolling_update.yml", shop_version="9.9.9", **variables)
    assert run.rc == 2, run.output
    assert set(run.recap) == {"web1.example.com", "web2.example.com"}
    assert example.alerts() == {title: "open"}
    [alert] = example.flashduty.alerts()
    assert alert["severity"] == "Critical"
    assert "Install the release" in alert["description"]
    assert alert["labels"].items() >= {"team": "frontend", "env": "production"}.items()

    run = example.play("rolling_update.yml", **variables)
    assert run.rc == 0, run.output
    assert len(run.recap) == 4
    assert example.alerts() == {title: "recovered"}
    assert {
        change["title"]: [event["status"] for event in change["events"]]
        for change in example.flashduty.changes()
    } == {
        "Deploy shop 9.9.9": ["Processing", "Canceled"],
        "Deploy shop 1.4.2": ["Processing", "Done"],
    }


def test_nightly_convergence(copy_of: t.Callable[[str], Copy]) -> None:
    example = copy_of("nightly_convergence")
    settings = example.folder / "hosts"
    for host in ("web1.example.com", "db1.example.com"):
        (settings / host).mkdir(parents=True)
    variables = {"settings_folder": str(settings / "{{ inventory_hostname }}")}
    title = "Write the message of the day failed on web2.example.com (site.yml)"

    run = example.play("site.yml", **variables)
    assert run.rc == 2, run.output
    assert "Flashduty: 1 alert raised." in run.output
    assert example.alerts() == {title: "open"}
    [alert] = example.flashduty.alerts()
    assert alert["labels"].items() >= {"env": "production", "run": "nightly"}.items()

    (settings / "web2.example.com").mkdir()
    run = example.play("site.yml", **variables)
    assert run.rc == 0, run.output
    assert "Flashduty: 1 alert recovered." in run.output
    assert example.alerts() == {title: "recovered"}
    written = (settings / "db1.example.com" / "motd").read_text(encoding="utf-8")
    assert written.startswith("This is db1.example.com (db).")


def test_ownership_labels(copy_of: t.Callable[[str], Copy]) -> None:
    example = copy_of("ownership_labels")
    broken = "inventory_hostname != 'web1.example.com'"

    run = example.play(
        "check.yml", **on_hosts("check_command", broken, good="true", bad="false")
    )
    assert run.rc == 2, run.output

    sent = {
        event["labels"]["host"]: event["labels"] for event in example.flashduty.events()
    }
    people = "layer_person_reset_0_emails"
    assert {host: labels.get(people) for host, labels in sent.items()} == {
        "web2.example.com": None,
        "db1.example.com": "ana@example.com,bo@example.com",
        "db2.example.com": "cleo@example.com",
    }
    kept = {
        alert["labels"]["host"]: alert["labels"] for alert in example.flashduty.alerts()
    }
    assert all(people not in labels for labels in kept.values())
    assert {
        host: (labels["service"], labels["team"]) for host, labels in kept.items()
    } == {
        "web2.example.com": ("shop", "frontend"),
        "db1.example.com": ("orders", "storage"),
        "db2.example.com": ("orders", "storage"),
    }


def test_explicit_alert(copy_of: t.Callable[[str], Copy]) -> None:
    example = copy_of("explicit_alert")
    example.write("bad.sh", "echo No space left. >&2; exit 3\n")
    broken = "inventory_hostname == 'db2.example.com'"
    bad = f"sh {example.folder}/bad.sh"
    title = "Backup of db2.example.com failed"

    run = example.play(
        "backup.yml", **on_hosts("backup_command", broken, good="true", bad=bad)
    )
    assert run.rc == 2, run.output
    assert run.hosts_with("failed") == {"db2.example.com"}
    assert example.alerts() == {title: "open"}
    [alert] = example.flashduty.alerts()
    assert alert["description"] == "No space left."
    assert (
        alert["labels"].items()
        >= {
            "resource": "db2.example.com",
            "check": "Make the backup",
            "team": "storage",
        }.items()
    )

    # The push URL may come from Ansible Vault, too.
    run = example.play(
        "backup.yml",
        backup_command="true",
        vault_flashduty_push_url=example.flashduty.push_url,
    )
    assert run.rc == 0, run.output
    assert example.alerts() == {title: "recovered"}


def test_execution_environment(tmp_path: Path) -> None:
    example = EXAMPLES / "execution_environment" / "execution-environment.yml"

    def builder(*arguments: str | Path) -> str:
        command = [sys.executable, "-m", "ansible_builder", *map(str, arguments)]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, cwd=tmp_path
        ).stdout

    builder("create", "--file", example, "--context", "context")
    (recipe,) = (tmp_path / "context").glob("*file")
    lines = recipe.read_text(encoding="utf-8").splitlines()
    assert "ENV ANSIBLE_CALLBACKS_ENABLED=flashcat.flashduty.alert_on_failure" in lines
    (driver,) = [line for line in lines if "requirements-postgresql.txt" in line]
    _place, _collections, path = driver.partition("/flashcat/flashduty/")
    assert "psycopg" in (ROOT / path).read_text(encoding="utf-8")

    # What the image gets for this collection.
    assert "requests" in builder("introspect", TREE)

    # The guide shows the same.
    guide = ROOT / "docs" / "docsite" / "rst" / "guide_awx.rst"
    definition = example.read_text(encoding="utf-8").partition("---\n")[2]
    indented = "".join(f"    {line}\n" for line in definition.splitlines())
    assert indented in guide.read_text(encoding="utf-8")
