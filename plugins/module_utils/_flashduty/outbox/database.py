# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""What the queue needs of a database. Each dialect has a file of its own, which alone knows its driver."""

from __future__ import annotations

import typing as t
from contextlib import AbstractContextManager

Values = t.Mapping[str, t.Any]


class Database(t.Protocol):
    """One open database.

    SQL is written once, in what SQLite and PostgreSQL have in common. Parameters are named, as in ``:name``, and each
    has a value of a known type: NULL is written as NULL. All methods raise OutboxError.
    """

    kind: str
    """``sqlite`` or ``postgresql``."""

    place: str
    """What a person is told: where this is, without a password."""

    skip_locked: str
    """What a SELECT of events ends with, so that it passes over those that another transaction has in hand."""

    for_update: str
    """What a SELECT of one table ends with, so that no other transaction changes its rows before this one ends."""

    def transaction(self) -> AbstractContextManager[None]:
        """Let all that is run inside happen together or not at all. An inner transaction belongs to the outer one."""

    def lock(self, name: str) -> None:
        """Let no other transaction that asks for the same lock go on, until this one ends."""

    def rows(self, sql: str, values: Values | None = ...) -> list[tuple[t.Any, ...]]:
        """Return the rows that a statement yields."""

    def run(self, sql: str, values: Values | None = ...) -> int:
        """Run a statement, and return how many rows it has changed."""

    def send(self, sql: str, values: Values | None = ...) -> t.Callable[[], int]:
        """Run a statement without waiting for its outcome; return what waits, and tells how many rows it has changed.

        In a transaction, an error of it may come with a later statement, and comes at the latest when that ends.
        """

    def run_each(self, sql: str, values: t.Iterable[Values]) -> None:
        """Run a statement once for each set of values, in a transaction without waiting for the outcome."""

    def now(self) -> float:
        """Return the time that counts for this database, in seconds since the epoch."""

    def is_current(self) -> bool:
        """Say whether this is still what others use, too."""

    def size(self) -> int:
        """Return the space that it takes, in bytes."""

    def close(self) -> None:
        """Close it. It may be closed already."""
