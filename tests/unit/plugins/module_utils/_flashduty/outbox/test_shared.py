# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The outbox in a database that controllers share: the faults of a database, and what moves into it after them."""

from __future__ import annotations

import socket
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    AlertEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OpenAlert,
    OutboxError,
    OutboxLocation,
    open_failover,
    open_outbox,
    open_with_fallback,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.queue import (
    Outbox,
)

from tests.postgres import PostgresServer

WEB = "integration-1"


def alert(key: str, status: str = "Critical") -> AlertEvent:
    return AlertEvent.create(title_rule="t", event_status=status, alert_key=key)


def opened(key: str, *causes: str) -> OpenAlert:
    return OpenAlert(
        key, "play", "t", "Critical", 1.0, {"causes": [{"task": c} for c in causes]}
    )


@pytest.fixture
def location(postgres: PostgresServer, tmp_path: Path) -> OutboxLocation:
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
    started = time.monotonic()

    with pytest.raises(OutboxError, match="no answer within 2 seconds") as caught:
        open_outbox(unreachable(tmp_path, silent_port))

    assert 1.5 < time.monotonic() - started < 8
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
    schema = location.url.rpartition("%3D")[2]
    postgres.run(f"UPDATE {schema}.flashduty_schema SET version = 99")
    warnings: list[str] = []

    with open_with_fallback(location, warn=warnings.append) as outbox:
        assert outbox.kind == "sqlite"

    assert "newer version of the collection" in warnings[0]


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


def test_a_read_only_database_is_told(location: OutboxLocation) -> None:
    open_outbox(location).close()
    read_only = OutboxLocation(
        location.path, location.url + "%20-cdefault_transaction_read_only%3Don"
    )

    with open_outbox(read_only) as outbox, pytest.raises(
        OutboxError, match="read-only"
    ):
        outbox.add(WEB, [alert("a")])


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


def test_two_couriers_share_one_rate_limit(location: OutboxLocation) -> None:
    with open_outbox(location) as one, open_outbox(location) as other:
        one.add(WEB, [alert(str(number)) for number in range(30)])
        first, _pause = one.claim(WEB, "one", limit=30, lease=15, rate_limit=100)
        second, pause = other.claim(WEB, "other", limit=30, lease=15, rate_limit=100)

        assert (len(first), second) == (10, [])
        assert pause > 0


# -- what was kept here moves there


def test_what_was_kept_meanwhile_moves_once_and_in_order(
    location: OutboxLocation,
) -> None:
    with open_outbox(location.local()) as local:
        local.add(WEB, [alert("a"), alert("b")], opened=opened("a", "x"))
        local.add(WEB, [alert("a", "Ok")], closed=["a"])
        local.add(WEB, [alert("c")], opened=opened("c", "y"))

    for _again in range(2):
        with open_outbox(location) as shared:
            assert waiting(shared) == ["a", "b", "a", "c"]
            assert [a.alert_key for a in shared.open_alerts()] == ["c"]

    with open_outbox(location.local()) as local:
        assert local.counts() == {"waiting": 0, "undeliverable": 0, "open_alerts": 0}


def test_what_was_closed_meanwhile_closes_there(location: OutboxLocation) -> None:
    with open_outbox(location) as shared:
        shared.add(WEB, [alert("a")], opened=opened("a", "x"))
        shared.add(WEB, [alert("b")], opened=opened("b", "x"))
    with open_outbox(location.local()) as local:
        local.add(WEB, [alert("a", "Ok")], closed=["a"])

    with open_outbox(location) as shared:
        assert [a.alert_key for a in shared.open_alerts()] == ["b"]


def test_an_alert_that_both_know_waits_for_the_causes_of_both(
    location: OutboxLocation,
) -> None:
    with open_outbox(location) as shared:
        shared.add(WEB, [alert("a")], opened=opened("a", "x"))
    with open_outbox(location.local()) as local:
        local.add(WEB, [alert("a")], opened=opened("a", "y"))

    with open_outbox(location) as shared:
        (open_alert,) = shared.open_alerts()
    assert open_alert.details["causes"] == [{"task": "x"}, {"task": "y"}]


def test_a_merge_whose_end_nobody_knows_is_not_made_twice(
    location: OutboxLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_outbox(location.local()) as local, open_outbox(
        OutboxLocation("/nowhere", location.url)
    ) as shared:
        local.add(WEB, [alert("a")], opened=opened("a", "x"))
        with monkeypatch.context() as patch:
            # The answer to the commit is lost: nothing is deleted here.
            real = local._database.run
            patch.setattr(
                local._database,
                "run",
                lambda sql, values=None: (
                    _fail() if sql.startswith("DELETE") else real(sql, values)
                ),
            )
            with pytest.raises(OutboxError):
                shared.take_over(local)
        shared.add(WEB, [alert("a", "Ok")], closed=["a"])
        shared.take_over(local)

        assert waiting(shared) == ["a", "a"]
        assert shared.open_alerts() == []
        assert waiting(local) == []


def _fail() -> int:
    raise OutboxError("the connection was lost")
