# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""What an outbox answers when it is asked, as plain data. Imports nothing of ours."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass


class ClaimedEvent(t.NamedTuple):
    """An event that a courier has claimed, to send it now.

    :param courier: the name that the claim is made in.
    """

    id: int
    fingerprint: str
    kind: str
    key: str
    payload: str
    attempts: int
    courier: str


class QueueStatus(t.NamedTuple):
    """What waits and what was refused for some integrations.

    :param waiting: the number of events that are not delivered yet.
    :param reason: the error of the latest failed attempt, as :meth:`FlashdutyError.as_dict`, or None.
    :param undeliverable: the errors of events that were refused for good and that nobody was told of yet.
    """

    waiting: int
    reason: dict[str, t.Any] | None
    undeliverable: list[dict[str, t.Any]]


class IntegrationStatus(t.NamedTuple):
    """What the outbox holds for one integration.

    :param fingerprint: ``Connection.fingerprint``: it tells integrations apart without telling their keys.
    :param kind: ``alert`` or ``change``.
    :param server: host and port that the latest event was meant for; empty when that is not known.
    :param waiting: the number of events that are not delivered yet.
    :param undeliverable: the number of events that were refused for good.
    :param open_alerts: the number of alerts that are open.
    :param pending: the number of failures that were counted, and raised no alert yet.
    """

    fingerprint: str
    kind: str
    server: str
    waiting: int
    undeliverable: int
    open_alerts: int
    pending: int = 0


@dataclass(frozen=True)
class DatabaseReport:
    """What was found out about a database that many controllers share; what is None is not known.

    :param problem: why it cannot be used, as a sentence without its full stop, or None.
    :param driver_version: the version of the Python package psycopg.
    :param reachable: whether it let us in.
    :param server_version: the version of PostgreSQL.
    :param user: whom the database takes us for.
    :param tls: whether the connection is encrypted.
    :param schema: the schema that has the tables, or will have.
    :param has_tables: whether the tables are there; else they are made at first use.
    :param format: the version of the tables.
    """

    problem: str | None
    driver_version: str | None = None
    reachable: bool = False
    server_version: str | None = None
    user: str | None = None
    tls: bool | None = None
    schema: str | None = None
    has_tables: bool | None = None
    format: int | None = None
