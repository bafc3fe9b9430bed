# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import typing as t
from dataclasses import dataclass, field, replace

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
    OpenAlert,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts import recovery
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.causes import (
    Cause,
    causes_of,
    details_of,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.model import (
    EVERY_NAME,
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
    RunSummary,
)
from hypothesis import given, settings
from hypothesis import strategies as st

H, OTHER = name_digest("h"), name_digest("other")
A, B = name_digest("item a"), name_digest("item b")
PLACE = Place("place", (7, 1), "Task", "site.yml")
INCLUDE = Place("include", (3, 1), "Include", "site.yml", A)
INSIDE = Place("inside", (7, 3, 1), "Task", "more.yml", includes=(INCLUDE,))
RESCUED = Place("main", (5, 1), "Main", "site.yml")
HERE = (H, "place", (7, 1))
NO_ITEMS = Items()
LOOP = Items(frozenset([A, B]), frozenset([A, B]))
GO = name_digest("go")


def chosen(*sources: str, **extra_vars: str) -> Circumstances:
    return Circumstances(
        {name_digest(name): value for name, value in extra_vars.items()},
        frozenset(sources),
    )


def cause(**changes: t.Any) -> Cause:
    fields: dict[str, t.Any] = {
        "status": "failed",
        "host": H,
        "place": PLACE,
        "what": 'the task "Task"',
        "host_name": "h",
    }
    return Cause(**{**fields, **changes})


def summary(**changes: t.Any) -> RunSummary:
    """Return a complete run that the host passed, in which the task still stands, and did nothing."""
    fields: dict[str, t.Any] = {
        "passed": frozenset([H]),
        "took_part": frozenset([H]),
        "plays_of": {1: frozenset([H])},
        "tracked": frozenset(["Task", "Include", "Main"]),
        "defined": frozenset(
            [("place", (7, 1)), ("include", (3, 1)), ("main", (5, 1))]
        ),
    }
    for name, value in changes.items():
        fields[name] = frozenset(value) if isinstance(value, (set, list)) else value
    return RunSummary(**fields)


def judge(
    what: Cause,
    run: RunSummary,
    lines: frozenset[int] | None = frozenset([7]),
    names_now: frozenset[str] = frozenset(),
) -> recovery.Verdict:
    law = recovery.Law(
        run,
        lines_in_file=lambda _place: lines,
        names_now=lambda _cause: names_now,
        in_inventory=lambda host: host == OTHER,
    )
    return law.judge(what)


WORKED = {"worked": {HERE: NO_ITEMS}}
PART = {"complete": False, "passed": []}
SKIPPED = {"skipped": [HERE]}
ITEMS = {"items": frozenset([A])}
UNREACHABLE = {"status": "unreachable", "machine": H, "machine_name": "h"}
LATER_SPOT = (H, "inside", (7, 3, 1))
INCLUDED = {"place": INSIDE}
INCLUDE_SPOT = (H, "include", (3, 1))
RULES: dict[str, tuple[dict[str, t.Any], dict[str, t.Any], str]] = {
    # what is the case: changes of the cause, of the run, and why it closes; empty when it stays open
    "nothing": ({}, {}, ""),
    "it worked": ({}, WORKED, recovery.WORKS),
    "it worked in a part of the playbook": ({}, {**WORKED, **PART}, recovery.WORKS),
    "it worked on another host": ({}, {"worked": {(OTHER, *HERE[1:]): NO_ITEMS}}, ""),
    "it worked, and then failed": ({}, {**WORKED, "failed_again": [HERE]}, ""),
    "it failed, and that was ignored": ({}, {"failed_again": [HERE]}, ""),
    "it only pretended to work": ({}, {"pretended": [HERE]}, ""),
    "a twin worked": (
        {},
        {
            "worked": {(H, "place", (9, 1)): NO_ITEMS},
            "defined": [("place", (7, 1)), ("place", (9, 1))],
        },
        "",
    ),
    "it moved, and worked there": (
        {},
        {
            "worked": {(H, "place", (9, 1)): NO_ITEMS},
            "defined": [("place", (9, 1))],
            **PART,
        },
        recovery.WORKS,
    ),
    "it or its twin moved, and one of them worked": (
        {},
        {
            "worked": {(H, "place", (9, 1)): NO_ITEMS},
            "defined": [("place", (9, 1)), ("place", (11, 1))],
        },
        "",
    ),
    "it was skipped": ({}, SKIPPED, recovery.SKIPPED),
    "it was skipped in a part": ({}, {**SKIPPED, **PART}, ""),
    "it was skipped, by the same choice": (
        {"then": chosen(go="1"), "names": frozenset([GO])},
        {**SKIPPED, "now": chosen(go="1")},
        recovery.SKIPPED,
    ),
    "it was skipped, by another choice": (
        {"then": chosen(go="1"), "names": frozenset([GO])},
        {**SKIPPED, "now": chosen(go="2")},
        "",
    ),
    "it was skipped, by a choice that was not made before": (
        {"names": frozenset([GO])},
        {**SKIPPED, "now": chosen(go="2")},
        "",
    ),
    "it was skipped, and something else was chosen": (
        {"names": frozenset([GO])},
        {**SKIPPED, "now": chosen(other="2")},
        recovery.SKIPPED,
    ),
    "it was skipped, and what decides cannot be told": (
        {"names": frozenset([EVERY_NAME])},
        {**SKIPPED, "now": chosen(other="2")},
        "",
    ),
    "it worked, by another choice": (
        {"names": frozenset([GO])},
        {**WORKED, "now": chosen(go="2")},
        recovery.WORKS,
    ),
    "another way was chosen, and worked": (
        {"way_names": frozenset([GO]), "names": frozenset([GO])},
        {**WORKED, "now": chosen(go="2")},
        "",
    ),
    "it is gone": ({}, {"defined": []}, recovery.GONE),
    "it is gone in a part": ({}, {"defined": [], **PART}, ""),
    "the play is for others": (
        {},
        {"plays_of": {1: frozenset([OTHER])}},
        recovery.NOT_FOR_HOST,
    ),
    "the play is for others, with a limit": (
        {},
        {"plays_of": {1: frozenset([OTHER])}, "limited": True},
        "",
    ),
    "another inventory": (
        {"then": chosen("a")},
        {**WORKED, "now": chosen("b")},
        "",
    ),
    "one inventory of several is the same": (
        {"then": chosen("a", "b")},
        {**WORKED, "now": chosen("b", "c")},
        recovery.WORKS,
    ),
    "another run has added it": ({}, {**WORKED, "tracked": []}, ""),
    "its item worked": (ITEMS, {"worked": {HERE: LOOP}}, recovery.WORKS),
    "another item worked": (
        ITEMS,
        {"worked": {HERE: Items(frozenset([A, B]), frozenset([B]), frozenset([A]))}},
        "",
    ),
    "its item worked, another failed": (
        ITEMS,
        {
            "worked": {HERE: Items(frozenset([A, B]), frozenset([A]), frozenset([B]))},
            "failed_again": [HERE],
            **PART,
        },
        recovery.WORKS,
    ),
    "its item is gone": (
        ITEMS,
        {"worked": {HERE: Items(frozenset([B]), frozenset([B]))}},
        recovery.ITEM_GONE,
    ),
    "its item is gone in a part": (
        ITEMS,
        {"worked": {HERE: Items(frozenset([B]), frozenset([B]))}, **PART},
        "",
    ),
    "its item is gone, by another choice": (
        {**ITEMS, "names": frozenset([GO])},
        {
            "worked": {HERE: Items(frozenset([B]), frozenset([B]))},
            "now": chosen(go="2"),
        },
        "",
    ),
    "its item was skipped": (
        ITEMS,
        {"worked": {HERE: Items(frozenset([A, B]), frozenset([B]))}},
        recovery.SKIPPED,
    ),
    "which items worked is hidden": (
        ITEMS,
        {"worked": {HERE: Items(every=None)}},
        "",
    ),
    "hidden items, the same loop": (
        {"items_unknown": True},
        {"worked": {HERE: Items(every=None)}},
        recovery.WORKS,
    ),
    "hidden items, perhaps another loop": (
        {"items_unknown": True, "names": frozenset([GO])},
        {"worked": {HERE: Items(every=None)}, "now": chosen(go="2")},
        "",
    ),
    "a handler is not notified": ({"handler": True}, {}, ""),
    "a handler is skipped": ({"handler": True}, SKIPPED, recovery.SKIPPED),
    "it ran once, elsewhere": (
        {"run_once": True},
        {"once": [("place", (7, 1), OTHER, frozenset([H, OTHER]))], **PART},
        recovery.WORKS,
    ),
    "it ran once, elsewhere, with its item": (
        {"run_once": True, **ITEMS},
        {
            "once": [("place", (7, 1), OTHER, frozenset([H, OTHER]))],
            "worked": {(OTHER, "place", (7, 1)): Items(frozenset([A]), frozenset([A]))},
        },
        recovery.WORKS,
    ),
    "it ran once, elsewhere, with another item": (
        {"run_once": True, **ITEMS},
        {
            "once": [("place", (7, 1), OTHER, frozenset([H, OTHER]))],
            "worked": {(OTHER, "place", (7, 1)): Items(frozenset([B]), frozenset([B]))},
        },
        "",
    ),
    "it ran once, for others": (
        {"run_once": True},
        {
            "once": [
                ("place", (7, 1), OTHER, frozenset([OTHER])),
                ("place", (7, 1), A, frozenset([A])),
            ]
        },
        "",
    ),
    "it ran once, and a limit has left its host out": (
        {"run_once": True},
        {"once": [("place", (7, 1), OTHER, frozenset([OTHER]))], **PART},
        "",
    ),
    "every host ran it after all": (
        {"run_once": True},
        {
            "once": [
                ("place", (7, 1), one, frozenset([H, OTHER, A])) for one in (OTHER, A)
            ]
        },
        "",
    ),
    "the rescue was not needed": (
        {"rescued": RESCUED},
        {"worked": {(H, "main", (5, 1)): NO_ITEMS}},
        recovery.NOT_NEEDED,
    ),
    "the rescue was not reached": ({"rescued": RESCUED}, {}, ""),
    "what needs the rescue was skipped": (
        {"rescued": RESCUED},
        {"skipped": [(H, "main", (5, 1))]},
        recovery.SKIPPED,
    ),
    "the rescue failed again, ignored": (
        {"rescued": RESCUED},
        {"failed_again": [HERE], "worked": {(H, "main", (5, 1)): NO_ITEMS}},
        "",
    ),
    "in an include, it worked": (
        INCLUDED,
        {"worked": {LATER_SPOT: NO_ITEMS}, **PART},
        recovery.WORKS,
    ),
    "in an include, nothing": (INCLUDED, {}, ""),
    "the include was skipped": (
        INCLUDED,
        {"skipped": [INCLUDE_SPOT]},
        recovery.SKIPPED,
    ),
    "the include is gone": (INCLUDED, {"defined": []}, recovery.GONE),
    "the include has no such item": (
        INCLUDED,
        {"worked": {INCLUDE_SPOT: Items(frozenset([B]), frozenset([B]))}},
        recovery.ITEM_GONE,
    ),
    "the include was reached, the task not": (
        INCLUDED,
        {"worked": {INCLUDE_SPOT: LOOP}},
        "",
    ),
    "the include was reached, the task skipped": (
        INCLUDED,
        {"worked": {INCLUDE_SPOT: LOOP}, "skipped": [LATER_SPOT]},
        recovery.SKIPPED,
    ),
    "it answered": (UNREACHABLE, {"reachable": [H], **PART}, recovery.ANSWERED),
    "it worked without an answer": (UNREACHABLE, WORKED, ""),
    "nobody knows who did not answer": (
        {"status": "unreachable"},
        {**WORKED, **PART},
        recovery.WORKS,
    ),
    "aborted": ({"status": "aborted", "host": ""}, {}, recovery.COMPLETE),
    "aborted, a part": ({"status": "aborted", "host": ""}, PART, ""),
    "aborted, a limit": ({"status": "aborted", "host": ""}, {"limited": True}, ""),
    "aborted, nobody": ({"status": "aborted", "host": ""}, {"took_part": []}, ""),
    "aborted, ended early": (
        {"status": "aborted", "host": ""},
        {"cut_short": True},
        "",
    ),
    "aborted, a host is left out": (
        {"status": "aborted", "host": "", "hosts": frozenset([H, OTHER])},
        {},
        "",
    ),
    "aborted, a host is no more": (
        {"status": "aborted", "host": "", "hosts": frozenset([H, A])},
        {},
        recovery.COMPLETE,
    ),
    "aborted, another choice": (
        {"status": "aborted", "host": "", "names": frozenset([GO])},
        {"now": chosen(go="x")},
        "",
    ),
    "all that counts is that it passes": ({"status": "host"}, {}, recovery.PASSED),
    "it did not pass": ({"status": "host"}, PART, ""),
}


@pytest.mark.parametrize("case", RULES)
def test_the_law(case: str) -> None:
    changes, run, expected = RULES[case]

    verdict = judge(cause(**changes), summary(**run))

    assert (verdict.text if verdict.left is None else "") == expected


def test_a_task_that_its_file_does_not_hold_any_more_is_gone_whatever_was_chosen() -> (
    None
):
    changed = cause(names=frozenset([GO]))
    run = summary(now=chosen(go="2"))

    assert judge(changed, run, lines=frozenset()).text == recovery.GONE
    assert judge(changed, run, lines=None).left == changed


def test_conditions_that_were_added_since_count() -> None:
    run = summary(**SKIPPED, now=chosen(go="2"))

    assert judge(cause(), run).left is None
    assert judge(cause(), run, names_now=frozenset([GO])).left is not None


@pytest.mark.parametrize(
    ("changes", "run", "reason"),
    [
        (
            {"handler": True, "what": 'the handler "Restart"'},
            {},
            'the handler "Restart" has not run again on h',
        ),
        ({}, {}, 'the task "Task" was not reached on h'),
        ({}, {"failed_again": [HERE]}, 'the task "Task" failed again on h'),
        ({}, {"pretended": [HERE]}, 'the task "Task" ran in check mode on h'),
        (UNREACHABLE, {}, "h has not answered over its own connection"),
        # A host that did not pass says by itself what is the matter.
        ({}, {"passed": []}, ""),
    ],
)
def test_why_it_stays_open(
    changes: dict[str, t.Any], run: dict[str, t.Any], reason: str
) -> None:
    assert judge(cause(**changes), summary(**run)).text == reason


def test_the_line_of_reasons() -> None:
    assert recovery.reasons_line([]) == ""
    assert recovery.reasons_line(["a"]) == "Flashduty: 1 alert stays open: a."
    assert (
        recovery.reasons_line(["a", "b", "c", "d", "d"])
        == "Flashduty: 5 alerts stay open: a; b; c; and 1 more."
    )


def alert(*causes: Cause, key: str = "key", **details: t.Any) -> OpenAlert:
    """Return an alert as the ledger has it."""
    data = json.loads(json.dumps({"scope": "host", **details_of(causes), **details}))
    return OpenAlert(key, "origin", "title", "Critical", 1.0, data)


def recover(
    *alerts: OpenAlert, run: RunSummary, raised: t.Container[str] = ()
) -> recovery.Recovery:
    law = recovery.Law(
        run,
        lines_in_file=lambda _place: None,
        names_now=lambda _cause: frozenset(),
        in_inventory=lambda _host: True,
    )
    return recovery.recover(
        alerts,
        law,
        raised=raised,
        applies=lambda alert, _cause: "not" not in alert.title,
    )


def test_what_is_proven_in_part_is_remembered() -> None:
    other = replace(cause(), host=OTHER)
    both = alert(cause(), other)

    first = recover(both, run=summary(**WORKED))
    (rest,) = first.partly_recovered
    second = recover(rest, run=summary(worked={(OTHER, *HERE[1:]): NO_ITEMS}))

    assert (first.closed, second.partly_recovered) == ([], [])
    assert causes_of(rest) == [other]
    assert [why for _alert, why in second.closed] == [recovery.WORKS]


def test_items_that_work_again_are_not_waited_for_any_more() -> None:
    looped = alert(cause(items=frozenset([A, B])))
    run = summary(worked={HERE: Items(frozenset([A]), frozenset([A]))}, **PART)

    (rest,) = recover(looped, run=run).partly_recovered

    assert causes_of(rest) == [cause(items=frozenset([B]))]


def test_what_this_run_has_raised_stays_open() -> None:
    assert recover(alert(cause()), run=summary(**WORKED), raised=["key"]).closed == []


def test_hosts_of_another_namespace_prove_nothing() -> None:
    foreign = replace(alert(cause()), title="not this one")

    assert recover(foreign, run=summary(**WORKED)).closed == []


def test_another_inventory_with_a_host_of_that_name_is_told() -> None:
    known = alert(cause(then=chosen("a")))

    found = recover(known, run=summary(**WORKED, now=chosen("b")))

    assert (found.closed, found.foreign) == ([], [known])


def test_causes_survive_the_ledger_and_hold_no_name() -> None:
    full = cause(
        place=INSIDE,
        rescued=RESCUED,
        items=frozenset([A]),
        names=frozenset([GO]),
        way_names=frozenset([GO]),
        then=chosen("a", go="1"),
        handler=True,
        machine=OTHER,
        machine_name="other",
    )

    assert causes_of(alert(full, cause())) == [full, cause()]


def test_what_a_cause_remembers_is_masked() -> None:
    """A file, also one on the way to the task, may be named by what nobody may know."""
    inner = INSIDE._replace(path="tasks/s3cret.yml")
    place = INSIDE._replace(path="tasks/x.yml", includes=(inner,))
    task = TaskReference(
        TaskIdentity("Play", "", "x.yml", "Log in with s3cret", "raw"),
        *(3, "/srv/x.yml", "x.yml:3", "Log in with s3cret", "", "raw", False),
    )
    outcome = TaskOutcome(
        *("s3cret-host", task, "unreachable", False, False, "no route"),
        place=place,
        silent_machines=("s3cret-machine",),
    )

    causes = Cause.of(
        outcome,
        then=Circumstances(),
        names=(frozenset(), frozenset()),
        rescued=inner,
        mask=lambda text: text.replace("s3cret", "[hidden]"),
    )

    remembered = json.dumps(details_of(causes))
    assert "s3cret" not in remembered
    assert "[hidden]-machine" in remembered and "tasks/x.yml" in remembered


# --- Random runs against a plain model


@dataclass(frozen=True)
class Step:
    """A task of the random playbook. Its condition names the variable ``v`` and the number of the task."""

    number: int
    kind: str

    @property
    def variable(self) -> str:
        return f"v{self.number}"

    @property
    def items(self) -> tuple[str, ...]:
        return ("shop", "search") if self.kind in ("loop", "include") else ("",)


@dataclass(frozen=True)
class RandomRun:
    """A run: what is broken and wanted in the world, and what its starter has chosen."""

    broken: frozenset[tuple[str, int, str]] = frozenset()
    unwanted: frozenset[tuple[int, str]] = frozenset()
    limit: frozenset[str] | None = None
    tags: frozenset[int] | None = None
    off: frozenset[int] = frozenset()
    check: bool = False
    inventory: str = "a"
    ends_at: int | None = None
    killed: bool = False


HOSTS = ("h1", "h2", "h3")
NUMBERS = range(5)
steps = st.lists(
    st.sampled_from(["plain", "plain", "loop", "include", "handler", "once"]),
    min_size=1,
    max_size=5,
).map(lambda kinds: [Step(number, kind) for number, kind in enumerate(kinds)])
work = st.tuples(
    st.sampled_from(HOSTS),
    st.sampled_from(NUMBERS),
    st.sampled_from(["", "shop", "search"]),
)
seldom = st.sampled_from([False] * 5 + [True])
random_runs = st.builds(
    RandomRun,
    broken=st.frozensets(work, max_size=4),
    unwanted=st.frozensets(
        st.tuples(st.sampled_from(NUMBERS), st.sampled_from(["", "shop"])), max_size=2
    ),
    limit=st.one_of(
        st.none(), st.none(), st.frozensets(st.sampled_from(HOSTS), min_size=1)
    ),
    tags=st.one_of(
        st.none(), st.none(), st.none(), st.frozensets(st.sampled_from(NUMBERS))
    ),
    off=st.one_of(
        st.just(frozenset[int]()), st.frozensets(st.sampled_from(NUMBERS), max_size=2)
    ),
    check=seldom,
    inventory=st.sampled_from(["a", "a", "a", "b"]),
    ends_at=st.sampled_from([None, None, None, 1, 2]),
    killed=seldom,
)


@dataclass
class World:
    """Plays runs for our law, and keeps a plain truth beside it."""

    steps: list[Step]
    scope: str
    alerts: dict[str, OpenAlert] = field(default_factory=dict)
    # What failed when it was last worked on: inventory, host, task, item; and whether each variable was off then.
    failed: dict[tuple[str, str, int, str], frozenset[int]] = field(
        default_factory=dict
    )

    def play(self, run: RandomRun) -> None:
        partial = run.tags is not None or run.check
        recorder = RunRecorder(partial=partial, plays=1)
        causes = [c for one in self.alerts.values() for c in causes_of(one)]
        recorder.track(
            [c.host for c in causes], [p.written for c in causes for p in c.places]
        )
        hosts = [h for h in HOSTS if run.limit is None or h in run.limit]
        recorder.play_started("play", all_hosts=hosts, batch=hosts, line=1)
        if set(hosts) != set(HOSTS):
            recorder.limited()
        for step in self.steps:
            for item in step.items:
                for place in [
                    self._place(step, item),
                    *self._place(step, item).includes,
                ]:
                    if not place.includes:
                        recorder.defined(place)
        now = chosen(run.inventory, **{f"v{number}": "off" for number in run.off})
        raised: set[str] = set()
        gave_up = {
            h for h in hosts if not self._plays(h, hosts, run, recorder, now, raised)
        }
        self._learn(run, hosts, gave_up)
        if run.killed:
            return
        law = recovery.Law(
            recorder.finish(frozenset(), now),
            lines_in_file=lambda place: frozenset([place.lines[0]]),
            names_now=lambda _cause: frozenset(),
            in_inventory=lambda _host: True,
        )
        if run.check:
            return
        found = recovery.recover(
            list(self.alerts.values()), law, raised=raised, applies=lambda _a, _c: True
        )
        self.alerts.update({one.alert_key: one for one in found.partly_recovered})
        for one, _why in found.closed:
            del self.alerts[one.alert_key]

    def _place(self, step: Step, item: str) -> Place:
        written = f"task {step.number}"
        if step.kind != "include":
            return Place(written, (step.number + 10, 1), written, "site.yml")
        include = Place(
            f"include {step.number}",
            (step.number + 10, 1),
            f"include {step.number}",
            "site.yml",
            name_digest(item),
        )
        return Place(
            f"{written} {item}",
            (1, step.number + 10, 1),
            written,
            "f",
            includes=(include,),
        )

    def _is_wanted(self, step: Step, item: str, run: RandomRun) -> bool:
        return (step.number, item) not in run.unwanted and step.number not in run.off

    def _plays(
        self,
        host: str,
        hosts: list[str],
        run: RandomRun,
        recorder: RunRecorder,
        now: Circumstances,
        raised: set[str],
    ) -> bool:
        recorder.reported(host)
        for position, step in enumerate(self.steps):
            if run.ends_at is not None and position >= run.ends_at:
                recorder.play_cut_short()
                return True
            if run.tags is not None and step.number not in run.tags:
                continue
            if step.kind == "once" and host != hosts[0]:
                continue
            wanted = [item for item in step.items if self._is_wanted(step, item, run)]
            broken = [i for i in wanted if (host, step.number, i) in run.broken]
            if run.check:
                continue
            if not self._step(step, host, wanted, broken, recorder, now, raised, run):
                return False
        return True

    def _step(
        self,
        step: Step,
        host: str,
        wanted: list[str],
        broken: list[str],
        recorder: RunRecorder,
        now: Circumstances,
        raised: set[str],
        run: RandomRun,
    ) -> bool:
        if step.kind == "include":
            return self._include(step, host, wanted, broken, recorder, now, raised, run)
        place = self._place(step, "")
        if not wanted:
            # A handler that nobody notifies is not reported at all.
            if step.kind != "handler":
                recorder.skipped(host, place)
            return True
        items = Items()
        if step.kind == "loop":
            done = [one for one in wanted if one not in broken]
            items = Items(
                *(frozenset(map(name_digest, x)) for x in (wanted, done, broken))
            )
        for item in wanted:
            self._work(host, step, item, item in broken, run)
        if not broken:
            recorder.succeeded(host, place, items, run_once=step.kind == "once")
            return True
        if items.succeeded:
            recorder.succeeded(host, place, items)
        self._fail(step, host, place, items.failed, recorder, now, raised)
        return False

    def _include(
        self,
        step: Step,
        host: str,
        wanted: list[str],
        broken: list[str],
        recorder: RunRecorder,
        now: Circumstances,
        raised: set[str],
        run: RandomRun,
    ) -> bool:
        include = self._place(step, step.items[0]).includes[0]
        if not wanted:
            recorder.skipped(host, include)
            return True
        every = frozenset(map(name_digest, wanted))
        recorder.succeeded(host, include, Items(every, every))
        for item in wanted:
            place = self._place(step, item)
            self._work(host, step, item, item in broken, run)
            if item in broken:
                self._fail(step, host, place, frozenset(), recorder, now, raised)
                return False
            recorder.succeeded(host, place, Items())
        return True

    def _fail(
        self,
        step: Step,
        host: str,
        place: Place,
        items: frozenset[str],
        recorder: RunRecorder,
        now: Circumstances,
        raised: set[str],
    ) -> None:
        recorder._failed_hosts.add(host)
        recorder._failed_again.add((name_digest(host), place.key, place.lines))
        why = Cause(
            status="failed",
            host=name_digest(host),
            place=place,
            items=items,
            handler=step.kind == "handler",
            run_once=step.kind == "once",
            names=frozenset([name_digest(step.variable)]),
            then=now,
        )
        key = {"host": host, "task": f"{host} {step.number}", "playbook": "all"}[
            self.scope
        ]
        before = causes_of(self.alerts[key]) if key in self.alerts else []
        merged = {one.identity: one for one in before}
        old = merged.get(why.identity)
        merged[why.identity] = old.merged(why) if old else why
        self.alerts[key] = alert(*merged.values(), key=key)
        raised.add(key)

    # -- the truth

    def _work(
        self, host: str, step: Step, item: str, fails: bool, run: RandomRun
    ) -> None:
        who = "once" if step.kind == "once" else host
        if fails:
            self.failed[run.inventory, who, step.number, item] = run.off
        else:
            self.failed.pop((run.inventory, who, step.number, item), None)

    def _learn(self, run: RandomRun, hosts: list[str], gave_up: set[str]) -> None:
        """Forget what is not wanted any more: a whole run has shown it."""
        whole = run.tags is None and not run.check and not run.killed
        # A play that ends behind its last task is whole.
        if not whole or (run.ends_at is not None and run.ends_at < len(self.steps)):
            return
        for key, off in list(self.failed.items()):
            inventory, who, number, item = key
            if inventory != run.inventory or number >= len(self.steps):
                continue
            step = self.steps[number]
            in_it = [h for h in hosts if h not in gave_up and who in (h, "once")]
            if (
                in_it
                and step.kind != "handler"
                and (number, item) in run.unwanted
                and (number in off) == (number in run.off)
            ):
                del self.failed[key]

    def unsafe(self, run: RandomRun) -> list[t.Any]:
        waiting = {
            (one.host, one.place and one.place.written)
            for open_alert in self.alerts.values()
            for one in causes_of(open_alert)
        }
        hosts_at = {written for _host, written in waiting}
        return [
            key
            for key in self.failed
            if (name_digest(key[1]), f"task {key[2]}") not in waiting
            and not (key[1] == "once" and f"task {key[2]}" in hosts_at)
        ]


@settings(max_examples=int(os.environ.get("FLASHDUTY_TEST_SEQUENCES") or 150))
@given(
    steps,
    st.sampled_from(["host", "task", "playbook"]),
    st.lists(random_runs, max_size=7),
)
def test_nothing_that_is_broken_closes_and_all_that_is_mended_does(
    playbook: list[Step], scope: str, history: list[RandomRun]
) -> None:
    world = World(playbook, scope)
    for run in history:
        world.play(run)
        assert world.unsafe(run) == [], run
    for inventory in "ab":
        world.play(RandomRun(inventory=inventory))
    assert world.alerts == {}
