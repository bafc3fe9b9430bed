# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger of runs: expected, missed, lost and overlong ones."""

from __future__ import annotations

import dataclasses
import json
import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OutboxLocation,
    open_outbox,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.queue import (
    Outbox,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.runs import (
    LEASE,
    Run,
    RunAlert,
    RunLedger,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.processes import (
    process_name,
)

WEB = "integration-1"
ORIGIN = json.dumps(["", "site.yml"])
DAY = 86400.0
ELSEWHERE = "another-machine:1:1"


class Desk:
    """A controller's ledger, and a clock to turn.

    :param another: a controller that has the same state, and the same clock.
    """

    def __init__(self, location: OutboxLocation, another: Desk | None = None) -> None:
        self.location = location
        self._clock: list[float] = another._clock if another else [1_000 * DAY]
        self.outbox: Outbox = open_outbox(location, now=lambda: self.time)
        self.runs = RunLedger(self.outbox)

    @property
    def time(self) -> float:
        return self._clock[0]

    @time.setter
    def time(self, value: float) -> None:
        self._clock[0] = value

    def end(self, run: Run, *, complete: bool = True, **more: t.Any) -> list[str]:
        closed = self.runs.end(
            run, status="ok", complete=complete, hosts={"passed": 1}, **more
        )
        return [alert.details["scope"] for alert in closed]

    @property
    def missed(self) -> list[str]:
        return [one.playbook for one in self.runs.expected() if one.missed]

    def check(self) -> int:
        """Do what ``runs_check`` does, and return the number of missed runs that were raised."""
        self.runs.mend_clock()
        missed = [one for one in self.runs.expected() if one.missed]
        return len(self.runs.raise_missed(missed))

    @property
    def open(self) -> list[str]:
        return sorted(a.details["scope"] for a in self.outbox.open_alerts())

    @property
    def events(self) -> list[tuple[str, str]]:
        return [
            (row["event"]["alert_key"], row["event"]["event_status"])
            for row in self.outbox.events(undeliverable=False)
        ]


@pytest.fixture
def desk(location: OutboxLocation) -> t.Iterator[Desk]:
    """With a state of each kind."""
    desk = Desk(location)
    yield desk
    desk.outbox.close()


def at_once(desk: Desk, *jobs: t.Callable[[Desk], t.Any]) -> list[t.Any]:
    """Let several controllers that share a state do something at the same time, and return what came of it."""
    barrier = threading.Barrier(len(jobs))

    def do(job: t.Callable[[Desk], t.Any]) -> t.Any:
        another = Desk(desk.location, desk)
        with another.outbox:
            barrier.wait()
            return job(another)

    with ThreadPoolExecutor(len(jobs)) as controllers:
        return [done.result() for done in [controllers.submit(do, job) for job in jobs]]


def alert(scope: str, key: str = "", origin: str = "site.yml") -> RunAlert:
    return RunAlert(
        {
            "title_rule": f"site.yml: {scope}",
            "event_status": "Critical",
            "alert_key": key or scope,
            "description": "It is so.",
            "labels": {"status": scope},
        },
        origin,
        {"scope": scope, "labels": {"status": scope}, "causes": []},
    )


def run(run_id: str = "run-1", **more: t.Any) -> Run:
    return Run(
        **{
            "run_id": run_id,
            "fingerprint": WEB,
            "server": "api.example.com",
            "origin": ORIGIN,
            "playbook": "site.yml",
            "controller": "control1",
            "process": process_name(),
            "expected_every": DAY,
            "when_lost": alert("run"),
            "when_missed": alert("missed"),
            **more,
        }
    )


def test_a_playbook_is_missed_when_its_time_is_over(desk: Desk) -> None:
    desk.runs.begin(run())
    desk.time += 100
    desk.end(run())
    desk.time += DAY
    just_in_time = desk.missed
    desk.time += 1

    assert (just_in_time, desk.missed) == ([], ["site.yml"])


def test_a_playbook_that_never_came_to_its_end_is_missed_after_its_first_start(
    desk: Desk,
) -> None:
    desk.runs.begin(run())
    desk.time += DAY - 1
    desk.end(run(), complete=False)
    desk.runs.begin(run("run-2"))
    desk.time += 2

    [expected] = desk.runs.expected()
    assert expected.missed
    assert "Last complete run: none for more than 1d" in expected.description


def test_to_begin_again_changes_nothing_but_what_is_new(desk: Desk) -> None:
    desk.runs.begin(run(expected_every=None, when_missed=None))
    began = desk.time
    desk.time += 60
    desk.runs.begin(run())
    desk.time += 60
    desk.runs.begin(run(max_duration=30.0))

    [report] = desk.runs.reports()
    assert (report.started_at, report.max_duration) == (began, 30.0)
    assert desk.runs.expected()[0].expected_every == DAY


def test_a_missed_run_is_raised_once_in_each_period_and_closed_by_a_complete_run(
    desk: Desk,
) -> None:
    desk.runs.begin(run())
    desk.end(run())
    begun = len(desk.events)
    desk.time += DAY + 1
    raised = [desk.check(), desk.check()]
    desk.time += DAY
    raised.append(desk.check())
    desk.time += 1
    raised.append(desk.check())
    open_then = desk.open
    descriptions = [
        row["event"]["description"]
        for row in desk.outbox.events(undeliverable=False)[begun:]
    ]
    desk.runs.begin(run("run-2"))
    narrowed = desk.end(run("run-2"), complete=False)
    desk.runs.begin(run("run-3"))
    whole = desk.end(run("run-3"))

    assert raised == [1, 0, 0, 1]
    # The same words, however long ago it is.
    assert descriptions[0] == descriptions[1]
    assert open_then == ["missed"]
    assert (narrowed, whole) == ([], ["missed"])
    assert desk.open == []
    assert desk.events[begun:] == [("missed", "Critical")] * 2 + [("missed", "Ok")]


def test_who_never_closes_leaves_it_open(desk: Desk) -> None:
    desk.runs.begin(run())
    desk.time += DAY + 1
    desk.check()

    assert desk.end(run(), close=False) == []
    assert desk.open == ["missed"]


def test_what_is_removed_for_good_is_forgotten(desk: Desk) -> None:
    desk.runs.begin(run())
    desk.time += DAY + 1
    desk.check()
    closed = desk.runs.forget([ORIGIN, json.dumps(["", "unknown"])])

    assert [one.title for one in closed] == ["site.yml: missed"]
    assert (desk.runs.expected(), desk.open) == ([], [])
    assert desk.events[-1] == ("missed", "Ok")


@pytest.mark.parametrize("ahead", [60.0, 400 * DAY])
def test_a_clock_that_was_ahead_delays_nothing(desk: Desk, ahead: float) -> None:
    desk.time += ahead
    desk.runs.begin(run())
    desk.end(run())
    desk.time -= ahead
    desk.check()
    desk.time += DAY + 2

    assert desk.check() == 1


def test_a_clock_that_was_behind_raises_no_alarm_after_the_next_run(desk: Desk) -> None:
    desk.time -= 400 * DAY
    desk.runs.begin(run())
    desk.end(run())
    desk.time += 400 * DAY
    desk.runs.begin(run("run-2"))
    desk.end(run("run-2"))

    assert desk.missed == []


def test_a_run_that_nobody_renews_is_lost(desk: Desk) -> None:
    desk.runs.begin(run(process=ELSEWHERE))
    desk.time += LEASE / 2
    desk.runs.renew("run-1")
    desk.time += LEASE - 1
    renewed = desk.runs.take_lost()
    desk.time += 2
    shown = desk.runs.lost()
    found = desk.runs.take_lost()
    again = desk.runs.take_lost()

    assert renewed == []
    assert [one.status for one in shown] == ["lost"]
    assert [one.run_id for one in found] == ["run-1"]
    assert again == []
    assert desk.open == ["run"]


def test_a_process_of_this_machine_is_known_better_than_by_its_renewals(
    desk: Desk,
) -> None:
    machine, _pid, _started = process_name().split(":")
    desk.runs.begin(run("alive"))
    desk.runs.begin(run("dead", process=f"{machine}:1:never"))
    lost = desk.runs.take_lost()
    desk.time += 10 * LEASE
    lost_later = desk.runs.take_lost()

    assert [one.run_id for one in lost] == ["dead"]
    assert lost_later == []


def test_a_run_that_is_heard_of_again_is_found_again(desk: Desk) -> None:
    desk.runs.begin(run(process=ELSEWHERE))
    desk.time += 2 * LEASE
    desk.runs.take_lost()
    desk.runs.renew("run-1")
    found = desk.runs.reports()[0]
    desk.end(run(process=ELSEWHERE))
    desk.runs.renew("run-1")

    assert (found.status, found.ended_at) == ("running", None)
    assert desk.runs.reports()[0].status == "ok"


def test_a_renewal_from_a_clock_that_was_ahead_does_not_count_for_ever(
    desk: Desk,
) -> None:
    desk.time += 400 * DAY
    desk.runs.begin(run(process=ELSEWHERE))
    desk.time -= 400 * DAY
    desk.check()
    desk.time += LEASE + 1

    assert len(desk.runs.take_lost()) == 1


def test_a_run_that_is_not_to_be_told_of_is_lost_in_silence(desk: Desk) -> None:
    desk.runs.begin(run(process=ELSEWHERE, when_lost=None))
    desk.time += 2 * LEASE

    assert len(desk.runs.take_lost()) == 1
    assert desk.open == []


def test_an_overlong_run_is_closed_by_its_end_and_not_raised_after_it(
    desk: Desk,
) -> None:
    desk.runs.begin(run())
    raised = desk.runs.raise_overlong("run-1", alert("overlong"), "So long.")
    open_then = desk.open
    closed = desk.end(run(), complete=False)
    too_late = desk.runs.raise_overlong("run-1", alert("overlong"), "So long.")

    assert (raised, open_then) == (True, ["overlong"])
    assert (closed, too_late) == (["overlong"], False)
    assert desk.open == []


def test_of_two_overlong_runs_the_last_one_closes_the_alert(desk: Desk) -> None:
    for run_id in ("run-1", "run-2"):
        desk.runs.begin(run(run_id))
        desk.runs.raise_overlong(run_id, alert("overlong"), "So long.")
    first = desk.end(run("run-2"))
    second = desk.end(run("run-1"))

    assert (first, second) == ([], ["overlong"])


def test_a_lost_run_is_overlong_no_more(desk: Desk) -> None:
    desk.runs.begin(run(process=ELSEWHERE))
    desk.runs.raise_overlong("run-1", alert("overlong"), "So long.")
    desk.time += 2 * LEASE
    desk.runs.take_lost()

    assert desk.open == ["run"]


def test_a_run_ends_although_the_state_was_deleted(desk: Desk) -> None:
    desk.end(run())

    assert [one.status for one in desk.runs.reports()] == ["ok"]
    assert desk.runs.expected()[0].completed_at == desk.time


def test_what_a_state_that_was_deleted_has_raised_is_closed_once_and_not_counted(
    desk: Desk,
) -> None:
    """Nobody remembers the alerts, but their keys are always the same."""
    long_run = run("run-1", max_duration=60.0, when_overlong=alert("overlong"))

    assert desk.end(long_run) == []
    assert desk.events == [("missed", "Ok"), ("overlong", "Ok")]
    desk.runs.begin(run("run-2", when_overlong=alert("overlong")))
    assert desk.end(run("run-2", when_overlong=alert("overlong"))) == []
    assert len(desk.events) == 2


def test_what_is_known_to_be_open_is_closed_once(desk: Desk) -> None:
    desk.runs.begin(run())
    desk.time += DAY + 1
    desk.check()

    assert desk.end(run()) == ["missed"]
    assert desk.events == [("missed", "Critical"), ("missed", "Ok")]


@pytest.mark.parametrize(("age", "told"), [(DAY - 1, 0), (DAY + 1, 1), (None, 1)])
def test_a_playbook_that_is_younger_than_its_time_was_not_missed(
    desk: Desk, age: float | None, told: int
) -> None:
    desk.end(run(playbook_age=age))

    assert desk.events == [("missed", "Ok")] * told


@pytest.mark.parametrize("how", [{"complete": False}, {"close": False}])
def test_who_proves_nothing_or_never_closes_sends_no_recovery(
    desk: Desk, how: dict[str, bool]
) -> None:
    desk.end(run(), **how)

    assert desk.events == []


def test_of_each_playbook_the_latest_runs_are_kept_and_the_last_good_one(
    desk: Desk,
) -> None:
    desk.end(run("good"))
    for number in range(50):
        desk.time += 60
        one = run(f"run-{number}")
        desk.runs.begin(one)
        desk.runs.end(one, status="failed", complete=True, hosts={})
    reports = desk.runs.reports()
    desk.time += 365 * DAY
    desk.end(run("another", origin=json.dumps(["", "other.yml"])))

    assert len(reports) == 31
    assert (reports[0].run_id, reports[-1].run_id) == ("run-49", "good")
    assert [one.run_id for one in desk.runs.reports()] == ["another"]


def numbered(number: int, **more: t.Any) -> Run:
    """Return a run of a playbook of its own."""
    return run(
        f"{number}-{more.pop('which', 0)}",
        origin=json.dumps(["", f"{number}.yml"]),
        playbook=f"{number}.yml",
        when_missed=alert("missed", f"missed {number}", f"{number}.yml"),
        when_lost=alert("run", f"lost {number}", f"{number}.yml"),
        **more,
    )


def test_half_of_many_playbooks_are_missed(desk: Desk) -> None:
    with desk.outbox.transaction():
        for number in range(100):
            desk.runs.begin(numbered(number))
            desk.time += 1
    desk.time += DAY - 50

    assert desk.check() == 50
    assert desk.check() == 0
    assert desk.outbox.counts() == {
        "waiting": 50,
        "undeliverable": 0,
        "open_alerts": 50,
    }


def test_each_missed_run_is_raised_for_the_integration_that_it_is_given(
    desk: Desk,
) -> None:
    for number in range(4):
        desk.runs.begin(numbered(number))
    desk.time += DAY + 1
    missed = [
        dataclasses.replace(one, fingerprint=f"integration-{number % 2}", server="new")
        for number, one in enumerate(desk.runs.expected())
    ]

    assert [one.playbook for one in desk.runs.raise_missed(missed)] == [
        one.playbook for one in missed
    ]
    assert (
        sorted(
            (row["fingerprint"], row["server"])
            for row in desk.outbox.events(undeliverable=False)
        )
        == [("integration-0", "new")] * 2 + [("integration-1", "new")] * 2
    )


# -- several controllers with one state


def test_of_controllers_that_check_at_once_one_tells(desk: Desk) -> None:
    with desk.outbox.transaction():
        for number in range(20):
            desk.runs.begin(numbered(number, process=ELSEWHERE))
    desk.time += DAY + 1

    def check(controller: Desk) -> tuple[int, int]:
        return len(controller.runs.take_lost()), controller.check()

    found = at_once(desk, check, check, check)

    assert [sum(numbers) for numbers in zip(*found)] == [20, 20]
    assert sorted(desk.events) == sorted(
        (f"{what} {number}", "Critical")
        for what in ("lost", "missed")
        for number in range(20)
    )


def test_what_is_missed_here_and_done_there_leaves_nothing_open(desk: Desk) -> None:
    with desk.outbox.transaction():
        for number in range(20):
            desk.end(numbered(number))
    desk.time += DAY + 1
    begun = len(desk.events)

    def work(controller: Desk) -> None:
        for number in range(20):
            again = numbered(number, which=1)
            controller.runs.begin(again)
            controller.end(again)

    at_once(desk, Desk.check, work, Desk.check)

    assert desk.open == []
    assert (desk.missed, desk.check()) == ([], 0)
    for number in range(20):
        told = [
            status for key, status in desk.events[begun:] if key == f"missed {number}"
        ]
        assert told in ([], ["Critical", "Ok"])


def test_a_run_that_ends_between_look_and_alert_is_not_missed(desk: Desk) -> None:
    desk.runs.begin(run())
    desk.time += DAY + 1
    missed = desk.runs.expected()
    another = Desk(desk.location, desk)
    with another.outbox:
        another.end(run())

    assert [one.missed for one in missed] == [True]
    assert desk.runs.raise_missed(missed) == []
    assert desk.open == []


def test_of_two_whole_runs_that_end_at_once_one_closes_that_it_was_missed(
    desk: Desk,
) -> None:
    for which in range(2):
        desk.runs.begin(numbered(1, which=which))
    desk.time += DAY + 1
    desk.check()

    closed = at_once(
        desk,
        lambda controller: controller.end(numbered(1, which=0)),
        lambda controller: controller.end(numbered(1, which=1)),
    )

    assert sorted(closed) == [[], ["missed"]]
    assert desk.events == [("missed 1", "Critical"), ("missed 1", "Ok")]


def test_of_two_long_runs_that_end_at_once_the_second_one_closes_the_alert(
    desk: Desk,
) -> None:
    runs = [run(f"run-{which}", expected_every=None) for which in range(2)]
    for one in runs:
        desk.runs.begin(one)
        desk.runs.raise_overlong(one.run_id, alert("overlong"), "So long.")

    def end_second() -> list[str]:
        another = Desk(desk.location, desk)
        with another.outbox:
            return another.end(runs[1])

    with ThreadPoolExecutor(1) as controller:
        with desk.outbox.transaction():
            first = desk.end(runs[0])
            second = controller.submit(end_second)
            # It waits. If it did not, it would take the first one for a run that goes on.
            wait([second], timeout=0.5)
        assert (first, second.result()) == ([], ["overlong"])

    assert desk.open == []
    assert desk.events.count(("overlong", "Ok")) == 1


def test_a_run_that_was_renewed_meanwhile_is_not_lost(desk: Desk) -> None:
    desk.runs.begin(run(process=ELSEWHERE))
    seen = desk.time + LEASE
    desk.time += 2 * LEASE
    desk.runs.renew("run-1")

    assert not desk.runs.mark_lost("run-1", renewed_until=seen)
    assert desk.open == []
    assert desk.runs.mark_lost("run-1", renewed_until=desk.time + LEASE)
