# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""Where an outbox is, and what can be wrong with it. Imports nothing of ours."""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

FILE_NAME = "outbox.sqlite3"
# Seconds until what a courier has claimed is free again when the courier, or its whole machine, is no more. The living
# renew it.
LEASE = 15.0


class OutboxError(Exception):
    """The outbox cannot be used; the text says why, in words for a person."""


class DamagedOutbox(OutboxError):
    """The outbox is not what was written: a new one has to be made."""


class NewerOutbox(OutboxError):
    """A newer version of the collection has written the outbox; this one leaves it alone."""


class DatabaseAway(OutboxError):
    """The database was of no use earlier in this run, as somebody was told then, and is not tried again."""


class LostConnection(OutboxError):
    """The connection to the database has ended. Nobody knows whether the last transaction was made."""


def new_write_id() -> str:
    """Return what tells a write into an outbox from all others, so that it can be repeated without harm."""
    return os.urandom(16).hex()


@dataclass(frozen=True)
class OutboxLocation:
    """Where an outbox is.

    :param path: the folder of the local outbox, absolute.
    :param url: the connection URI of a database that many controllers share; empty when there is none. It may hold a
        password.
    :param is_spool: whether the local outbox serves while the database cannot be reached.
    :param is_temporary: whether the folder was made for one run, and is of no use when its events are delivered.
    """

    path: str
    url: str = field(default="", repr=False)
    is_spool: bool = False
    is_temporary: bool = False

    @classmethod
    def from_message(cls, message: t.Mapping[str, t.Any]) -> OutboxLocation:
        """Return what :meth:`as_message` has put into a message."""
        return cls(**message)

    def as_message(self) -> dict[str, t.Any]:
        """Return plain data for another process. It is a secret: only standard input may carry it."""
        return {
            "path": self.path,
            "url": self.url,
            "is_spool": self.is_spool,
            "is_temporary": self.is_temporary,
        }

    @property
    def kind(self) -> str:
        """``postgresql`` or ``sqlite``."""
        return "postgresql" if self.url else "sqlite"

    def local(self) -> OutboxLocation:
        """Return the place that serves while the database cannot be reached."""
        return OutboxLocation(self.path, is_spool=bool(self.url))

    @property
    def secrets(self) -> list[str]:
        """What no text may hold: the password, as it is and as it stands in the URL."""
        if not self.url:
            return []
        parts = urlsplit(self.url)
        userinfo = parts.netloc.rpartition("@")[0]
        written = [userinfo.partition(":")[2]]
        written += re.findall(r"(?:^|&)(?:ssl)?password=([^&]*)", parts.query)
        return sorted(
            {text for text in written if text}
            | {unquote(text) for text in written if text},
            key=len,
            reverse=True,
        )

    def without_secrets(self, text: str) -> str:
        """Return a text in which the password and the URL are masked."""
        for secret in (*([self.url] if self.url else []), *self.secrets):
            text = text.replace(secret, "********")
        return text

    def __str__(self) -> str:
        """What a person is told: the folder, or host and database without user and password."""
        if not self.url:
            return self.path
        parts = urlsplit(self.url)
        query = parse_qs(parts.query)

        def parameter(name: str) -> str:
            return query.get(name, [""])[0]

        host = parts.netloc.rpartition("@")[2] or parameter("host")
        if not host and parameter("service"):
            host = f"service {parameter('service')}"
        database = unquote(parts.path.lstrip("/")) or parameter("dbname")
        return "/".join(filter(None, [host or "the default host", database]))
