# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""The outbox in a PostgreSQL database that many controllers share. The driver is imported with this file, and only then.

A database in trouble must not become the run's trouble: connecting takes two seconds at most, and so does any statement.
The deadline is kept here, not by the server alone, since a server or a proxy may say nothing at all.
"""

from __future__ import annotations

import contextlib
import functools
import re
import select
import time
import typing as t

import psycopg
from psycopg import generators
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.waiting import Ready

from . import schema
from .database import Values
from .model import LostConnection, NewerOutbox, OutboxError, OutboxLocation

DRIVER_VERSION = psycopg.__version__
# Seconds, for connecting and for any one statement.
DEADLINE = 2.0
# Seconds that a transaction may wait for its next statement: one whose controller has gone from the network holds locks
# until the server notices, which can take hours.
_LONGEST_PAUSE = 10.0
# Seconds that a transaction may take in all, where the server knows of that (from version 17 on): one that is cut off in
# the middle of what it sends does not count as one that waits.
_LONGEST_TRANSACTION = 60.0
# The same where it cannot know that it waits: seconds of silence, seconds between questions without an answer, and how
# many there are. Ignored by sockets that are files.
_KEEPALIVES = {"idle": 5, "interval": 2, "count": 3}
# Seconds that the offset of the database's clock is believed.
_CLOCK_LIFETIME = 60.0
# Seconds after which a connection that was not used is not trusted: firewalls and poolers end those without a word.
_MOST_IDLE = 60.0
# How many sets of values are sent together, and from how many on it pays to tell the driver that there are several.
_MOST_AT_ONCE = 500
_SEVERAL = 10
# How many statements are kept as the driver wants them.
_STATEMENTS = 256
_MAKING_TABLES = "flashduty tables"
_PARAMETER = re.compile(r"(?<![:\w]):([a-z]\w*)")
_Question = tuple[bytes, Values]
# Unlike the monotonic clock, this one goes on while the machine sleeps.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

_LIMITS = {
    "statement_timeout": int(DEADLINE * 1000),
    "idle_in_transaction_session_timeout": int(_LONGEST_PAUSE * 1000),
    **{f"tcp_keepalives_{name}": number for name, number in _KEEPALIVES.items()},
}
_HELLO = (
    "SELECT extract(epoch FROM clock_timestamp())::double precision,"
    " current_setting('transaction_read_only')::boolean,"
    " (SELECT max(version) FROM flashduty_schema), "
    + ", ".join(
        f"set_config('{name}', '{number}', false)" for name, number in _LIMITS.items()
    )
    + ", CASE WHEN current_setting('server_version_num')::integer >= 170000 THEN"
    f" set_config('transaction_timeout', '{int(_LONGEST_TRANSACTION * 1000)}', false) END"
)
_SIZE = (
    "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class"
    " WHERE relname LIKE 'flashduty\\_%' AND relkind = 'r' AND pg_table_is_visible(oid)"
)


class PostgresDatabase:
    """One connection to a database. See ``Database``.

    A connection that was lost is made anew when it is next needed.

    :param location: its URL is a libpq connection URI.
    :param now: where the time comes from instead of the database's clock.
    :param greets_at_once: whether the tables are looked at, and made where they are missing, now. Else that goes along
        with the first question, which spares a round trip.
    :raises OutboxError: when the database cannot be used; the text holds no password.
    """

    kind = "postgresql"
    skip_locked = " FOR UPDATE OF event SKIP LOCKED"
    for_update = " FOR UPDATE"

    def __init__(
        self,
        location: OutboxLocation,
        *,
        now: t.Callable[[], float] | None = None,
        greets_at_once: bool = True,
    ) -> None:
        self.place = str(location)
        self._location = location
        self._given_now = now
        self._depth = 0
        # How far the database's clock is ahead of ours, and when that was found out.
        self._offset = 0.0
        self._offset_from = float("-inf")
        self._db: _Connection | None = None
        # In a transaction, statements are sent one after the other without waiting for the answers.
        self._pipeline: psycopg.Pipeline | None = None
        self._is_greeted = False
        self._used_at = 0.0
        self._connected()
        if greets_at_once:
            self._connection()

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        """See ``Database``."""
        return self._transaction()

    @contextlib.contextmanager
    def _transaction(self) -> t.Iterator[None]:
        if self._depth:
            yield
            return
        db = self._connection()
        with self._translated_errors(), _transaction(db) as self._pipeline:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                self._pipeline = None

    def lock(self, name: str) -> None:
        """See ``Database``."""
        self.send(
            "SELECT 1 FROM pg_advisory_xact_lock(hashtextextended(:name, 0))",
            {"name": name},
        )

    def rows(self, sql: str, values: Values | None = None) -> list[tuple[t.Any, ...]]:
        """See ``Database``."""
        db = self._connected()
        question = (_translated(sql), values or {})
        with self._translated_errors():
            if not self._is_greeted:
                return self._greet(db, question)
            cursor = db.execute(*question)
            if self._pipeline is not None:
                # The server counts how long it waits for us only from here.
                self._pipeline.sync()
            return cursor.fetchall()

    def run(self, sql: str, values: Values | None = None) -> int:
        """See ``Database``."""
        return self.send(sql, values)()

    def send(self, sql: str, values: Values | None = None) -> t.Callable[[], int]:
        """See ``Database``."""
        db = self._connection()
        with self._translated_errors():
            cursor = db.execute(_translated(sql), values or {})

        def changed() -> int:
            # It is -1 until the answer is there.
            if cursor.rowcount < 0 and self._pipeline is not None:
                with self._translated_errors():
                    self._pipeline.sync()
            return cursor.rowcount

        return changed

    def run_each(self, sql: str, values: t.Iterable[Values]) -> None:
        """See ``Database``."""
        values = list(values)
        if len(values) < _SEVERAL:
            for one in values:
                self.send(sql, one)
            return
        statement = _translated(sql)
        # The deadline is for each part.
        for start in range(0, len(values), _MOST_AT_ONCE):
            db = self._connection()
            with self._translated_errors(), db.cursor() as cursor:
                cursor.executemany(statement, values[start : start + _MOST_AT_ONCE])

    def now(self) -> float:
        """Return the time of the database: this machine's clock may be hours off."""
        if self._given_now is not None:
            return self._given_now()
        here = time.clock_gettime(_CLOCK)
        if not 0 <= here - self._offset_from < _CLOCK_LIFETIME:
            ((there,),) = self.rows(
                "SELECT extract(epoch FROM clock_timestamp())::double precision"
            )
            here = self._take_time(there)
        return here + self._offset

    def _take_time(self, there: float) -> float:
        here = time.clock_gettime(_CLOCK)
        self._offset = there - here
        self._offset_from = here
        return here

    def is_current(self) -> bool:
        """See ``Database``."""
        return True

    def size(self) -> int:
        """See ``Database``."""
        return int(self.rows(_SIZE)[0][0])

    def close(self) -> None:
        """See ``Database``."""
        db, self._db = self._db, None
        if db is not None:
            db.close()

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is in use."""
        return bool(self._connection().pgconn.ssl_in_use)

    # -- connecting

    def _connection(self) -> _Connection:
        """Return a connection that is ready for all statements."""
        db = self._connected()
        if not self._is_greeted:
            with self._translated_errors():
                self._greet(db)
        return db

    def _connected(self) -> _Connection:
        """Return a connection that may still have to be greeted."""
        now = time.clock_gettime(_CLOCK)
        is_idle = not self._depth and now - self._used_at > _MOST_IDLE
        self._used_at = now
        if self._db is not None and is_idle:
            self.close()
        if self._db is not None and not self._db.closed:
            return self._db
        if self._depth:
            # What belonged together is lost with the connection.
            raise LostConnection(f"cannot use {self.place}: the connection was lost")
        with self._translated_errors():
            self._is_greeted = False
            self._db = _connect(self._location.url)
        return self._db

    def _greet(
        self, db: _Connection, question: _Question | None = None
    ) -> list[tuple[t.Any, ...]]:
        """Find out what is there, make the tables where they are missing, and return the answer to a question."""
        try:
            if question is not None and psycopg.Pipeline.is_supported():
                # Where there are no tables, or others than these, the answer is an error.
                with contextlib.suppress(psycopg.ProgrammingError):
                    with db.pipeline():
                        hello, answer = db.execute(_HELLO), db.execute(*question)
                    self._take_hello(*hello.fetchall()[0])
                    return answer.fetchall()
            try:
                hello = db.execute(_HELLO)
            except psycopg.errors.UndefinedTable:
                self._make_tables(db)
                hello = db.execute(_HELLO)
            self._take_hello(*hello.fetchall()[0])
            return db.execute(*question).fetchall() if question else []
        except BaseException:
            self.close()
            raise

    def _take_hello(
        self,
        there: float,
        is_read_only: bool,
        version: int | None,
        *_limits: str | None,
    ) -> None:
        self._take_time(there)
        if (version or 0) > schema.VERSION:
            raise NewerOutbox(
                f"{self.place} was set up by a newer version of the collection (format {version}, known is"
                f" {schema.VERSION})"
            )
        if is_read_only:
            # Found out before anybody relies on it: what waits there could be seen, but not claimed.
            raise OutboxError(
                f"cannot use {self.place}: it is read-only; it may be a standby"
            )
        self._is_greeted = True

    def _make_tables(self, db: _Connection) -> None:
        try:
            with db.transaction():
                db.execute(
                    "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
                    [_MAKING_TABLES],
                )
                # Somebody else may have been faster.
                if db.execute("SELECT to_regclass('flashduty_schema')").fetchone() != (
                    None,
                ):
                    return
                for statement in schema.statements(
                    "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"
                ):
                    db.execute(statement.encode())
                db.execute(
                    "CREATE TABLE flashduty_schema (version INTEGER PRIMARY KEY)"
                )
                db.execute("INSERT INTO flashduty_schema VALUES (%s)", [schema.VERSION])
        except psycopg.errors.InsufficientPrivilege as exc:
            ((schema_name, user),) = db.execute(
                "SELECT quote_ident(current_schema()), quote_ident(current_user)"
            ).fetchall()
            raise OutboxError(
                f"cannot make the tables in {self.place}: {_first_line(exc)}. An administrator may run:"
                f" GRANT USAGE, CREATE ON SCHEMA {schema_name} TO {user}"
            ) from exc
        except psycopg.errors.InvalidSchemaName as exc:
            raise OutboxError(
                f"cannot make the tables in {self.place}: the search path names no schema that exists"
            ) from exc

    @contextlib.contextmanager
    def _translated_errors(self) -> t.Iterator[None]:
        """Turn what the driver says into words for a person, without the password."""
        try:
            yield
        except psycopg.errors.InsufficientPrivilege as exc:
            raise OutboxError(
                f"cannot use {self.place}: {_first_line(exc)}. The module connection_info says which rights are missing"
            ) from None
        except (psycopg.Error, UnicodeError) as exc:
            # Not chained: the driver's exception may quote the URL.
            text = self._location.without_secrets(_first_line(exc))
            is_lost = self._db is not None and self._db.broken
            problem = (
                LostConnection
                if is_lost and not isinstance(exc, _Silence)
                else OutboxError
            )
            raise problem(f"cannot use {self.place}: {text}") from None


class _Connection(psycopg.Connection[tuple[t.Any, ...]]):
    """A connection on which nothing takes longer than the deadline."""

    def wait(self, gen: t.Any, *_args: t.Any, **_kwargs: t.Any) -> t.Any:
        """Drive a generator of the driver, which yields what it waits for and wants to be told what is ready."""
        deadline = time.monotonic() + DEADLINE
        try:
            wanted = next(gen)
            while True:
                wanted = gen.send(_ready(self.pgconn.socket, wanted, deadline))
        except StopIteration as exc:
            return exc.value
        except _Silence:
            # What it is doing is not known, so it is of no use any more.
            self.pgconn.finish()
            raise
        except KeyboardInterrupt:
            self.pgconn.finish()
            raise
        finally:
            # One that was left in the middle must not say later, on standard error, how it has failed to end.
            with contextlib.suppress(psycopg.Error, RuntimeError):
                gen.close()


@contextlib.contextmanager
def _transaction(db: _Connection) -> t.Iterator[psycopg.Pipeline | None]:
    """Let all that is run inside happen together or not at all, in few round trips where libpq is new enough.

    The driver's own transactions wait for an answer at each of their ends.
    """
    problem: BaseException | None = None
    committed = None
    pipelines = psycopg.Pipeline.is_supported()
    try:
        with db.pipeline() if pipelines else contextlib.nullcontext() as pipeline:
            try:
                db.execute("BEGIN")
                yield pipeline
                committed = db.execute("COMMIT")
            except BaseException as exc:  # noqa: BLE001
                # Raised below: where a pipeline ends with one, the driver writes another one to a log that nobody has
                # asked for.
                problem = exc
    except psycopg.Error as exc:
        problem = problem or exc
    if problem is not None:
        with contextlib.suppress(psycopg.Error):
            if db.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                db.execute("ROLLBACK")
        raise problem
    if committed is None or committed.statusmessage != "COMMIT":
        # What the server says to the end of a transaction in which something has failed.
        raise psycopg.InternalError("the transaction was not committed")


class _Silence(psycopg.OperationalError):
    """The server has not answered within the deadline."""


def _connect(url: str) -> _Connection:
    """Connect to one of the hosts of a URL, within the deadline for all of them."""
    deadline = time.monotonic() + DEADLINE
    attempts = _attempts(url)
    error: psycopg.Error | None = None
    for number, conninfo in enumerate(attempts):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        # A host that says nothing must not take the time of those after it.
        until = time.monotonic() + left / (len(attempts) - number)
        try:
            return _connect_to(conninfo, until)
        except psycopg.Error as exc:
            error = exc
    raise error or _Silence(f"no answer within {DEADLINE:g} seconds")


def _connect_to(conninfo: str, deadline: float) -> _Connection:
    gen = generators.connect(conninfo)
    try:
        fileno, wanted = next(gen)
        while True:
            fileno, wanted = gen.send(_ready(fileno, wanted, deadline))
    except StopIteration as exc:
        db = _Connection(exc.value)
    finally:
        gen.close()
    db.autocommit = True
    # Poolers hand each transaction to another session, which knows nothing of statements prepared before.
    db.prepare_threshold = None
    return db


def _attempts(url: str) -> list[str]:
    """Return a connection string for each host of a URL."""
    try:
        parameters = conninfo_to_dict(url)
    except psycopg.Error:
        # The driver's own text quotes what it cannot read.
        raise OutboxError(
            "state_url is not a libpq connection URI, such as postgresql://user@host/database"
        ) from None
    parameters.setdefault("application_name", "flashcat.flashduty")
    hosts = str(parameters.get("host") or "").split(",")
    ports = str(parameters.get("port") or "").split(",")
    if len(hosts) < 2 or "hostaddr" in parameters:
        return [make_conninfo("", **parameters)]
    if len(ports) == 1:
        ports *= len(hosts)
    return [
        make_conninfo("", **{**parameters, "host": host, "port": port or None})
        for host, port in zip(hosts, ports)
    ]


def _ready(fileno: int, wanted: t.Any, deadline: float) -> t.Any:
    """Wait until a socket is ready for what the driver wants, and return what it is ready for."""
    poll = select.poll()
    poll.register(
        fileno,
        (select.POLLIN if wanted & 1 else 0) | (select.POLLOUT if wanted & 2 else 0),
    )
    events = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
    if not events:
        raise _Silence(f"no answer within {DEADLINE:g} seconds")
    (_fileno, event), *_others = events
    # What went wrong is found out by reading.
    broken = event & (select.POLLERR | select.POLLHUP | select.POLLNVAL)
    ready = (1 if event & select.POLLIN else 0) | (2 if event & select.POLLOUT else 0)
    return Ready(ready or (wanted if broken else 0))


@functools.lru_cache(maxsize=_STATEMENTS)
def _translated(sql: str) -> bytes:
    """Return SQL with the driver's kind of parameters."""
    return _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%")).encode()


def _first_line(exc: Exception) -> str:
    text = getattr(getattr(exc, "diag", None), "message_primary", None) or str(exc)
    return text.strip().partition("\n")[0].rstrip(".") or type(exc).__name__
