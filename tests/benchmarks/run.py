# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure what the collection costs, and say what of it keeps the promises.

    make bench                        # 3 rounds, some ten minutes; writes the figures into the documentation
    make bench ROUNDS=7
    make bench ONLY="outbox courier"  # writes nothing
    make bench SCALE=0.2              # a fifth of the events, and of the hosts where there are very many
    make bench ROUNDS=1               # small numbers: whether it works at all; writes nothing

All contenders of a figure run in turns on this machine; a figure is made of medians. What falls short is said, and
is no failure of this command.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import tempfile
import typing as t
from pathlib import Path

from tests.benchmarks import measures, scale, shared_state
from tests.benchmarks.measuring import Figure
from tests.benchmarks.report import page, picture, table
from tests.benchmarks.setting import Setting
from tests.tools.cores import current_core
from tests.tools.environments import ROOT
from tests.tools.progress import say

MEASURES: dict[str, t.Callable[[Setting], list[Figure]]] = {
    **measures.MEASURES,
    **shared_state.MEASURES,
    **scale.MEASURES,
}
DOCUMENTATION = ROOT / "docs" / "docsite" / "rst"


def measure_all(setting: Setting, only: t.Collection[str] = ()) -> list[Figure]:
    """Return the figures of all measures, or of some."""
    figures: list[Figure] = []
    for name, measure in MEASURES.items():
        if not only or name in only:
            say(f"--> {measure.__doc__}")
            figures += measure(setting)
    return figures


def setting_of(folder: Path, rounds: int, scale_of_runs: float = 1.0) -> Setting:
    """Return how much is measured: little with one round."""
    quick = rounds == 1
    return Setting(
        folder,
        current_core(),
        rounds=rounds,
        hosts=10 if quick else 200,
        events=400 if quick else round(10_000 * scale_of_runs),
        additions=20 if quick else 500,
        scale=0.01 if quick else scale_of_runs,
    )


def main(arguments: t.Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=MEASURES, default=[])
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        help="multiplies how many events, and hosts where there are very many, take part",
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="write the page of the figures also with --only: it has what was measured, and nothing else",
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="flashduty-bench-") as folder:
        setting = setting_of(Path(folder), options.rounds, options.scale)
        figures = measure_all(setting, options.only)
    where = (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, ansible-core {setting.core.version},"
        f" {datetime.date.today():%B %Y}"
    )
    say(f"\n{table(figures)}\n\nMedians of {options.rounds} rounds on {where}.")
    short = [figure for figure in figures if not figure.holds]
    for figure in short:
        say(
            f"Falls short: {figure.what}: {figure.say_value(figure.value)}, promised {figure.promise}."
        )
    if options.rounds > 1 and (options.write or not options.only):
        text = page(figures, where=where, rounds=options.rounds)
        (DOCUMENTATION / "guide_figures.rst").write_text(text)
        (DOCUMENTATION / "images" / "figures.svg").write_text(picture(figures))
    return 0
