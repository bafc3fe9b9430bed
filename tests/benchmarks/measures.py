# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is measured."""

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

from tests.benchmarks.measuring import Contender, Figure, take_turns
from tests.emulator.control import Emulator
from tests.tools.cores import Core
from tests.tools.environments import ROOT, TREE
from tests.tools.playbooks import CALLBACK, Workspace, inventory_of

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
        Connection,
    )

HERE = Path(__file__).resolve().parent
CORE_FOLDER = ROOT / "plugins" / "module_utils"
FORKS = 10


@dataclass(frozen=True)
class Setting:
    """Where and how much is measured."""

    folder: Path
    core: Core
    rounds: int
    hosts: int
    events: int
    additions: int

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


# -- the outbox


def measure_outbox(setting: Setting) -> list[Figure]:
    """One event into the outbox, as the callback puts it there."""
    import_core()
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        OutboxLocation,
        open_outbox,
    )

    folder = setting.new_folder("outbox")
    event = some_event("web1")
    line = json.dumps(event.payload()) + "\n"

    def add() -> None:
        with open_outbox(OutboxLocation(str(folder))) as outbox:
            outbox.add("integration", [event])

    def append() -> None:
        with open(folder / "plain.jsonl", "a", encoding="utf-8") as file:
            file.write(line)

    def write_through() -> None:
        with open(folder / "through.jsonl", "a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def timed(work: t.Callable[[], None]) -> t.Callable[[], float]:
        def take() -> float:
            started = time.perf_counter()
            work()
            return (time.perf_counter() - started) * 1000

        return take

    # The courier has it open, too.
    with open_outbox(OutboxLocation(str(folder))):
        contenders = [
            Contender("Outbox.add", timed(add)),
            Contender("a line written through to the disk", timed(write_through)),
            Contender("a line in a file", timed(append)),
        ]
        take_turns(contenders, setting.additions, unit="ms")
    ours, through, plain = contenders
    return [
        Figure(
            "one event into the outbox",
            "ms",
            ours.median,
            1.0,
            {through.name: through.median, plain.name: plain.median},
        )
    ]


# -- runs


def measure_runs(setting: Setting) -> list[Figure]:
    """A look for missed runs among a thousand playbooks, and the same when half of them are missed."""
    import_core()
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        OutboxLocation,
        open_outbox,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.runs import (
        Run,
        RunAlert,
        RunLedger,
    )

    def run(number: int) -> Run:
        name = f"playbook{number}.yml"
        event = {
            "title_rule": f"{name} has not run",
            "event_status": "Critical",
            "alert_key": name,
        }
        alert = RunAlert(event, name, {"scope": "missed"})
        return Run(
            run_id=name,
            fingerprint="integration",
            server="",
            origin=json.dumps(["", name]),
            playbook=name,
            controller="control1",
            process="",
            expected_every=1000.0,
            when_missed=alert,
        )

    def look(late: int) -> float:
        """Look when so many of the playbooks are out of their time."""
        location = OutboxLocation(str(setting.new_folder("runs")))
        clock = [time.time()]
        with open_outbox(location, now=lambda: clock[0]) as outbox:
            ledger = RunLedger(outbox)
            with outbox.transaction():
                for number in range(1_000):
                    ledger.end(run(number), status="ok", complete=True, hosts={})
                    clock[0] += 1
        clock[0] += late
        started = time.perf_counter()
        with open_outbox(location, now=lambda: clock[0]) as outbox:
            ledger = RunLedger(outbox)
            ledger.mend_clock()
            ledger.take_lost()
            raised = ledger.raise_missed(
                [one for one in ledger.expected() if one.missed]
            )
        ended = time.perf_counter()
        assert len(raised) == late, len(raised)
        return ended - started

    nothing = Contender("nothing missed", lambda: look(0))
    half = Contender("half of them missed", lambda: look(500))
    take_turns([nothing, half], setting.rounds, unit="s")
    return [
        Figure(
            "looking for missed runs among 1,000 playbooks, half of them missed",
            "s",
            half.median,
            1.0,
            {nothing.name: nothing.median},
        )
    ]


# -- the courier


def fill(folder: Path, connection: Connection, events: int) -> None:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        OutboxLocation,
        open_outbox,
    )

    with open_outbox(OutboxLocation(str(folder))) as outbox:
        outbox.add(
            connection.fingerprint,
            [some_event(f"host{number}") for number in range(events)],
        )


