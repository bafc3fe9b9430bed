# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What measures share: how much is measured, the processes that are looked at, and runs of playbooks."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

from tests.emulator.control import Emulator
from tests.tools.cores import Core
from tests.tools.environments import ROOT, TREE
from tests.tools.playbooks import CALLBACK, Workspace, inventory_of

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
        Connection,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        OutboxLocation,
    )

HERE = Path(__file__).resolve().parent
CORE_FOLDER = ROOT / "plugins" / "module_utils"
# Requests a minute, by default; a tenth of them in any second.
RATE_LIMIT = 900
FORKS = 10
# Events in one transaction, when an outbox is filled.
_MOST_ADDED = 1_000


@dataclass(frozen=True)
class Setting:
    """Where and how much is measured.

    :param scale: by what the sizes are multiplied where very many hosts, alerts or events take part.
    """

    folder: Path
    core: Core
    rounds: int
    hosts: int
    events: int
    additions: int
    scale: float = 1.0

    def new_folder(self, name: str) -> Path:
        folder = self.folder / f"{name}-{time.monotonic_ns()}"
        folder.mkdir()
        return folder


def import_core() -> None:
    """Make the collection importable."""
    if str(TREE) not in sys.path:
        sys.path.insert(0, str(TREE))


def some_event(key: str) -> t.Any:
    import_core()
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
        AlertEvent,
    )

    return AlertEvent.create(
        title_rule=f"Restart the service failed on {key} (site.yml)",
        event_status="Critical",
        alert_key=key,
        description="Unable to start service shop-api: Job for shop-api.service failed.\n"
        * 10,
        labels={f"label_{number}": f"value {number}" for number in range(15)},
    )


def connection_to(emulator: Emulator) -> Connection:
    import_core()
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
        PATHS,
        Connection,
    )

    return Connection(emulator.alert_key, emulator.url + PATHS["alert"])


# -- couriers


def fill(location: OutboxLocation, connection: Connection, events: int) -> None:
    """Let so many events wait, each of an alert of its own."""
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        open_outbox,
    )

    with open_outbox(location) as outbox, outbox.transaction():
        database = outbox.database
        if database.kind == "sqlite":
            # In memory, as far as filling goes.
            database.rows("PRAGMA cache_size = -200000")
        part = min(events, _MOST_ADDED)
        outbox.add(
            connection.fingerprint,
            [some_event(f"host{number}") for number in range(part)],
        )
        # The rest are copies of these, which takes less time.
        while (
            left := events
            - database.rows("SELECT count(*) FROM flashduty_events")[0][0]
        ):
            database.run(
                "INSERT INTO flashduty_events (fingerprint, server, kind, key, payload, run_id, added_at)"
                " SELECT fingerprint, server, kind, key || :suffix, payload, run_id, added_at FROM flashduty_events"
                " ORDER BY id LIMIT :part",
                {"suffix": f"-{left}", "part": min(part, left)},
            )


def start_courier(
    location: OutboxLocation,
    connection: Connection,
    *,
    max_in_flight: int = 8,
    rate_limit: int = 0,
) -> subprocess.Popen[str]:
    """Start a courier that ends when the outbox is empty."""
    courier = subprocess.Popen(
        [sys.executable, "-m", "_flashduty.courier"],
        cwd=CORE_FOLDER,
        stdin=subprocess.PIPE,
        text=True,
        # As in a run. Else it would take its low priority from all that is measured with it: see autogroup in sched(7).
        start_new_session=True,
    )
    assert courier.stdin is not None
    start = {
        "outbox": location.as_message(),
        "run_pid": os.getpid(),
        "max_in_flight": max_in_flight,
        "rate_limit": rate_limit,
    }
    for message in (
        {"start": start},
        {"connection": dataclasses.asdict(connection)},
        {"finish": 600},
    ):
        courier.stdin.write(json.dumps(message) + "\n")
    courier.stdin.flush()
    return courier


def drain(location: OutboxLocation, connection: Connection) -> tuple[float, int]:
    """Let a courier empty an outbox; return the seconds and its largest memory in KiB."""
    started = time.monotonic()
    courier = start_courier(location, connection)
    memory = Memory(courier.pid)
    while courier.poll() is None:
        memory.look()
        time.sleep(0.05)
    return time.monotonic() - started, memory.peak


class Memory:
    """The largest memory that one process has had, without its children."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self.peak = 0

    def look(self) -> None:
        with contextlib.suppress(OSError):
            found = re.search(r"VmHWM:\s+(\d+)", self._status.read_text())
            if found:
                self.peak = int(found.group(1))


# -- playbooks

PASSING = """
- hosts: all
  gather_facts: false
  tasks:
    - {name: One, ansible.builtin.debug: {msg: "{{ inventory_hostname }}"}}
    - {name: Two, ansible.builtin.debug: {msg: "{{ inventory_hostname }}"}}
    - {name: Three, ansible.builtin.debug: {msg: "{{ inventory_hostname }}"}}
    - {name: Four, ansible.builtin.debug: {msg: "{{ inventory_hostname }}"}}
    - {name: Five, ansible.builtin.debug: {msg: "{{ inventory_hostname }}"}}
"""
FAILING = """
- hosts: all
  gather_facts: false
  tasks:
    - {name: Break, ansible.builtin.fail: {msg: "Broken on {{ inventory_hostname }}"}}
"""


class Runs:
    """Playbook runs on many hosts that are all this machine."""

    def __init__(
        self, setting: Setting, name: str, playbook: str, *, hosts: int | None = None
    ) -> None:
        self._setting = setting
        self._workspace = Workspace(setting.new_folder(name), setting.core)
        # What users start is measured: a fork would have done a part of the work before.
        self._workspace.command_itself = True
        self._playbook = self._workspace.write("playbook.yml", playbook)
        names = [f"host{number}" for number in range(hosts or setting.hosts)]
        self._inventory = self._workspace.write("hosts.ini", inventory_of(*names))
        self.peaks: dict[str, list[int]] = {}
        self.processor_seconds: dict[str, list[float]] = {}

    def take(
        self, name: str, expected: int, environment: dict[str, str] | None = None
    ) -> float:
        """Run the playbook once; return the seconds."""
        worked = processor_seconds_of_children()
        started = time.monotonic()
        run = self._workspace.start(
            self._playbook,
            f"--forks={FORKS}",
            inventory=self._inventory,
            environment=environment,
        )
        memory = Memory(run.process.pid)
        while run.process.poll() is None:
            memory.look()
            time.sleep(0.02)
        seconds = time.monotonic() - started
        assert run.process.returncode == expected, f"{run.stdout}\n{run.stderr}"
        worked = processor_seconds_of_children() - worked
        assert worked > 0, "what was measured is no child of this process"
        self.peaks.setdefault(name, []).append(memory.peak)
        self.processor_seconds.setdefault(name, []).append(worked)
        return seconds

    def median_processor_seconds(self) -> dict[str, float]:
        """Return for how long processors have worked for a run, by the names that runs were given."""
        return {
            name: statistics.median(seconds)
            for name, seconds in self.processor_seconds.items()
        }


def processor_seconds_of_children() -> float:
    """Return how long processors have worked for the processes that this one has started and seen end."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def callback_on(emulator: Emulator, **options: str) -> dict[str, str]:
    return {
        "ANSIBLE_CALLBACKS_ENABLED": CALLBACK,
        "FLASHDUTY_PUSH_URL": emulator.push_url,
        **options,
    }
