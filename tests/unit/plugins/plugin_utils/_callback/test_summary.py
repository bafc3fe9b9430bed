# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person reads at the end of a run."""

from __future__ import annotations

import os
import typing as t

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    AlertEvent,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._callback.summary import (
    preview,
    short_reason,
    summary_line,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._delivery import (
    DeliveryReport,
)

REFUSED = {
    "code": "InvalidParameter",
    "message": "Flashduty refused the integration key.",
    "hint": "Check it.",
}
AWAY = {
    "code": "ConnectionFailed",
    "message": "Cannot reach https://x: connection refused.",
}
FOLDER = os.path.expanduser("~/.ansible/flashduty")


@pytest.mark.parametrize(
    ("raised", "recovered", "ending", "line"),
    [
        (0, 0, {}, ""),
        (1, 0, {}, "Flashduty: 1 alert raised."),
        (3, 1, {}, "Flashduty: 3 alerts raised, 1 recovered."),
        (0, 1, {}, "Flashduty: 1 alert recovered."),
        (0, 2, {}, "Flashduty: 2 alerts recovered."),
        (
            3,
            1,
            {"waiting": 2, "reason": AWAY},
            "Flashduty: 3 alerts raised, 1 recovered. 2 not delivered yet (connection refused), kept in"
            " ~/.ansible/flashduty.",
        ),
        (
            0,
            0,
            {"waiting": 1},
            "Flashduty: 1 not delivered yet, kept in ~/.ansible/flashduty.",
        ),
        (
            1,
            0,
            {"undeliverable": [REFUSED, REFUSED]},
            "Flashduty: 1 alert raised. 2 refused and kept aside: Flashduty refused the integration key. Check it.",
        ),
        (
            0,
            0,
            {"undeliverable": [REFUSED, {**REFUSED, "message": "Other."}]},
            "Flashduty: 2 refused and kept aside: Flashduty refused the integration key. Check it"
            " (and 1 other reason).",
        ),
        (
            0,
            0,
            {"dropped": 4},
            "Flashduty: 4 dropped, because they had waited too long or were too many.",
        ),
    ],
)
def test_the_closing_line(
    raised: int, recovered: int, ending: dict[str, t.Any], line: str
) -> None:
    said = summary_line(
        raised=raised,
        recovered=recovered,
        ending=DeliveryReport(**ending, place=FOLDER),
    )

    assert said == line


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AWAY, "connection refused"),
        ({"code": "Timeout", "message": "No answer within 10 s."}, "no answer in time"),
        ({"code": "InternalError", "http_status": 500}, "InternalError, HTTP 500"),
        ({"code": "UnexpectedResponse", "http_status": None}, "UnexpectedResponse"),
    ],
)
def test_why_something_waits_in_few_words(error: dict[str, t.Any], words: str) -> None:
    assert short_reason(error) == words


def test_a_preview_is_short_or_in_full() -> None:
    event = AlertEvent.create(
        title_rule="Title",
        event_status="Info",
        alert_key="key",
        event_time=1,
        labels={"a": "ä"},
    )

    assert preview([event], in_full=False) == [
        "Flashduty (dry run): 1 event would be sent.",
        "  Info: Title [key]",
    ]
    assert '"a": "ä"' in [line.strip() for line in preview([event], in_full=True)]
