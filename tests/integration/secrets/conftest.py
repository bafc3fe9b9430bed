# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values that must not get out, and the places where they would."""

from __future__ import annotations

import hashlib
import json
import os
import re
import typing as t
import urllib.parse
from pathlib import Path

import pytest

from tests.emulator.control import Emulator
from tests.tools.cores import Core
from tests.tools.couriers import couriers
from tests.tools.playbooks import CALLBACK, PlaybookRun, Workspace
from tests.tools.vault import Vault

Task = dict[str, t.Any]

FAIL = "ansible.builtin.fail"
SHELL = "ansible.builtin.shell"

OUR_LINES = re.compile(r"^.*Flashduty.*(?:\n(?![\[{]|\w+:|PLAY|TASK).+)*", re.MULTILINE)


def echo(text: str) -> Task:
    """Return a task that prints a text and fails, whatever is in the text."""
    return {SHELL: "cat; exit 1", "args": {"stdin": text}}


def playbook_of(hosts: dict[str, list[Task]]) -> str:
    """Return plays that run the tasks of each host on it, and on nobody else."""
    plays = [
        {
            "name": "Play",
            "hosts": f"{host},spare",
            "gather_facts": False,
            "tasks": [
                {
                    "name": "Only there",
                    "when": f"inventory_hostname == '{host}'",
                    "block": tasks,
                }
            ],
        }
        for host, tasks in hosts.items()
    ]
    return json.dumps(plays, indent=1)


def canary(place: str) -> str:
    """Return a value that looks like nothing in particular, so that only knowing it helps; found in no other text."""
    return "k" + hashlib.sha256(place.encode()).hexdigest()[:19]


class Canaries:
    """The values that have been handed out."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}

    def __getitem__(self, place: str) -> str:
        return self.places.setdefault(place, canary(place))

    def found_in(self, text: str | bytes) -> list[str]:
        """Return the places whose value, or a good part of it, is in a text."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        text += urllib.parse.unquote(text)
        return [
            place
            for place, value in self.places.items()
            if any(value[n : n + 10] in text for n in range(len(value) - 9))
        ]


class Leaks(Workspace):
    """Runs playbooks, and gathers all that leaves them by way of the callback."""

    def __init__(self, folder: Path, core: Core, flashduty: Emulator) -> None:
        super().__init__(folder, core)
        self.flashduty = flashduty
        self.canaries = Canaries()
        self.vault = Vault(self)

    @property
    def state(self) -> Path:
        return self.home / ".ansible" / "flashduty"

    def play(
        self,
        playbook: str | Path,
        *arguments: str,
        inventory: str | Path,
        environment: t.Mapping[str, str] | None = None,
    ) -> PlaybookRun:
        return self.run(
            playbook,
            *arguments,
            inventory=inventory,
            environment={
                "ANSIBLE_CALLBACKS_ENABLED": CALLBACK,
                "ANSIBLE_VAULT_PASSWORD_FILE": str(self.vault.password_file),
                "FLASHDUTY_PUSH_URL": self.flashduty.push_url,
                "FLASHDUTY_FLUSH_TIMEOUT": "60",
                **(environment or {}),
            },
        )

    def stored(self) -> bytes:
        """Return the bytes of all files of the state."""
        return b"".join(
            path.read_bytes() for path in self.state.rglob("*") if path.is_file()
        )


def our_lines(run: PlaybookRun) -> str:
    """Return what the callback itself has printed."""
    return "\n".join(OUR_LINES.findall(run.output))


def processes_of(folder: Path) -> dict[int, tuple[bytes, bytes]]:
    """Return arguments and environment of processes that deliver for a home."""
    return {
        courier.pid: (courier.arguments, courier.environment)
        for courier in couriers()
        if os.fsencode(folder) in courier.environment
    }


@pytest.fixture
def leaks(tmp_path: Path, core: Core, flashduty: Emulator) -> t.Iterator[Leaks]:
    leaks = Leaks(tmp_path, core, flashduty)
    yield leaks
    leaks.close()
