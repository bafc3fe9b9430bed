# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the emulator remembers about requests: everything but the integration keys."""

from __future__ import annotations

import functools
import json
import typing as t
import urllib.parse
from collections import deque
from dataclasses import dataclass

from .service import Kind

#: Stands for a key wherever one would be shown.
HIDDEN = "[integration key]"

#: The oldest requests are forgotten beyond this number.
MAX_REQUESTS = 200_000

PUSH_PATHS: dict[str, Kind] = {
    "/event/push/alert/standard": "alert",
    "/event/push/change/standard": "change",
}

OPEN_API_PATHS = frozenset(
    (
        "/alert/list",
        "/channel/info",
        "/channel/list",
        "/channel/silence/rule/create",
        "/channel/silence/rule/delete",
        "/channel/silence/rule/disable",
        "/channel/silence/rule/enable",
        "/channel/silence/rule/list",
        "/channel/silence/rule/update",
    )
)

#: A wrong key that is shorter than this is not looked for in texts: it would be found everywhere.
_MIN_SECRET = 8


@dataclass(frozen=True)
class Target:
    """What a request line points at.

    :param call: the path of a call of the Open API, without a prefix.
    """

    path: str
    kind: Kind | None
    call: str | None
    key: str | None
    query: tuple[tuple[str, str], ...]
    absolute: bool


@functools.lru_cache(maxsize=256)
def read_target(raw: str, prefix: str = "") -> Target:
    """Take a request line's target apart. (Clients of a proxy send a whole URL there.)"""
    try:
        parts = urllib.parse.urlsplit(raw)
    except ValueError:
        return Target(raw, None, None, None, (), False)
    path = urllib.parse.unquote(parts.path) or "/"
    rest = path[len(prefix) :] if path.startswith(prefix) else ""
    kind = PUSH_PATHS.get(rest)
    call = rest if rest in OPEN_API_PATHS else None
    parameter = "app_key" if call else "integration_key"
    keys: list[str] = []
    query: list[tuple[str, str]] = []
    for name, value in urllib.parse.parse_qsl(parts.query, keep_blank_values=True):
        if name == parameter:
            keys.append(value)
        else:
            query.append((name, value))
    return Target(
        path=path,
        kind=kind,
        call=call,
        key=keys[0] if keys else None,
        query=tuple(query),
        absolute=bool(parts.scheme),
    )


@dataclass(slots=True)
class Record:
    """One request as it came, and what it was answered."""

    received_at: float
    method: str
    target: Target
    headers: t.Sequence[tuple[bytes, bytes]]
    client: t.Any
    key_valid: bool
    body: bytes = b""
    faults: tuple[str, ...] = ()
    status: int | None = None
    answer: bytes | None = None
    answered_at: float | None = None


class Recorder:
    """Keeps requests in the order of their arrival, and shows them without keys."""

    def __init__(self, secrets: t.Iterable[str] = ()) -> None:
        self._secrets = _with_quoted(secrets)
        self._secrets_as_bytes = [
            (secret.encode(), HIDDEN.encode()) for secret in self._secrets
        ]
        self._former: list[dict[str, t.Any]] = []
        self._records: deque[Record] = deque(maxlen=MAX_REQUESTS)

    def add(self, record: Record) -> None:
        self._records.append(record)

    def reset(self) -> None:
        self._former = []
        self._records.clear()

    def load(self, former: list[dict[str, t.Any]]) -> None:
        """Put requests of an earlier life, as ``as_list`` gave them, before those of this one."""
        self._former = former

    def hide(self, body: bytes) -> bytes:
        """Return a body without the keys that the service knows."""
        for secret, hidden in self._secrets_as_bytes:
            if secret in body:
                body = body.replace(secret, hidden)
        return body

    def as_list(self) -> list[dict[str, t.Any]]:
        return self._former + [self._as_dict(record) for record in self._records]

    def _as_dict(self, record: Record) -> dict[str, t.Any]:
        target = record.target
        secrets = self._secrets
        if target.key and len(target.key) >= _MIN_SECRET:
            secrets = _with_quoted([*secrets, target.key])
        leaks: set[str] = set()

        def text(value: bytes | str, place: str = "", encoding: str = "utf-8") -> str:
            if isinstance(value, bytes):
                value = value.decode(encoding, "replace")
            for secret in secrets:
                if secret in value:
                    value = value.replace(secret, HIDDEN)
                    leaks.add(place)
            return value

        headers: dict[str, str] = {}
        for raw_name, raw_value in record.headers:
            name = text(raw_name, "headers", "latin-1")
            value = text(raw_value, "headers", "latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        shown = {
            "method": record.method,
            "path": text(target.path, "path"),
            "query": {
                text(name, "query"): text(value, "query")
                for name, value in target.query
            },
            "absolute": target.absolute,
            "kind": target.kind or (target.call and "open_api"),
            "headers": headers,
            "body": _parsed(text(record.body, "body")),
            "key_valid": record.key_valid,
            "faults": list(record.faults),
            "status": record.status,
            "answer": None if record.answer is None else _parsed(text(record.answer)),
            "client": _address(record.client),
            "received_at": record.received_at,
            "answered_at": record.answered_at,
        }
        # Where a key stood that belongs into the query parameter and nowhere else.
        shown["key_leaks"] = sorted(leaks - {""})
        return shown


def _with_quoted(secrets: t.Iterable[str]) -> list[str]:
    found = {secret for secret in secrets if secret}
    found |= {urllib.parse.quote(secret, safe="") for secret in found}
    # What becomes of a key in a query where somebody forgot to quote it.
    found |= {urllib.parse.unquote_plus(secret) for secret in found}
    return sorted(found, key=len, reverse=True)


def _parsed(text: str) -> t.Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _address(peer: t.Any) -> str:
    return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else ""
