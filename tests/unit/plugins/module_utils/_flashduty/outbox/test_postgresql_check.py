# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is found out about a database, and the statements that mend it, run on a real server."""

from __future__ import annotations

import re
import sys
import typing as t

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    AlertEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OutboxError,
    OutboxLocation,
    check_database,
    open_outbox,
)

from tests.postgres import PostgresServer, schema_of

PASSWORD = "s3cret-word"


class Database(t.NamedTuple):
    """A schema, and a user who has no rights in it yet."""

    server: PostgresServer
    schema: str
    user: str
    owner: OutboxLocation
    location: OutboxLocation

    def problem(self) -> str:
        return check_database(self.location).problem or ""


@pytest.fixture
def database(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> t.Iterator[Database]:
    folder = str(tmp_path_factory.mktemp("state"))
    owner = postgres.new_schema()
    schema = schema_of(owner)
    user = f"User of {schema}"
    postgres.run(f"CREATE ROLE \"{user}\" LOGIN PASSWORD '{PASSWORD}'")
    location = OutboxLocation(folder, postgres.url_of(owner, user, PASSWORD))
    yield Database(postgres, schema, user, OutboxLocation(folder, owner), location)
    postgres.run(f"DROP SCHEMA {schema} CASCADE")
    postgres.run(f'DROP OWNED BY "{user}"')
    postgres.run(f'DROP ROLE "{user}"')


def granted(problem: str) -> str:
    """Return the statement that a problem ends with."""
    return re.search("An administrator may run[^:]*: (GRANT .*)$", problem)[1]  # type: ignore[index]


def make_tables(location: OutboxLocation) -> None:
    open_outbox(location).close()


def test_what_is_told_mends_a_user_who_may_do_nothing(database: Database) -> None:
    nothing = check_database(database.location)
    assert (nothing.reachable, nothing.has_tables, nothing.schema) == (
        True,
        False,
        None,
    )
    # The schema cannot be told from a search path, so an example stands there.
    statement = granted(nothing.problem or "").replace("public", database.schema)
    database.server.run(statement)

    ready = check_database(database.location)

    assert ready.problem is None
    assert (ready.user, ready.schema) == (database.user, database.schema)
    assert ready.has_tables is False
    assert not database.server.tables_in(database.schema)
    make_tables(database.location)
    there = check_database(database.location)
    assert (there.problem, there.has_tables, there.format) == (None, True, 1)
    assert re.fullmatch(r"\d+\.\d+", there.server_version or "")
    assert there.tls is False


def test_what_is_told_lets_a_user_make_tables(database: Database) -> None:
    database.server.run(f'GRANT USAGE ON SCHEMA {database.schema} TO "{database.user}"')

    problem = database.problem()
    with pytest.raises(OutboxError) as error:
        make_tables(database.location)

    assert "may not make the tables" in problem
    assert granted(problem) == granted(str(error.value))
    database.server.run(granted(problem))
    assert database.problem() == ""
    make_tables(database.location)


def test_what_is_told_lets_a_user_use_tables_of_another(database: Database) -> None:
    """An administrator has made the tables, and the guide's two statements are all that it takes."""
    make_tables(database.owner)
    database.server.run(f'GRANT USAGE ON SCHEMA {database.schema} TO "{database.user}"')
    database.server.run(
        f'GRANT SELECT ON ALL TABLES IN SCHEMA {database.schema} TO "{database.user}"'
    )

    problem = database.problem()

    assert f"{database.user} may not INSERT, UPDATE, DELETE in" in problem
    assert "flashduty_schema" not in problem
    database.server.run(granted(problem))
    assert database.problem() == ""
    with open_outbox(database.location) as outbox:
        outbox.add(
            "integration",
            [AlertEvent.create(title_rule="t", event_status="Critical", alert_key="k")],
        )
        assert outbox.counts()["waiting"] == 1


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("INSERT INTO {schema}.flashduty_schema VALUES (99)", "a newer version"),
        ("DROP TABLE {schema}.flashduty_runs", "flashduty_runs is missing"),
        ('ALTER ROLE "{user}" SET default_transaction_read_only = on', "is read-only"),
    ],
    ids=["newer", "incomplete", "read-only"],
)
def test_what_is_wrong_is_said(database: Database, statement: str, words: str) -> None:
    database.server.run(
        f'GRANT USAGE, CREATE ON SCHEMA {database.schema} TO "{database.user}"'
    )
    make_tables(database.location)
    database.server.run(statement.format(schema=database.schema, user=database.user))

    assert words in database.problem()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://me:s3cret-word@127.0.0.1:1/x", "refused"),
        ("postgresql://me:s3cret-word@127.0.0.1/x?sslmod=s3cret-word", "not a libpq"),
    ],
)
def test_what_is_not_reached_is_said_without_a_password(url: str, words: str) -> None:
    pytest.importorskip("psycopg", reason="an old target has no driver")
    report = check_database(OutboxLocation("/nowhere", url))

    assert not report.reachable
    assert words in (report.problem or "")
    assert PASSWORD not in str(report)


def test_a_missing_driver_is_said_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    package = check_database.__module__
    for name in ("postgresql", "postgresql_check"):
        monkeypatch.delitem(sys.modules, f"{package}.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)

    report = check_database(OutboxLocation("/nowhere", "postgresql://db/x"))

    assert (report.driver_version, report.reachable) == (None, False)
    assert f"{sys.executable} -m pip install 'psycopg[binary]'" in str(report.problem)
