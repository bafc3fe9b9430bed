# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of error codes, and what a person reads."""

from __future__ import annotations

import json

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.api_errors import (
    API_ERRORS,
    ApiError,
    is_retryable_status,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
    ConnectionFailed,
    FlashdutyError,
    InvalidEvent,
    TimeoutReached,
    UnexpectedResponse,
)

# Flashduty Alert Event API documentation.
DOCUMENTED = [
    ("InvalidParameter", 400, False),
    ("InvalidContentType", 400, False),
    ("MethodNotAllowed", 400, False),
    ("Unauthorized", 401, False),
    ("AccessDenied", 403, False),
    ("RequestTooFrequently", 429, True),
    ("RouteNotFound", 404, False),
    ("ResourceNotFound", 400, False),
    ("NoLicense", 400, False),
    ("InternalError", 500, True),
]


def api_error(code: str, http_status: int, message: str = "no such thing") -> ApiError:
    return ApiError(
        code=code, api_message=message, http_status=http_status, request_id="0ace00"
    )


def test_the_table_has_the_documented_codes() -> None:
    assert [
        (code, facts.http_status, facts.retryable) for code, facts in API_ERRORS.items()
    ] == DOCUMENTED


@pytest.mark.parametrize(("code", "http_status", "retryable"), DOCUMENTED)
def test_an_error_of_the_service_says_what_happened_and_what_to_do(
    code: str, http_status: int, retryable: bool
) -> None:
    error = api_error(code, http_status)

    assert (error.retryable, error.permanent) == (retryable, not retryable)
    assert str(error) == (
        f"Flashduty refused the event with {code} (HTTP {http_status}, request 0ace00): no such thing."
        f" {API_ERRORS[code].hint}"
    )
    assert error.hint.endswith(".")


@pytest.mark.parametrize(("code", "http_status", "retryable"), DOCUMENTED)
def test_the_code_decides_and_not_the_status(
    code: str, http_status: int, retryable: bool
) -> None:
    assert api_error(code, 200).retryable == retryable


@pytest.mark.parametrize(
    ("http_status", "retryable"), [(200, False), (400, False), (429, True), (503, True)]
)
def test_an_unknown_code_is_judged_by_the_status(
    http_status: int, retryable: bool
) -> None:
    error = api_error("SomethingNew", http_status)

    assert error.retryable == retryable
    assert "support" in str(error)


def test_a_result_has_all_facts_as_plain_data() -> None:
    error = api_error("InternalError", 500)
    error.attempts = 4

    assert json.loads(json.dumps(error.as_result())) == {
        "msg": str(error),
        "error": {
            "code": "InternalError",
            "message": "Flashduty refused the event with InternalError (HTTP 500, request 0ace00): no such thing.",
            "http_status": 500,
            "request_id": "0ace00",
            "retryable": True,
            "hint": API_ERRORS["InternalError"].hint,
        },
        "attempts": 4,
    }


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (ConnectionFailed("No.", hint="Look."), "ConnectionFailed", True),
        (TimeoutReached("No.", hint="Look."), "Timeout", True),
        (
            UnexpectedResponse("No.", hint="Look.", http_status=502),
            "UnexpectedResponse",
            True,
        ),
        (
            ConfigurationError("No.", option="x", hint="Look."),
            "InvalidConfiguration",
            False,
        ),
        (InvalidEvent("No.", option="x", hint="Look."), "InvalidEvent", False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_the_services_answer_is_never_taken_for_its_refusal(
    error: FlashdutyError, code: str, retryable: bool
) -> None:
    assert (error.code, error.retryable, error.permanent) == (code, retryable, False)
    assert str(error) == "No. Look."


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_statuses_of_a_passing_trouble_are_worth_a_retry(status: int) -> None:
    assert is_retryable_status(status)


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 407, 413])
def test_other_statuses_are_not(status: int) -> None:
    assert not is_retryable_status(status)
