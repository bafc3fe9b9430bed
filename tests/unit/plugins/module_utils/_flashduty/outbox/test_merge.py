# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a controller has kept while it could not reach the database moves there: all of it, once."""

from __future__ import annotations

import fcntl
import json
import os
import random
import typing as t
from pathlib import Path

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    AlertEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OutboxError,
    OutboxLocation,
    new_write_id,
    open_failover,
    open_outbox,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
    OpenAlert,
    PendingAlert,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.merge import (
    merge,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.queue import (
    Outbox,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.runs import (
    Run,
    RunAlert,
    RunLedger,
)

from tests.postgres import PostgresServer, Wire

WEB = "integration-1"
BEHIND = 7200.0
HOUR = 3600.0


class Clock:
    """The time of the database. Controllers are two hours behind it."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now

    def behind(self) -> float:
        return self() - BEHIND


class Fleet:
    """One database, and controllers with disks of their own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.clock = Clock()
        self._folder = folder
        self._url = url
        self.shared = open_outbox(OutboxLocation("/nowhere", url), now=self.clock)
        self._opened = [self.shared]
        # What the service was told, in order: alert and status.
        self.told: list[tuple[str, str]] = []

    def controller(self, name: str) -> Outbox:
        """Open the outbox of one while it cannot reach the database."""
        location = OutboxLocation(str(self._folder / name), self._url)
        outbox = open_outbox(location.local(), now=self.clock.behind)
        self._opened.append(outbox)
        return outbox

    def reader(self) -> Outbox:
        """Open the database once more, as another process."""
        outbox = open_outbox(OutboxLocation("/nowhere", self._url), now=self.clock)
        self._opened.append(outbox)
        return outbox

    def deliver(self, outbox: Outbox) -> None:
        while claimed := outbox.claim(WEB, "courier", limit=100, lease=60)[0]:
            for event in claimed:
                self.told.append((event.key, json.loads(event.payload)["event_status"]))
            outbox.settle(delivered=claimed)

    def close(self) -> None:
        for outbox in self._opened:
            outbox.close()


@pytest.fixture
def fleet(postgres: PostgresServer, tmp_path: Path) -> t.Iterator[Fleet]:
    fleet = Fleet(tmp_path, postgres.new_schema())
    yield fleet
    fleet.close()


def alert(key: str, status: str = "Critical") -> AlertEvent:
    return AlertEvent.create(title_rule="t", event_status=status, alert_key=key)


def opened(key: str, *causes: str, **items: str) -> OpenAlert:
    found: list[dict[str, t.Any]] = [{"id": one, "run": "r"} for one in causes]
    found += [{"id": one, "run": "r", "items": f"{one} items"} for one in items]
    names = {f"{one} items": list(text) for one, text in items.items()}
    details = {"causes": found, "runs": {"r": [{}, []]}, "names": names}
    return OpenAlert(key, "play", "t", "Critical", 1.0, details)


def fail(outbox: Outbox, key: str, *causes: str, **more: t.Any) -> None:
    outbox.add(WEB, [alert(key)], opened=opened(key, *causes), **more)


def work(outbox: Outbox, key: str, **more: t.Any) -> None:
    outbox.add(WEB, [alert(key, "Ok")], closed=[key], **more)


def ledger(outbox: Outbox) -> dict[str, set[str]]:
    return {
        one.alert_key: {cause["id"] for cause in one.details["causes"]}
        for one in outbox.open_alerts()
    }


def waiting(outbox: Outbox) -> list[tuple[str, str]]:
    return [
        (row["key"], row["event"]["event_status"])
        for row in outbox.events(undeliverable=False)
    ]


# -- alerts


def test_what_was_kept_meanwhile_moves_once_and_in_order(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    location = OutboxLocation(str(tmp_path), postgres.new_schema())
    with open_outbox(location.local()) as local:
        local.add(WEB, [alert("a"), alert("b")], opened=opened("a", "x"))
        work(local, "a")
        fail(local, "c", "y")

    for _again in range(2):
        with open_outbox(location) as shared:
            keys = [key for key, _status in waiting(shared)]
            assert keys == ["a", "b", "a", "c"]
            assert ledger(shared) == {"c": {"y"}}

    with open_outbox(location.local()) as local:
        assert local.counts() == {"waiting": 0, "undeliverable": 0, "open_alerts": 0}


def test_what_was_closed_here_closes_there_as_far_as_it_was_known_here(
    fleet: Fleet,
) -> None:
    local = fleet.controller("one")
    fail(fleet.shared, "same", "x")
    fail(fleet.shared, "more", "x", "y")
    fleet.deliver(fleet.shared)
    for key in ("same", "more"):
        fail(local, key, "x")
        work(local, key)
    merge(local, fleet.shared)

    assert ledger(fleet.shared) == {"more": {"y"}}
    # A recovery that would hide what is still broken does not go out.
    assert ("more", "Ok") not in waiting(fleet.shared)
    assert ("same", "Ok") in waiting(fleet.shared)


def test_what_was_closed_too_early_is_opened_again(fleet: Fleet) -> None:
    local = fleet.controller("one")
    fail(fleet.shared, "a", "x", "y")
    fleet.deliver(fleet.shared)
    fail(local, "a", "x")
    work(local, "a")
    fleet.deliver(local)
    merge(local, fleet.shared)
    fleet.deliver(fleet.shared)

    assert ledger(fleet.shared) == {"a": {"y"}}
    assert fleet.told[-2:] == [("a", "Ok"), ("a", "Critical")]


def test_what_was_proven_in_part_is_proven_there_too(fleet: Fleet) -> None:
    local = fleet.controller("one")
    fail(fleet.shared, "a", "x", "y", "z")
    fail(local, "a", "x", "y")
    local.add(WEB, [], updated=[opened("a", "y")])
    merge(local, fleet.shared)

    assert ledger(fleet.shared) == {"a": {"y", "z"}}


def test_failed_items_of_a_loop_are_told_apart(fleet: Fleet) -> None:
    local = fleet.controller("one")
    fleet.shared.add(WEB, [alert("a")], opened=opened("a", x="12"))
    fleet.shared.add(WEB, [alert("b")], opened=opened("b", x="12"))
    local.add(WEB, [alert("a")], opened=opened("a", x="23"))
    local.add(WEB, [alert("b")], opened=opened("b", x="123"))
    work(local, "b")
    merge(local, fleet.shared)

    [one] = fleet.shared.open_alerts()
    [cause] = one.details["causes"]
    assert one.alert_key == "a"
    assert one.details["names"][cause["items"]] == ["1", "2", "3"]


def test_what_was_raised_again_since_stays_open(fleet: Fleet) -> None:
    local = fleet.controller("one")
    fail(local, "a", "x")
    work(local, "a")
    fail(fleet.shared, "a", "x")
    merge(local, fleet.shared)

    assert ledger(fleet.shared) == {"a": {"x"}}
    assert ("a", "Ok") not in waiting(fleet.shared)


def test_an_alert_stays_here_as_long_as_its_event_is_on_its_way(fleet: Fleet) -> None:
    local = fleet.controller("one")
    fail(local, "a", "x")
    fail(local, "b", "x")
    claimed, _pause = local.claim(WEB, "courier", limit=1, lease=60)
    merge(local, fleet.shared)
    before = ledger(fleet.shared)
    local.settle(delivered=claimed)
    merge(local, fleet.shared)
    fleet.shared.prune()

    assert (before, ledger(local)) == ({"b": {"x"}}, {})
    assert ledger(fleet.shared) == {"a": {"x"}, "b": {"x"}}
    assert waiting(fleet.shared) == [("b", "Critical")]


def test_failures_that_were_counted_add_up(fleet: Fleet) -> None:
    local = fleet.controller("one")

    def count(outbox: Outbox, key: str, failures: int) -> None:
        outbox.add(WEB, [], pending=[PendingAlert(opened(key, "x"), failures, 4)])

    for key in ("more", "again", "many"):
        count(fleet.shared, key, 2)
    count(local, "more", 1)
    count(local, "many", 3)
    count(local, "again", 1)
    local.add(WEB, [], no_longer_pending=["again"])
    count(local, "again", 1)
    merge(local, fleet.shared)
    merge(local, fleet.shared)

    counts = {
        one.alert.alert_key: one.failures for one in fleet.shared.pending_alerts()
    }
    # Three in a row are the most: the next failure raises the alert.
    assert counts == {"more": 3, "again": 1, "many": 3}
    assert local.pending_alerts() == []


# -- answers that were lost


def test_a_write_that_is_repeated_is_made_once(fleet: Fleet) -> None:
    for _again in range(2):
        fail(fleet.shared, "a", "x", write_id="one")
    work(fleet.shared, "a", write_id="two")
    fail(fleet.shared, "a", "x", write_id="one")

    assert waiting(fleet.shared) == [("a", "Critical"), ("a", "Ok")]
    assert ledger(fleet.shared) == {}


@pytest.mark.parametrize("goes_out", ["here", "there", "nowhere"])
def test_a_write_that_the_database_knows_is_not_merged(
    fleet: Fleet, goes_out: str
) -> None:
    local = fleet.controller("one")
    for outbox in (fleet.shared, local):
        fail(outbox, "a", "x", write_id="one")
    if goes_out != "nowhere":
        fleet.deliver(local if goes_out == "here" else fleet.shared)
    merge(local, fleet.shared)
    fleet.deliver(fleet.shared)

    assert fleet.told == [("a", "Critical")]
    assert ledger(fleet.shared) == {"a": {"x"}}
    assert (waiting(local), ledger(local)) == ([], {})


def test_an_alert_that_others_have_closed_since_is_not_opened_again(
    fleet: Fleet,
) -> None:
    local = fleet.controller("one")
    for outbox in (fleet.shared, local):
        fail(outbox, "a", "x", write_id="one")
    work(fleet.shared, "a")
    merge(local, fleet.shared)
    fleet.deliver(fleet.shared)

    assert ledger(fleet.shared) == {}
    assert fleet.told == [("a", "Critical"), ("a", "Ok")]


def test_a_write_that_comes_in_after_the_merge_is_not_made(fleet: Fleet) -> None:
    local = fleet.controller("one")
    fail(local, "a", "x", write_id="one")
    merge(local, fleet.shared)
    fail(fleet.shared, "a", "x", write_id="one")

    assert waiting(fleet.shared) == [("a", "Critical")]


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_lost_answer_doubles_nothing(
    postgres: PostgresServer, tmp_path: Path, comes_back: bool
) -> None:
    warnings: list[str] = []
    direct = OutboxLocation(str(tmp_path), postgres.new_schema())
    with Wire(direct.url) as wire:
        failover = open_failover(
            OutboxLocation(str(tmp_path), wire.url), warn=warnings.append
        )
        failover.use(lambda outbox: fail(outbox, "a", "x", write_id="one"), None)
        wire.lose_answer_to("COMMIT", refuse_after_that=not comes_back)
        failover.use(lambda outbox: fail(outbox, "b", "x", write_id="two"), None)
        used = failover.location
        failover.close()

    with open_outbox(direct) as shared:
        assert waiting(shared) == [("a", "Critical"), ("b", "Critical")]
        assert ledger(shared) == {"a": {"x"}, "b": {"x"}}
    assert used.kind == ("postgresql" if comes_back else "sqlite")
    assert len(warnings) == (0 if comes_back else 1)


def test_a_merge_whose_answer_is_lost_is_not_made_twice(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    direct = OutboxLocation(str(tmp_path), postgres.new_schema())
    open_outbox(direct).close()
    with open_outbox(direct.local()) as local:
        fail(local, "a", "x")
        local.add(WEB, [], pending=[PendingAlert(opened("b", "x"), 1, 9)])
    with Wire(direct.url) as wire:
        wire.lose_answer_to("COMMIT")
        with pytest.raises(OutboxError):
            open_outbox(OutboxLocation(str(tmp_path), wire.url))
    with open_outbox(direct) as shared:
        assert waiting(shared) == [("a", "Critical")]
        assert [one.failures for one in shared.pending_alerts()] == [1]
    with open_outbox(direct.local()) as local:
        assert local.counts() == {"waiting": 0, "undeliverable": 0, "open_alerts": 0}


def test_what_another_process_is_just_moving_is_not_waited_for(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    location = OutboxLocation(str(tmp_path), postgres.new_schema())
    with open_outbox(location.local()) as local:
        fail(local, "a", "x")
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with open_outbox(location) as shared:
        meanwhile = waiting(shared)
    os.close(folder)
    with open_outbox(location) as shared:
        assert (meanwhile, waiting(shared)) == ([], [("a", "Critical")])


def test_a_damaged_local_outbox_does_not_keep_a_run_from_the_database(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    location = OutboxLocation(str(tmp_path), postgres.new_schema())
    with open_outbox(location.local()) as local:
        fail(local, "a", "x")
        local.database.run("UPDATE flashduty_open_alerts SET details = 'nothing'")
    with open_outbox(location) as shared:
        fail(shared, "b", "x")

        assert ledger(shared) == {"b": {"x"}}


# -- runs

ORIGIN = json.dumps(["", "site.yml"])


def about(scope: str) -> RunAlert:
    return RunAlert(
        {"title_rule": scope, "event_status": "Critical", "alert_key": scope},
        "site.yml",
        {"scope": scope, "causes": []},
    )


def run(run_id: str, **more: t.Any) -> Run:
    return Run(
        **{
            "run_id": run_id,
            "fingerprint": WEB,
            "server": "api.example.com",
            "origin": ORIGIN,
            "playbook": "site.yml",
            "controller": "control1",
            "process": "another-machine:1:1",
            "expected_every": HOUR,
            "when_missed": about("missed"),
            **more,
        }
    )


@pytest.mark.parametrize("closes", [True, False])
def test_a_run_that_ended_meanwhile_closes_what_it_would_have_closed(
    fleet: Fleet, closes: bool
) -> None:
    local = fleet.controller("one")
    there = RunLedger(fleet.shared)
    there.begin(run("old"))
    there.raise_overlong("old", about("overlong"), "So long.")
    fleet.clock.now += HOUR + 60
    there.raise_missed(there.expected())
    RunLedger(local).end(run("old"), status="ok", complete=True, hosts={}, close=closes)
    before = {one.alert_key for one in fleet.shared.open_alerts()}
    merge(local, fleet.shared)
    merge(local, fleet.shared)

    [report] = there.reports()
    assert before == {"overlong", "missed"}
    assert (report.status, report.complete) == ("ok", True)
    assert ("missed" in ledger(fleet.shared)) is not closes
    assert ("overlong" in ledger(fleet.shared)) is not closes
    assert waiting(fleet.shared).count(("missed", "Ok")) == closes


def test_what_is_expected_moves_and_what_is_known_of_it_is_not_lost(
    fleet: Fleet,
) -> None:
    local = fleet.controller("one")
    there, here = RunLedger(fleet.shared), RunLedger(local)
    there.begin(run("first"))
    there.end(run("first"), status="ok", complete=True, hosts={})
    [before] = there.expected()
    fleet.clock.now += 600
    here.begin(run("second", controller="control2", expected_every=2 * HOUR))
    going_on = here.take_out()
    here.end(
        run("second", controller="control2", expected_every=2 * HOUR),
        status="failed",
        complete=False,
        hosts={},
    )
    merge(local, fleet.shared)

    [after] = there.expected()
    assert not going_on
    assert (after.since, after.completed_at) == (before.since, before.completed_at)
    assert (after.started_by, after.completed_by) == ("control2", "control1")
    # By the clock of the database.
    assert 0 < after.started_at - before.started_at < 2 * 600
    assert after.expected_every == 2 * HOUR
    assert [one.run_id for one in there.reports()] == ["second", "first"]
    assert (here.reports(), here.expected()) == ([], [])


# -- anything, in any order


@pytest.mark.parametrize("seed", range(6))
def test_whatever_controllers_do_nothing_is_lost_nor_closed_wrongly(
    fleet: Fleet, seed: int
) -> None:
    chance = random.Random(seed)
    controllers = {name: fleet.controller(name) for name in ("one", "two", "three")}
    away: set[str] = set()
    broken: dict[str, set[str]] = {key: set() for key in "abc"}

    def write(name: str, how: t.Callable[[Outbox, str], None]) -> None:
        """Write as the run of a controller does, with its failover."""
        write_id = new_write_id()
        if name not in away:
            if chance.random() < 0.85:
                how(fleet.shared, write_id)
                return
            away.add(name)
            if chance.random() < 0.5:
                # It is made, and nobody here hears of it.
                how(fleet.reader(), write_id)
        how(controllers[name], write_id)

    def step() -> None:
        name, key, cause = (
            chance.choice(list(controllers)),
            *chance.choices("abc", k=2),
        )
        local = controllers[name]
        what = chance.choice(
            ["fail", "fail", "work", "work", "away", "back", "deliver"]
        )
        if what == "away":
            away.add(name)
        elif what == "back":
            away.discard(name)
            merge(local, fleet.shared)
        elif what == "deliver":
            fleet.deliver(local if name in away else fleet.shared)
        else:
            known = ledger(local if name in away else fleet.shared).get(key, set())
            if what == "fail":
                broken[key].add(cause)
                causes = known | {cause}
                write(name, lambda o, w: fail(o, key, *sorted(causes), write_id=w))
            elif cause in known:
                broken[key].discard(cause)
                left = sorted(known - {cause})
                if left:
                    write(
                        name,
                        lambda o, w: o.add(
                            WEB, [], updated=[opened(key, *left)], write_id=w
                        ),
                    )
                else:
                    write(name, lambda o, w: work(o, key, write_id=w))

    for _step in range(60):
        step()
    for local in controllers.values():
        merge(local, fleet.shared)
        assert local.counts() == {"waiting": 0, "undeliverable": 0, "open_alerts": 0}
    fleet.deliver(fleet.shared)

    remembered = ledger(fleet.shared)
    last = dict(fleet.told)
    for key, causes in broken.items():
        assert causes <= remembered.get(key, set())
        assert last.get(key, "Ok") == ("Critical" if key in remembered else "Ok")
