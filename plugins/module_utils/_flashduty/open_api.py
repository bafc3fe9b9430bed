# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The client of Flashduty's Open API: the same transport, retries and errors as for events, with an app key."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

from .client import HttpClient
from .clock import SYSTEM_CLOCK, Clock
from .errors import FlashdutyError, UnexpectedResponse
from .open_api_connection import OpenApiConnection
from .retry import RetryPolicy

# A list of a hundred alerts, each with a description and labels of the greatest length.
_LONGEST_ANSWER = 32 * 1024 * 1024


@dataclass(frozen=True)
class ApiAnswer:
    """What a call returned.

    :param data: the endpoint's own part of the answer; an empty dictionary where the service sent none.
    :param request_id: Flashduty's id of the request, which its support asks for.
    """

    data: dict[str, t.Any]
    request_id: str


class OpenApiClient(HttpClient):
    """Makes calls of the Open API. Not thread-safe: one client a thread.

    The service takes 50 requests a second and 1,000 a minute for an account, and answers 429 to what is more (source:
    Flashduty Open API documentation); such a call is repeated as the retry policy has it.

    :raises ConfigurationError: when requests is not installed, or a certificate file is not there.
    """

    longest_answer = _LONGEST_ANSWER

    def __init__(
        self,
        connection: OpenApiConnection,
        *,
        retry: RetryPolicy | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        super().__init__(connection, retry=retry, clock=clock)
        self._address = connection.url.rstrip("/")

    def call(
        self,
        path: str,
        payload: t.Mapping[str, t.Any],
        *,
        arrived: t.Callable[[], str | None] | None = None,
    ) -> ApiAnswer:
        """Make one call, and again as often as the retry policy allows.

        :param path: such as ``/alert/list``.
        :param arrived: for a call that must not be made twice: asked before a repetition whether the attempt that
            failed has arrived after all; returns the id of what it made.
        :raises FlashdutyError: the last attempt's error, with the number of attempts in ``attempts``.
        """
        body = json.dumps(payload).encode()
        failed: list[FlashdutyError] = []

        def attempt() -> ApiAnswer:
            made = arrived() if arrived and failed else None
            if made:
                return ApiAnswer({"rule_id": made}, failed[-1].request_id or "")
            try:
                return self._call(path, body)
            except FlashdutyError as exc:
                failed.append(exc)
                raise

        answer, _attempts = self.repeat(attempt)
        return answer

    def _call(self, path: str, body: bytes) -> ApiAnswer:
        answer = self.post(self._address + path, body)
        if answer.data is None:
            return ApiAnswer({}, answer.request_id)
        if isinstance(answer.data, dict):
            return ApiAnswer(answer.data, answer.request_id)
        raise UnexpectedResponse(
            f"{path} of {self.address} answered with data of a kind that Flashduty does not send.",
            hint="Check api_url.",
            http_status=answer.http_status,
            request_id=answer.request_id,
            retryable=False,
        )
