# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is measured."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import typing as t

from tests.benchmarks.measuring import Contender, Figure, take_turns
from tests.benchmarks.setting import (
    FAILING,
    FORKS,
    HERE,
    PASSING,
    RATE_LIMIT,
    Runs,
    Setting,
    callback_on,
    connection_to,
    drain,
    fill,
    import_core,
    some_event,
)
from tests.emulator.control import Emulator
from tests.tools.progress import say

# -- the outbox


def measure_outbox(setting: Setting) -> list[Figure]:
    """One event into the outbox, as the callback puts it there, and as a task does that opens it for that alone."""
    import_core()
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        OutboxLocation,
        open_failover,
        open_outbox,
    )

    folder = setting.new_folder("outbox")
    event = some_event("web1")
    line = json.dumps(event.payload()) + "\n"

    location = OutboxLocation(str(folder))
    of_the_run = open_failover(location, warn=say)

    def add() -> None:
        of_the_run.use(lambda outbox: outbox.add("integration", [event]), None)

    def open_and_add() -> None:
        with open_outbox(location) as outbox:
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
    with open_outbox(location) as outbox:
        contenders = [
            Contender("Outbox.add", timed(add)),
            Contender("the same, opened for it alone", timed(open_and_add)),
            Contender("a line written through to the disk", timed(write_through)),
            Contender("a line in a file", timed(append)),
        ]
        take_turns(contenders, setting.additions, unit="ms")
        of_the_run.close()
        assert outbox.counts()["waiting"] == sum(
            len(contender.samples) for contender in contenders[:2]
        )
    ours, opened, through, plain = contenders
    return [
        Figure(
            "one event into the outbox",
            "ms",
            ours.median,
            1.0,
            {one.name: one.median for one in (opened, through, plain)},
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


def measure_courier(setting: Setting) -> list[Figure]:
    """Empty a full outbox, against bare sessions that know what to send."""
    import_core()
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        OutboxLocation,
    )

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
            location = OutboxLocation(str(setting.new_folder("drain")))
            fill(location, connection, events)
            seconds, peak = drain(location, connection)
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
    work = runs.median_processor_seconds()
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
    """Every host fails: with the limits of the service, which takes its time, and without them."""
    runs = Runs(setting, "failing", FAILING)
    # Seconds from the start of a run to its first event.
    firsts: list[float] = []
    with Emulator(latency=0.1) as slow, Emulator() as fast:
        limited = callback_on(slow, FLASHDUTY_STORM_THRESHOLD="0")
        unlimited = callback_on(
            fast, FLASHDUTY_STORM_THRESHOLD="0", FLASHDUTY_RATE_LIMIT="0"
        )
        each = {
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "peers" / "callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "post_each",
            "POST_EACH_URL": slow.push_url,
        }

        def complete(
            name: str, emulator: Emulator, environment: dict[str, str]
        ) -> float:
            emulator.reset()
            # Each run is the first one: nothing is known of alerts that are open.
            state = str(setting.new_folder("state"))
            started = time.time()
            seconds = runs.take(name, 2, {**environment, "FLASHDUTY_STATE_PATH": state})
            open_alerts = len(emulator.alerts())
            assert open_alerts == setting.hosts, f"{open_alerts} alerts at exit"
            if name == "limited":
                received = (one["received_at"] for one in emulator.requests())
                firsts.append(min(received) - started)
            return seconds

        off = Contender("no callback", lambda: runs.take("off", 2))
        on = Contender("with limits", lambda: complete("limited", slow, limited))
        free = Contender("without limits", lambda: complete("free", fast, unlimited))
        peer = Contender("one that posts each", lambda: complete("peer", slow, each))
        take_turns([off, on, free], setting.rounds, unit="s")
        take_turns([peer], (setting.rounds + 2) // 3, unit="s")
    # With the limits, no run can end before the last event may go out.
    first = statistics.median(firsts)
    at_the_limit = setting.hosts / (RATE_LIMIT / 10)
    floor = max(off.median, first + at_the_limit)
    return [
        Figure(
            f"{setting.hosts} failing hosts, answers in 100 ms, all delivered at exit",
            "×",
            on.median / floor,
            1.10,
            {off.name: off.median / floor, peer.name: peer.median / floor},
            note=(
                f"{on.median:.2f} s against {floor:.2f} s, the longer of the run without callback ({off.median:.2f} s) and of"
                f" the time to the first event ({first:.2f} s) with {at_the_limit:.2f} s for all at the"
                " rate limit"
            ),
        ),
        Figure(
            "the same without limits, immediate answers",
            "×",
            free.median / off.median,
            1.15,
            {off.name: 1.0},
            note=f"{free.median:.2f} s against {off.median:.2f} s",
        ),
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
