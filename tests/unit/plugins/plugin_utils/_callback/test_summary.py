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
    News,
    OtherKey,
    preview,
    quiet_line,
    short_reason,
    summary_lines,
)

REFUSED = {
    "code": "InvalidParameter",
    "message": "Flashduty refused the event with InvalidParameter (HTTP 400, request 5f): integration_key is not a"
    " valid one.",
    "hint": "Check it.",
}
OTHER = {
    "code": "NoLicense",
    "message": "Flashduty refused the event with NoLicense (HTTP 400).",
}
AWAY = {
    "code": "ConnectionFailed",
    "message": "Cannot reach http://flashduty.example.com:8080: connection refused.",
}
PLACE = os.path.expanduser("~/.ansible/flashduty")
RETRY = "ansible-playbook flashcat.flashduty.housekeeping -e retry=true"


@pytest.mark.parametrize(
    ("news", "lines"),
    [
        ({}, []),
        ({"raised": "a"}, ["1 alert raised."]),
        ({"raised": "abc", "recovered": "d"}, ["3 alerts raised, 1 recovered."]),
        ({"recovered": "d"}, ["1 alert recovered."]),
        ({"recovered": "de"}, ["2 alerts recovered."]),
        ({"still_open": "a"}, ["1 alert still open."]),
        (
            {"raised": "ab", "still_open": "c", "recovered": "de"},
            ["2 alerts raised, 1 still open, 2 recovered."],
        ),
        (
            {"raised": "abc", "waiting": "ab", "reason": AWAY},
            [
                "2 of 3 alerts NOT delivered: connection refused at http://flashduty.example.com:8080. The next run"
                " tries again; they wait in ~/.ansible/flashduty.",
                "1 alert raised.",
            ],
        ),
        (
            {"raised": "a", "waiting": "a"},
            [
                "1 of 1 alert NOT delivered: no answer yet. The next run tries again; it waits in ~/.ansible/flashduty."
            ],
        ),
        (
            {"recovered": "a", "waiting": "ax", "reason": AWAY},
            [
                "1 of 1 alert NOT delivered and 1 event from before: connection refused at"
                " http://flashduty.example.com:8080. The next run tries again; they wait in ~/.ansible/flashduty.",
            ],
        ),
        (
            {"waiting": "xyz"},
            [
                "3 events from before NOT delivered: no answer yet. The next run tries again; they wait in ~/.ansible/flashduty."
            ],
        ),
        (
            {"raised": "ab", "undeliverable": [("a", REFUSED), ("a", REFUSED)]},
            [
                f"1 alert REFUSED: integration_key is not a valid one. Mend the key, then: {RETRY}",
                "1 alert raised.",
            ],
        ),
        (
            {"undeliverable": [("a", REFUSED), ("b", OTHER)]},
            [
                f"1 event REFUSED: integration_key is not a valid one. Mend the key, then: {RETRY}",
                f"1 event REFUSED: NoLicense (HTTP 400). Mend the cause, then: {RETRY}",
            ],
        ),
        (
            {"pending": [(1, 3), (2, 3), (1, 3)]},
            ["3 failures not raised yet (1 of 3, 2 of 3)."],
        ),
        ({"stays_open": ["1 alert stays open: x."]}, ["1 alert stays open: x."]),
        (
            {"dropped": 4},
            ["4 events dropped, because they had waited too long or were too many."],
        ),
        (
            {"others": [OtherKey("old.example.com:443", 2, 1), OtherKey("", 1, 0)]},
            [
                "3 events wait and 1 alert is open for another integration key than the one in force"
                " (old.example.com:443). Let flashcat.flashduty.outbox_flush adopt or discard them."
            ],
        ),
    ],
)
def test_each_kind_of_news_has_a_line(news: dict[str, t.Any], lines: list[str]) -> None:
    assert summary_lines(News(**{"place": PLACE, **news})) == [
        f"Flashduty: {line}" for line in lines
    ]


def test_a_run_without_news_may_say_that_it_has_none() -> None:
    assert quiet_line(open_alerts=0, oldest="") == (
        "Flashduty: enabled, nothing to report."
    )
    assert quiet_line(open_alerts=2, oldest="3 days") == (
        "Flashduty: enabled, nothing to report, 2 alerts open (the oldest for 3 days)."
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AWAY, "connection refused at http://flashduty.example.com:8080"),
        (
            {"code": "InvalidConfiguration", "message": "requests is not installed."},
            "requests is not installed",
        ),
        (
            {"code": "Timeout", "message": "http://x:1 did not answer within 10 s."},
            "no answer in time from http://x:1",
        ),
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
