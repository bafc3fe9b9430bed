# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""Pieces of statements that several files of this package are made of."""

from __future__ import annotations

import typing as t

from .database import Database, Values

# By the names of their columns.
Row = dict[str, t.Any]


# How many values a condition has at most; SQLite has a limit of its own.
_MOST_VALUES = 500

Value = t.TypeVar("Value")


def parts(values: t.Iterable[Value]) -> t.Iterator[list[Value]]:
    """Yield values in lists that are not too long for one statement."""
    every = list(values)
    for start in range(0, len(every), _MOST_VALUES):
        yield every[start : start + _MOST_VALUES]


def in_clause(column: str, values: t.Iterable[Value]) -> tuple[str, dict[str, Value]]:
    """Return the condition that a column has one of these values, and its parameters."""
    named = {f"{column}_{number}": value for number, value in enumerate(values)}
    if not named:
        return "1 = 0", {}
    return f"{column} IN ({', '.join(f':{name}' for name in named)})", named


def not_in_clause(column: str, values: t.Iterable[str]) -> tuple[str, dict[str, str]]:
    """Return the condition that a column has none of these values, in a form that finds one such row by an index."""
    named = {
        f"not_{column}_{number}": value
        for number, value in enumerate(sorted(set(values)))
    }
    if not named:
        return "1 = 1", {}
    names = list(named)
    gaps = [f"{column} < :{names[0]}", f"{column} > :{names[-1]}"]
    gaps += [
        f"({column} > :{one} AND {column} < :{other})"
        for one, other in zip(names, names[1:])
    ]
    return f"({' OR '.join(gaps)})", named


def insert_into(table: str, columns: t.Sequence[str]) -> str:
    """Return the statement that inserts a row, with a parameter for each column that is called as the column is."""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(f':{name}' for name in columns)})"


def read_rows(
    database: Database,
    table: str,
    columns: t.Sequence[str],
    where: str,
    values: Values | None = None,
) -> list[Row]:
    """Return the rows of a table.

    :param where: the condition that holds for them, and what else follows it.
    """
    found = database.rows(
        f"SELECT {', '.join(columns)} FROM {table} WHERE {where}", values
    )
    return [dict(zip(columns, row)) for row in found]
