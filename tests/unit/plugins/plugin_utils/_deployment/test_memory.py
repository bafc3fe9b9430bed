# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The alert of a deployment waits for every host that has failed, and for nothing else."""

from __future__ import annotations

import json
import typing as t
from dataclasses import replace

import pytest
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.causes import (
    Cause,
    causes_of,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.model import (
    Circumstances,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._deployment.memory import (
    RunView,
    details_for,
    failed_again,
    failed_on,
    narrowing,
    opened_by,
    still_waits_for,
    why_open,
)

WHOLE = narrowing({"tags": ["all"]}, ["inventory"])
TAGGED = narrowing({"tags": ["shop"]}, ["inventory"])


def failed(*hosts: str, now: Circumstances = WHOLE) -> list[Cause]:
    return failed_on(hosts, now, str.upper)


def names(causes: t.Iterable[Cause]) -> list[str]:
    return [cause.host_name for cause in causes]


@pytest.mark.parametrize(
    ("passed", "left"),
    [
        ([], ["A", "B"]),
        (["c"], ["A", "B"]),
        (["a", "c"], ["B"]),
        (["a", "b"], []),
    ],
)
def test_it_waits_for_each_host_that_has_failed(
    passed: list[str], left: list[str]
) -> None:
    assert names(still_waits_for(failed("a", "b"), passed, WHOLE)) == left


def test_what_is_proven_in_part_is_proven() -> None:
    left = still_waits_for(failed("a", "b"), ["a"], WHOLE)

    assert still_waits_for(left, ["b"], WHOLE) == []


def test_a_failure_keeps_the_hosts_that_have_not_passed_since() -> None:
    causes = failed_again(
        failed("a", "b", "c"), failed=failed("b", "d"), passed=["a"], now=WHOLE
    )

    assert names(causes) == ["C", "B", "D"]


@pytest.mark.parametrize(
    ("then", "now", "closes"),
    [
        (WHOLE, WHOLE, True),
        (TAGGED, TAGGED, True),
        # All that the tags had chosen is in it.
        (TAGGED, WHOLE, True),
        (WHOLE, TAGGED, False),
        (TAGGED, narrowing({"tags": ["web"]}, ["inventory"]), False),
        (WHOLE, narrowing({"skip_tags": ["slow"]}, ["inventory"]), False),
        # Hosts of the same name are other machines.
        (WHOLE, narrowing({}, ["another inventory"]), False),
    ],
)
def test_a_run_that_was_narrowed_proves_nothing_about_what_it_left_out(
    then: Circumstances, now: Circumstances, closes: bool
) -> None:
    assert (still_waits_for(failed("a", now=then), ["a"], now) == []) is closes


def test_without_memory_only_a_success_of_the_whole_deployment_counts() -> None:
    assert RunView(WHOLE).proves_all
    assert not RunView(WHOLE, limited=True).proves_all
    assert not RunView(TAGGED).proves_all


def test_what_is_remembered_is_read_again() -> None:
    causes = failed("a", "b", now=TAGGED)
    fields = {
        "alert_key": "key",
        "title_rule": "Deployment of shop failed",
        "event_status": "Warning",
        "labels": {"resource": "shop"},
    }

    alert = opened_by(fields, details_for(causes, "site"))
    alert = replace(alert, details=json.loads(json.dumps(alert.details)))

    assert causes_of(alert) == causes
    assert (alert.alert_key, alert.status) == ("key", "Warning")
    assert alert.details["scope"] == "deployment"
    assert alert.details["labels"] == {"resource": "shop"}


def test_it_is_said_which_hosts_are_missing() -> None:
    assert why_open("shop", failed("b", "a")) == "shop was not deployed again on A, B"
    assert why_open("shop", failed(*"abcdefg")).endswith("A, B, C, D, E and 2 more")
