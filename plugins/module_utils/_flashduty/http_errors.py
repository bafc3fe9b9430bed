# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What went wrong with a request, in our own words: an exception of the HTTP library holds the URL with the key."""

from __future__ import annotations

import contextlib
import datetime
import json
import math
import re
import typing as t
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from .api_errors import ApiError, is_retryable_status
from .connection import Connection
from .errors import (
    ConfigurationError,
    ConnectionFailed,
    FlashdutyError,
    TimeoutReached,
    UnexpectedResponse,
)
from .redaction import Redactor

with contextlib.suppress(ImportError):
    # Where it is missing, the client says so before it sends anything.
    import requests


_TLS_HINT = (
    "For a private certificate authority set ca_path; check client_cert and client_key where the server asks"
    " for them."
)


class HttpErrors:
    """Turns exceptions of the HTTP library, and answers that are no success, into errors for people.

    :param connection: what was to be reached.
    :param redactor: knows the key of the connection.
    :param uses_proxy: whether a proxy is configured.
    """

    def __init__(
        self, connection: Connection, redactor: Redactor, *, uses_proxy: bool
    ) -> None:
        self._connection = connection
        self._words = connection.wording
        self._redactor = redactor
        self._uses_proxy = uses_proxy

    def one_line(self, value: t.Any, limit: int) -> str:
        """Return what a server has said, without a secret, fit for a terminal, a log and the middle of a sentence.

        :param limit: the number of characters at most. Cut last: half a key would not be recognised.
        """
        return " ".join(self._redactor.clean(value).split())[:limit]

    def of_answer(
        self,
        error: t.Any,
        *,
        http_status: int,
        request_id: str | None,
        retry_after: float | None,
    ) -> ApiError:
        """Return Flashduty's own error.

        :param error: the field ``error`` of the answer.
        """
        if not isinstance(error, dict):
            error = {"message": str(error)}
        code = self.one_line(error.get("code") or "UnknownError", 64)
        return ApiError(
            code=code,
            api_message=self.one_line(error.get("message") or "", 500),
            http_status=http_status,
            request_id=request_id,
            retry_after=retry_after,
            subject=self._words.request,
            hint=self._words.hints.get(code),
        )

    def of_strange_answer(
        self,
        content: bytes,
        headers: t.Mapping[str, str],
        *,
        http_status: int,
        request_id: str | None,
        retry_after: float | None,
    ) -> UnexpectedResponse:
        """Return the error for an answer that is not Flashduty's."""
        address = self._connection.address
        request = f", request {request_id}" if request_id else ""
        if 300 <= http_status < 400:
            target = self.one_line(_host_name(headers.get("Location", "")), 255)
            return UnexpectedResponse(
                f"{address} answered with a redirect to {target} (HTTP {http_status}{request}),"
                f" which is not followed, because it would hand over the {self._words.key}.",
                hint=f"Check {self._words.url_options}, and whether a proxy asks for a log-in.",
                http_status=http_status,
                request_id=request_id,
                retryable=False,
            )
        content_type = self.one_line(headers.get("Content-Type", "").split(";")[0], 64)
        encoding = self.one_line(headers.get("Content-Encoding", ""), 64)
        if encoding and encoding.lower() != "identity":
            # It was not asked for, and a few bytes of it may stand for gigabytes.
            what = f"something compressed ({encoding})"
        elif not content.strip():
            what = "an empty body"
        elif "html" in content_type or content.lstrip()[:1] == b"<":
            what = "an HTML page"
        elif json_object(content) is not None:
            what = "JSON that is not Flashduty's"
        else:
            what = f"something that is not JSON ({content_type or 'no content type'})"
        return UnexpectedResponse(
            f"{address} answered with {what} (HTTP {http_status}{request}), which Flashduty does not do.",
            hint=(
                "A proxy or load balancer in between has a problem: try again later."
                if is_retryable_status(http_status)
                else f"Check {self._words.url_options}, and the proxy."
            ),
            http_status=http_status,
            request_id=request_id,
            retry_after=retry_after,
        )

    def of_exception(self, exc: Exception) -> FlashdutyError:
        """Return the error for a request that got no answer."""
        connection = self._connection
        chain = _chain(exc)
        names = {type(link).__name__ for link in chain}
        if isinstance(exc, requests.Timeout) or "ReadTimeoutError" in names:
            return TimeoutReached(
                f"{connection.address} did not answer within {connection.timeout:g} seconds.",
                hint="Check the network and the proxy, or raise timeout.",
            )
        if self._is_of_proxy(exc, names):
            status = _tunnel_status(chain)
            did = f"answered with HTTP {status}" if status else "cannot be used"
            return ConnectionFailed(
                f"Cannot reach {connection.address}: the proxy {did}.",
                hint="Check HTTPS_PROXY and NO_PROXY, or set use_proxy to false.",
            )
        if isinstance(exc, requests.exceptions.SSLError) or names & {
            "SSLError",
            "SSLCertVerificationError",
        }:
            return self._of_tls(chain)
        if isinstance(
            exc, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)
        ):
            return ConfigurationError(
                f"{connection.url} is not a URL that can be reached.",
                option="api_url",
                hint=f"Check {self._words.url_options}.",
            )
        return ConnectionFailed(
            f"Cannot reach {connection.address}: {_what_failed(exc, names)}.",
            hint=f"Check the network, the firewall and the proxy, and {self._words.url_options}.",
        )

    def _of_tls(self, chain: list[BaseException]) -> ConnectionFailed:
        address = self._connection.address
        if any(
            word in str(link)
            for link in chain
            for word in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
        ):
            return ConnectionFailed(
                f"Cannot reach {address}: the server does not speak TLS there.",
                hint=f"Check the scheme and the port of {self._words.url_options}: http:// for a server without TLS.",
            )
        reasons = " ".join(
            str(getattr(link, "verify_message", "")) for link in chain
        ).strip()
        why = f" ({self.one_line(reasons, 200)})" if reasons else ""
        return ConnectionFailed(
            f"Cannot reach {address}: no TLS connection{why}.", hint=_TLS_HINT
        )

    def _is_of_proxy(self, exc: Exception, names: set[str]) -> bool:
        kinds = (requests.exceptions.ProxyError, requests.exceptions.InvalidProxyURL)
        # Requests says "InvalidSchema" of a SOCKS proxy when it cannot speak SOCKS.
        unspoken = {"ProxySchemeUnknown", "InvalidSchema"}
        return isinstance(exc, kinds) or bool(names & unspoken and self._uses_proxy)


