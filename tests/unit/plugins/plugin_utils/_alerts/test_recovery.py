# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which open alerts a run has closed: the rules as tables."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OpenAlert,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.builder import (
    Cause,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.recorder import (
    RunFacts,
    RunRecorder,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.recovery import (
    causes_of,
    recovered,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible.results import (
    TaskIdentity,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.integration.recovery.model import Model, Run

TASK = TaskIdentity("Play", "", "site.yml", "Task", "command")
OTHER = TaskIdentity("Play", "", "site.yml", "Other", "command")
INCLUDE = TaskIdentity("Play", "", "site.yml", "Include", "include_tasks")

# What happens in most runs: it was complete, the host passed, and the task is still in the playbook but did nothing.
NOTHING = RunFacts(
    complete=True,
    given_up=frozenset(),
    passed=frozenset(["h"]),
    answered=frozenset(),
    worked=frozenset(),
    handled=frozenset(),
    written=frozenset([(TASK, 7), (INCLUDE, 3)]),
    watched=frozenset([TASK]),
)


def facts(**changes: t.Any) -> RunFacts:
    """Return facts that differ from NOTHING."""
    frozen = {
        name: value if isinstance(value, bool) else frozenset(value)
        for name, value in changes.items()
    }
    return RunFacts(**{**vars(NOTHING), **frozen})


def cause(host: str = "h", **changes: t.Any) -> Cause:
    """Return a cause at line 7."""
    return Cause(
        **{
            **{"host": host, "status": "failed", "task": TASK, "line": 7, "path": "/x"},
            **changes,
        }
    )


def alert(*causes: Cause, scope: str = "host", key: str = "key") -> OpenAlert:
    """Return an alert as the ledger has it."""
    details = {"scope": scope, "causes": [one.as_data() for one in causes]}
    return OpenAlert(
        key, "origin", "title", "Critical", 1.0, json.loads(json.dumps(details))
    )


def closes(
    the_alert: OpenAlert,
    the_facts: RunFacts,
    *,
    raised: t.Container[str] = (),
    limited: bool = False,
    lines: frozenset[int] | None = None,
) -> bool:
    closed, _mended = recovered(
        [the_alert],
        the_facts,
        raised=raised,
        limited=limited,
        lines_in_file=lambda _cause: lines,
    )
    return closed == [the_alert]


HERE = ("h", TASK, 7)
ELSEWHERE = ("h", TASK, 9)
PART = {"complete": False, "passed": ()}
RULES: dict[str, tuple[dict[str, t.Any], dict[str, t.Any], bool, bool]] = {
    # what is the case: (changes of the cause, facts, closes in scope host, closes in scope task)
    "nothing": ({}, {}, False, False),
    "it worked": ({}, {"worked": [HERE]}, True, True),
    "it worked in a part of the playbook": ({}, {"worked": [HERE], **PART}, True, True),
    "it worked on another host": ({}, {"worked": [("other", TASK, 7)]}, False, False),
    "it worked, and something else failed": (
        {},
        {"worked": [HERE], "given_up": ["h"], "passed": ()},
        False,
        True,
    ),
    "it worked, and another host failed": (
        {},
        {"worked": [HERE], "given_up": ["other"]},
        True,
        True,
    ),
    "it failed, and was rescued": ({}, {"handled": [HERE]}, True, False),
    "it failed, and was rescued, in a part": (
        {},
        {"handled": [HERE], **PART},
        False,
        False,
    ),
    "it was rescued, and its twin was not reached": (
        {},
        {"handled": [HERE], "written": [(TASK, 7), (TASK, 9)]},
        True,
        False,
    ),
    "a twin worked": (
        {},
        {"worked": [ELSEWHERE], "written": [(TASK, 7), (TASK, 9)]},
        False,
        False,
    ),
    "it moved, and worked there": (
        {},
        {"worked": [ELSEWHERE], "written": [(TASK, 9)]},
        True,
        True,
    ),
    "it moved, and worked there, in a part": (
        {},
        {"worked": [ELSEWHERE], "written": [(TASK, 9)], **PART},
        True,
        True,
    ),
    "it moved, and was not reached": ({}, {"written": [(TASK, 9)]}, False, False),
    "it or its twin moved, and one of them worked": (
        {},
        {"worked": [ELSEWHERE], "written": [(TASK, 9), (TASK, 11)]},
        False,
        False,
    ),
    "it is gone": ({}, {"written": []}, True, False),
    "it is gone, in a part": ({}, {"written": [], **PART}, False, False),
    "it is gone, and the host was not there": (
        {},
        {"written": [], "passed": ()},
        False,
        False,
    ),
    "an answer, to a failed task": ({}, {"answered": ["h"]}, False, False),
    "an answer": ({"status": "unreachable"}, {"answered": ["h"]}, True, False),
    "an answer in a part": (
        {"status": "unreachable"},
        {"answered": ["h"], **PART},
        True,
        False,
    ),
    "an answer, and then a failure": (
        {"status": "unreachable"},
        {"answered": ["h"], "given_up": ["h"], "passed": ()},
        False,
        False,
    ),
    "no answer, since nothing asked": ({"status": "unreachable"}, {}, False, False),
    "another run has added it": ({}, {"worked": [HERE], "watched": []}, False, False),
    "the rescue was not needed": (
        {"instead_of": (OTHER, 5)},
        {"worked": [("h", OTHER, 5)]},
        True,
        False,
    ),
    "the rescue was not reached": ({"instead_of": (OTHER, 5)}, {}, False, False),
    "the include is gone": ({"within": INCLUDE}, {"written": []}, True, False),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("scope", ["host", "task"])
def test_an_alert_closes_when(rule: str, scope: str) -> None:
    changes, happened, host, task = RULES[rule]

    is_closed = closes(alert(cause(**changes), scope=scope), facts(**happened))

    assert is_closed is {"host": host, "task": task}[scope]


@pytest.mark.parametrize(
    ("lines", "worked", "expected"),
    [
        (frozenset([7]), [], False),
        (frozenset(), [], True),
        (frozenset([9]), [ELSEWHERE], True),
        (frozenset([9]), [], False),
        (None, [], False),
        (None, [ELSEWHERE], True),
        (None, [("other", TASK, 9)], False),
    ],
)
def test_where_a_task_of_an_include_stands_is_looked_up(
    lines: frozenset[int] | None, worked: list[t.Any], expected: bool
) -> None:
    open_alert = alert(cause(within=INCLUDE))

    assert closes(open_alert, facts(worked=worked), lines=lines) is expected


def test_what_was_raised_in_this_run_stays_open() -> None:
    for scope in ("host", "task", "playbook", "run", "storm"):
        open_alert = alert(cause(), scope=scope)

        assert closes(open_alert, facts(worked=[HERE]))
        assert not closes(open_alert, facts(worked=[HERE]), raised=["key"])


@pytest.mark.parametrize(
    ("happened", "limited", "run", "playbook"),
    [
        ({}, False, True, True),
        ({}, True, True, False),
        ({"complete": False}, False, False, False),
        ({"given_up": ["x"]}, False, True, False),
    ],
    ids=["complete", "limited", "part", "failure"],
)
def test_alerts_of_whole_runs_close_after(
    happened: dict[str, t.Any], limited: bool, run: bool, playbook: bool
) -> None:
    for scope, expected in (("run", run), ("playbook", playbook)):
        is_closed = closes(alert(scope=scope), facts(**happened), limited=limited)

        assert is_closed is expected


def test_an_alert_with_several_causes_is_mended_bit_by_bit() -> None:
    storm = alert(cause("a"), cause("b"), cause("c"), scope="storm")
    happened = facts(worked=[("a", TASK, 7), ("c", TASK, 7)])

    closed, (mended,) = recovered(
        [storm], happened, raised=(), limited=False, lines_in_file=lambda _: None
    )

    assert closed == []
    assert causes_of(mended) == [cause("b")]
    assert closes(mended, facts(worked=[("b", TASK, 7)]))


def test_of_a_storm_that_rages_on_what_works_again_is_noted_all_the_same() -> None:
    storm = alert(cause("a"), cause("b"), scope="storm")

    _closed, (mended,) = recovered(
        [storm],
        facts(worked=[("a", TASK, 7)], given_up=["b"]),
        raised=["key"],
        limited=False,
        lines_in_file=lambda _: None,
    )

    assert causes_of(mended) == [cause("b")]


texts = st.text(max_size=5)
identities = st.builds(TaskIdentity, texts, texts, texts, texts, texts)


@given(
    st.builds(
        Cause,
        host=texts,
        status=st.sampled_from(["failed", "unreachable"]),
        task=identities,
        line=st.integers(0, 9),
        path=texts,
        within=st.none() | identities,
        instead_of=st.none() | st.tuples(identities, st.integers(0, 9)),
    )
)
def test_a_cause_survives_the_ledger(one: Cause) -> None:
    assert causes_of(alert(one)) == [one]


# -- any sequence of runs: the same model that real runs are compared with, but many more of them

HOSTS = ("a", "b", "c")
TASKS = ("First", "Second", "Third")
IDENTITIES = {name: TaskIdentity("Play", "", "f", name, "raw") for name in TASKS}
some_hosts = st.frozensets(st.sampled_from(HOSTS), min_size=1)
some_tasks = st.frozensets(st.sampled_from(TASKS), min_size=1)
runs = st.builds(
    Run,
    broken=st.dictionaries(st.sampled_from(HOSTS), some_tasks),
    gone=st.just(frozenset[str]()) | some_hosts,
    limit=st.none() | some_hosts,
    tags=st.none() | some_tasks,
    serial=st.sampled_from([0, 1, 2]),
)


class Ledger:
    """The alerts of a playbook, as recorder and recovery see them."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.alerts: dict[str, OpenAlert] = {}
        self.episodes: dict[str, int] = {}

    def play(self, run: Run) -> None:
        recorder = RunRecorder(partial=run.tags is not None, plays=1)
        causes = [c for one in self.alerts.values() for c in causes_of(one)]
        recorder.watch([c.host for c in causes], [c.task for c in causes])
        raised: set[str] = set()
        hosts = [h for h in HOSTS if run.limit is None or h in run.limit]
        size = run.serial or len(hosts)
        for start in range(0, len(hosts), size):
            batch = hosts[start : start + size]
            recorder.play_started("play", all_hosts=hosts, batch=batch)
            for line, task in enumerate(TASKS):
                recorder.written(IDENTITIES[task], line)
            failed = [
                host for host in batch if self._fails(recorder, host, run, raised)
            ]
            if len(failed) == len(batch):
                break
        closed, mended = recovered(
            list(self.alerts.values()),
            recorder.finish(frozenset()),
            raised=raised,
            limited=run.limit is not None,
            lines_in_file=lambda _: None,
        )
        self.alerts.update({one.alert_key: one for one in mended})
        for one in closed:
            del self.alerts[one.alert_key]

    def _fails(
        self, recorder: RunRecorder, host: str, run: Run, raised: set[str]
    ) -> bool:
        for line, task in enumerate(TASKS):
            if run.tags is not None and task not in run.tags:
                continue
            recorder.reported(host)
            status = ""
            if host in run.gone:
                status = "unreachable"
            elif task in run.broken.get(host, ()):
                status = "failed"
            if status:
                why = Cause(host, status, IDENTITIES[task], line, "f")
                recorder._given_up.add(host)
                self._raise(why, task, raised)
                return True
            if recorder.watches_host(host):
                recorder.answered(host)
            if recorder.watches_task(IDENTITIES[task]):
                recorder.succeeded(host, IDENTITIES[task], line)
        return False

    def _raise(self, why: Cause, task: str, raised: set[str]) -> None:
        key = {"host": why.host, "task": f"{why.host} {task}", "playbook": "all"}[
            self.scope
        ]
        before = self.alerts.get(key)
        if before is None:
            self.episodes[key] = self.episodes.get(key, 0) + 1
        causes = causes_of(before) if before else []
        self.alerts[key] = alert(*causes, why, scope=self.scope, key=key)
        raised.add(key)


@given(st.sampled_from(["host", "task", "playbook"]), st.lists(runs, max_size=8))
def test_after_any_runs_those_alerts_are_open_that_the_model_says(
    scope: str, history: list[Run]
) -> None:
    ledger, model = Ledger(scope), Model(HOSTS, TASKS, scope)

    for run in [*history, Run({}, frozenset())]:
        ledger.play(run)
        model.play(run)

        assert sorted(ledger.alerts) == model.open
        assert ledger.episodes == model.episodes

    assert not ledger.alerts
