# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The outbox in a database that controllers share: many at once, and the faults of a database."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty import (
    events,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    AlertEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    LEASE,
    OutboxError,
    OutboxLocation,
    new_write_id,
    open_failover,
    open_outbox,
    open_with_fallback,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
    OpenAlert,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.queue import (
    Outbox,
)

from tests.postgres import PostgresServer, Wire, schema_of

CORE = Path(events.__file__).parents[1]
WEB = "integration-1"


def alert(key: str, status: str = "Critical") -> AlertEvent:
    return AlertEvent.create(title_rule="t", event_status=status, alert_key=key)


def opened(key: str, *causes: str) -> OpenAlert:
    return OpenAlert(
        key, "play", "t", "Critical", 1.0, {"causes": [{"task": c} for c in causes]}
    )


@pytest.fixture
def location(postgres: PostgresServer, tmp_path: Path) -> OutboxLocation:
    """A database, and a disk."""
    return OutboxLocation(str(tmp_path / "state"), postgres.new_schema())


def waiting(outbox: Outbox) -> list[str]:
    return [row["key"] for row in outbox.events(undeliverable=False)]


# -- words for people


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (
            "postgresql://me:s3cret-word@db.example.com/automation",
            "db.example.com/automation",
        ),
        (
            "postgresql://me:s3cret-word@a:1,b:2/automation?sslmode=require",
            "a:1,b:2/automation",
        ),
        (
            "postgres:///automation?host=/run/pg&password=s3cret-word",
            "/run/pg/automation",
        ),
        ("postgresql:///?service=flashduty", "service flashduty"),
        ("postgresql://", "the default host"),
    ],
)
def test_a_place_is_told_without_its_password(url: str, place: str) -> None:
    location = OutboxLocation("/state", url)

    assert str(location) == place
    assert "s3cret-word" not in repr(location)
    assert "s3cret-word" not in location.without_secrets(f"cannot read {url}")
    assert OutboxLocation.from_message(location.as_message()) == location


def test_a_password_is_known_in_both_spellings() -> None:
    assert OutboxLocation("/s", "postgresql://u:p%40ss@h/d").secrets == [
        "p%40ss",
        "p@ss",
    ]


# -- a database in trouble


def unreachable(tmp_path: Path, port: int) -> OutboxLocation:
    return OutboxLocation(
        str(tmp_path / "state"),
        f"postgresql://me:s3cret-word@127.0.0.1:{port}/automation",
    )


@pytest.fixture
def silent_port() -> t.Iterator[int]:
    """The port of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_server_that_says_nothing_is_given_up_after_two_seconds(
    silent_port: int, tmp_path: Path
) -> None:
    pytest.importorskip("psycopg", reason="an old target has no driver")
    started = time.monotonic()

    with pytest.raises(OutboxError, match="no answer within 2 seconds") as caught:
        open_outbox(unreachable(tmp_path, silent_port))

    assert 1.5 < time.monotonic() - started < 20
    assert "s3cret-word" not in str(caught.value)


def test_the_local_outbox_serves_with_one_warning(
    silent_port: int, tmp_path: Path
) -> None:
    location = unreachable(tmp_path, silent_port)
    warnings: list[str] = []
    outbox = open_failover(location, warn=warnings.append)

    for key in ("a", "b"):
        assert outbox.use(lambda o, key=key: o.add(WEB, [alert(key)]) or True, False)  # type: ignore[misc]

    assert len(warnings) == 1
    assert "s3cret-word" not in warnings[0]
    nothing: list[str] = []
    assert outbox.use(waiting, nothing) == ["a", "b"]
    assert outbox.location == location.local()
    outbox.close()


def test_what_is_no_uri_is_not_quoted(tmp_path: Path) -> None:
    location = OutboxLocation(
        str(tmp_path), "postgresql://u:s3cret-word@h/d?nonsense=1"
    )

    with pytest.raises(OutboxError) as caught:
        open_outbox(location)

    assert "s3cret-word" not in str(caught.value)


def test_a_newer_database_is_left_alone(
    location: OutboxLocation, postgres: PostgresServer
) -> None:
    open_outbox(location).close()
    schema = schema_of(location.url)
    postgres.run(f"UPDATE {schema}.flashduty_schema SET version = 99")
    warnings: list[str] = []

    with open_with_fallback(location, warn=warnings.append) as outbox:
        assert outbox.kind == "sqlite"

    assert "newer version of the collection" in warnings[0]


# Else a generator of the driver says on standard error how it has failed to end.
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_connection_that_was_ended_is_made_anew(
    location: OutboxLocation, postgres: PostgresServer
) -> None:
    with open_outbox(location) as outbox:
        postgres.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'flashcat.flashduty'"
        )
        with pytest.raises(OutboxError):
            outbox.add(WEB, [alert("a")])
        outbox.add(WEB, [alert("b")])

        assert waiting(outbox) == ["b"]


def test_a_run_goes_on_with_the_database_when_a_statement_was_ended_there(
    location: OutboxLocation, postgres: PostgresServer
) -> None:
    import psycopg

    warnings: list[str] = []
    failover = open_failover(location, warn=warnings.append)
    failover.use(lambda outbox: outbox.now(), None)
    with psycopg.connect(location.url) as other:
        other.execute("LOCK TABLE flashduty_events")

        def end_it() -> None:
            # In the middle of it: it waits for the lock.
            for _look in range(200):
                ended = postgres.run(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'flashcat.flashduty' AND wait_event_type = 'Lock'"
                )
                if ended:
                    break
            other.rollback()

        ending = threading.Thread(target=end_it)
        ending.start()
        failover.use(
            lambda outbox: outbox.add(
                WEB, [alert("a")], opened=opened("a", "x"), write_id="one"
            ),
            None,
        )
        ending.join()
    used = failover.location
    failover.close()

    assert (used, warnings) == (location, [])
    with open_outbox(location) as outbox:
        assert waiting(outbox) == ["a"]
        assert len(outbox.open_alerts()) == 1


RUN = """
import contextlib, json, os, sys
from _flashduty.events import AlertEvent
from _flashduty.outbox import OutboxError, OutboxLocation, open_failover, open_in_run, open_with_fallback

