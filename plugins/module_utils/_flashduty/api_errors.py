# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The errors that Flashduty answers with. Most runs never see one, so they do not read this file."""

from __future__ import annotations

import typing as t

from .errors import FlashdutyError

_RETRYABLE_STATUSES = (408, 425, 429)


class KnownError(t.NamedTuple):
    """What the service's documentation says about one error code, and our advice."""

    http_status: int
    retryable: bool
    hint: str


# Source of codes, statuses and what is worth a retry: Flashduty Alert Event API documentation.
API_ERRORS: dict[str, KnownError] = {
    "InvalidParameter": KnownError(
        400,
        False,
        "Check integration_key or push_url against the integration's page in the Flashduty console"
        " (a wrong key is reported this way, too), then the fields of the event.",
    ),
    "InvalidContentType": KnownError(
        400,
        False,
        "Something between here and Flashduty changed the request: check the proxy and api_url.",
    ),
    "MethodNotAllowed": KnownError(
        400,
        False,
        "Something between here and Flashduty changed the request: check the proxy and api_url.",
    ),
    "Unauthorized": KnownError(
        401,
        False,
        "Check integration_key or push_url: copy the push URL again from the Flashduty console.",
    ),
    "AccessDenied": KnownError(
        403,
        False,
        "The integration may not do this: check in the Flashduty console that it is enabled and of the right type.",
    ),
    "RequestTooFrequently": KnownError(
        429,
        True,
        "Send fewer events: an integration takes 100 requests a second and 1,000 a minute.",
    ),
    "RouteNotFound": KnownError(
        404,
        False,
        "The URL is wrong: check api_url or push_url (the default is https://api.flashcat.cloud).",
    ),
    "ResourceNotFound": KnownError(
        400,
        False,
        "The Flashduty account has not bought this resource: ask the account's owner.",
    ),
    "NoLicense": KnownError(
        400,
        False,
        "The Flashduty subscription has too few licences: ask the account's owner.",
    ),
    "InternalError": KnownError(
        500,
        True,
        "Flashduty has a problem of its own: try again later, and give its support the request id.",
    ),
}


class ApiError(FlashdutyError):
    """Flashduty answered with an error, with whatever HTTP status (an error may come with 200, too).

    :param code: the error code of the answer. A code that is not in :data:`API_ERRORS` is judged by the status.
    :param api_message: the answer's own message; it may be in any language.
    :param subject: what was sent, for the message.
    :param hint: what to do about it, where that is not what :data:`API_ERRORS` says.
    """

    def __init__(
        self,
        *,
        code: str,
        api_message: str,
        http_status: int,
        request_id: str | None,
        retry_after: float | None = None,
        subject: str = "event",
        hint: str | None = None,
    ) -> None:
        known = API_ERRORS.get(code)
        request = f", request {request_id}" if request_id else ""
        said = f": {api_message.rstrip('.')}" if api_message else ""
        super().__init__(
            f"Flashduty refused the {subject} with {code} (HTTP {http_status}{request}){said}.",
            code=code,
            hint=hint
            or (known.hint if known else "Give Flashduty's support the request id."),
            http_status=http_status,
            request_id=request_id,
            retryable=known.retryable if known else is_retryable_status(http_status),
            retry_after=retry_after,
        )

    @property
    def permanent(self) -> bool:
        return not self.retryable


def is_retryable_status(http_status: int) -> bool:
    """Say whether an HTTP status alone means that the same request may succeed later."""
    return http_status >= 500 or http_status in _RETRYABLE_STATUSES
