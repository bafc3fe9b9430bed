# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""Looks at a PostgreSQL database as an administrator would, and changes nothing there.

It imports the driver, as ``postgresql`` does.
"""

from __future__ import annotations

import contextlib
import re
import typing as t

from . import schema
from .answers import DatabaseReport
from .model import OutboxError, OutboxLocation
from .postgresql import DRIVER_VERSION, PostgresDatabase

_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
_NEEDED_TABLES = frozenset(re.findall(r"CREATE TABLE (\w+)", schema.TABLES))
_VERSION_TABLE = "flashduty_schema"

_SURROUNDINGS = """
SELECT current_setting('server_version'), current_user::text, quote_ident(current_user), quote_ident(current_schema()),
    has_schema_privilege(current_schema(), 'CREATE'), current_setting('search_path'),
    current_setting('transaction_read_only') = 'on'
"""
_TABLES = """
SELECT relname::text, has_table_privilege(oid, 'SELECT'), has_table_privilege(oid, 'INSERT'),
    has_table_privilege(oid, 'UPDATE'), has_table_privilege(oid, 'DELETE')
FROM pg_class WHERE relname LIKE 'flashduty\\_%' AND relkind = 'r' AND pg_table_is_visible(oid) ORDER BY relname
"""


def check(location: OutboxLocation) -> DatabaseReport:
    """Connect to a database, and report what is there and what is missing. Never raises."""
    found: dict[str, t.Any] = {"driver_version": DRIVER_VERSION}
    try:
        with contextlib.closing(_Visitor(location)) as database:
            problem = _look(database, found)
    except OutboxError as exc:
        problem = str(exc)
    return DatabaseReport(**found, problem=problem)


class _Visitor(PostgresDatabase):
    """A connection that asks what it is told to, and makes no tables."""

    def _greet(self, db: t.Any, question: t.Any = None) -> list[tuple[t.Any, ...]]:
        return db.execute(*question).fetchall() if question else []


def _look(database: _Visitor, found: dict[str, t.Any]) -> str | None:
    """Note what is there, and return what is wrong, as a sentence without its full stop; None when nothing is."""
    found.update(reachable=True, tls=database.is_encrypted)
    ((version, user, role, place, may_create, path, read_only),) = database.rows(
        _SURROUNDINGS
    )
    tables = {name: rights for name, *rights in database.rows(_TABLES)}
    found.update(
        server_version=version.partition(" ")[0],
        user=user,
        schema=place,
        has_tables=_VERSION_TABLE in tables,
    )
    if read_only:
        return f"{database.place} is read-only: it may be a standby"
    if place is None:
        return (
            f"{database.place} has no schema in the search path ({path}) that {user} may use. An administrator may run,"
            f" for the right schema: GRANT USAGE, CREATE ON SCHEMA public TO {role}"
        )
    if not tables:
        return (
            None
            if may_create
            else f"{user} may not make the tables in {database.place}. An administrator may run:"
            f" GRANT USAGE, CREATE ON SCHEMA {place} TO {role}"
        )
    missing = sorted({*_NEEDED_TABLES, _VERSION_TABLE} - tables.keys())
    if missing:
        return f"{database.place} has only some of the tables: {', '.join(missing)} is missing"
    return _rights_problem(database, tables, place, user, role) or _version_problem(
        database, found
    )


def _rights_problem(
    database: _Visitor,
    tables: t.Mapping[str, list[bool]],
    place: str,
    user: str,
    role: str,
) -> str | None:
    lacking: dict[str, list[str]] = {}
    for table, granted in tables.items():
        needed = _RIGHTS[:1] if table == _VERSION_TABLE else _RIGHTS
        for right, is_granted in zip(needed, granted):
            if not is_granted:
                lacking.setdefault(right, []).append(table)
    if not lacking:
        return None
    names = sorted({table for some in lacking.values() for table in some})
    return (
        f"{user} may not {', '.join(lacking)} in {len(names)} of {len(tables)} tables of {database.place}. An"
        f" administrator may run: GRANT {', '.join(lacking)} ON"
        f" {', '.join(f'{place}.{name}' for name in names)} TO {role}"
    )


def _version_problem(database: _Visitor, found: dict[str, t.Any]) -> str | None:
    ((version,),) = database.rows("SELECT max(version) FROM flashduty_schema")
    found["format"] = version
    if (version or 0) <= schema.VERSION:
        return None
    return f"{database.place} was set up by a newer version of the collection (format {version}, known is {schema.VERSION})"
