# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From options to a result."""

from __future__ import annotations

import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils import _argspec
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.api_errors import (
    ApiError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.client import (
    Receipt,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    FIELDS,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
    Redactor,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._send_event import (
    event_from_options,
    redact_result,
    sent_result,
    truncation_warnings,
)

ALERT = {"title_rule": "t", "event_status": "Info", "alert_key": "k", "event_time": 7}
CHANGE = {"title": "t", "change_status": "Done", "change_key": "k", "event_time": 7}


def test_every_field_of_an_event_is_an_option() -> None:
    assert set(FIELDS["alert"]) <= set(_argspec.alert_event_argument_spec())
    assert set(FIELDS["change"]) <= set(_argspec.change_event_argument_spec())


def test_options_become_an_event() -> None:
    options = {**dict.fromkeys(_argspec.alert_event_argument_spec()), **ALERT}

    assert event_from_options("alert", options).payload() == ALERT
    assert event_from_options("change", CHANGE).payload() == CHANGE


def test_what_was_accepted() -> None:
    assert sent_result(
        event_from_options("change", CHANGE), Receipt("r-1", 200, 2), None
    ) == {
        "changed": True,
        "change_key": "k",
        "event": CHANGE,
        "truncated": [],
        "request_id": "r-1",
        "http_status": 200,
        "attempts": 2,
        "queued": False,
    }


def test_what_was_refused() -> None:
    error = ApiError(
        code="AccessDenied", api_message="no", http_status=403, request_id="r-2"
    )
    error.attempts = 1

    result = sent_result(event_from_options("alert", ALERT), None, error)

    assert (result["failed"], result["changed"], result["queued"]) == (
        True,
        False,
        False,
    )
    assert (result["request_id"], result["http_status"], result["attempts"]) == (
        "r-2",
        403,
        1,
    )
    assert result["error"]["code"] == "AccessDenied"
    assert result["event"] == ALERT


def test_each_cut_field_has_a_warning_with_its_limit() -> None:
    event = event_from_options(
        "alert", {**ALERT, "title_rule": "t" * 600, "labels": {"l": "v" * 3000}}
    )

    assert truncation_warnings(event) == [
        "title_rule was cut: Flashduty takes at most 512 characters.",
        "labels.l was cut: Flashduty takes at most 128 characters of a label's name and 2048 of its value.",
    ]


def test_redaction_keeps_our_own_names() -> None:
    """A key could be a word that is in the names of the result."""
    result: dict[str, t.Any] = {
        "alert_key": "a key",
        "event": {
            "alert_key": "key",
            "labels": {"key": "key", "other": ["key", 1, None]},
        },
        "diff": {"after": "alert_key: key"},
    }

    assert redact_result(result, Redactor(["key"])) == {
        "alert_key": "a [hidden]",
        "event": {
            "alert_key": "[hidden]",
            "labels": {"[hidden]": "[hidden]", "other": ["[hidden]", 1, None]},
        },
        "diff": {"after": "alert_[hidden]: [hidden]"},
    }
