# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs whose alerts have a hard way to go."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import typing as t
from collections import Counter
from pathlib import Path

import pytest

from tests.emulator.control import Emulator, Item
from tests.tools.cores import Core
from tests.tools.couriers import couriers
from tests.tools.environments import TREE
from tests.tools.playbooks import (
    CALLBACK,
    PlaybookRun,
    RunningPlaybook,
    Workspace,
    inventory_of,
)
from tests.tools.waiting import wait_until

WITNESS = "test.delivery.witness"

FAILING = """
- name: Play
  hosts: all
  gather_facts: false
  tasks:
    - name: Break
      ansible.builtin.fail: {msg: "Broken on {{ inventory_hostname }}"}
"""
PASSING = """
- name: Nothing to do
  hosts: all
  gather_facts: false
  tasks:
    - name: Say hello
      ansible.builtin.debug: {msg: Hello}
"""


class Stage(Workspace):
    """Runs with the callback, a witness beside it, and a Flashduty that may be out of order."""

    def __init__(self, folder: Path, core: Core, flashduty: Emulator) -> None:
        super().__init__(folder, core)
        self.flashduty = flashduty
        self.state = self.home / ".ansible" / "flashduty"
        self.witnessed_in = folder / "witnessed"
        # Callbacks of collections are called in the order in which they are enabled; others before all of them.
        place = (
            folder
            / "ansible_collections"
            / "test"
            / "delivery"
            / "plugins"
            / "callback"
        )
        place.mkdir(parents=True)
        shutil.copy(Path(__file__).with_name("witness.py"), place)

    def environment(self, **options: str) -> dict[str, str]:
        """Return the environment of a run: the callback, and options of it, such as ``timeout="1"``."""
        return {
            "ANSIBLE_COLLECTIONS_PATH": f"{TREE}:{self.folder}",
            "ANSIBLE_CALLBACKS_ENABLED": f"{CALLBACK},{WITNESS}",
            "WITNESS_FILE": str(self.witnessed_in),
            "FLASHDUTY_PUSH_URL": self.flashduty.push_url,
            "FLASHDUTY_STORM_THRESHOLD": "0",
            **{
                name if name.isupper() else f"FLASHDUTY_{name.upper()}": value
                for name, value in options.items()
            },
        }

    def begin(self, playbook: str, hosts: int = 3, **options: str) -> RunningPlaybook:
        """Start a run with the callback on some hosts."""
        return self.start(
            playbook,
            inventory=inventory_of(*(f"host{number}" for number in range(hosts))),
            environment=self.environment(**options),
        )

    def play(self, playbook: str, hosts: int = 3, **options: str) -> PlaybookRun:
        """Run a playbook with the callback on some hosts."""
        return self.begin(playbook, hosts, **options).wait()

    def play_something_else(self, **options: str) -> PlaybookRun:
        """Run a playbook that knows nothing of the alerts of others: it only delivers what waits."""
        return self.play(PASSING, 1, playbook_id="something else", **options)

    def witnessed(self) -> list[str]:
        """Return the hosts of whose failures the callback was told, in order."""
        with contextlib.suppress(FileNotFoundError):
            return self.witnessed_in.read_text().split()
        return []

    @staticmethod
    def wait_for(condition: t.Callable[[], object], seconds: float = 60.0) -> None:
        """Wait until something has come about."""
        wait_until(condition, seconds)

    def couriers(self) -> list[int]:
        """Return the process ids of the couriers that serve this stage's state folder."""
        return [courier.pid for courier in couriers() if courier.serves(self.folder)]

    def wait_for_couriers(self, seconds: float = 70.0) -> None:
        """Wait until no courier is at work any more."""
        self.wait_for(lambda: not self.couriers(), seconds)

    def close(self) -> None:
        super().close()
        if self.flashduty.running:
            self.flashduty.behave()
        for courier in self.couriers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(courier, 9)


def closing_line(run: PlaybookRun) -> str:
    """Return what the callback has said at the end."""
    found = re.findall(r"^Flashduty: .*$", run.output, re.MULTILINE)
    return "\n".join(found)


def warnings_of(run: PlaybookRun) -> str:
    """Return the callback's warnings, without the line breaks that a terminal wants."""
    text = " ".join(run.stderr.split())
    return " ".join(re.findall(r"\[WARNING\]: Flashduty: .*?(?=\[WARNING\]|$)", text))


def without_ours(run: PlaybookRun) -> tuple[int, list[str], str]:
    """Return status and output without what the callback has said, and without what differs from run to run."""
    stdout = re.sub(r"^Flashduty: .*\n+", "", run.stdout, flags=re.MULTILINE)
    stderr = re.sub(
        r"^\[WARNING\]: Flashduty: (?:.+\n)*(?=\n|\[|\Z)",
        "",
        run.stderr,
        flags=re.MULTILINE,
    )
    stdout = re.sub(r"/\S+/playbook.yml", "playbook.yml", stdout)
    # Hosts fail in whichever order.
    return run.rc, sorted(filter(None, stdout.splitlines())), stderr.strip()


def assert_same_run(run: PlaybookRun, plain: PlaybookRun) -> None:
    """See to it that a run is as it would have been without the callback, but for what that has said."""
    assert without_ours(run) == without_ours(plain)


def hosts_of(alerts: t.Iterable[Item]) -> Counter[str]:
    return Counter(alert["labels"]["host"] for alert in alerts)


@pytest.fixture(scope="session")
def plain_runs(
    tmp_path_factory: pytest.TempPathFactory, cores: list[Core]
) -> dict[str, PlaybookRun]:
    """Runs without the callback, by their playbook."""
    workspace = Workspace(tmp_path_factory.mktemp("plain"), cores[-1])
    hosts = inventory_of("host0", "host1", "host2")
    runs = {book: workspace.run(book, inventory=hosts) for book in (FAILING, PASSING)}
    workspace.close()
    return runs


@pytest.fixture
def plain(plain_runs: dict[str, PlaybookRun]) -> PlaybookRun:
    """The failing playbook on three hosts without the callback."""
    return plain_runs[FAILING]


@pytest.fixture
def plain_passing(plain_runs: dict[str, PlaybookRun]) -> PlaybookRun:
    """The passing playbook on three hosts without the callback."""
    return plain_runs[PASSING]


@pytest.fixture
def stage(tmp_path: Path, cores: list[Core], flashduty: Emulator) -> t.Iterator[Stage]:
    """A stage with the newest ansible-core: what is tested here does not differ between them."""
    stage = Stage(tmp_path, cores[-1], flashduty)
    yield stage
    stage.close()