def drain(folder: Path, connection: Connection) -> tuple[float, int]:
    """Let a courier empty an outbox; return the seconds and its largest memory in KiB."""
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        OutboxLocation,
    )

    started = time.monotonic()
    courier = subprocess.Popen(
        [sys.executable, "-m", "_flashduty.courier"],
        cwd=CORE_FOLDER,
        stdin=subprocess.PIPE,
        text=True,
    )
    assert courier.stdin is not None
    start = {
        "outbox": OutboxLocation(str(folder)).as_message(),
        "run_pid": os.getpid(),
        "max_in_flight": 8,
        "rate_limit": 0,
    }
    for message in (
        {"start": start},
        {"connection": dataclasses.asdict(connection)},
        {"finish": 600},
    ):
        courier.stdin.write(json.dumps(message) + "\n")
    courier.stdin.flush()
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


def measure_courier(setting: Setting) -> list[Figure]:
    """Empty a full outbox, against bare sessions that know what to send."""
    sent = 0
    peaks: dict[int, list[int]] = {}
    with Emulator(latency=0.01, record=False) as emulator:
        connection = connection_to(emulator)

        def check(events: int) -> None:
            nonlocal sent
            sent += events
            accepted = emulator.counts()["accepted"]
            assert accepted == sent, f"{accepted} of {sent} events arrived"

        def by_courier(events: int) -> float:
            folder = setting.new_folder("drain")
            fill(folder, connection, events)
            seconds, peak = drain(folder, connection)
            check(events)
            peaks.setdefault(events, []).append(peak)
            return events / seconds

        def by_sessions() -> float:
            payload = json.dumps(some_event("host").payload()).encode()
            command = [sys.executable, str(HERE / "bare_sessions.py")]
            arguments = [emulator.push_url, str(setting.events), "8"]
            started = time.monotonic()
            subprocess.run([*command, *arguments], input=payload, check=True)
            seconds = time.monotonic() - started
            check(setting.events // 8 * 8)
            return setting.events / seconds

        tenth = setting.events // 10
        contenders = [
            Contender("the courier", lambda: by_courier(setting.events)),
            Contender("8 bare sessions", by_sessions),
            Contender("the courier, with a tenth", lambda: by_courier(tenth)),
        ]
        take_turns(contenders, setting.rounds, unit="events a second")
    ours, bare, _tenth = contenders
    memory = {
        events: statistics.median(found) / 1024 for events, found in peaks.items()
    }
    return [
        Figure(
            f"draining {setting.events:,} events, answers in 10 ms, 8 in flight",
            "of bare sessions",
            ours.median / bare.median,
            0.9,
            {bare.name: 1.0},
            at_least=True,
            note=f"{ours.median:.0f} against {bare.median:.0f} events a second",
        ),
        Figure(
            "memory of the courier, with a tenth of the events against all",
            "MiB",
            memory[setting.events] - memory[tenth],
            1.0,
            note=f"{memory[setting.events]:.1f} MiB against {memory[tenth]:.1f} MiB",
        ),
    ]


# -- runs

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
ONE_TASK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Tell
      {task}
"""
DEBUG = "ansible.builtin.debug: {msg: '{{ inventory_hostname }}'}"
ALERT_EVENT = """flashcat.flashduty.alert_event:
        title_rule: "Hello from {{ inventory_hostname }}"
        event_status: Info
        alert_key: "{{ inventory_hostname }}"
"""
URI = """ansible.builtin.uri:
        url: "{{ lookup('env', 'FLASHDUTY_PUSH_URL') }}"
        method: POST
        body_format: json
        body:
          title_rule: "Hello from {{ inventory_hostname }}"
          event_status: Info
          alert_key: "{{ inventory_hostname }}"
"""


class Runs:
    """Playbook runs on many hosts that are all this machine."""

    def __init__(self, setting: Setting, name: str, playbook: str) -> None:
        self._setting = setting
        self._workspace = Workspace(setting.new_folder(name), setting.core)
        self._playbook = self._workspace.write("playbook.yml", playbook)
        hosts = [f"host{number}" for number in range(setting.hosts)]
        self._inventory = self._workspace.write("hosts.ini", inventory_of(*hosts))
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
        self.peaks.setdefault(name, []).append(memory.peak)
        self.processor_seconds.setdefault(name, []).append(worked)
        return seconds


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


def measure_passing_runs(setting: Setting) -> list[Figure]:
    """Nothing fails: what does the callback cost by being there?"""
    runs = Runs(setting, "passing", PASSING)
    with Emulator() as emulator:
        environment = callback_on(emulator)
        off = Contender("callback off", lambda: runs.take("off", 0))
        on = Contender("callback on", lambda: runs.take("on", 0, environment))
        # The smallest difference of all needs the most looks.
        take_turns([off, on], 2 * setting.rounds - 1, unit="s")
        assert emulator.requests() == []
    pairs = [mine / floor for mine, floor in zip(on.samples, off.samples)]
    memory = {name: statistics.median(peaks) for name, peaks in runs.peaks.items()}
    work = {
        name: statistics.median(seconds)
        for name, seconds in runs.processor_seconds.items()
    }
    return [
        Figure(
            f"{setting.hosts} hosts × 5 tasks, nothing fails",
            "×",
            on.median / off.median,
            1.02,
            {"callback off": 1.0},
            note=(
                f"{on.median:.2f} s against {off.median:.2f} s; pairs {min(pairs):.3f} to {max(pairs):.3f};"
                f" {work['on']:.2f} s of processors against {work['off']:.2f} s"
            ),
        ),
        Figure(
            "memory of that run",
            "MiB",
            (memory["on"] - memory["off"]) / 1024,
            2.0,
            note=f"{memory['on'] / 1024:.1f} MiB against {memory['off'] / 1024:.1f} MiB",
        ),
    ]


def measure_failing_runs(setting: Setting) -> list[Figure]:
    """Every host fails, and the service takes its time."""
    runs = Runs(setting, "failing", FAILING)
    with Emulator(latency=0.1) as emulator:
        ours = callback_on(emulator, FLASHDUTY_STORM_THRESHOLD="0")
        each = {
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "peers" / "callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "post_each",
            "POST_EACH_URL": emulator.push_url,
        }

        def complete(name: str, environment: dict[str, str]) -> float:
            emulator.reset()
            # Each run is the first one: nothing is known of alerts that are open.
            state = str(setting.new_folder("state"))
            seconds = runs.take(name, 2, {**environment, "FLASHDUTY_STATE_PATH": state})
            open_alerts = len(emulator.alerts())
            assert open_alerts == setting.hosts, f"{open_alerts} alerts at exit"
            return seconds

        off = Contender("no callback", lambda: runs.take("off", 2))
        on = Contender("alert_on_failure", lambda: complete("on", ours))
        peer = Contender("one that posts each", lambda: complete("peer", each))
        take_turns([off, on], setting.rounds, unit="s")
        take_turns([peer], (setting.rounds + 2) // 3, unit="s")
    return [
        Figure(
            f"{setting.hosts} failing hosts, answers in 100 ms, all delivered at exit",
            "×",
            on.median / off.median,
            1.10,
            {"no callback": 1.0, peer.name: peer.median / off.median},
            note=f"{on.median:.2f} s against {off.median:.2f} s",
        )
    ]


def measure_alert_event(setting: Setting) -> list[Figure]:
    """A task that sends an event, against one that says something."""
    with Emulator() as emulator:
        environment = {"FLASHDUTY_PUSH_URL": emulator.push_url}

        def contender(name: str, task: str) -> Contender:
            runs = Runs(setting, "task", ONE_TASK.replace("{task}", task))
            return Contender(name, lambda: runs.take(name, 0, environment))

        debug = contender("ansible.builtin.debug", DEBUG)
        ours = contender("alert_event", ALERT_EVENT)
        uri = contender("ansible.builtin.uri", URI)
        take_turns([debug, ours], setting.rounds, unit="s")
        take_turns([uri], (setting.rounds + 2) // 3, unit="s")
        arrived = len(emulator.requests())
    expected = setting.hosts * (len(ours.samples) + len(uri.samples))
    assert arrived == expected, f"{arrived} of {expected} events arrived"
    return [
        Figure(
            f"alert_event on {setting.hosts} hosts, {FORKS} forks",
            "×",
            ours.median / debug.median,
            1.5,
            {debug.name: 1.0, uri.name: uri.median / debug.median},
            note=f"{ours.median:.2f} s against {debug.median:.2f} s",
        )
    ]


MEASURES: dict[str, t.Callable[[Setting], list[Figure]]] = {
    "passing": measure_passing_runs,
    "failing": measure_failing_runs,
    "alert_event": measure_alert_event,
    "outbox": measure_outbox,
    "runs": measure_runs,
    "courier": measure_courier,
}
