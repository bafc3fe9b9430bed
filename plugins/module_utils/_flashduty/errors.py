# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What can go wrong between an event and Flashduty, and what a person can do about it.

FlashdutyError
├── ConfigurationError     an option is wrong, or requests is missing; nothing was sent
│   └── InvalidEvent       the event breaks a rule of the service; nothing was sent
├── ConnectionFailed       no answer: name resolution, connection, TLS, proxy
├── TimeoutReached         no answer in time
├── UnexpectedResponse     an answer, but not Flashduty's: a proxy's HTML, an empty body, a redirect
└── ApiError               Flashduty's own error; see api_errors.py

Messages are made of our own words, never of an exception of the HTTP library: such a text holds the URL, and
the URL holds the integration key.
"""

from __future__ import annotations

import typing as t

CONNECTION_FAILED = "ConnectionFailed"
TIMEOUT = "Timeout"
UNEXPECTED_RESPONSE = "UnexpectedResponse"


class FlashdutyError(Exception):
    """An event could not be delivered.

    :param message: what was attempted and what happened, as one sentence without a secret.
    :param code: the service's error code, or one of our own for what never reached it.
    :param hint: one sentence that tells a person what to do.
    :param http_status: the status of the answer, when there was one.
    :param request_id: Flashduty's id of the request, which its support asks for.
    :param retryable: whether sending the same event again later can succeed.
    :param retry_after: seconds that the service asked to wait, when it did.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        hint: str,
        http_status: int | None = None,
        request_id: str | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.http_status = http_status
        self.request_id = request_id
        self.retryable = retryable
        self.retry_after = retry_after
        self.attempts = 0

    @property
    def permanent(self) -> bool:
        """Whether the service has refused the event for good: it answered, and would answer the same again."""
        return False

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()

    def as_dict(self) -> dict[str, t.Any]:
        """Return plain data, as tasks return them in ``error`` and the outbox keeps them."""
        return {
            "code": self.code,
            "message": self.message,
            "http_status": self.http_status,
            "request_id": self.request_id,
            "retryable": self.retryable,
            "hint": self.hint,
        }

    def as_result(self) -> dict[str, t.Any]:
        """Return what a failed task says: the keyword arguments of ``fail_json``."""
        return {"msg": str(self), "error": self.as_dict(), "attempts": self.attempts}


class ConfigurationError(FlashdutyError):
    """An option is missing or wrong, so that nothing could be sent.

    :param message: names the option, the value's problem and what is allowed.
    :param option: the option's name.
    """

    CODE = "InvalidConfiguration"

    def __init__(self, message: str, *, option: str, hint: str = "") -> None:
        super().__init__(message, code=self.CODE, hint=hint)
        self.option = option


class InvalidEvent(ConfigurationError):
    """The event breaks a rule of the service; it was not sent."""

    CODE = "InvalidEvent"


class ConnectionFailed(FlashdutyError):
    """No answer: the name is unknown, the connection was refused or broken, or TLS failed."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message, code=CONNECTION_FAILED, hint=hint, retryable=True)


class TimeoutReached(FlashdutyError):
    """No complete answer within the timeout of one attempt."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message, code=TIMEOUT, hint=hint, retryable=True)


class UnexpectedResponse(FlashdutyError):
    """An answer that is not Flashduty's: from a proxy, a load balancer or another server."""

    def __init__(
        self,
        message: str,
        *,
        hint: str,
        http_status: int,
        request_id: str | None = None,
        retryable: bool = True,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(
            message,
            code=UNEXPECTED_RESPONSE,
            hint=hint,
            http_status=http_status,
            request_id=request_id,
            retryable=retryable,
            retry_after=retry_after,
        )
