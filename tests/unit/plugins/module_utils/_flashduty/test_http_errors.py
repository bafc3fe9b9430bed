# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server says reaches neither terminal nor memory as it likes."""

from __future__ import annotations

import gzip
import json
import socket
import typing as t

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.client import (
    Client,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
    Connection,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    FlashdutyError,
)

from .conftest import Server

HOSTILE = "a\x1b]0;owned\x07\nok: [all is well]\x9b2J\u202e\u2028b"


def answer(body: bytes, headers: str = "") -> t.Callable[[socket.socket], None]:
    """Return a server that answers each request alike."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        head = f"HTTP/1.1 400 Bad\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        connection.sendall(head.encode() + body)

    return serve


def failure(url: str) -> FlashdutyError:
    connection = Connection("key-0123456789abcdef", url, timeout=5.0)
    with Client(connection) as client, pytest.raises(FlashdutyError) as caught:
        client.attempt(b"{}")
    return caught.value


def test_an_answer_cannot_steer_a_terminal_or_begin_a_line() -> None:
    error = {"code": HOSTILE, "message": HOSTILE}
    body = json.dumps({"request_id": HOSTILE, "error": error}).encode()

    with Server(answer(body)) as server:
        problem = failure(f"{server.url}/x")

    for text in (str(problem), problem.code, problem.request_id or ""):
        assert "all is well" in text
        assert text.isprintable()
        assert "owned" not in text


def test_what_is_compressed_is_not_decoded() -> None:
    body = gzip.compress(b'{"request_id": "r", "data": {}}')

    with Server(answer(body, "Content-Encoding: gzip\r\n")) as server:
        problem = failure(f"{server.url}/x")

    assert problem.code == "UnexpectedResponse"
    assert "something compressed (gzip)" in str(problem)


def test_a_server_without_tls_is_said_to_be_one() -> None:
    with Server(answer(b"")) as server:
        problem = failure(server.url.replace("http:", "https:") + "/x")

    assert f"127.0.0.1:{server.port}: the server does not speak TLS there" in str(
        problem
    )
