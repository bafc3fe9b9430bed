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
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.model import (
    TaskIdentity,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.recorder import (
    RunRecorder,
    RunSummary,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.recovery import (
    recovered,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.subject import (
    Cause,
    causes_of,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.recovery_model import Model, Run

TASK = TaskIdentity("Play", "", "site.yml", "Task", "command")
OTHER = TaskIdentity("Play", "", "site.yml", "Other", "command")
INCLUDE = TaskIdentity("Play", "", "site.yml", "Include", "include_tasks")

# What happens in most runs: it was complete, the host passed, and the task is still in the playbook but did nothing.
NOTHING = RunSummary(
    complete=True,
    failed_hosts=frozenset(),
    passed=frozenset(["h"]),
    reachable=frozenset(),
    succeeded=frozenset(),
    tolerated=frozenset(),
    defined=frozenset([(TASK, 7), (INCLUDE, 3)]),
    tracked=frozenset([TASK]),
)


def summary(**changes: t.Any) -> RunSummary:
    """Return summary that differ from NOTHING."""
    frozen = {
        name: value if isinstance(value, bool) else frozenset(value)
        for name, value in changes.items()
    }
    return RunSummary(**{**vars(NOTHING), **frozen})


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
    the_summary: RunSummary,
    *,
    raised: t.Container[str] = (),
    limited: bool = False,
    lines: frozenset[int] | None = None,
) -> bool:
    closed, _partly = recovered(
        [the_alert],
        the_summary,
        raised=raised,
        limited=limited,
        lines_in_file=lambda _cause: lines,
    )
    return closed == [the_alert]


HERE = ("h", TASK, 7)
ELSEWHERE = ("h", TASK, 9)
PART = {"complete": False, "passed": ()}
RULES: dict[str, tuple[dict[str, t.Any], dict[str, t.Any], bool, bool]] = {
    # what is the case: (changes of the cause, summary, closes in scope host, closes in scope task)
    "nothing": ({}, {}, False, False),
    "it worked": ({}, {"succeeded": [HERE]}, True, True),
    "it worked in a part of the playbook": (
        {},
        {"succeeded": [HERE], **PART},
        True,
        True,
    ),
    "it worked on another host": (
        {},
        {"succeeded": [("other", TASK, 7)]},
        False,
        False,
    ),
    "it worked, and something else failed": (
        {},
        {"succeeded": [HERE], "failed_hosts": ["h"], "passed": ()},
        False,
        True,
    ),
    "it worked, and another host failed": (
        {},
        {"succeeded": [HERE], "failed_hosts": ["other"]},
        True,
        True,
    ),
    "it failed, and was rescued": ({}, {"tolerated": [HERE]}, True, False),
    "it failed, and was rescued, in a part": (
        {},
        {"tolerated": [HERE], **PART},
        False,
        False,
    ),
    "it was rescued, and its twin was not reached": (
        {},
        {"tolerated": [HERE], "defined": [(TASK, 7), (TASK, 9)]},
        True,
        False,
    ),
    "a twin worked": (
        {},
        {"succeeded": [ELSEWHERE], "defined": [(TASK, 7), (TASK, 9)]},
        False,
        False,
    ),
    "it moved, and worked there": (
        {},
        {"succeeded": [ELSEWHERE], "defined": [(TASK, 9)]},
        True,
        True,
    ),
    "it moved, and worked there, in a part": (
        {},
        {"succeeded": [ELSEWHERE], "defined": [(TASK, 9)], **PART},
        True,
        True,
    ),
    "it moved, and was not reached": ({}, {"defined": [(TASK, 9)]}, False, False),
    "it or its twin moved, and one of them worked": (
        {},
        {"succeeded": [ELSEWHERE], "defined": [(TASK, 9), (TASK, 11)]},
        False,
        False,
    ),
    "it is gone": ({}, {"defined": []}, True, False),
    "it is gone, in a part": ({}, {"defined": [], **PART}, False, False),
    "it is gone, and the host was not there": (
        {},
        {"defined": [], "passed": ()},
        False,
        False,
    ),
    "an answer, to a failed task": ({}, {"reachable": ["h"]}, False, False),
    "an answer": ({"status": "unreachable"}, {"reachable": ["h"]}, True, False),
    "an answer in a part": (
        {"status": "unreachable"},
        {"reachable": ["h"], **PART},
        True,
        False,
    ),
    "an answer, and then a failure": (
        {"status": "unreachable"},
        {"reachable": ["h"], "failed_hosts": ["h"], "passed": ()},
        False,
        False,
    ),
    "no answer, since nothing asked": ({"status": "unreachable"}, {}, False, False),
    "another run has added it": (
        {},
        {"succeeded": [HERE], "tracked": []},
        False,
        False,
    ),
    "the rescue was not needed": (
        {"rescued_task": (OTHER, 5)},
        {"succeeded": [("h", OTHER, 5)]},
        True,
        False,
    ),
    "the rescue was not reached": ({"rescued_task": (OTHER, 5)}, {}, False, False),
    "the include is gone": ({"include": INCLUDE}, {"defined": []}, True, False),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("scope", ["host", "task"])
def test_an_alert_closes_when(rule: str, scope: str) -> None:
    changes, happened, host, task = RULES[rule]

    is_closed = closes(alert(cause(**changes), scope=scope), summary(**happened))

    assert is_closed is {"host": host, "task": task}[scope]


@pytest.mark.parametrize(
    ("lines", "succeeded", "expected"),
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
    lines: frozenset[int] | None, succeeded: list[t.Any], expected: bool
) -> None:
    open_alert = alert(cause(include=INCLUDE))

    assert closes(open_alert, summary(succeeded=succeeded), lines=lines) is expected


def test_what_was_raised_in_this_run_stays_open() -> None:
    for scope in ("host", "task", "playbook", "run", "storm"):
        open_alert = alert(cause(), scope=scope)

        assert closes(open_alert, summary(succeeded=[HERE]))
        assert not closes(open_alert, summary(succeeded=[HERE]), raised=["key"])


@pytest.mark.parametrize(
    ("happened", "limited", "run", "playbook"),
    [
        ({}, False, True, True),
        ({}, True, True, False),
        ({"complete": False}, False, False, False),
        ({"failed_hosts": ["x"]}, False, True, False),
    ],
    ids=["complete", "limited", "part", "failure"],
)
def test_alerts_of_whole_runs_close_after(
    happened: dict[str, t.Any], limited: bool, run: bool, playbook: bool
) -> None:
    for scope, expected in (("run", run), ("playbook", playbook)):
        is_closed = closes(alert(scope=scope), summary(**happened), limited=limited)

        assert is_closed is expected


def test_an_alert_with_several_causes_is_partly_bit_by_bit() -> None:
    storm = alert(cause("a"), cause("b"), cause("c"), scope="storm")
    happened = summary(succeeded=[("a", TASK, 7), ("c", TASK, 7)])

    closed, (mended,) = recovered(
        [storm], happened, raised=(), limited=False, lines_in_file=lambda _: None
    )

    assert closed == []
    assert causes_of(mended) == [cause("b")]
    assert closes(mended, summary(succeeded=[("b", TASK, 7)]))


def test_of_a_storm_that_rages_on_what_works_again_is_noted_all_the_same() -> None:
    storm = alert(cause("a"), cause("b"), scope="storm")

    _closed, (mended,) = recovered(
        [storm],
        summary(succeeded=[("a", TASK, 7)], failed_hosts=["b"]),
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
        include=st.none() | identities,
        rescued_task=st.none() | st.tuples(identities, st.integers(0, 9)),
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
        recorder.track([c.host for c in causes], [c.task for c in causes])
        raised: set[str] = set()
        hosts = [h for h in HOSTS if run.limit is None or h in run.limit]
        size = run.serial or len(hosts)
        for start in range(0, len(hosts), size):
            batch = hosts[start : start + size]
            recorder.play_started("play", all_hosts=hosts, batch=batch)
            for line, task in enumerate(TASKS):
                recorder.defined(IDENTITIES[task], line)
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
                recorder._failed_hosts.add(host)
                self._raise(why, task, raised)
                return True
            if recorder.tracks_host(host):
                recorder.reachable(host)
            if recorder.tracks_task(IDENTITIES[task]):
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
