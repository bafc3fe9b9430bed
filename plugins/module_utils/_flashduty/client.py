# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The HTTP client: one connection pool, explicit timeouts, and each answer turned into a receipt or an exception."""

from __future__ import annotations

import datetime
import functools
import json
import logging
import math
import os
import random
import re
import sys
import time
import typing as t
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import quote, urlsplit

from .connection import Connection
from .errors import (
    ApiError,
    ConfigurationError,
    ConnectionFailed,
    FlashdutyError,
    TimeoutReached,
    UnexpectedResponse,
    is_worth_a_retry,
)
from .events import Event, clean_text
from .redaction import Redactor
from .retry import RetryPolicy
from .transport import PlainSession

try:
    import requests
    import urllib3
except ImportError as exc:
    REQUESTS_IMPORT_ERROR: ImportError | None = exc
else:
    REQUESTS_IMPORT_ERROR = None

USER_AGENT = "flashcat.flashduty (Ansible collection)"
REQUEST_ID_HEADER = "Flashcat-Request-Id"

# Flashduty's answers have a few hundred bytes; what is longer comes from somebody else.
_LONGEST_ANSWER = 64 * 1024

# urllib3 logs the path and query of a failing request, and with them the key; ANSIBLE_LOG_PATH would write it.
for _name in ("urllib3", "requests", "charset_normalizer"):
    logging.getLogger(_name).addHandler(logging.NullHandler())
    logging.getLogger(_name).propagate = False


@dataclass(frozen=True)
class Receipt:
    """Flashduty has accepted an event.

    :param request_id: Flashduty's id of the request, which its support asks for.
    :param alert_key: the key that the service answered with, where it did.
    """

    request_id: str
    http_status: int
    attempts: int = 1
    alert_key: str | None = None


@dataclass(frozen=True)
class Clock:
    """Where time and chance come from; tests bring their own."""

    now: t.Callable[[], float] = time.time
    monotonic: t.Callable[[], float] = time.monotonic
    sleep: t.Callable[[float], None] = time.sleep
    jitter: t.Callable[[], float] = random.random


SYSTEM_CLOCK = Clock()