location = OutboxLocation(sys.argv[1], sys.stdin.read())
if os.fork() == 0:
    # A worker of the run.
    with contextlib.suppress(OutboxError):
        open_in_run(location)
    os._exit(0)
os.wait()
warnings = []
failover = open_failover(location, warn=warnings.append)
event = AlertEvent.create(title_rule="t", event_status="Critical", alert_key="a")
failover.use(lambda outbox: outbox.add("integration-1", [event]), None)
failover.close()
# Who asks for the database expressly is not turned away.
open_with_fallback(location, warn=warnings.append).close()
print(json.dumps(warnings))
"""


def test_a_run_and_its_workers_look_for_a_database_once(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    with Wire(postgres.new_schema()) as wire:
        wire.refuses = True
        run = subprocess.run(
            [sys.executable, "-c", RUN, str(tmp_path / "state")],
            cwd=CORE,
            input=wire.url,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=60,
        )

    assert wire.connections == 2
    of_run, of_window = json.loads(run.stdout)
    assert "could not be used earlier in this run. The local outbox in" in of_run
    assert "The local outbox in" in of_window


def test_somebody_elses_lock_is_not_waited_for(
    location: OutboxLocation, postgres: PostgresServer
) -> None:
    import psycopg

    with open_outbox(location) as outbox, psycopg.connect(location.url) as other:
        other.execute("LOCK TABLE flashduty_events")
        started = time.monotonic()
        with pytest.raises(OutboxError):
            outbox.add(WEB, [alert("a")])
        assert time.monotonic() - started < 8
        other.rollback()
        outbox.add(WEB, [alert("b")])

        assert waiting(outbox) == ["b"]


def test_what_a_controller_holds_that_is_gone_from_the_network_is_given_back(
    location: OutboxLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The driver is imported with it.
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        postgresql,
    )

    # In the middle of what it sends it does not wait, but its transaction may not take for ever either.
    shorter = postgresql._HELLO
    for longest in ("'10000'", "'60000'"):
        assert longest in shorter
        shorter = shorter.replace(longest, "'500'")
    monkeypatch.setattr(postgresql, "_HELLO", shorter)
    with Wire(location.url) as wire, open_outbox(
        OutboxLocation(location.path, wire.url)
    ) as gone, open_outbox(location) as other:
        other.add(WEB, [alert("a")])
        wire.hang_after("pg_advisory_xact_lock")
        with pytest.raises(OutboxError, match="no answer within 2 seconds"):
            gone.claim(WEB, "gone", limit=9, lease=15, rate_limit=900)
        claimed: list[str] = []
        # Until the server ends what is gone, others get no answer in time.
        deadline = time.monotonic() + 60
        while not claimed and time.monotonic() < deadline:
            with contextlib.suppress(OutboxError):
                events, _pause = other.claim(
                    WEB, "other", limit=9, lease=15, rate_limit=900
                )
                claimed = [event.key for event in events]

        assert claimed == ["a"]


def test_a_server_without_a_free_connection_is_a_database_that_is_away(
    location: OutboxLocation, postgres: PostgresServer
) -> None:
    user = "user_of_few_connections"
    postgres.run(f"CREATE ROLE {user} LOGIN CONNECTION LIMIT 0")
    full = OutboxLocation(location.path, postgres.url_of(location.url, user, "x"))
    warnings: list[str] = []
    with open_with_fallback(full, warn=warnings.append) as outbox:
        outbox.add(WEB, [alert("a")])
        kind = outbox.kind

    assert kind == "sqlite"
    assert f'too many connections for role "{user}". The local outbox in' in warnings[0]


def test_a_full_disk_of_the_server_takes_nothing_that_is_in_the_outbox(
    location: OutboxLocation,
    postgres: PostgresServer,
    mount: t.Callable[[str, str], Path],
) -> None:
    # Where the server may enter. The tables and their indexes take some 500 kB.
    disk = mount(f"{postgres.folder}/disk", "size=2m")
    added: list[str] = []

    def add_until_there_is_no_room(outbox: Outbox) -> None:
        for number in range(1000):
            # What repeats itself would be compressed.
            text = random.Random(number).randbytes(5000).hex()
            event = AlertEvent.create(
                title_rule="t",
                event_status="Critical",
                alert_key=str(number),
                description=text,
            )
            outbox.add(WEB, [event])
            added.append(event.alert_key)

    with postgres.tablespace(location.url, disk) as url, open_outbox(
        OutboxLocation(location.path, url)
    ) as outbox:
        with pytest.raises(OutboxError, match="No space left on device"):
            add_until_there_is_no_room(outbox)
        assert waiting(outbox) == added
        assert len(added) > 10
        # What is full can still be emptied, and used on when there is room again.
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        outbox.add(WEB, [alert("after")])
        events, _pause = outbox.claim(WEB, "courier", limit=999, lease=15)

    assert [event.key for event in events] == [*added, "after"]


def test_a_read_only_database_is_told_at_once(location: OutboxLocation) -> None:
    open_outbox(location).close()
    read_only = OutboxLocation(
        location.path, location.url + "%20-cdefault_transaction_read_only%3Don"
    )

    warnings: list[str] = []
    with open_with_fallback(read_only, warn=warnings.append) as outbox:
        outbox.add(WEB, [alert("a")])
        assert outbox.kind == "sqlite"

    assert "it is read-only; it may be a standby" in warnings[0]


# -- many at once


def test_many_may_be_the_first(location: OutboxLocation) -> None:
    problems: list[Exception] = []

    def add(number: int) -> None:
        try:
            with open_outbox(location) as outbox:
                outbox.add(WEB, [alert(str(number))])
        except OutboxError as exc:
            problems.append(exc)

    crowd = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()

    assert problems == []
    with open_outbox(location) as outbox:
        assert sorted(waiting(outbox)) == ["0", "1", "2", "3"]


def test_two_couriers_never_have_one_key_in_flight(location: OutboxLocation) -> None:
    with open_outbox(location) as one, open_outbox(location) as other:
        one.add(WEB, [alert("a"), alert("a"), alert("b")])
        first, _pause = one.claim(WEB, "one", limit=9, lease=15, rate_limit=900)
        second, _pause = other.claim(WEB, "other", limit=9, lease=15, rate_limit=900)

        assert [event.key for event in first] == ["a", "b"]
        assert second == []


def test_a_database_that_is_far_away_is_asked_few_times(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    with Wire(postgres.new_schema()) as wire, open_outbox(
        OutboxLocation(str(tmp_path), wire.url)
    ) as outbox:

        def round_trips(function: t.Callable[[], t.Any]) -> int:
            before = wire.round_trips
            function()
            return wire.round_trips - before

        def raise_alert() -> None:
            outbox.add(
                WEB, [alert("a")], opened=opened("a", "x"), write_id=new_write_id()
            )

        def deliver() -> None:
            claimed, _pause = outbox.claim(WEB, "me", limit=9, lease=15, rate_limit=900)
            outbox.settle(delivered=claimed)

        costs = [round_trips(raise_alert), round_trips(deliver)]
        raise_alert()
        outbox.claim(WEB, "me", limit=9, lease=15)
        refused = round_trips(
            lambda: outbox.claim(WEB, "me", limit=9, lease=15, rate_limit=1)
        )

        # An answer before the next step is decided on, and one to the commit.
        assert (costs, refused) == ([2, 3 + 1], 2)


def test_two_couriers_share_one_rate_limit(location: OutboxLocation) -> None:
    with open_outbox(location) as one, open_outbox(location) as other:
        one.add(WEB, [alert(str(number)) for number in range(30)])
        first, _pause = one.claim(WEB, "one", limit=30, lease=15, rate_limit=100)
        second, pause = other.claim(WEB, "other", limit=30, lease=15, rate_limit=100)

        assert (len(first), second) == (10, [])
        assert pause > 0


def test_two_controllers_that_raise_an_alert_at_once_make_one(
    location: OutboxLocation,
) -> None:
    everybody_is_ready = threading.Barrier(4)

    def raise_it(cause: str) -> None:
        with open_outbox(location) as outbox:
            for number in range(5):
                everybody_is_ready.wait(30)
                outbox.add(WEB, [alert(str(number))], opened=opened(str(number), cause))

    open_outbox(location).close()
    crowd = [threading.Thread(target=raise_it, args=(one,)) for one in "abcd"]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()

    with open_outbox(location) as outbox:
        open_alerts = outbox.open_alerts()
    assert [one.alert_key for one in open_alerts] == ["0", "1", "2", "3", "4"]
    for open_alert in open_alerts:
        tasks = sorted(cause["task"] for cause in open_alert.details["causes"])
        assert tasks == ["a", "b", "c", "d"]


def test_a_run_closes_only_what_it_has_seen(location: OutboxLocation) -> None:
    with open_outbox(location) as one, open_outbox(location) as other:
        for key in ("closed", "narrowed"):
            one.add(WEB, [alert(key)], opened=opened(key, "x", "y"))
        one.open_alerts(WEB)
        for key in ("closed", "narrowed"):
            other.add(WEB, [alert(key)], opened=opened(key, "z"))
        one.add(
            WEB,
            [alert("closed", "Ok")],
            closed=["closed"],
            updated=[opened("narrowed", "y")],
        )
        found = {a.alert_key: a.details["causes"] for a in other.open_alerts()}

        assert found == {
            "closed": [{"task": "z"}],
            "narrowed": [{"task": "z"}, {"task": "y"}],
        }
        rows = other.events(undeliverable=False)
        assert "Ok" not in [row["event"]["event_status"] for row in rows]


def test_a_clock_that_is_two_hours_ahead_changes_nothing(
    location: OutboxLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    with open_outbox(location) as one:
        one.add(WEB, [alert("a"), alert("b")])
        one.claim(WEB, "one", limit=1, lease=60, rate_limit=10)
        monkeypatch.setattr(time, "time", lambda: real() + 7200)
        with open_outbox(location) as other:
            assert abs(other.now() - one.now()) < 60
            assert other.claim(WEB, "other", limit=9, lease=60, rate_limit=10)[0] == []
            claimed = other.claim(WEB, "other", limit=9, lease=60, rate_limit=0)[0]
            assert [event.key for event in claimed] == ["b"]
            assert other.prune(max_age=3600) == 0


def test_a_living_courier_keeps_its_claims(
    postgres: PostgresServer, location: OutboxLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_700_000_000.0]
    real = time.monotonic
    with open_outbox(location, now=lambda: now[0]) as living, open_outbox(
        location, now=lambda: now[0]
    ) as other:
        living.add(WEB, [alert("a"), alert("b")])
        living.claim(WEB, "living", limit=1, lease=LEASE)
        other.claim(WEB, "dead", limit=1, lease=LEASE)
        monkeypatch.setattr(time, "monotonic", lambda: real() + now[0] - 1_700_000_000)
        for _look in range(4):
            now[0] += LEASE / 2
            living.renew("living")

        claimed = other.claim(WEB, "other", limit=9, lease=LEASE)[0]
        assert [event.key for event in claimed] == ["b"]


def test_who_has_lost_a_claim_does_not_take_it_from_the_next_one(
    location: OutboxLocation,
) -> None:
    now = [1_700_000_000.0]
    with open_outbox(location, now=lambda: now[0]) as outbox:
        outbox.add(WEB, [alert("a")])
        late = outbox.claim(WEB, "late", limit=1, lease=LEASE)[0]
        now[0] += LEASE + 1
        outbox.claim(WEB, "next", limit=1, lease=LEASE)
        outbox.settle(unsent=late)

        assert outbox.claim(WEB, "third", limit=1, lease=LEASE)[0] == []
