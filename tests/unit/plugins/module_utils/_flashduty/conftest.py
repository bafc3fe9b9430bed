# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Flashduty that is started once, and what goes wrong on the way to it."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import typing as t

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
    PATHS,
    Connection,
)

from tests.emulator.control import Emulator


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """See nothing of the proxies of the machine."""
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def started_tls_flashduty() -> t.Iterator[Emulator]:
    with Emulator(tls=True) as emulator:
        yield emulator


@pytest.fixture
def tls_flashduty(started_tls_flashduty: Emulator) -> Emulator:
    """A Flashduty on loopback behind TLS, with a certificate of a private authority."""
    started_tls_flashduty.reset()
    return started_tls_flashduty


@pytest.fixture
def connection(flashduty: Emulator) -> Connection:
    """The way to Flashduty."""
    return connection_to(flashduty)


def connection_to(
    emulator: Emulator, kind: str = "alert", **options: t.Any
) -> Connection:
    key = emulator.alert_key if kind == "alert" else emulator.change_key
    return Connection(
        **{
            "integration_key": key,
            "url": emulator.url + PATHS[kind],
            "kind": kind,
            "timeout": 5.0,
            **options,
        }
    )


ServerT = t.TypeVar("ServerT", bound="Server")


class Server:
    """A server on loopback that does with each connection what it is told, in a thread."""

    def __init__(self, serve: t.Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._closed = threading.Event()
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self: ServerT) -> ServerT:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._closed.set()
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(
                target=self._serve_one, args=(connection,), daemon=True
            ).start()

    def _serve_one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(20)
            self._serve(connection)


class Proxy(Server):
    """A proxy that writes down what it is asked for, and does it, or refuses with a status."""

    def __init__(self, *, refusal: str = "") -> None:
        super().__init__(self._forward)
        self._refusal = refusal
        self.asked: list[str] = []

    def _forward(self, client: socket.socket) -> None:
        head = _read_head(client)
        request_line, _newline, rest = head.partition(b"\r\n")
        self.asked.append(head.decode())
        method, target, _version = request_line.decode().split(" ")
        if self._refusal:
            client.sendall(
                f"HTTP/1.1 {self._refusal}\r\nContent-Length: 0\r\n\r\n".encode()
            )
            return
        place = target if method == "CONNECT" else target.split("/")[2]
        host, _colon, port = place.rpartition(":")
        with socket.create_connection((host, int(port))) as server:
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                path = "/" + target.split("/", 3)[3]
                server.sendall(f"{method} {path} HTTP/1.1\r\n".encode() + rest)
            _exchange(client, server)


def _read_head(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(4096)
        if not chunk:
            raise ConnectionError
        received += chunk
    return received


def _exchange(one: socket.socket, other: socket.socket) -> None:
    while True:
        readable, _writable, _failed = select.select([one, other], [], [], 20)
        for side in readable:
            chunk = side.recv(65536)
            if not chunk:
                return
            (other if side is one else one).sendall(chunk)
        if not readable:
            return
