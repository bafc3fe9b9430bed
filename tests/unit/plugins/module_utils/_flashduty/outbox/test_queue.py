# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What waits, what was refused, which alerts are open: order, claims, limits, and the ledger."""

from __future__ import annotations

import itertools
import json
import random
import typing as t

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.api_errors import (
    ApiError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConnectionFailed,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    AlertEvent,
    ChangeEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OutboxLocation,
    open_outbox,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
    OpenAlert,
    PendingAlert,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.answers import (
    ClaimedEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.queue import (
    Outbox,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.runs import (
    Run,
    RunAlert,
    RunLedger,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.processes import (
    process_name,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

WEB = "integration-1"
DB = "integration-2"
ME = process_name()
UNREACHABLE = ConnectionFailed("Cannot reach it.", hint="Look.")
REFUSED = ApiError(
    code="Unauthorized", api_message="no", http_status=401, request_id="r1"
)


START = 1_700_000_000.0


class Time:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def outbox(location: OutboxLocation, time: Time) -> t.Iterator[Outbox]:
    with open_outbox(location, now=time) as outbox:
        yield outbox


def alert(key: str, title: str = "t", status: str = "Critical") -> AlertEvent:
    return AlertEvent.create(title_rule=title, event_status=status, alert_key=key)


def change(key: str) -> ChangeEvent:
    return ChangeEvent.create(change_key=key, change_status="Done", title="t")


def opened(
    key: str, origin: str = "play", at: float = START, **more: t.Any
) -> OpenAlert:
    return OpenAlert(key, origin, f"title of {key}", "Critical", at, **more)


def claim(outbox: Outbox, integration: str = WEB, **more: t.Any) -> list[ClaimedEvent]:
    options: dict[str, t.Any] = {"limit": 100, "lease": 60.0, **more}
    return outbox.claim(integration, options.pop("courier", ME), **options)[0]


def keys(events: t.Iterable[ClaimedEvent]) -> list[str]:
    return [event.key for event in events]


# -- order


def test_of_each_key_only_the_first_event_is_on_its_way(outbox: Outbox) -> None:
    outbox.add(WEB, [alert("a", "1"), alert("b", "2"), alert("a", "3")])

    first = claim(outbox)
    assert keys(first) == ["a", "b"]
    assert claim(outbox) == []

    outbox.settle(delivered=first)
    assert ['"3"' in event.payload for event in claim(outbox)] == [True]


def test_an_event_that_has_failed_keeps_its_place_before_its_successors(
    outbox: Outbox,
) -> None:
    outbox.add(WEB, [alert("a", "1"), alert("a", "2")])

    outbox.settle(failed=[(event, UNREACHABLE) for event in claim(outbox)])

    assert ['"1"' in event.payload for event in claim(outbox)] == [True]


def test_an_event_that_has_failed_holds_up_no_other(outbox: Outbox) -> None:
    outbox.add(WEB, [alert("bad"), alert("x"), alert("y")])
    outbox.settle(failed=[(event, UNREACHABLE) for event in claim(outbox, limit=1)])

    assert keys(claim(outbox)) == ["x", "y", "bad"]


def test_an_event_that_was_refused_lets_its_successors_pass(outbox: Outbox) -> None:
    outbox.add(WEB, [alert("a", "1"), alert("a", "2")])

    outbox.settle(undeliverable=[(event, REFUSED) for event in claim(outbox)])

    assert ['"2"' in event.payload for event in claim(outbox)] == [True]


def test_an_alert_and_a_change_of_one_key_have_nothing_to_do_with_each_other(
    outbox: Outbox,
) -> None:
    outbox.add(WEB, [alert("same"), change("same")])

    assert [event.kind for event in claim(outbox)] == ["alert", "change"]


def test_integrations_have_nothing_to_do_with_each_other(outbox: Outbox) -> None:
    outbox.add(WEB, [alert("same")])
    outbox.add(DB, [alert("same")])

    assert len(claim(outbox, WEB)) == 1
    assert len(claim(outbox, DB)) == 1
    assert outbox.status([WEB]).waiting == 1
    assert outbox.status([WEB, DB]).waiting == 2
    assert outbox.status([]).waiting == 0


def test_no_more_is_claimed_than_asked_for(outbox: Outbox) -> None:
    outbox.add(WEB, [alert(str(number)) for number in range(5)])

    assert keys(claim(outbox, limit=2)) == ["0", "1"]
    assert keys(claim(outbox, limit=2)) == ["2", "3"]
    assert claim(outbox, limit=0) == []


def test_one_key_can_be_claimed_alone(outbox: Outbox) -> None:
    outbox.add(WEB, [alert("a"), alert("b")])

    assert keys(claim(outbox, key="b")) == ["b"]
    assert outbox.is_waiting([WEB], kind="alert", key="b")
    assert not outbox.is_waiting([WEB], kind="change", key="b")
    assert not outbox.is_waiting([DB])
    assert not outbox.is_waiting([])


def deliver(
    outbox: Outbox, event: ClaimedEvent, delivered: dict[str, list[int]]
) -> None:
    delivered.setdefault(event.key, []).append(event.id)
    outbox.settle(delivered=[event])


@pytest.fixture
def integrations() -> t.Iterator[str]:
    """Integrations that have nothing to do with each other."""
    return (f"integration-{number}" for number in itertools.count())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=5)
@given(seed=st.integers(0, 10**9))
def test_whatever_happens_each_key_is_delivered_in_order(
    outbox: Outbox, time: Time, integrations: t.Iterator[str], seed: int
) -> None:
    chance = random.Random(seed)
    web = next(integrations)
    delivered: dict[str, list[int]] = {}
    outbox.add(web, [alert(chance.choice("abc"), str(n)) for n in range(15)])
    claims: list[ClaimedEvent] = []
    while outbox.is_waiting([web]):
        time.now += chance.choice([0.0, 1.0, 30.0])
        claims += claim(outbox, web, limit=chance.randint(1, 4), lease=20.0)
        chance.shuffle(claims)
        event = claims.pop()
        chance.choice(
            [
                lambda event: outbox.settle(failed=[(event, UNREACHABLE)]),
                lambda event: outbox.settle(unsent=[event]),
                lambda event: deliver(outbox, event, delivered),
            ]
        )(event)

    for ids in delivered.values():
        # Told twice after a lease that has ended, but never out of order.
        assert [i for n, i in enumerate(ids) if i not in ids[:n]] == sorted(set(ids))


# -- claims


def test_a_claim_ends_with_its_lease(outbox: Outbox, time: Time) -> None:
    outbox.add(WEB, [alert("a")])
    claim(outbox, lease=10.0)

    time.now += 9.9
    assert claim(outbox, courier="other") == []
    time.now += 0.2
    assert keys(claim(outbox, courier="other")) == ["a"]


def test_a_clock_that_was_set_back_keeps_no_claim_alive(
    outbox: Outbox, time: Time
) -> None:
    outbox.add(WEB, [alert("a")])
    claim(outbox)

    time.now -= 86400
    assert keys(claim(outbox, courier="other")) == ["a"]


def test_a_courier_can_give_back_what_it_has_claimed(outbox: Outbox) -> None:
    outbox.add(WEB, [alert("a"), alert("b")])
    claim(outbox, limit=1)
    claim(outbox, courier="other")

    outbox.release(ME)

    assert keys(claim(outbox)) == ["a"]


def test_what_a_dead_process_has_claimed_is_given_back(outbox: Outbox) -> None:
    outbox.add(WEB, [alert("dead"), alert("alive"), alert("elsewhere")])
    # No process has this id: it is beyond the highest that Linux gives.
    claim(outbox, courier=process_name(2**22 + 1), limit=1)
    claim(outbox, limit=1)
    claim(outbox, courier="another-machine/pid:[1]:1", limit=1)

    outbox.release_dead()

    assert keys(claim(outbox)) == ["dead"]


# -- how things stand


def test_the_standing_tells_what_waits_and_why(outbox: Outbox) -> None:
    outbox.add(WEB, [alert("a"), alert("b"), alert("c")])
    a, b, c = claim(outbox)
    outbox.settle(
        delivered=[a], failed=[(b, UNREACHABLE)], undeliverable=[(c, REFUSED)]
    )

    status = outbox.status([WEB])

    assert status.waiting == 1
    assert status.reason == UNREACHABLE.as_dict()
    assert status.undeliverable == [REFUSED.as_dict()]


def test_it_is_quiet_for_a_run_that_nothing_in_it_concerns(outbox: Outbox) -> None:
    def is_quiet(*fingerprints: str, origin: str = "site.yml") -> bool:
        return outbox.is_quiet(fingerprints, origin)

    quiet = [is_quiet(WEB), is_quiet()]
    outbox.add(WEB, [alert("a")], opened=opened("a", origin="shop.yml"))
    with_event = [is_quiet(WEB), is_quiet(DB)]
    outbox.settle(delivered=claim(outbox))
    with_open_alert = [
        is_quiet(WEB),
        # Whatever the order in which they are told, and whatever lies between them.
        is_quiet("z", WEB, "a"),
        is_quiet(WEB, origin="shop.yml"),
        is_quiet("a", "z"),
        is_quiet(DB),
        is_quiet(),
    ]
    outbox.add(WEB, [alert("a", status="Ok")], closed=["a"])
    outbox.settle(undeliverable=[(one, REFUSED) for one in claim(outbox)])
    with_refused_event = is_quiet(WEB)
    outbox.discard_undeliverable()
    outbox.add(WEB, [], pending=[PendingAlert(opened("a", origin="shop.yml"), 1, 2)])
    with_counted_failure = [
        is_quiet(WEB),
        is_quiet(WEB, origin="shop.yml"),
        is_quiet(DB),
    ]

    assert quiet == [True, True]
    assert with_event == [False, False]
    assert with_open_alert == [True, True, False, False, False, False]
    assert with_refused_event is False
    assert with_counted_failure == [True, False, False]


def test_it_is_not_quiet_for_a_playbook_that_is_expected(outbox: Outbox) -> None:
    for name in ("100%_a!.yml", "other/site.yml"):
        run = Run(
            run_id=name,
            fingerprint=WEB,
            server="",
            origin=json.dumps(["of a play", name]),
            playbook=name,
            controller="control",
            process="",
            expected_every=60,
            when_missed=RunAlert({}, name, {}),
        )
        RunLedger(outbox).begin(run)

    assert outbox.is_quiet([WEB], "100%_a!.yml") is False
    assert outbox.is_quiet([WEB], "other/site.yml") is False
    assert outbox.is_quiet([WEB], "site.yml") is True
    assert outbox.is_quiet([WEB], "100_%a!.yml") is True


def test_alerts_of_a_playbook_may_be_those_of_others(outbox: Outbox) -> None:
    outbox.add(WEB, [alert("a")], opened=opened("a", origin="site.yml"))

    assert outbox.has_alerts_of_others([], "site.yml") is True
    assert outbox.has_alerts_of_others([DB], "site.yml") is True
    assert outbox.has_alerts_of_others([DB, WEB], "site.yml") is False
    assert outbox.has_alerts_of_others([DB], "shop.yml") is False


def test_details_are_narrowed_without_a_look_and_widened_only_with_what_is_there(
    outbox: Outbox, location: OutboxLocation
) -> None:
    def waits_for(*causes: str) -> OpenAlert:
        return opened("a", details={"causes": [{"id": one} for one in causes]})

    def found() -> list[str]:
        [one] = outbox.open_alerts()
        return [cause["id"] for cause in one.details["causes"]]

    outbox.add(WEB, [alert("a")], opened=waits_for("x", "y"))
    with open_outbox(location) as another:
        another.add(WEB, [], updated=[waits_for("y")])
    narrowed = found()
    with open_outbox(location) as another:
        another.add(WEB, [alert("a")], opened=waits_for("z"))

    assert (narrowed, found()) == (["y"], ["y", "z"])


def test_a_refused_event_is_reported_once(outbox: Outbox) -> None:
    outbox.add(WEB, [alert("a")])
    outbox.settle(undeliverable=[(event, REFUSED) for event in claim(outbox)])

    outbox.mark_reported([DB])
    assert len(outbox.status([WEB]).undeliverable) == 1
    outbox.mark_reported([WEB])
    assert outbox.status([WEB]).undeliverable == []
    assert len(outbox.events(undeliverable=True)) == 1


def test_an_administrator_sees_all_of_it(outbox: Outbox, time: Time) -> None:
    event = alert("a", "磁盘满")
    outbox.add(WEB, [event, alert("b")], run_id="run-1")
    outbox.settle(failed=[(event, UNREACHABLE) for event in claim(outbox, limit=1)])

    assert outbox.counts() == {"waiting": 2, "undeliverable": 0, "open_alerts": 0}
    assert len(outbox.events(undeliverable=False)) == 2
    assert outbox.events(undeliverable=False, limit=1) == [
        {
            "id": 1,
            "fingerprint": WEB,
            "server": "",
            "kind": "alert",
            "key": "a",
            "event": event.payload(),
            "run_id": "run-1",
            "added_at": time.now,
            "attempts": 1,
            "error": UNREACHABLE.as_dict(),
            "undeliverable_at": None,
        }
    ]


# -- the ledger of open alerts


def test_an_alert_is_open_from_the_moment_it_is_queued(outbox: Outbox) -> None:
    remembered = opened("a", details={"task": "x", "hosts": ["h1"]})
    outbox.add(WEB, [alert("a")], opened=remembered)

    assert outbox.open_alerts() == [remembered]
    assert outbox.open_alerts(WEB, "play") == [remembered]
    assert outbox.open_alerts(DB) == []
    assert outbox.open_alerts(WEB, "other") == []


def test_an_alert_that_is_raised_again_opened_when_it_opened_by_the_outbox_clock(
    outbox: Outbox, time: Time
) -> None:
    outbox.add(WEB, [alert("a")], opened=opened("a", at=1.0))
    outbox.settle(delivered=claim(outbox))
    time.now += 60
    outbox.add(WEB, [alert("a")], opened=opened("a", at=9.0, details={"n": 2}))

    assert outbox.open_alerts() == [opened("a", details={"n": 2})]


def test_details_can_be_brought_up_to_date(outbox: Outbox) -> None:
    outbox.add(WEB, [alert("a")], opened=opened("a"))

    outbox.add(WEB, [], updated=[opened("a", details={"n": 2}), opened("unknown")])

    assert outbox.open_alerts() == [opened("a", details={"n": 2})]


def test_a_recovery_closes_the_alert_in_the_same_moment(outbox: Outbox) -> None:
    outbox.add(WEB, [alert("a")], opened=opened("a"))
    outbox.add(DB, [alert("a")], opened=opened("a"))

    outbox.add(WEB, [alert("a", status="Ok")], closed=["a"])

    assert outbox.open_alerts(WEB) == []
    assert len(outbox.open_alerts(DB)) == 1


def test_an_alert_that_the_service_never_heard_of_is_not_open(outbox: Outbox) -> None:
    outbox.add(WEB, [alert("a")], opened=opened("a"))

    outbox.settle(undeliverable=[(event, REFUSED) for event in claim(outbox)])

    assert outbox.open_alerts() == []


def test_an_alert_of_which_the_service_heard_stays_open(outbox: Outbox) -> None:
    outbox.add(WEB, [alert("a")], opened=opened("a"))
    outbox.settle(delivered=claim(outbox))
    outbox.add(WEB, [alert("a")], opened=opened("a"))

    outbox.settle(undeliverable=[(event, REFUSED) for event in claim(outbox)])

    assert len(outbox.open_alerts()) == 1


def test_a_refused_alert_is_open_again_once_it_is_tried_again(outbox: Outbox) -> None:
    outbox.add(WEB, [alert("a")], opened=opened("a"))
    outbox.add(WEB, [change("c")])
    outbox.settle(undeliverable=[(event, REFUSED) for event in claim(outbox)])

    assert outbox.retry_undeliverable("alert", DB) == 1

    assert keys(claim(outbox, DB)) == ["a"]
    assert outbox.open_alerts(DB) == [opened("a")]
    assert outbox.open_alerts(WEB) == []
    assert [row["key"] for row in outbox.events(undeliverable=True)] == ["c"]
    assert outbox.retry_undeliverable("change", WEB) == 1


def test_what_is_known_of_an_alert_is_not_lost_to_an_older_refusal(
    outbox: Outbox, time: Time
) -> None:
    outbox.add(WEB, [alert("a")], opened=opened("a"))
    outbox.settle(undeliverable=[(event, REFUSED) for event in claim(outbox)])
    time.now += 60
    outbox.add(DB, [alert("a")], opened=opened("a"))
    outbox.settle(delivered=claim(outbox, DB))

    outbox.retry_undeliverable("alert", DB)

    assert outbox.open_alerts() == [opened("a", at=time.now)]


def test_discarding_what_was_refused_forgets_its_alert(outbox: Outbox) -> None:
    outbox.add(WEB, [alert("a")], opened=opened("a"))
    outbox.add(WEB, [change("c")])
    outbox.settle(undeliverable=[(event, REFUSED) for event in claim(outbox)])

    assert outbox.discard_undeliverable("change") == 1
    assert outbox.discard_undeliverable() == 1
    assert outbox.retry_undeliverable("alert", WEB) == 0
    assert outbox.counts() == {"waiting": 0, "undeliverable": 0, "open_alerts": 0}


def test_what_cannot_be_remembered_is_not_queued_either(outbox: Outbox) -> None:
    with pytest.raises(TypeError):
        outbox.add(WEB, [alert("a")], opened=opened("a", details={"x": object()}))

    assert outbox.counts() == {"waiting": 0, "undeliverable": 0, "open_alerts": 0}
    outbox.add(WEB, [alert("a")])
    assert outbox.is_waiting([WEB])


# -- bounds


def test_what_is_too_old_is_dropped_with_its_alert(outbox: Outbox, time: Time) -> None:
    outbox.add(WEB, [alert("old")], opened=opened("old"))
    outbox.add(WEB, [alert("known")], opened=opened("known"))
    outbox.settle(delivered=claim(outbox)[1:])
    outbox.add(WEB, [alert("known")], opened=opened("known"))
    time.now += 8 * 86400
    outbox.add(WEB, [alert("new")], opened=opened("new"))

    assert outbox.prune() == 2

    assert [row["key"] for row in outbox.events(undeliverable=False)] == ["new"]
    assert [kept.alert_key for kept in outbox.open_alerts()] == ["known", "new"]


def test_what_is_too_much_is_dropped_the_oldest_first(outbox: Outbox) -> None:
    outbox.add(WEB, [alert(str(number)) for number in range(6)])
    outbox.settle(undeliverable=[(event, REFUSED) for event in claim(outbox, limit=3)])
    outbox.add(WEB, [alert(str(number)) for number in range(6, 8)])

    assert outbox.prune(max_waiting=3, max_undeliverable=1) == 2

    assert [row["key"] for row in outbox.events(undeliverable=False)] == ["5", "6", "7"]
    assert [row["key"] for row in outbox.events(undeliverable=True)] == ["2"]


def test_nothing_is_dropped_without_need(outbox: Outbox) -> None:
    outbox.add(WEB, [alert("a")])

    assert outbox.prune() == 0
    assert outbox.is_waiting([WEB])


# -- the rate limit


def test_a_tenth_of_the_limit_goes_out_in_one_second(
    outbox: Outbox, time: Time
) -> None:
    outbox.add(WEB, [alert(str(number)) for number in range(50)])

    first, pause = outbox.claim(WEB, ME, limit=50, lease=60, rate_limit=40)
    assert (len(first), pause) == (4, 0)
    more, pause = outbox.claim(WEB, ME, limit=50, lease=60, rate_limit=40)
    assert more == [] and 0 < pause <= 0.1, "they are under way"

    outbox.settle(delivered=first)
    more, pause = outbox.claim(WEB, ME, limit=50, lease=60, rate_limit=40)
    assert more == [] and 0.9 <= pause <= 1.1

    time.now += pause + 0.001
    more, _pause = outbox.claim(WEB, ME, limit=50, lease=60, rate_limit=40)
    assert len(more) == 4


def test_the_limit_of_a_minute_counts_too(outbox: Outbox, time: Time) -> None:
    outbox.add(WEB, [alert(str(number)) for number in range(50)])
    sent = 0
    while sent < 20:
        events, _pause = outbox.claim(WEB, ME, limit=50, lease=60, rate_limit=20)
        outbox.settle(delivered=events)
        sent += len(events)
        time.now += 1.2

    events, pause = outbox.claim(WEB, ME, limit=50, lease=60, rate_limit=20)

    assert events == []
    assert 40 < pause < 60


def test_a_limit_does_not_hold_up_another_integration(outbox: Outbox) -> None:
    outbox.add(WEB, [alert("a")])
    outbox.add(DB, [alert("a")])
    for integration in (WEB, DB):
        events, _pause = outbox.claim(integration, ME, limit=9, lease=60, rate_limit=1)
        assert len(events) == 1


def test_a_request_counts_from_its_end_not_from_when_that_was_written_down(
    outbox: Outbox, time: Time
) -> None:
    outbox.add(WEB, [alert(str(number)) for number in range(50)])
    first, _pause = outbox.claim(WEB, ME, limit=50, lease=60, rate_limit=40)
    time.now += 0.7

    outbox.settle(delivered=first, ages={event.id: 0.5 for event in first})
    _none, pause = outbox.claim(WEB, ME, limit=50, lease=60, rate_limit=40)

    assert 0.4 <= pause <= 0.6
    time.now += pause + 0.001
    assert outbox.claim(WEB, ME, limit=50, lease=60, rate_limit=40)[0]


def test_what_was_not_sent_does_not_count(outbox: Outbox) -> None:
    outbox.add(WEB, [alert("a"), alert("b")])
    first, _pause = outbox.claim(WEB, ME, limit=9, lease=60, rate_limit=10)

    outbox.settle(unsent=first)

    assert outbox.claim(WEB, ME, limit=9, lease=60, rate_limit=10)[0]


def test_what_a_dead_courier_may_have_sent_counts(outbox: Outbox) -> None:
    outbox.add(WEB, [alert("a"), alert("b")])
    dead = process_name(2**22 + 1)
    outbox.claim(WEB, dead, limit=9, lease=60, rate_limit=10)

    outbox.release_dead()

    assert outbox.claim(WEB, ME, limit=9, lease=60, rate_limit=10)[0] == []


def test_a_clock_that_was_set_back_stops_nothing(outbox: Outbox, time: Time) -> None:
    outbox.add(WEB, [alert(str(number)) for number in range(5)])
    outbox.settle(delivered=outbox.claim(WEB, ME, limit=9, lease=60, rate_limit=10)[0])

    time.now -= 3600

    assert outbox.claim(WEB, ME, limit=9, lease=60, rate_limit=10)[0]


def in_any_window(moments: list[float], seconds: float) -> int:
    """Return the largest number of moments that lie within some seconds."""
    moments = sorted(moments)
    return max(
        sum(start <= moment < start + seconds for moment in moments)
        for start in moments
    )


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=5,
)
@given(
    seed=st.integers(0, 10**9),
    rate_limit=st.integers(1, 60),
    least=st.sampled_from([0.0, 0.2, 1.5]),
)
def test_the_service_never_sees_more_than_the_limit(
    outbox: Outbox,
    time: Time,
    integrations: t.Iterator[str],
    seed: int,
    rate_limit: int,
    least: float,
) -> None:
    # Half of the time that the fastest answer takes is for the way there, half for the way back.
    chance = random.Random(seed)
    web = next(integrations)
    arrivals: list[float] = []
    outbox.add(web, [alert(str(number)) for number in range(120)])
    under_way: list[tuple[float, ClaimedEvent]] = []
    for _step in range(100):
        events, pause = outbox.claim(
            web, ME, limit=chance.randint(1, 30), lease=3600, rate_limit=rate_limit
        )
        under_way += [(time.now, event) for event in events]
        time.now += chance.choice([pause + 0.001, 0.05, 0.9])
        chance.shuffle(under_way)
        ended = []
        ages = {}
        for _number in range(chance.randint(0, len(under_way))):
            if under_way[-1][0] + least > time.now:
                break
            begun, event = under_way.pop()
            # When it arrived in between nobody knows, and its end may be written down later.
            end = chance.choice([begun + least, time.now])
            arrivals.append(chance.choice([begun + least / 2, end - least / 2]))
            ages[event.id] = time.now - end + least
            ended.append(event)
        outbox.settle(delivered=ended, ages=ages)

    assert arrivals
    assert in_any_window(arrivals, 1.0) <= max(1, rate_limit // 10)
    assert in_any_window(arrivals, 60.0) <= rate_limit


@pytest.mark.parametrize("latency", [0.1, 0.3, 0.9])
def test_the_limit_is_reached_however_long_an_answer_takes(
    outbox: Outbox, time: Time, latency: float
) -> None:
    outbox.add(WEB, [alert(str(number)) for number in range(300)])
    under_way: list[tuple[float, ClaimedEvent]] = []
    begun = time.now
    while outbox.is_waiting([WEB]):
        events, _pause = outbox.claim(WEB, ME, limit=999, lease=60, rate_limit=900)
        under_way += [(time.now + latency, event) for event in events]
        time.now += 0.05
        ended = [event for end, event in under_way if end <= time.now]
        under_way = [(end, event) for end, event in under_way if end > time.now]
        outbox.settle(delivered=ended, ages={event.id: latency for event in ended})

    # 90 at once, 90 a second later, and so on.
    assert time.now - begun < 300 / 90 + latency + 0.5
