# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What it costs to keep the state in PostgreSQL, on this machine, instead of in a SQLite file."""

from __future__ import annotations

import collections
import contextlib
import functools
import statistics
import time
import typing as t

from tests.benchmarks.measuring import Contender, Figure, take_turns
from tests.benchmarks.setting import (
    FAILING,
    PASSING,
    RATE_LIMIT,
    Runs,
    Setting,
    callback_on,
    connection_to,
    drain,
    fill,
    import_core,
    start_courier,
)
from tests.emulator.control import Emulator
from tests.postgres import PostgresServer, Wire
from tests.tools.progress import say

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        OutboxLocation,
    )

_CONTROLLERS = 6
_KINDS = ("sqlite", "postgresql")

Measure = t.Callable[[Setting, PostgresServer], list[Figure]]


def with_server(measure: Measure) -> t.Callable[[Setting], list[Figure]]:
    """Return a measure that has a server, or says that there is none."""

    def run(setting: Setting) -> list[Figure]:
        import_core()
        try:
            server = PostgresServer()
        except Exception as exc:  # noqa: BLE001
            say(f"    not measured: no PostgreSQL server can be had here ({exc})")
            return []
        with contextlib.closing(server):
            return measure(setting, server)

    run.__doc__ = measure.__doc__
    return run


def new_location(setting: Setting, server: PostgresServer, kind: str) -> OutboxLocation:
    """Return a place for an outbox that is there, and empty."""
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        OutboxLocation,
        open_outbox,
    )

    url = server.new_schema() if kind == "postgresql" else ""
    location = OutboxLocation(str(setting.new_folder(kind)), url)
    open_outbox(location).close()
    return location


def state_in(location: OutboxLocation) -> dict[str, str]:
    """Return the options of a run that keeps its state there."""
    options = {"FLASHDUTY_STATE_PATH": location.path}
    return {**options, "FLASHDUTY_STATE_URL": location.url} if location.url else options


# -- runs


def measure_idle_runs(setting: Setting, server: PostgresServer) -> list[Figure]:
    """Nothing fails: a database against a file."""
    runs = Runs(setting, "idle", PASSING, hosts=10)
    trips = 0
    with Emulator() as emulator:
        file = new_location(setting, server, "sqlite")
        database = new_location(setting, server, "postgresql")

        def idle(name: str, state: dict[str, str] | None = None) -> float:
            on = None if state is None else callback_on(emulator, **state)
            runs.take(name, 0, on)
            return runs.processor_seconds[name][-1]

        with Wire(database.url) as wire:
            there = {**state_in(database), "FLASHDUTY_STATE_URL": wire.url}
            off = Contender("callback off", lambda: idle("off"))
            on_file = Contender("SQLite", lambda: idle("sqlite", state_in(file)))
            ours = Contender("PostgreSQL", lambda: idle("postgresql", there))
            take_turns(
                [off, on_file, ours], max(setting.rounds, 3), unit="s of processors"
            )
            trips = wire.round_trips // len(ours.samples)
            connections = wire.connections // len(ours.samples)
        arrived = len(emulator.requests())
    assert arrived == 0
    return [
        Figure(
            "a run with nothing to say, PostgreSQL, against SQLite",
            "ms",
            (ours.median - on_file.median) * 1000,
            None,
            note=(
                f"seconds of processors: {ours.median:.2f} against {on_file.median:.2f}, and {off.median:.2f} with the"
                f" callback off; {connections} connection, {trips - connections} round trip after connecting"
            ),
        )
    ]


def measure_storms(setting: Setting, server: PostgresServer) -> list[Figure]:
    """Every host fails: a database against a file."""
    runs = Runs(setting, "storm", FAILING)
    with Emulator(latency=0.1) as emulator:

        def complete(kind: str) -> float:
            emulator.reset()
            state = state_in(new_location(setting, server, kind))
            options = callback_on(emulator, FLASHDUTY_STORM_THRESHOLD="0", **state)
            seconds = runs.take(kind, 2, options)
            open_alerts = len(emulator.alerts())
            assert open_alerts == setting.hosts, f"{open_alerts} alerts at exit"
            return seconds

        file, database = (
            Contender(kind, functools.partial(complete, kind)) for kind in _KINDS
        )
        take_turns([file, database], setting.rounds, unit="s")
    pairs = sorted(one / other for one, other in zip(database.samples, file.samples))
    work = runs.median_processor_seconds()
    return [
        Figure(
            f"{setting.hosts} failing hosts, PostgreSQL, against SQLite",
            "×",
            statistics.median(pairs),
            1.10,
            {"SQLite": 1.0},
            note=(
                f"{database.median:.2f} s against {file.median:.2f} s; pairs {pairs[0]:.3f} to {pairs[-1]:.3f};"
                f" {work['postgresql']:.2f} s of processors against {work['sqlite']:.2f} s"
            ),
        )
    ]


# -- couriers


def measure_draining(setting: Setting, server: PostgresServer) -> list[Figure]:
    """Empty a full outbox: a database against a file."""
    with Emulator(latency=0.01, record=False) as emulator:
        connection = connection_to(emulator)

        def empty(kind: str) -> float:
            before = emulator.counts()["accepted"]
            location = new_location(setting, server, kind)
            fill(location, connection, setting.events)
            seconds, _peak = drain(location, connection)
            arrived = emulator.counts()["accepted"] - before
            assert arrived == setting.events, f"{arrived} events arrived"
            return setting.events / seconds

        file, database = (
            Contender(kind, functools.partial(empty, kind)) for kind in _KINDS
        )
        take_turns([file, database], setting.rounds, unit="events a second")
    return [
        Figure(
            f"draining {setting.events:,} events, PostgreSQL, against SQLite",
            "×",
            database.median / file.median,
            0.9,
            {"SQLite": 1.0},
            at_least=True,
            note=f"{database.median:.0f} against {file.median:.0f} events a second",
        )
    ]


