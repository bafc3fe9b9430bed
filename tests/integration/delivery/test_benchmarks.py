# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the benchmarks themselves work; what they measure is for ``make bench``."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.benchmarks.measuring import Contender, Figure, take_turns
from tests.benchmarks.report import page, picture, table
from tests.benchmarks.run import MEASURES, measure_all, setting_of

FIGURES = [
    Figure("a run", "×", 1.0149, 1.02, {"without": 1.0}),
    Figure("a slow run", "×", 1.2, 1.1, {"without": 1.0, "one <that> posts": 6.5}),
    Figure("draining", "of bare", 0.95, 0.9, {"bare": 1.0}, at_least=True),
    Figure("memory", "MiB", -0.1, 2.0),
    Figure("the price of a driver", "ms", 40.0, None),
]


WHAT = {
    "passing": ("hosts × 5 tasks, nothing fails", "memory of that run"),
    "failing": (
        "failing hosts, answers in 100 ms, all delivered at exit",
        "the same without limits, immediate answers",
    ),
    "alert_event": ("alert_event on",),
    "outbox": ("one event into the outbox",),
    "runs": ("looking for missed runs",),
    "courier": ("draining 400 events", "memory of the courier"),
    "idle_state_url": ("a run with nothing to say",),
    "storm_state_url": ("failing hosts, PostgreSQL",),
    "drain_state_url": ("draining 400 events, PostgreSQL",),
    "claim_state_url": ("claiming 32 of",),
    "six_controllers": ("6 controllers at once",),
    "many_failing": ("failing hosts, an alert each", "one alert for most"),
    "many_open": ("open alerts at the start of a run", "that close at its end"),
    "many_passing": ("results that pass",),
}


@pytest.mark.parametrize(
    "names",
    [
        ["passing", "outbox", "courier", "claim_state_url"],
        pytest.param(list(MEASURES), marks=pytest.mark.thorough),
    ],
    ids=["some", "all"],
)
def test_it_is_measured(tmp_path: Path, names: list[str]) -> None:
    assert WHAT.keys() == MEASURES.keys()

    figures = measure_all(setting_of(tmp_path, rounds=1), names)

    printed = table(figures)
    for name in names:
        for what in WHAT[name]:
            assert what in printed
    # How much it is, is for machines that do nothing else.
    for figure in figures:
        assert math.isfinite(figure.value), figure
        assert all(value > 0 for value in figure.others.values()), figure


def test_what_falls_short_is_told() -> None:
    assert [figure.holds for figure in FIGURES] == [True, False, True, True, True]
    assert "at most 1.1 × (falls short)" in table(FIGURES)
    assert "at least 0.9 of bare" in table(FIGURES)


def test_the_documentation_gets_a_table_and_a_picture() -> None:
    text = page(FIGURES, where="2 cores", rounds=3)
    drawing = ElementTree.fromstring(picture(FIGURES))

    assert text.count("\n    * - ") == len(FIGURES) + 1
    assert "2 cores" in text
    assert drawing.tag.endswith("svg")
    # One for the background, one each for ours, and one for each of the others.
    assert len(drawing.findall("{*}rect")) == 1 + len(FIGURES) + 4


def test_contenders_take_turns() -> None:
    order: list[str] = []

    def worker(name: str) -> Contender:
        def work() -> float:
            order.append(name)
            return float(len(order))

        return Contender(name, work)

    one, other = worker("one"), worker("other")

    take_turns([one, other], 3, unit="s")

    assert order == ["one", "other", "other", "one", "one", "other"]
    assert one.samples == [1.0, 4.0, 5.0]
