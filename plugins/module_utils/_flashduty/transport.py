# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""A session of requests with a total deadline.

The read timeout of requests starts anew with every byte that arrives, so a slow drip never times out. And requests
reads files and variables that nobody expects, and looks at a redirect even when it is not to follow it.
"""

from __future__ import annotations

import functools
import http.client
import io
import socket
import time
import typing as t

try:
    from requests import Session
    from requests.adapters import HTTPAdapter
except ImportError:
    Session = object  # type: ignore[assignment, misc]
    HTTPAdapter = object  # type: ignore[assignment, misc]


class StrictSession(Session):
    """Sends requests as it is told, gets the answer within its timeout, and goes nowhere else."""

    def __init__(self) -> None:
        super().__init__()
        # The environment also means .netrc, which would add credentials of its own.
        self.trust_env = False
        self.mount("http://", DeadlineAdapter())
        self.mount("https://", DeadlineAdapter())

    def get_redirect_target(self, resp: t.Any) -> None:
        """Know no target: even one that is not followed would be parsed, and may be nonsense."""


class DeadlineAdapter(HTTPAdapter):
    """Sends requests whose answers have to be complete within the read timeout."""

    def init_poolmanager(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _set_deadline_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: t.Any) -> t.Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        _set_deadline_pools(manager)
        return manager


def _set_deadline_pools(manager: t.Any) -> None:
    manager.pool_classes_by_scheme = {
        scheme: _deadline_pool(pool)
        for scheme, pool in manager.pool_classes_by_scheme.items()
    }


@functools.cache
def _deadline_pool(pool: t.Any) -> t.Any:
    if getattr(pool.ConnectionCls, "response_class", None) is _DeadlineResponse:
        return pool
    connection = type(
        f"Deadline{pool.ConnectionCls.__name__}",
        (pool.ConnectionCls,),
        {"response_class": _DeadlineResponse},
    )
    return type(f"Deadline{pool.__name__}", (pool,), {"ConnectionCls": connection})


class _DeadlineResponse(http.client.HTTPResponse):
    """An answer that is read from its socket until a deadline."""

    def __init__(self, sock: socket.socket, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp: t.Any = io.BufferedReader(_DeadlineReader(sock, self.fp))


class _DeadlineReader(io.RawIOBase):
    """What arrives at a socket, until the timeout that the socket has now is over."""

    def __init__(self, sock: socket.socket, stream: io.BufferedReader) -> None:
        self._sock = sock
        self._stream = stream
        self._timeout = sock.gettimeout()
        self._deadline = time.monotonic() + (self._timeout or 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        if self._timeout is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise socket.timeout("timed out")
            self._sock.settimeout(left)
        return self._stream.readinto1(buffer)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
