# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is watched beside a run."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OutboxLocation,
    open_outbox,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.runs import (
    Run,
    RunAlert,
    RunLedger,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.processes import (
    process_name,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.run_watch import (
    Progress,
    RunWatch,
)

OVERLONG = RunAlert(
    {"title_rule": "Too long", "event_status": "Critical", "alert_key": "overlong"},
    "site.yml",
    {"scope": "overlong", "labels": {}, "causes": []},
)
RUN = Run("run-1", "fp", "", '["", "site.yml"]', "site.yml", "control1", process_name())


def progress_of(*messages: dict[str, t.Any]) -> Progress:
    progress = Progress()
    for message in messages:
        progress.take(message)
    return progress


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "It has not begun a play yet."),
        ([{"play": "One"}], "Play: One\nIt has not begun a task of it yet."),
        (
            [{"play": "One"}, {"hosts": ["b", "a"]}, {"hosts": ["c"]}, {"task": "T"}],
            "Play: One\nTask: T\nNot reported from it (3 of 3 hosts): a, b, c",
        ),
        (
            [
                {"play": "One"},
                {"hosts": ["a", "b", "c"]},
                {"task": "T"},
                {"reported": "a"},
                {"gone": ["b"]},
            ],
            "Play: One\nTask: T\nNot reported from it (1 of 2 hosts): c",
        ),
        (
            [{"play": "One"}, {"hosts": ["a"]}, {"task": "T"}, {"reported": "a"}],
            "Play: One\nTask: T\nAll 1 hosts have reported from it.",
        ),
        (
            [
                {"play": "One"},
                {"hosts": ["a"]},
                {"task": "T"},
                {"reported": "a"},
                {"task": "U"},
            ],
            "Play: One\nTask: U\nNot reported from it (1 of 1 hosts): a",
        ),
        (
            [{"play": "One"}, {"hosts": ["a"]}, {"task": "T"}, {"play": "Two"}],
            "Play: Two\nIt has not begun a task of it yet.",
        ),
    ],
)
def test_where_a_run_is(messages: list[dict[str, t.Any]], said: str) -> None:
    assert progress_of(*messages).describe() == said


def test_ten_thousand_hosts_fit_into_a_description() -> None:
    hosts = [f"host{number}.example.com" for number in range(10_000)]
    progress = progress_of({"play": "P"}, {"hosts": hosts}, {"task": "T"})

    assert len(progress.describe()) < 1_200


def test_the_record_is_renewed_and_the_alert_raised_once(tmp_path: Path) -> None:
    clock = [0.0]
    with open_outbox(
        OutboxLocation(str(tmp_path)), now=lambda: 1e9 + clock[0]
    ) as outbox:
        ledger = RunLedger(outbox)
        ledger.begin(RUN)
        watch = RunWatch(
            ledger,
            "run-1",
            controller="control1",
            started=0.0,
            max_duration=100.0,
            overlong=OVERLONG,
            progress=progress_of({"play": "One"}),
            monotonic=lambda: clock[0],
        )
        for now in (50.0, 99.0, 101.0, 102.0, 200.0):
            clock[0] = now
            watch.look()
        [event] = outbox.events(undeliverable=False)
        watch.lost()

        assert "was to take 100s at most" in event["event"]["description"]
        assert "on control1\nPlay: One" in event["event"]["description"]
        assert ledger.reports()[0].status == "lost"


def test_a_run_that_has_ended_meanwhile_is_not_overlong(tmp_path: Path) -> None:
    with open_outbox(OutboxLocation(str(tmp_path))) as outbox:
        ledger = RunLedger(outbox)
        ledger.begin(RUN)
        watch = RunWatch(
            ledger,
            "run-1",
            started=0.0,
            max_duration=1.0,
            overlong=OVERLONG,
            monotonic=lambda: 5.0,
        )
        ledger.end(RUN, status="ok", complete=True, hosts={})
        watch.look()

        assert outbox.events(undeliverable=False) == []