def json_object(content: bytes) -> dict[str, t.Any] | None:
    """Return the JSON object that a body holds, or None when it holds none."""
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def parse_retry_after(value: str | None, now: t.Callable[[], float]) -> float | None:
    """Return the seconds that a Retry-After header asks for: it holds seconds, a proxy's may hold a date.

    :param now: asked for the seconds since the epoch when it is a date.
    """
    try:
        seconds = float(value or "")
    except ValueError:
        date = timestamp(value)
        if date is None:
            return None
        seconds = date - now()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def timestamp(date: str | None) -> float | None:
    """Return the seconds since the epoch of a date as HTTP writes it, or None when it is none."""
    try:
        moment = parsedate_to_datetime(date or "")
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.timezone.utc)
        return moment.timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _what_failed(exc: Exception, names: set[str]) -> str:
    if names & {"gaierror", "NameResolutionError"}:
        return "name not resolved"
    if "ConnectionRefusedError" in names:
        return "connection refused"
    if names & {"ConnectionResetError", "BrokenPipeError"}:
        return "connection reset"
    if names & {
        "RemoteDisconnected",
        "IncompleteRead",
        "ProtocolError",
        "ChunkedEncodingError",
    }:
        return "connection closed before the answer was complete"
    if isinstance(exc, requests.ConnectionError):
        return "connection failed"
    return f"connection failed ({type(exc).__name__})"


def _host_name(url: str) -> str:
    try:
        return urlsplit(url).hostname or "another path"
    except ValueError:
        return "an unknown place"


def _tunnel_status(chain: list[BaseException]) -> str | None:
    """Return the status with which a proxy has refused a tunnel."""
    found = [
        re.search(r"Tunnel connection failed: (\d{3})", str(link)) for link in chain
    ]
    return next((match.group(1) for match in found if match), None)


def _chain(exc: BaseException | None) -> list[BaseException]:
    """Return an exception with all that caused it: arguments, reasons, causes and contexts."""
    links: list[BaseException] = []
    waiting: list[t.Any] = [exc]
    while waiting and len(links) < 30:
        link = waiting.pop()
        if isinstance(link, BaseException) and link not in links:
            links.append(link)
            waiting += [
                link.__cause__,
                link.__context__,
                getattr(link, "reason", None),
                *link.args,
            ]
    return links