def measure_claims(setting: Setting, server: PostgresServer) -> list[Figure]:
    """Claim events and settle them, where few wait and where very many do."""
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        open_outbox,
    )

    many = round(100_000 * setting.scale)
    few = many // 10
    times = min(40, few // 40)
    contenders: dict[tuple[str, int], Contender] = {}
    with contextlib.ExitStack() as stack, Emulator() as emulator:
        connection = connection_to(emulator)
        for kind in _KINDS:
            for events in (few, many):
                location = new_location(setting, server, kind)
                fill(location, connection, events)
                outbox = stack.enter_context(open_outbox(location))

                def take(outbox: t.Any = outbox) -> float:
                    started = time.perf_counter()
                    claimed, _pause = outbox.claim(
                        connection.fingerprint, "courier", limit=32, lease=60.0
                    )
                    outbox.settle(delivered=claimed)
                    seconds = time.perf_counter() - started
                    assert len(claimed) == 32
                    return seconds * 1000

                contenders[kind, events] = Contender(f"{kind}, {events:,}", take)
        take_turns(list(contenders.values()), times, unit="ms")
    ratios = {
        kind: contenders[kind, many].median / contenders[kind, few].median
        for kind in _KINDS
    }
    return [
        Figure(
            f"claiming 32 of {many:,} waiting events, PostgreSQL, against 32 of {few:,}",
            "×",
            ratios["postgresql"],
            1.5,
            {"SQLite": ratios["sqlite"]},
            note="; ".join(
                f"{one.name}: {one.median:.2f} ms" for one in contenders.values()
            ),
        )
    ]


def measure_controllers(setting: Setting, server: PostgresServer) -> list[Figure]:
    """Six couriers at once share one rate limit and one order."""
    figures = []
    reached: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    busiest: dict[str, int] = dict.fromkeys(_KINDS, 0)
    with Emulator(latency=0.02) as emulator:
        connection = connection_to(emulator)
        # As many as the limit lets through in eight seconds; the last ones follow others of their keys.
        events = min(setting.events, RATE_LIMIT // 10 * 8)
        keys = events * 9 // 10

        def deliver(kind: str) -> float:
            emulator.reset()
            location = new_location(setting, server, kind)
            _fill_in_order(location, connection, events, keys)
            started = time.monotonic()
            couriers = [
                start_courier(location, connection, rate_limit=RATE_LIMIT)
                for _number in range(_CONTROLLERS)
            ]
            for courier in couriers:
                courier.wait(120)
            seconds = time.monotonic() - started
            times = _check_order(emulator, events)
            busiest[kind] = max(busiest[kind], _most_in_a_second(times))
            assert busiest[kind] <= RATE_LIMIT // 10, f"{busiest[kind]} in a second"
            share = events / (times[-1] - times[0]) / (RATE_LIMIT / 10)
            reached[kind].append(share)
            return seconds

        contenders = [
            Contender(kind, functools.partial(deliver, kind)) for kind in _KINDS
        ]
        take_turns(contenders, setting.rounds, unit="s")
    shares = {kind: statistics.median(found) for kind, found in reached.items()}
    figures.append(
        Figure(
            f"{_CONTROLLERS} controllers at once, PostgreSQL: share of the rate limit that they reach together",
            "of the limit",
            shares["postgresql"],
            0.9,
            {"SQLite": shares["sqlite"]},
            at_least=True,
            note=(
                f"at most {busiest['postgresql']} requests in any second of {RATE_LIMIT // 10} allowed;"
                f" {events:,} events, each once, none out of order"
            ),
        )
    )
    return figures


def _fill_in_order(
    location: OutboxLocation, connection: t.Any, events: int, keys: int
) -> None:
    """Let events wait, of which each names its turn among those of its key."""
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
        AlertEvent,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        open_outbox,
    )

    with open_outbox(location) as outbox:
        outbox.add(
            connection.fingerprint,
            [
                AlertEvent.create(
                    title_rule=f"{number // keys}",
                    event_status="Critical",
                    alert_key=f"host{number % keys}",
                )
                for number in range(events)
            ],
        )


def _check_order(emulator: Emulator, events: int) -> list[float]:
    """Make sure that each event came once, those of a key in order; return when requests came."""
    requests = emulator.requests()
    turns = collections.defaultdict(list)
    for request in requests:
        turns[request["body"]["alert_key"]].append(request["body"]["title_rule"])
    assert len(requests) == events, f"{len(requests)} requests for {events} events"
    assert all(found == sorted(found) for found in turns.values())
    return sorted(request["received_at"] for request in requests)


def _most_in_a_second(times: t.Sequence[float]) -> int:
    most = first = 0
    for number, at in enumerate(times):
        while times[first] <= at - 1.0:
            first += 1
        most = max(most, number - first + 1)
    return most


MEASURES = {
    "idle_state_url": with_server(measure_idle_runs),
    "storm_state_url": with_server(measure_storms),
    "drain_state_url": with_server(measure_draining),
    "claim_state_url": with_server(measure_claims),
    "six_controllers": with_server(measure_controllers),
}
