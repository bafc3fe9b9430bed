# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
The law: after any run, the hosts that its alerts name are exactly the hosts that ansible-core gave up on.

``rows.yml`` says what is expected, and is itself compared with two other sources: with what the iterator of each play makes of
each failure (``truth/truth.py``), and with the recap where that is not known to be off.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.emulator.control import Emulator
from tests.tools.cores import Core

from .runs import Row, Run, look

HERE = Path(__file__).resolve().parent

Hosts = dict[str, list[str]]


def load_runs() -> list[Run]:
    """Return all runs of the table."""
    return [
        Run(
            table["run"],
            strategy,
            [Row(**row) for row in table["rows"]],
            table.get("options", []),
            table.get("command", "ansible-playbook"),
        )
        for table in yaml.safe_load((HERE / "rows.yml").read_text(encoding="utf-8"))
        for strategy in table["strategies"]
    ]


# What strategies do differently hardly depends on ansible-core; "host_pinned" is "free" with another order of hosts.
MARKS = {
    "linear": [],
    "free": [pytest.mark.thorough],
    "host_pinned": [pytest.mark.any_core, pytest.mark.thorough],
}
# It waits for what goes on in the background.
SLOW = ("async.yml linear",)
# Most of what ansible-core does in another way than it did is in these. Random playbooks run with each, too.
CHANGING = ("tasks.yml linear", "handlers.yml linear", "rescue.yml linear")


def marks_of(run: Run) -> list[pytest.MarkDecorator]:
    """Return the markers of the test of a run."""
    if str(run) in CHANGING:
        return [pytest.mark.each_core]
    return [pytest.mark.thorough] if str(run) in SLOW else MARKS[run.strategy]


RUNS = [pytest.param(run, id=str(run), marks=marks_of(run)) for run in load_runs()]


@pytest.mark.parametrize("run", RUNS)
def test_alerts_name_the_hosts_that_were_given_up_on(
    run: Run, core: Core, flashduty: Emulator, tmp_path: Path
) -> None:
    seen = look(run, core, flashduty, tmp_path)

    expected = {row.row: row.given_up_by(core) for row in run.rows}
    assert by_row(run, seen.truth) == expected, seen.output
    alerted_on = {row.row: row.alerted_on(core) for row in run.rows}
    assert by_row(run, seen.alerts) == alerted_on, seen.output
    in_recap = by_row(run, seen.recap)
    if run.command == "ansible-playbook":
        right = [row for row in run.rows if row.recap != "off"]
        assert {row.row: in_recap[row.row] for row in right} == {
            row.row: row.given_up_by(core) for row in right
        }


def test_a_host_belongs_to_one_row() -> None:
    for run in load_runs():
        hosts = [host for row in run.rows for host in row.hosts]

        assert sorted(set(hosts)) == sorted(hosts), str(run)


def by_row(run: Run, hosts: set[str]) -> Hosts:
    """Sort hosts into rows; a host of no row gets one that nobody expects."""
    sorted_in = {row.row: sorted(hosts & set(row.hosts)) for row in run.rows}
    others = hosts.difference(*(row.hosts for row in run.rows))
    return {**sorted_in, **({"no row at all": sorted(others)} if others else {})}
