# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""A session of requests with a total deadline, and what it would use on its way.

The read timeout of requests starts anew with every byte that arrives, so a slow drip never times out. And requests
reads files and variables that nobody expects, and looks at a redirect even when it is not to follow it.
"""

from __future__ import annotations

import functools
import http.client
import io
import os
import socket
import time
import typing as t
from urllib.parse import urlsplit

from .connection import Connection

try:
    import requests
    from requests import Session
    from requests.adapters import HTTPAdapter
except ImportError:
    requests = None  # type: ignore[assignment]
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


def requests_version() -> str | None:
    """Return the version of requests, or None where it is not installed."""
    return str(requests.__version__) if requests is not None else None


def proxy_of(connection: Connection) -> str | None:
    """Return the proxy without a user name and password, or None."""
    if not connection.use_proxy:
        return None
    proxies = requests.utils.get_environ_proxies(connection.url)
    proxy = requests.utils.select_proxy(connection.url, proxies)
    if not proxy:
        return None
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def ca_bundle_of(connection: Connection) -> str | None:
    """Return the path of the certificates that are trusted, or None where none is asked for."""
    if not connection.validate_certs or not connection.url.startswith("https:"):
        return None
    from_environment = (
        os.environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    )
    candidates = [
        connection.ca_path,
        *from_environment,
        requests.utils.DEFAULT_CA_BUNDLE_PATH,
    ]
    return next(path for path in candidates if path)
