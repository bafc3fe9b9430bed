# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Any sequence of runs: Flashduty holds what a plain model says, at every point.

Hosts break, fall silent and heal at random, and runs are of random parts of the playbook. It takes about half a minute;
FLASHDUTY_TEST_SECONDS makes it search longer, and FLASHDUTY_TEST_SEED repeats what was found.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
import typing as t
from collections import Counter
from dataclasses import asdict

import hypothesis
import hypothesis.strategies as st
import pytest

from tests.tools.recovery_model import Counts, Model, Run

from .conftest import Story, playbook_of

pytestmark = pytest.mark.each_core

HOSTS = ("h1", "h2", "h3", "h4")
TASKS = ("First", "Second", "Third")
SECONDS = float(os.environ.get("FLASHDUTY_TEST_SECONDS", "20"))
SEED = int(os.environ.get("FLASHDUTY_TEST_SEED") or random.randrange(10**6))

some_hosts = st.frozensets(st.sampled_from(HOSTS), min_size=1, max_size=3)
some_tasks = st.frozensets(st.sampled_from(TASKS), min_size=1, max_size=2)
seldom = st.sampled_from([False, False, False, False, True])
runs = st.builds(
    Run,
    broken=st.dictionaries(st.sampled_from(HOSTS), some_tasks, max_size=3),
    gone=st.one_of(st.just(frozenset[str]()), some_hosts),
    limit=st.one_of(st.none(), st.none(), some_hosts),
    tags=st.one_of(st.none(), st.none(), some_tasks),
    check=seldom,
    serial=st.sampled_from([0, 0, 0, 2]),
    strategy=st.sampled_from(["linear", "linear", "free"]),
)
numbers = st.sampled_from([1, 1, 1, 2])
histories = st.lists(runs, min_size=3, max_size=6)


class TimeIsUp(BaseException):
    """Enough was tried. (Hypothesis takes an Exception for a failure.)"""


def play(story: Story, run: Run, scope: str, counts: Counts) -> None:
    arguments = ["--check"] * run.check
    if run.limit is not None:
        arguments += ["--limit", ",".join(sorted(run.limit))]
    if run.tags is not None:
        arguments += ["--tags", ",".join(sorted(run.tags)).lower()]
    head = f"  strategy: {run.strategy}\n" + f"  serial: {run.serial}\n" * (
        run.serial > 0
    )
    story.play(
        playbook_of(*TASKS, head=head),
        *arguments,
        hosts=[
            " ".join(
                [
                    host,
                    f"broken={','.join(sorted(run.broken.get(host, ())))}",
                    *(["gone"] if host in run.gone else []),
                ]
            )
            for host in HOSTS
        ],
        options={
            "alert_scope": scope,
            **{name: str(number) for name, number in asdict(counts).items()},
        },
    )


def name_of(alert: dict[str, t.Any], scope: str) -> str:
    labels = alert["labels"]
    names = {
        "playbook": "all",
        "host": labels.get("host"),
        "task": f"{labels.get('host')} {labels['check']}",
    }
    return str(names[scope])


def test_flashduty_holds_what_the_model_says(story: Story) -> None:
    print(f"FLASHDUTY_TEST_SEED={SEED}")
    deadline = time.monotonic() + SECONDS
    played = Counter[str]()

    @hypothesis.seed(SEED)
    @hypothesis.settings(
        max_examples=10_000,
        deadline=None,
        database=None,
        # To shrink a failure would take minutes.
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(
        scope=st.sampled_from(["host", "host", "task", "playbook"]),
        counts=st.builds(Counts, numbers, numbers, numbers),
        history=histories,
    )
    def check(scope: str, counts: Counts, history: list[Run]) -> None:
        story.flashduty.reset()
        story.move_to_another_controller()
        model = Model(HOSTS, TASKS, scope, counts)
        # At last everything works, and all of it runs.
        for run in [*history, *[Run({}, frozenset())] * counts.recover_after]:
            if time.monotonic() > deadline:
                raise TimeIsUp
            play(story, run, scope, counts)
            model.play(run)
            played["runs"] += 1
            alerts = story.flashduty.alerts()
            told = f"seed {SEED}, {scope}, {counts}, {history}, after {run}"
            assert (
                sorted(name_of(a, scope) for a in story.alerts("open")) == model.open
            ), told
            assert Counter(name_of(a, scope) for a in alerts) == model.episodes, told
            assert "stray" not in story.outcomes, told
        assert model.open == []
        played["histories"] += 1

    with contextlib.suppress(TimeIsUp):
        check()
    print(dict(played))
    assert played["runs"] > 0
