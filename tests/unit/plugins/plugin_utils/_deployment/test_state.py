# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What there is to tell of a deployment, whatever its hosts do and in whatever order."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.flashcat.flashduty.plugins.plugin_utils._deployment.state import (
    Deployment,
    Failure,
    PlayView,
)
from hypothesis import given
from hypothesis import strategies as st

ALL = ("a", "b", "c", "d")


def play(
    active: t.Iterable[str] = ALL,
    batch: t.Iterable[str] | None = None,
    *,
    lockstep: bool = True,
) -> PlayView:
    hosts = frozenset(active)
    return PlayView(hosts, hosts if batch is None else frozenset(batch), lockstep)


def begun(*hosts: str, seen: PlayView | None = None) -> Deployment:
    deployment = Deployment("key")
    for host in hosts:
        deployment.begin(host, seen or play(hosts))
    return deployment


def failed_hosts(deployment: Deployment) -> list[str]:
    return [failure.host for failure in deployment.failures]


def test_the_first_host_announces_the_change() -> None:
    deployment = Deployment("key")

    assert [deployment.begin(host, play()) for host in ALL] == [
        True,
        False,
        False,
        False,
    ]


def test_the_last_host_tells_of_success() -> None:
    deployment = begun("a", "b")
    deployment.passed("a")
    assert not deployment.take_success(play(["a", "b"]))

    deployment.passed("b")

    assert deployment.take_success(play(["a", "b"]))
    assert not deployment.take_success(play(["a", "b"]))


def test_a_further_batch_is_waited_for() -> None:
    deployment = begun("a", "b", seen=play(batch=["a", "b"]))
    deployment.passed("a")
    deployment.passed("b")
    assert not deployment.take_success(play(batch=["a", "b"]))

    for host in ("c", "d"):
        assert not deployment.begin(host, play(batch=["c", "d"]))
        deployment.passed(host)

    assert deployment.take_success(play(batch=["c", "d"]))


def test_a_host_that_takes_no_part_is_waited_for_only_where_it_may_be_late() -> None:
    deployment = begun("a", seen=play())
    deployment.passed("a")

    assert not deployment.take_success(play(lockstep=False))
    assert deployment.take_success(play())


def test_those_who_take_part_can_be_named() -> None:
    deployment = Deployment("key")
    deployment.begin("a", play(), expected=["a", "b"])
    deployment.passed("a")
    assert deployment.outstanding(play(lockstep=False)) == ["b"]

    deployment.update_from_play(play(["a", "c", "d"]))

    assert failed_hosts(deployment) == ["b"]


def test_a_failure_is_told_once_and_stands() -> None:
    deployment = begun("a", "b")
    deployment.failed(Failure("a", "boom"))
    deployment.passed("b")
    deployment.update_from_play(play(["a", "b"]))

    assert [deployment.take_new_failures(), deployment.take_new_failures()] == [
        True,
        False,
    ]
    assert deployment.status == "Canceled"
    assert not deployment.take_success(play(["a", "b"]))


def test_a_missing_host_is_lost() -> None:
    deployment = begun("a", "b")
    deployment.passed("a")
    deployment.update_from_play(play(["a"]))

    assert failed_hosts(deployment) == ["b"]
    assert deployment.failures[0].status == "unreachable"


def test_a_host_that_was_only_missing_can_still_tell_why() -> None:
    deployment = begun("a", "b")
    deployment.update_from_play(play(["a"]))
    deployment.failed(Failure("b", "boom"))

    assert [(one.host, one.text) for one in deployment.failures] == [("b", "boom")]


def test_hosts_that_another_one_stops_have_not_failed() -> None:
    deployment = begun("a", "b", "c")
    deployment.failed(Failure("c", "boom", stops_all=True))
    deployment.failed(Failure("b", "?", caused_here=False))
    deployment.update_from_play(play(["b", "c"]))

    assert failed_hosts(deployment) == ["c"]
    assert deployment.hosts == {"a": "stopped", "b": "stopped", "c": "failed"}


def test_failures_stand_in_one_order() -> None:
    deployment = begun(*ALL)
    for host in ("d", "b"):
        deployment.failed(Failure(host, "boom"))
    deployment.update_from_play(play(["b", "c", "d"]))

    assert failed_hosts(deployment) == ["b", "d", "a"]


def test_a_play_that_goes_on_with_the_same_version_is_the_same_change() -> None:
    deployment = begun("a")
    deployment.passed("a")
    deployment.take_success(play(["a"]))

    assert deployment.begin("b", play(["b"]))
    assert deployment.status == "Processing"


def test_a_failure_of_an_earlier_play_is_not_forgotten() -> None:
    deployment = begun("a")
    deployment.failed(Failure("a", "boom"))
    deployment.take_new_failures()

    assert not deployment.begin("b", play(["b"]))
    deployment.passed("b")
    assert not deployment.take_success(play(["b"]))


def test_a_run_that_ends_in_the_middle_leaves_something_to_tell() -> None:
    deployment = begun("a", "b", seen=play(batch=["a", "b"]))
    deployment.passed("a")

    assert [
        one.host for one in deployment.failures_if_run_ended(play(batch=["a", "b"]))
    ] == ["b", "c", "d"]


def test_a_run_that_has_told_all_leaves_nothing_to_tell() -> None:
    good, bad = begun("a"), begun("a")
    good.passed("a")
    good.take_success(play(["a"]))
    bad.failed(Failure("a", "boom"))
    bad.take_new_failures()

    assert (
        good.failures_if_run_ended(play(["a"]))
        == bad.failures_if_run_ended(play([]))
        == []
    )


STEPS = st.lists(
    st.tuples(st.sampled_from(ALL), st.sampled_from(["pass", "fail", "vanish"])),
    min_size=4,
    max_size=4,
    unique_by=lambda step: step[0],
)


@given(STEPS, st.integers(1, 4), st.booleans())
def test_every_story_ends_with_done_or_canceled(
    steps: list[tuple[str, str]], size: int, lockstep: bool
) -> None:
    """Whatever happens to hosts in batches, one message comes at the end, of the process beside the run at the latest."""
    deployment = Deployment("key")
    active, told = set(ALL), []
    view = play(active)
    for start in range(0, len(steps), size):
        batch = [host for host, _what in steps[start : start + size]]
        view = play(active, active & set(batch), lockstep=lockstep)
        told += ["Processing" for host in batch if deployment.begin(host, view)]
        for host, what in steps[start : start + size]:
            if what == "vanish":
                active.discard(host)
            elif what == "pass":
                deployment.passed(host)
            else:
                deployment.failed(Failure(host, "boom"))
            deployment = Deployment.from_data(
                json.loads(json.dumps(deployment.as_data()))
            )
        view = play(active, active & set(batch), lockstep=lockstep)
        for host in batch:
            if host in active:
                deployment.update_from_play(view)
                if deployment.take_new_failures():
                    told.append("Canceled")
                elif deployment.take_success(view):
                    told.append("Done")
        active -= {host for host, what in steps[start : start + size] if what == "fail"}
        if not active & set(batch):
            break
    told += ["Canceled"] * bool(deployment.failures_if_run_ended(view))

    good = all(what == "pass" for _host, what in steps)
    assert told[0] == "Processing"
    assert told.count("Processing") == 1
    assert set(told[1:]) == {"Done" if good else "Canceled"}
    assert told.count("Done") <= 1
