# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How faults are written, and which request gets which."""

from __future__ import annotations

import typing as t

import pytest

from tests.emulator.faults import KINDS, Fault, FaultError, FaultQueue
from tests.emulator.service import ERRORS


def queue(*sources: dict[str, t.Any]) -> FaultQueue:
    faults = FaultQueue()
    faults.add(Fault.read(source) for source in sources)
    return faults


def taken(faults: FaultQueue, kind: str = "alert", **payload: t.Any) -> list[str]:
    return [fault.kind for fault in faults.take(kind, payload)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_works_without_options(kind: str) -> None:
    fault = Fault.read({"kind": kind})

    assert fault.options == KINDS[kind]
    assert fault.times == 1


@pytest.mark.parametrize("code", ERRORS)
def test_every_documented_error_can_be_asked_for(code: str) -> None:
    assert Fault.read({"kind": "error", "code": code}).options["code"] == code


@pytest.mark.parametrize(
    "source",
    [
        [],
        {},
        {"kind": "meteor"},
        {"kind": "error", "code": "Unknown"},
        {"kind": "error", "http": 99},
        {"kind": "error", "http": "500"},
        {"kind": "error", "seconds": 1},
        {"kind": "error", "code": None},
        {"kind": "hang", "seconds": -1},
        {"kind": "hang", "seconds": True},
        {"kind": "dribble", "bytes": 0},
        {"kind": "drop", "when": "never"},
        {"kind": "drop", "times": -1},
        {"kind": "drop", "times": "2"},
        {"kind": "drop", "match": "k"},
        {"kind": "drop", "accept": "yes"},
        {"kind": "answer", "headers": []},
    ],
)
def test_what_is_no_fault_is_refused(source: t.Any) -> None:
    with pytest.raises(FaultError):
        Fault.read(source)


@pytest.mark.parametrize("kind", KINDS)
def test_the_written_form_of_a_fault_is_that_fault(kind: str) -> None:
    fault = Fault.read({"kind": kind, "times": 3, "match": {"alert_key": "k"}})

    assert Fault.read(fault.as_dict()) == fault


def test_faults_come_in_order_and_once() -> None:
    faults = queue({"kind": "error"}, {"kind": "drop"})

    assert [taken(faults), taken(faults), taken(faults)] == [["error"], ["drop"], []]


def test_a_fault_comes_as_often_as_it_says() -> None:
    faults = queue({"kind": "error", "times": 2}, {"kind": "drop"})

    assert [taken(faults) for _index in range(4)] == [
        ["error"],
        ["error"],
        ["drop"],
        [],
    ]


def test_zero_times_means_until_told_otherwise() -> None:
    faults = queue({"kind": "error", "times": 0})

    assert all(taken(faults) == ["error"] for _index in range(50))

    faults.clear()

    assert taken(faults) == []


def test_a_fault_for_one_key_waits_for_it() -> None:
    faults = queue({"kind": "error", "match": {"alert_key": "b"}}, {"kind": "drop"})

    assert taken(faults, alert_key="a") == ["drop"]
    assert taken(faults, alert_key="a") == []
    assert taken(faults, alert_key="b") == ["error"]


def test_a_fault_for_changes_leaves_alerts_alone() -> None:
    faults = queue({"kind": "error", "match": {"kind": "change"}})

    assert taken(faults, "alert") == []
    assert taken(faults, "change") == ["error"]


def test_a_latency_comes_on_top_of_the_next_fault() -> None:
    faults = queue({"kind": "latency", "times": 0}, {"kind": "error"})

    assert taken(faults) == ["latency", "error"]
    assert taken(faults) == ["latency"]


def test_latencies_do_not_add_up() -> None:
    faults = queue({"kind": "latency"}, {"kind": "latency"})

    assert taken(faults) == ["latency"]
    assert taken(faults) == ["latency"]


def test_only_a_match_on_the_payload_makes_it_necessary_to_read_it() -> None:
    assert not queue({"kind": "drop", "match": {"kind": "alert"}}).reads_payload
    assert queue({"kind": "drop", "match": {"alert_key": "k"}}).reads_payload