class Client:
    """Sends events to one integration. Not thread-safe: one client a thread.

    :raises ConfigurationError: when requests is not installed, or a certificate file is not there.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        retry: RetryPolicy | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if REQUESTS_IMPORT_ERROR is not None:
            raise ConfigurationError(
                f"The Python package requests is not installed for {sys.executable}, which was to send the event.",
                option="requests",
                hint=f"Install it there: {sys.executable} -m pip install requests.",
            )
        for option in ("ca_path", "client_cert", "client_key"):
            _check_file(getattr(connection, option), option, option)
        self._connection = connection
        self._retry = RetryPolicy(connection.retries) if retry is None else retry
        self._clock = clock
        self._redactor = Redactor([connection.integration_key])
        self._url = f"{connection.url}?integration_key={quote(connection.integration_key, safe='')}"
        self._session = PlainSession()
        self._session.headers["User-Agent"] = USER_AGENT
        self._session.headers["Content-Type"] = "application/json"
        self._session.headers["Accept"] = "application/json"
        self._session.headers["Accept-Encoding"] = "identity"
        self._session.verify = _verify(connection)
        if connection.client_cert:
            key = connection.client_key
            self._session.cert = (
                (connection.client_cert, key) if key else connection.client_cert
            )
        if connection.use_proxy:
            self._session.proxies = requests.utils.get_environ_proxies(connection.url)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    @property
    def integration(self) -> str:
        """The fingerprint of the connection."""
        return self._connection.fingerprint

    @property
    def longest_send(self) -> float:
        """Seconds that :meth:`send` takes at most, all attempts and waits included."""
        attempts = self._retry.retries + 1
        return attempts * (self._connection.timeout + self._retry.longest_wait * 1.25)

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._session.close()

    def send(self, event: Event) -> Receipt:
        """Send one event, and again as often as the retry policy allows.

        A repetition is safe although an attempt that timed out may have arrived: the service merges events of one
        key, and drops one that is identical to an earlier one (source: Flashduty Alert Event API documentation).

        :raises FlashdutyError: the last attempt's error, with the number of attempts in ``attempts``.
        """
        return self.send_body(json.dumps(event.payload()).encode())

    def send_body(self, body: bytes) -> Receipt:
        """Send the payload of an event, as :meth:`send` does."""
        attempt = 1
        while True:
            try:
                receipt = self.attempt(body)
            except FlashdutyError as error:
                error.attempts = attempt
                wait = None
                if error.retryable:
                    wait = self._retry.wait(
                        attempt,
                        retry_after=error.retry_after,
                        jitter=self._clock.jitter(),
                    )
                if wait is None:
                    raise
            else:
                return Receipt(
                    receipt.request_id, receipt.http_status, attempt, receipt.alert_key
                )
            self._clock.sleep(wait)
            attempt += 1

    def attempt(self, body: bytes) -> Receipt:
        """Send one body once.

        :raises FlashdutyError: when it was not accepted; see the tree in ``errors.py``.
        """
        # The problem is raised outside the except block: Ansible prints the whole chain of an exception, and the
        # exceptions of requests hold the URL with the key.
        try:
            return self._post(body)
        except requests.RequestException as exc:
            problem: FlashdutyError = self._describe(exc)
        except FlashdutyError as exc:
            problem = exc
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as exc:
            # Not all that happens below comes as an exception of requests.
            problem = self._describe(exc)
        problem.__context__ = problem.__cause__ = None
        raise problem

    def _post(self, body: bytes) -> Receipt:
        request = self._empty_request.copy()
        request.body = body
        request.headers["Content-Length"] = str(len(body))
        # Redirects are not followed: the key is in the URL, and would be handed to another host.
        response = self._session.send(
            request,
            # For all of it; the session sees to that.
            timeout=t.cast(float, urllib3.Timeout(total=self._connection.timeout)),
            allow_redirects=False,
            stream=True,
            proxies=self._session.proxies,
        )
        with response:
            content = _read_all(response.raw)
            return self._read(response.status_code, response.headers, content)

    @functools.cached_property
    def _empty_request(self) -> requests.PreparedRequest:
        """All that requests of this client have in common; preparing it takes as long as sending it."""
        return self._session.prepare_request(requests.Request("POST", self._url))

    def _read(
        self, status: int, headers: t.Mapping[str, str], content: bytes
    ) -> Receipt:
        # A date is meant by the clock of whoever wrote it, where that is known.
        retry_after = parse_retry_after(
            headers.get("Retry-After"),
            lambda: _timestamp(headers.get("Date")) or self._clock.now(),
        )
        answer = _json_object(content)
        request_id = answer.get("request_id") if answer else None
        request_id = str(request_id or headers.get(REQUEST_ID_HEADER) or "")
        request_id = self._redactor.scrub(request_id)[:128]
        error = answer.get("error") if answer else None
        if error:
            # An error may come with HTTP 200: it is an error all the same.
            if not isinstance(error, dict):
                error = {"message": str(error)}
            raise ApiError(
                code=self._one_line(error.get("code") or "UnknownError", 64),
                api_message=self._one_line(error.get("message") or "", 500),
                http_status=status,
                request_id=request_id or None,
                retry_after=retry_after,
            )
        if 200 <= status < 300 and answer is not None and request_id:
            data = answer.get("data")
            alert_key = data.get("alert_key") if isinstance(data, dict) else None
            return Receipt(
                request_id,
                status,
                alert_key=alert_key if isinstance(alert_key, str) else None,
            )
        raise self._unexpected(
            status, headers, content, request_id or None, retry_after
        )

    def _one_line(self, value: t.Any, limit: int) -> str:
        """Return what a server has said, without a secret, fit for the middle of a sentence."""
        # Cut last: half a key would not be recognised.
        return " ".join(self._redactor.scrub(clean_text(str(value))).split())[:limit]

    def _unexpected(
        self,
        status: int,
        headers: t.Mapping[str, str],
        content: bytes,
        request_id: str | None,
        retry_after: float | None,
    ) -> UnexpectedResponse:
        host = self._connection.host
        request = f", request {request_id}" if request_id else ""
        if 300 <= status < 400:
            target = self._one_line(_host_name(headers.get("Location", "")), 255)
            return UnexpectedResponse(
                f"{host} answered with a redirect to {target} (HTTP {status}{request}),"
                " which is not followed, because it would hand over the integration key.",
                hint="Check api_url or push_url, and whether a proxy asks for a log-in.",
                http_status=status,
                request_id=request_id,
                retryable=False,
            )
        content_type = self._one_line(headers.get("Content-Type", "").split(";")[0], 64)
        if not content.strip():
            what = "an empty body"
        elif "html" in content_type or content.lstrip()[:1] == b"<":
            what = "an HTML page"
        elif _json_object(content) is not None:
            what = "JSON that is not Flashduty's"
        else:
            what = f"something that is not JSON ({content_type or 'no content type'})"
        return UnexpectedResponse(
            f"{host} answered with {what} (HTTP {status}{request}), which Flashduty does not do.",
            hint=(
                "A proxy or load balancer in between has a problem: try again later."
                if is_worth_a_retry(status)
                else "Check api_url or push_url, and the proxy."
            ),
            http_status=status,
            request_id=request_id,
            retry_after=retry_after,
        )

    def _timed_out(self) -> TimeoutReached:
        return TimeoutReached(
            f"{self._connection.host} did not answer within {self._connection.timeout:g} seconds.",
            hint="Check the network and the proxy, or raise timeout.",
        )

    def _describe(self, exc: Exception) -> FlashdutyError:
        """Say in our own words what an exception of the HTTP library means; its own text holds the key."""
        host = self._connection.host
        chain = _chain(exc)
        names = {type(link).__name__ for link in chain}
        reasons = " ".join(
            str(getattr(link, "verify_message", "")) for link in chain
        ).strip()
        if isinstance(exc, requests.Timeout) or "ReadTimeoutError" in names:
            return self._timed_out()
        if self._is_of_proxy(exc, names):
            status = _tunnel_status(chain)
            did = f"answered with HTTP {status}" if status else "cannot be used"
            return ConnectionFailed(
                f"Cannot reach {host}: the proxy {did}.",
                hint="Check HTTPS_PROXY and NO_PROXY, or set use_proxy to false.",
            )
        if isinstance(exc, requests.exceptions.SSLError) or names & {
            "SSLError",
            "SSLCertVerificationError",
        }:
            why = f" ({self._one_line(reasons, 200)})" if reasons else ""
            return ConnectionFailed(
                f"Cannot reach {host}: no TLS connection{why}.",
                hint="For a private certificate authority set ca_path; check client_cert and client_key"
                " where the server asks for them.",
            )
        if isinstance(
            exc, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)
        ):
            return ConfigurationError(
                f"{self._connection.url} is not a URL that can be reached.",
                option="api_url",
                hint="Check api_url or push_url.",
            )
        if names & {"gaierror", "NameResolutionError"}:
            what = "name not resolved"
        elif "ConnectionRefusedError" in names:
            what = "connection refused"
        elif names & {"ConnectionResetError", "BrokenPipeError"}:
            what = "connection reset"
        elif names & {
            "RemoteDisconnected",
            "IncompleteRead",
            "ProtocolError",
            "ChunkedEncodingError",
        }:
            what = "connection closed before the answer was complete"
        elif isinstance(exc, requests.ConnectionError):
            what = "connection failed"
        else:
            what = f"connection failed ({type(exc).__name__})"
        return ConnectionFailed(
            f"Cannot reach {host}: {what}.",
            hint="Check the network, the firewall and the proxy, and api_url or push_url.",
        )

    def _is_of_proxy(self, exc: Exception, names: set[str]) -> bool:
        kinds = (requests.exceptions.ProxyError, requests.exceptions.InvalidProxyURL)
        # Requests says "InvalidSchema" of a SOCKS proxy when it cannot speak SOCKS.
        unspoken = {"ProxySchemeUnknown", "InvalidSchema"}
        return isinstance(exc, kinds) or bool(
            names & unspoken and self._session.proxies
        )


def parse_retry_after(value: str | None, now: t.Callable[[], float]) -> float | None:
    """Return the seconds that a Retry-After header asks for: it holds seconds, a proxy's may hold a date.

    :param now: asked for the seconds since the epoch when it is a date.
    """
    try:
        seconds = float(value or "")
    except ValueError:
        date = _timestamp(value)
        if date is None:
            return None
        seconds = date - now()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _timestamp(date: str | None) -> float | None:
    """Return the seconds since the epoch of a date as HTTP writes it, or None when it is none."""
    try:
        moment = parsedate_to_datetime(date or "")
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.timezone.utc)
        return moment.timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


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


def _check_file(path: str | None, option: str, name: str) -> None:
    if path and not os.path.exists(path):
        raise ConfigurationError(
            f"{name}: there is no file {path}.",
            option=option,
            hint="Give the path of a PEM file.",
        )


def _verify(connection: Connection) -> bool | str:
    if not connection.validate_certs:
        # Somebody has chosen this; the warning on each request would only garble the output.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return False
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        path = connection.ca_path or os.environ.get(name)
        if path:
            _check_file(path, "ca_path", name)
            return path
    return True


def _read_all(raw: t.Any) -> bytes:
    # The default of urllib3 2.
    raw.enforce_content_length = True
    content = b""
    while len(content) <= _LONGEST_ANSWER:
        # The empty piece counts: with it comes the complaint about an answer that ended too early.
        piece = raw.read(_LONGEST_ANSWER, decode_content=True)
        if not piece:
            break
        content += piece
    return content


def _json_object(content: bytes) -> dict[str, t.Any] | None:
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


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
