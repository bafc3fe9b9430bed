# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether what the callback costs grows faster than the number of hosts, of alerts and of tasks.

Each measure is taken at one size and at a multiple of it; ``--scale`` multiplies both. What ansible-core itself costs is not
ours, so these runs have no workers; see ``rehearsal.py``.
"""

from __future__ import annotations

import functools
import json
import subprocess
import typing as t
from dataclasses import dataclass

from tests.benchmarks.measuring import Contender, Figure, take_turns
from tests.benchmarks.setting import Setting, connection_to, import_core
from tests.emulator.control import Emulator
from tests.tools.environments import ROOT, TREE
from tests.tools.playbooks import CALLBACK, inventory_of

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        OutboxLocation,
    )

# How much more one host, alert or result may cost where there are many times as many.
_BAR = 1.25


@dataclass(frozen=True)
class Rehearsals:
    """Runs of one playbook, by whichever size."""

    setting: Setting
    emulator: Emulator

    def new_location(self) -> OutboxLocation:
        from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
            OutboxLocation,
            open_outbox,
        )

        location = OutboxLocation(str(self.setting.new_folder("rehearsal")))
        open_outbox(location).close()
        return location

    def run(
        self,
        location: OutboxLocation,
        *,
        hosts: int,
        tasks: int = 1,
        failing: int = 0,
        storm_threshold: int = 0,
    ) -> dict[str, float]:
        """Return the seconds that the callback has cost, by what for, and the memory in KiB."""
        folder = self.setting.folder / "rehearsal"
        folder.mkdir(exist_ok=True)
        names = [f"host{number}" for number in range(hosts)]
        inventory = folder / "hosts.ini"
        inventory.write_text(inventory_of(*names))
        playbook = folder / "site.yml"
        playbook.write_text(_playbook(tasks))
        (folder / "home").mkdir(exist_ok=True)
        environment = self.setting.core.environment(
            folder / "home",
            ANSIBLE_CALLBACKS_ENABLED=CALLBACK,
            FLASHDUTY_PUSH_URL=self.emulator.push_url,
            FLASHDUTY_STATE_PATH=location.path,
            FLASHDUTY_STORM_THRESHOLD=str(storm_threshold),
            # Delivering is measured elsewhere.
            FLASHDUTY_FLUSH_TIMEOUT="0",
            PYTHONPATH=f"{ROOT}:{TREE}",
        )
        done = subprocess.run(
            [
                self.setting.core.python,
                "-m",
                "tests.benchmarks.rehearsal",
                str(playbook),
                str(inventory),
                str(failing),
            ],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return t.cast("dict[str, float]", json.loads(done.stdout.splitlines()[-1]))

    def settle(self, location: OutboxLocation) -> None:
        """Let all that waits be delivered, without a courier."""
        from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
            open_outbox,
        )

        fingerprint = connection_to(self.emulator).fingerprint
        with open_outbox(location) as outbox:
            while outbox.is_waiting([fingerprint]):
                claimed, _pause = outbox.claim(
                    fingerprint, "courier", limit=1_000, lease=60.0
                )
                outbox.settle(delivered=claimed)

    def with_open_alerts(self, alerts: int, *, tasks: int = 1) -> OutboxLocation:
        """Return a place in which so many hosts have an open alert, for the last task."""
        location = self.new_location()
        self.run(location, hosts=alerts, tasks=tasks, failing=alerts)
        self.settle(location)
        return location


def _playbook(tasks: int) -> str:
    lines = ["- hosts: all", "  gather_facts: false", "  tasks:"]
    lines += [
        f"    - {{name: Task {number}, ansible.builtin.command: /bin/true}}"
        for number in range(1, tasks + 1)
    ]
    return "\n".join([*lines, ""])


def _sized(setting: Setting, number: int) -> int:
    return max(4, round(number * setting.scale))


def _growth(what: str, contenders: t.Sequence[Contender], unit: str) -> Figure:
    few, many = contenders[:2]
    return Figure(
        what,
        "×",
        many.median / few.median,
        _BAR,
        {few.name: 1.0},
        note=f"{many.median:.3g} {unit} against {few.median:.3g} {unit}",
    )


def measure_many_failing(setting: Setting) -> list[Figure]:
    """Very many hosts fail: one of them against one of fewer."""
    import_core()
    few, many = _sized(setting, 1_000), _sized(setting, 5_000)
    figures = []
    with Emulator(record=False) as emulator:
        rehearsals = Rehearsals(setting, emulator)
        for name, threshold in (("an alert each", 0), ("one alert for most", 50)):

            def take(hosts: int, threshold: int = threshold) -> float:
                costs = rehearsals.run(
                    rehearsals.new_location(),
                    hosts=hosts,
                    failing=hosts,
                    storm_threshold=threshold,
                )
                return (costs["results"] + costs["end"]) / hosts * 1000

            contenders = [
                Contender(f"of {hosts:,}", functools.partial(take, hosts))
                for hosts in (few, many)
            ]
            take_turns(contenders, setting.rounds, unit="ms a host")
            figures.append(
                _growth(f"one of {many:,} failing hosts, {name}", contenders, "ms")
            )
    return figures


def measure_many_open(setting: Setting) -> list[Figure]:
    """Very many alerts are open when a run begins, and it closes some of them."""
    import_core()
    few, many = _sized(setting, 2_500), _sized(setting, 10_000)
    starts, ends = [], []
    with Emulator(record=False) as emulator:
        rehearsals = Rehearsals(setting, emulator)
        locations = {
            alerts: rehearsals.with_open_alerts(alerts) for alerts in (few, many)
        }
        costs: dict[int, list[dict[str, float]]] = {few: [], many: []}

        def start(alerts: int) -> float:
            # Nobody but a host that has no alert takes part, so that all stay open.
            cost = rehearsals.run(locations[alerts], hosts=1)
            return cost["start"] / alerts * 1e6

        def end(alerts: int) -> float:
            closing = alerts // 10
            cost = rehearsals.run(locations[alerts], hosts=closing)
            costs[alerts].append(cost)
            rehearsals.run(locations[alerts], hosts=closing, failing=closing)
            rehearsals.settle(locations[alerts])
            return cost["end"] / closing * 1e6

        starts = [
            Contender(f"of {n:,}", functools.partial(start, n)) for n in (few, many)
        ]
        take_turns(starts, setting.rounds, unit="µs an alert")
        ends = [
            Contender(f"of {n // 10:,}", functools.partial(end, n)) for n in (few, many)
        ]
        take_turns(ends, setting.rounds, unit="µs an alert")
    return [
        _growth(f"one of {many:,} open alerts at the start of a run", starts, "µs"),
        _growth(f"one of {many // 10:,} that close at its end", ends, "µs"),
    ]


def measure_many_passing(setting: Setting) -> list[Figure]:
    """Very many hosts pass very many tasks, while alerts of some of them are open."""
    import_core()
    few, many, tasks = _sized(setting, 125), _sized(setting, 500), 300
    alerts = few
    with Emulator(record=False) as emulator:
        rehearsals = Rehearsals(setting, emulator)

        def take(hosts: int, location: OutboxLocation) -> float:
            cost = rehearsals.run(location, hosts=hosts, tasks=tasks)
            return (cost["results"] + cost["end"]) / hosts / tasks * 1e6

        def with_alerts(hosts: int) -> float:
            location = rehearsals.with_open_alerts(alerts, tasks=tasks)
            return take(hosts, location)

        contenders = [
            Contender(f"on {few:,} hosts", lambda: with_alerts(few)),
            Contender(f"on {many:,} hosts", lambda: with_alerts(many)),
            Contender("nothing open", lambda: take(many, rehearsals.new_location())),
        ]
        take_turns(contenders, setting.rounds, unit="µs a result")
    figure = _growth(
        f"one of {many * tasks:,} results that pass, {alerts:,} alerts open",
        contenders,
        "µs",
    )
    figure.note += f"; {contenders[2].median:.3g} µs with nothing open"
    return [figure]


MEASURES = {
    "many_failing": measure_many_failing,
    "many_open": measure_many_open,
    "many_passing": measure_many_passing,
}
