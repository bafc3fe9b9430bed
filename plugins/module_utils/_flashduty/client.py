# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The HTTP client: one connection pool, explicit timeouts, and each answer turned into a receipt or an exception."""

from __future__ import annotations

import json
import logging
import os
import sys
import typing as t
from dataclasses import dataclass, replace
from urllib.parse import quote

from .clock import SYSTEM_CLOCK, Clock
from .connection import Connection
from .errors import ConfigurationError, FlashdutyError
from .events import Event
from .http_errors import HttpErrors, json_object, parse_retry_after, timestamp
from .redaction import Redactor
from .retry import RetryPolicy
from .transport import StrictSession

try:
    import requests
    import urllib3
except ImportError as exc:
    REQUESTS_IMPORT_ERROR: ImportError | None = exc
else:
    REQUESTS_IMPORT_ERROR = None

USER_AGENT = "flashcat.flashduty (Ansible collection)"
REQUEST_ID_HEADER = "Flashcat-Request-Id"

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
class Answer:
    """What Flashduty has answered to a request that it took.

    :param data: the part of the answer that each kind of request has for itself.
    """

    request_id: str
    http_status: int
    data: t.Any


_ResultT = t.TypeVar("_ResultT")
_ClientT = t.TypeVar("_ClientT", bound="HttpClient")


class HttpClient:
    """Makes requests with a key, over connections that stay open. Not thread-safe: one client a thread.

    :raises ConfigurationError: when requests is not installed, or a certificate file is not there.
    """

    # Bytes; what is longer comes from somebody else.
    longest_answer = 64 * 1024

    def __init__(
        self,
        connection: Connection,
        *,
        retry: RetryPolicy | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if REQUESTS_IMPORT_ERROR is not None:
            raise ConfigurationError(
                f"The Python package requests is not installed for {sys.executable}, which was to send the {connection.wording.request}.",
                option="requests",
                hint=f"Install it there: {sys.executable} -m pip install requests.",
            )
        for option in ("ca_path", "client_cert", "client_key"):
            _check_file(getattr(connection, option), option, option)
        self._connection = connection
        self._retry = RetryPolicy(connection.retries) if retry is None else retry
        self._clock = clock
        self._query = f"?{connection.parameter}={quote(connection.key, safe='')}"
        self._prepared: dict[str, requests.PreparedRequest] = {}
        self._session = StrictSession()
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
        self._errors = HttpErrors(
            connection,
            Redactor([connection.key]),
            uses_proxy=bool(self._session.proxies),
        )

    def __enter__(self: _ClientT) -> _ClientT:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    @property
    def address(self) -> str:
        """The server as messages name it."""
        return self._connection.address

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._session.close()

    def repeat(self, attempt: t.Callable[[], _ResultT]) -> tuple[_ResultT, int]:
        """Make an attempt as often as the retry policy allows, and return what came of it and their number.

        :raises FlashdutyError: the last attempt's error, with the number of attempts in ``attempts``.
        """
        number = 1
        while True:
            try:
                return attempt(), number
            except FlashdutyError as error:
                error.attempts = number
                wait = None
                if error.retryable:
                    wait = self._retry.wait(
                        number,
                        retry_after=error.retry_after,
                        jitter=self._clock.jitter(),
                    )
                if wait is None:
                    raise
            self._clock.sleep(wait)
            number += 1

    def post(self, url: str, body: bytes) -> Answer:
        """Make one request once.

        :param url: without the key.
        :raises FlashdutyError: when it was not accepted; see the tree in ``errors.py``.
        """
        # The problem is raised outside the except block: Ansible prints the whole chain of an exception, and the
        # exceptions of requests hold the URL with the key.
        try:
            return self._exchange(url, body)
        except requests.RequestException as exc:
            problem: FlashdutyError = self._errors.of_exception(exc)
        except FlashdutyError as exc:
            problem = exc
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as exc:
            # Not all that happens below comes as an exception of requests.
            problem = self._errors.of_exception(exc)
        problem.__context__ = problem.__cause__ = None
        raise problem

    def _exchange(self, url: str, body: bytes) -> Answer:
        request = self._empty_request(url).copy()
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
            content = _read_all(response.raw, self.longest_answer)
            return self._read(response.status_code, response.headers, content)

    def _empty_request(self, url: str) -> requests.PreparedRequest:
        """Return all that requests to a URL have in common; preparing it takes as long as sending it."""
        if url not in self._prepared:
            request = requests.Request("POST", url + self._query)
            self._prepared[url] = self._session.prepare_request(request)
        return self._prepared[url]

    def _read(
        self, status: int, headers: t.Mapping[str, str], content: bytes
    ) -> Answer:
        # A date is meant by the clock of whoever wrote it, where that is known.
        retry_after = parse_retry_after(
            headers.get("Retry-After"),
            lambda: timestamp(headers.get("Date")) or self._clock.now(),
        )
        answer = json_object(content) or {}
        request_id = self._errors.one_line(
            answer.get("request_id") or headers.get(REQUEST_ID_HEADER) or "", 128
        )
        error = answer.get("error")
        if error:
            # An error may come with HTTP 200: it is an error all the same.
            raise self._errors.of_answer(
                error,
                http_status=status,
                request_id=request_id or None,
                retry_after=retry_after,
            )
        if 200 <= status < 300 and answer and request_id:
            return Answer(request_id, status, answer.get("data"))
        raise self._errors.of_strange_answer(
            content,
            headers,
            http_status=status,
            request_id=request_id or None,
            retry_after=retry_after,
        )


class Client(HttpClient):
    """Sends events to one integration. Not thread-safe: one client a thread.

    :raises ConfigurationError: when requests is not installed, or a certificate file is not there.
    """

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the connection."""
        return self._connection.fingerprint

    @property
    def longest_send(self) -> float:
        """Seconds that :meth:`send` takes at most, all attempts and waits included."""
        attempts = self._retry.retries + 1
        return attempts * (self._connection.timeout + self._retry.longest_wait * 1.25)

    def send(self, event: Event) -> Receipt:
        """Send one event, and again as often as the retry policy allows.

        A repetition is safe although an attempt that timed out may have arrived: the service merges events of one
        key, and drops one that is identical to an earlier one (source: Flashduty Alert Event API documentation).

        :raises FlashdutyError: the last attempt's error, with the number of attempts in ``attempts``.
        """
        return self.send_body(json.dumps(event.payload()).encode())

    def send_body(self, body: bytes) -> Receipt:
        """Send the payload of an event, as :meth:`send` does."""
        receipt, attempts = self.repeat(lambda: self.attempt(body))
        return replace(receipt, attempts=attempts)

    def attempt(self, body: bytes) -> Receipt:
        """Send one body once.

        :raises FlashdutyError: when it was not accepted; see the tree in ``errors.py``.
        """
        answer = self.post(self._connection.url, body)
        data = answer.data if isinstance(answer.data, dict) else {}
        alert_key = data.get("alert_key")
        return Receipt(
            answer.request_id,
            answer.http_status,
            alert_key=alert_key if isinstance(alert_key, str) else None,
        )


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


def _read_all(raw: t.Any, limit: int) -> bytes:
    # The default of urllib3 2.
    raw.enforce_content_length = True
    content = b""
    while len(content) <= limit:
        # Never decoded: compression was not asked for, and a few bytes of it may stand for gigabytes.
        piece = raw.read(limit, decode_content=False)
        # Read to the end: urllib3 raises IncompleteRead only on the final empty read.
        if not piece:
            break
        content += piece
    return content
