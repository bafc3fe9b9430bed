# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An emulator process for the tests of the emulator, and a client that hides nothing."""

from __future__ import annotations

import http.client
import json
import typing as t
import urllib.parse
from dataclasses import dataclass

import pytest

from tests.emulator.control import Emulator

pytest.importorskip("aiohttp")


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> t.Any:
        return json.loads(self.body)


class Client:
    """Sends requests over connections of its own, one each unless told otherwise."""

    def __init__(self, emulator: Emulator, *, timeout: float = 10.0) -> None:
        self.emulator = emulator
        self.timeout = timeout

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(
            "127.0.0.1", self.emulator.port, timeout=self.timeout
        )

    def send(
        self,
        method: str = "POST",
        url: str | None = None,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        connection: http.client.HTTPConnection | None = None,
    ) -> Answer:
        parts = urllib.parse.urlsplit(url or self.emulator.push_url)
        own = connection or self.connect()
        try:
            own.request(
                method,
                f"{parts.path}?{parts.query}" if parts.query else parts.path,
                body,
                {"Content-Type": "application/json"} if headers is None else headers,
            )
            response = own.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            if connection is None:
                own.close()

    def push(self, url: str | None = None, **payload: t.Any) -> Answer:
        """Push an alert event; a minimal one, but for what is given."""
        content = {
            "title_rule": "Disk full",
            "event_status": "Critical",
            "alert_key": "disk",
            **payload,
        }
        return self.send(url=url, body=json.dumps(content).encode())

    def push_change(self, url: str | None = None, **payload: t.Any) -> Answer:
        content = {
            "title": "Deploy shop",
            "change_status": "Processing",
            "change_key": "deploy",
            **payload,
        }
        return self.send(
            url=url or self.emulator.change_push_url, body=json.dumps(content).encode()
        )


@pytest.fixture(scope="module")
def process() -> t.Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(process: Emulator) -> Emulator:
    """An emulator that knows of nothing yet."""
    process.reset()
    return process


@pytest.fixture
def client(emulator: Emulator) -> Client:
    return Client(emulator)
