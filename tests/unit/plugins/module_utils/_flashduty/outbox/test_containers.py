# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers that are destroyed, with all their processes and files, at any moment."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from collections import defaultdict
from pathlib import Path

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty import (
    events,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OutboxLocation,
    open_outbox,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.queue import (
    Outbox,
)

from tests.postgres import PostgresServer

CORE = Path(events.__file__).parents[1]
# How many are destroyed.
CONTAINERS = int(os.environ.get("FLASHDUTY_TEST_CONTAINERS", "5"))
WEB = "integration-1"
# A claim of a destroyed container ends by itself.
LEASE = 1.0

# A run and its courier, which is a fork of it. The service writes down what it is told, a line for each event.
CONTAINER = """
import json, os, sys
from _flashduty.events import AlertEvent
from _flashduty.outbox import OutboxLocation, new_write_id, open_failover
from _flashduty.outbox.alerts import OpenAlert

name, folder, service = sys.argv[1:]
location = OutboxLocation(folder, sys.stdin.read())
WEB = "integration-1"

def say(what, key):
    os.write(1, json.dumps([what, key]).encode() + b"\\n")

def event(key, status):
    return AlertEvent.create(title_rule="t", event_status=status, alert_key=key)

def send(outbox):
    claimed = outbox.claim(WEB, name, limit=3, lease=LEASE)[0]
    for one in claimed:
        line = json.dumps([one.key, json.loads(one.payload)["event_status"]]) + "\\n"
        os.write(told, line.encode())
    outbox.settle(delivered=claimed)

failover = open_failover(location, warn=lambda text: say("warning", text))
if os.fork() == 0:
    told = os.open(service, os.O_WRONLY | os.O_APPEND)
    run = os.getppid()
    while os.getppid() == run:
        failover.use(send, None)
    os._exit(0)
for number in range(1000):
    key = f"{name}-{number}"
    opened = OpenAlert(key, "play", "t", "Critical", 1.0, {"causes": [{"id": key}]})
    write = new_write_id()
    failover.use(lambda o: o.add(WEB, [event(key, "Critical")], opened=opened, write_id=write), None)
    say("raised", key)
    if number % 3:
        continue
    # Another one may have raised it.
    found = failover.use(lambda o: o.open_alerts(WEB), [])
    if found:
        key = found[0].alert_key
        say("closes", key)
        write = new_write_id()
        failover.use(lambda o: o.add(WEB, [event(key, "Ok")], closed=[key], write_id=write), None)
        say("closed", key)
"""


class Container:
    """A group of processes with a disk of its own."""

    def __init__(self, name: str, folder: Path, url: str, service: Path) -> None:
        self._folder = folder / name
        self._said = folder / f"{name} said"
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-c", CONTAINER.replace("LEASE", str(LEASE))),
                    *(name, str(self._folder), str(service)),
                ],
                cwd=CORE,
                stdin=subprocess.PIPE,
                stdout=said,
                start_new_session=True,
            )
        assert self._process.stdin is not None
        self._process.stdin.write(url.encode())
        self._process.stdin.close()

    @property
    def said(self) -> list[tuple[str, str]]:
        """What was done when it said so: raised, closes, closed."""
        lines = self._said.read_bytes().splitlines(keepends=True)
        return [tuple(json.loads(line)) for line in lines if line.endswith(b"\n")]

    def destroy(self, chance: random.Random) -> None:
        """Destroy it, a random moment after it has begun to work."""
        deadline = time.monotonic() + 60
        while len(self.said) < chance.randint(1, 20) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.05))
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def drain(outbox: Outbox, told: t.BinaryIO) -> None:
    """Deliver what the dead have left, as the next courier does."""
    deadline = time.monotonic() + 60
    while outbox.is_waiting([WEB]) and time.monotonic() < deadline:
        claimed, _pause = outbox.claim(WEB, "next", limit=100, lease=60)
        for one in claimed:
            status = json.loads(one.payload)["event_status"]
            told.write(json.dumps([one.key, status]).encode() + b"\n")
        outbox.settle(delivered=claimed)
        if not claimed:
            time.sleep(0.05)


def test_destroyed_containers_lose_nothing_and_close_nothing_wrongly(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    chance = random.Random()
    url = postgres.new_schema()
    service = tmp_path / "service"
    service.touch()
    said: list[tuple[str, str]] = []
    for first in range(0, CONTAINERS, 2):
        names = [f"c{number}" for number in range(first, min(first + 2, CONTAINERS))]
        containers = [Container(name, tmp_path, url, service) for name in names]
        for container in containers:
            container.destroy(chance)
            said += container.said

    with open_outbox(OutboxLocation(str(tmp_path / "next"), url)) as outbox:
        with service.open("ab") as file:
            drain(outbox, file)
        remembered = {one.alert_key for one in outbox.open_alerts()}
    told = defaultdict(list)
    for line in service.read_text().splitlines():
        key, status = json.loads(line)
        told[key].append(status)
    done = {
        what: {key for w, key in said if w == what}
        for what in ("raised", "closes", "closed")
    }

    assert {what for what, _key in said} <= {"raised", "closes", "closed"}
    assert done["raised"]
    # Nothing is lost: neither an alert, nor its end.
    assert done["raised"] <= set(told)
    assert done["closed"].isdisjoint(remembered)
    assert all(told[key][-1] == "Ok" for key in done["closed"])
    for key, statuses in told.items():
        # Nothing is opened twice: after its end comes nothing but, once more, its end.
        assert statuses == sorted(statuses), key
        # Nothing is closed wrongly: only what somebody has closed. What is open is remembered, and nothing else.
        assert "Ok" not in statuses or key in done["closes"]
        assert ("Ok" not in statuses) == (key in remembered)
