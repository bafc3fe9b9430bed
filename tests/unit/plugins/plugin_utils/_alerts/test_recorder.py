# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happened to each host in a run: who has passed, who was given up."""

from __future__ import annotations

import typing as t

from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.model import (
    Circumstances,
    Items,
    Place,
    name_digest,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.outcomes import (
    TaskIdentity,
    TaskOutcome,
    TaskReference,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.recorder import (
    RunRecorder,
)

TASK = TaskIdentity("Play", "", "site.yml", "Task", "command")
NOBODY = frozenset[str]()
NOW = Circumstances()
PLACE = Place("place", (7, 1), "Task", "site.yml")


def names(*hosts: str) -> set[str]:
    return {name_digest(host) for host in hosts}


def outcome(
    host: str, status: t.Literal["failed", "unreachable"] = "failed"
) -> TaskOutcome:
    reference = TaskReference(
        TASK, 7, "/site.yml", "site.yml:7", "Task", "", "command", False
    )
    return TaskOutcome(host, reference, status, False, False, "message", place=PLACE)


class Run(RunRecorder):
    """A run of one play, told in words."""

    def __init__(self, *, partial: bool = False, plays: int = 1) -> None:
        super().__init__(partial=partial, plays=plays)

    def play(self, *batch: str, name: str = "play", of: t.Sequence[str] = ()) -> Run:
        self.play_started(name, all_hosts=of or batch, batch=batch)
        return self

    def ok(self, *hosts: str) -> Run:
        for host in hosts:
            self.reported(host)
        return self

    def fail(self, host: str, handled: str = "") -> Run:
        self.reported(host)
        self.failed(outcome(host), handled=handled)
        return self


def test_hosts_that_reported_and_were_not_stopped_have_passed() -> None:
    summary = Run().play("a", "b", "c").ok("a", "b").fail("b").finish(NOBODY, NOW)

    assert summary.complete
    assert summary.passed == names("a")
    assert summary.failed_hosts == names("b")


def test_a_handled_failure_is_none() -> None:
    run = Run().play("a", "b").fail("a", "ignored").fail("b", "rescued")

    summary = run.finish(NOBODY, NOW)

    assert summary.passed == names("a", "b")
    assert summary.failed_hosts == NOBODY
    assert run.latest_rescued("b") == PLACE
    assert run.latest_rescued("a") is None


def test_in_a_part_of_a_playbook_nobody_passes() -> None:
    summary = Run(partial=True).play("a").ok("a").finish(NOBODY, NOW)

    assert not summary.complete
    assert summary.passed == NOBODY


def test_when_a_play_did_not_begin_nobody_passes() -> None:
    summary = Run(plays=2).play("a").ok("a").finish(NOBODY, NOW)

    assert summary.complete
    assert summary.passed == NOBODY


def test_hosts_of_batches_that_did_not_begin_have_not_passed() -> None:
    run = (
        Run()
        .play("a", of=["a", "b", "c"])
        .ok("a")
        .play("b", of=["a", "b", "c"])
        .ok("b")
    )

    assert run.finish(NOBODY, NOW).passed == names("a", "b")


def test_nor_have_they_when_an_earlier_play_had_them_all() -> None:
    run = Run(plays=2).play("a", "b").ok("a", "b")
    run.play("a", name="second", of=["a", "b"]).ok("a")

    assert run.finish(NOBODY, NOW).passed == names("a")


def test_a_host_must_pass_every_play() -> None:
    run = Run(plays=2).play("a", "b").ok("a", "b").play("a", name="second").ok("a")

    assert run.finish(frozenset("a"), NOW).passed == names("b")


def test_a_host_that_was_stopped_without_a_word_has_not_passed() -> None:
    run = Run().play("a", "b").ok("a", "b")
    run.stopped(frozenset("a"))

    summary = run.ok("b").finish(frozenset("a"), NOW)
    assert summary.passed == names("b")
    assert summary.stopped == names("a")


def test_a_host_that_reports_after_it_was_seen_stopped_went_on_after_all() -> None:
    """ansible-core leaves it in its list when a failing include was rescued."""
    run = Run().play("a").ok("a")
    run.stopped(frozenset("a"))

    assert run.ok("a").finish(frozenset("a"), NOW).passed == names("a")


def test_nobody_passes_a_play_that_was_cut_short() -> None:
    run = Run(plays=2).play("a").ok("a")
    run.play_cut_short()
    run.play("b", name="second").ok("b")

    assert run.finish(NOBODY, NOW).passed == names("b")


def test_an_end_of_play_that_was_skipped_cuts_nothing_short() -> None:
    run = Run().play("a").ok("a")
    run.play_cut_short()
    run.play_not_cut_short()

    assert run.finish(NOBODY, NOW).passed == names("a")


def test_only_what_is_tracked_is_noted() -> None:
    run = Run().play("a")
    assert not run.tracks
    run.fail("a", "ignored")
    assert run.finish(NOBODY, NOW).failed_again == frozenset()

    run = Run()
    run.track(names("a"), ["Task"])
    assert run.tracks
    assert run.awaits_answer("a") and not run.awaits_answer("b")
    assert run.tracks_task("Task")
    run.play("a").fail("a", "ignored")
    run.succeeded("b", PLACE, Items())
    run.skipped("c", PLACE)
    run.pretended("d", PLACE)
    run.answered("a")
    run.defined(PLACE)
    assert not run.awaits_answer("a")

    summary = run.finish(NOBODY, NOW)

    spots = {host: (name_digest(host), "place", (7, 1)) for host in "abcd"}
    assert summary.failed_again == {spots["a"]}
    assert summary.worked == {spots["b"]: Items()}
    assert summary.skipped == {spots["c"]}
    assert summary.pretended == {spots["d"]}
    assert summary.reachable == names("a")
    assert summary.defined == {("place", (7, 1))}


def test_items_that_worked_count_though_others_failed() -> None:
    run = Run()
    run.track(names("a"), ["Task"])
    run.play("a")
    items = Items(frozenset("xy"), frozenset("x"), frozenset("y"))
    run.failed(outcome("a")._replace(items=items), handled="")

    assert run.finish(NOBODY, NOW).worked == {
        (name_digest("a"), "place", (7, 1)): items
    }


def test_who_ran_it_for_the_batch() -> None:
    run = Run().play("a", "b")
    run.succeeded("a", PLACE, Items(), run_once=True)

    assert run.finish(NOBODY, NOW).once == {
        ("place", (7, 1), name_digest("a"), frozenset(names("a", "b")))
    }


def test_without_a_memory_every_host_has_to_answer_itself() -> None:
    run = Run()
    run.track_everybody()
    run.play("a", "b", "c").ok("a", "b", "c")
    run.answered("a")
    run.answered_elsewhere("b")

    # Of c nothing was asked that needs an answer.
    assert run.answering_hosts == ["a", "c"]
