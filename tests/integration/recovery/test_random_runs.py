# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
Random playbooks in random runs: nothing that is broken is closed, and all that is mended is.

What is true is not taken from a model, but from the world and from ansible-core: each place writes down that it was worked
on, and fails while a file says that it is broken; machines write down that they were reached, and ansible-core says for which
host one was not.

``FLASHDUTY_TEST_SEQUENCES`` is the number of sequences of runs, ``FLASHDUTY_TEST_SEED`` the first of their seeds. One sequence
in ten is run with the command itself, the others with forks of one process: see ``forked_commands.py``.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import time
from dataclasses import replace

from tests.emulator.control import Item

from .conftest import Story
from .random_sequences import (
    ANY_HOST,
    HELPER,
    UNWANTED,
    RandomRun,
    Sequence,
    random_sequence,
    write_playbook,
)

SEQUENCES = int(os.environ.get("FLASHDUTY_TEST_SEQUENCES") or 1)
SEED = int(os.environ.get("FLASHDUTY_TEST_SEED") or random.randrange(10**6))
COMMAND_IN = 10
# With --start-at-task, ansible-core gathers facts, whatever the play says.
_TASK = re.compile(
    r"(?:TASK|RUNNING HANDLER) \[(?:.* : )?(?:\w+ )?(T\d\d|Gathering Facts)\]"
)
_UNREACHABLE = re.compile(r"fatal: \[([^\s\]]+).*UNREACHABLE!")

# Inventory, host, task and app; or for a machine that did not answer, its name in place of the app.
Place = tuple[str, str, str, str]


def play(story: Story, sequence: Sequence, run: RandomRun) -> str:
    """Break what is broken, and run the playbook. Return its output."""
    for name in ("production", "staging"):
        for marker in (story.folder / name).glob("*.*"):
            marker.unlink()
    world = story.folder / run.inventory
    for name in [".".join(p) for p in run.broken] + [f"{m}.gone" for m in run.gone]:
        (world / name).touch()
    lines = len(read_log(story, run.inventory))
    running = story.begin(
        story.folder / "site.yml",
        *run.arguments,
        inventory=story.folder / f"{run.inventory}.ini",
        options={"alert_scope": sequence.scope, "recovery": sequence.recovery},
    )
    while run.killed_at and running.process.poll() is None:
        if len(read_log(story, run.inventory)) >= lines + run.killed_at:
            running.signal(signal.SIGTERM)
            break
        time.sleep(0.02)
    ended = running.wait()
    assert "because of a bug" not in ended.output, ended.output
    return ended.output


def read_log(story: Story, inventory: str) -> list[list[str]]:
    """Return what the world of an inventory has written down."""
    log = story.folder / inventory / "log"
    return (
        [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    )


class Truth:
    """What failed when it was last worked on, and which machines did not answer for a host and have not since."""

    def __init__(self, story: Story, sequence: Sequence) -> None:
        self._story = story
        self._sequence = sequence
        self._read: dict[str, int] = {}
        self.failed: set[Place] = set()
        self.silent: set[Place] = set()

    def learn(self, run: RandomRun, output: str) -> None:
        """Take in what the last run has written down."""
        lines = read_log(self._story, run.inventory)
        for line in lines[self._read.get(run.inventory, 0) :]:
            if line[0] == "connected":
                self._answered(run.inventory, line[1])
            else:
                self._worked_on(run, *line)
        self._read[run.inventory] = len(lines)
        name = ""
        for text in output.splitlines():
            if found := _TASK.match(text):
                name = found[1]
            if found := _UNREACHABLE.match(text):
                host = found[1]
                for machine in self._sequence.machines_of(name, host, run) & run.gone:
                    if self._is_told(run, name, machine):
                        self.silent.add((run.inventory, host, name, machine))

    def _answered(self, inventory: str, machine: str) -> None:
        self.silent -= {p for p in self.silent if (p[0], p[3]) == (inventory, machine)}

    def _worked_on(self, run: RandomRun, host: str, name: str, app: str) -> None:
        kind = self._sequence.tasks[name]
        place = (run.inventory, host, name, app)
        works = not {(host, name, app), (ANY_HOST, name, app)} & run.broken
        if app == "block":
            # If it fails, its rescue has to work; if it works, nobody needs that.
            if works:
                self.failed.discard((*place[:3], "rescue"))
        elif works:
            hosts = [host]
            if kind.startswith("once") and not run.chooses_hosts:
                # It has worked for all of them.
                hosts = self._sequence.batch_of(name, host)
            self.failed -= {(run.inventory, one, name, app) for one in hosts}
        elif self._is_told(run, name, app):
            self.failed.add(place)

    def _is_told(self, run: RandomRun, name: str, machine: str) -> bool:
        """Say whether an alert is raised, and kept, for what fails in a run.

        :param machine: that a template may have chosen for the task.
        """
        is_ignored = (ANY_HOST, name, "lax") in run.broken or (
            f"lax_{name}" in str(run.arguments)
        )
        if "--check" in run.arguments or is_ignored and machine == "once":
            return False
        # Without a memory, no other run can know of a way that the starter of this one has chosen.
        stateless = self._sequence.recovery == "stateless"
        return not (stateless and machine == run.chooses_helper != HELPER)

    def hidden(self) -> set[Place]:
        """Return what is broken and has no open alert."""
        found = {
            (a["labels"].get("host", ""), a["labels"].get("check", ""))
            for a in self._story.alerts("open")
            # It is about the run, and says nothing of what is broken.
            if a["labels"]["status"] != "aborted"
        }

        def has_alert(host: str, name: str) -> bool:
            if self._sequence.scope == "playbook":
                return bool(found)
            return any(
                one == host and (self._sequence.scope == "host" or check.endswith(name))
                for one, check in found
            )

        return {p for p in self.failed | self.silent if not has_alert(p[1], p[2])}

    def waits_for_an_answer(self, alert: Item) -> bool:
        """Say whether an alert stands for a machine that has not answered since.

        With --start-at-task, ansible-core gathers facts where the play does not. No other run may reach that machine.
        """
        hosts = {host for _inventory, host, _name, _machine in self.silent}
        if self._sequence.scope == "playbook":
            return bool(hosts) and alert["labels"]["status"] != "aborted"
        return alert["labels"].get("host") in hosts


def problem_of(story: Story, sequence: Sequence) -> str:
    """Play a sequence, and return what is wrong; or an empty text."""
    story.flashduty.reset()
    story.move_to_another_controller()
    for name in ("production", "staging"):
        shutil.rmtree(story.folder / name, ignore_errors=True)
    write_playbook(story.folder, sequence)
    truth = Truth(story, sequence)
    for number, run in enumerate(sequence.runs, 1):
        known = truth.failed | truth.silent
        output = play(story, sequence, run)
        truth.learn(run, output)
        hidden = truth.hidden()
        if run.killed_at:
            # What it was killed in the middle of, nobody was told.
            untold = hidden - known
            truth.failed -= untold
            truth.silent -= untold
            hidden -= untold
        if hidden:
            return f"UNSAFE: after run {number}, {sorted(hidden)} is broken without an alert:\n{output}"
    for run in mended(sequence):
        output = play(story, sequence, run)
        truth.learn(run, output)
    left = [
        alert["title"]
        for alert in story.alerts("open")
        if not truth.waits_for_an_answer(alert)
    ]
    return f"NOT LIVE: all is mended, and {left} stay open:\n{output}" if left else ""


def mended(sequence: Sequence) -> list[RandomRun]:
    """Return the runs after which everything has worked: one for each choice that led to places of its own, or that would
    narrow another run, and a whole one for each inventory."""
    unwanted = any(kind in UNWANTED for kind in sequence.tasks.values())
    runs = [
        RandomRun(frozenset(), arguments=run.arguments, inventory=run.inventory)
        for run in sequence.runs
        if sequence.recovery == "auto"
        and "-e" in run.arguments
        and (run.chooses_helper or run.chooses_hosts and unwanted)
    ]
    inventories = {"production": None, **{r.inventory: None for r in sequence.runs}}
    runs += [RandomRun(frozenset(), inventory=inventory) for inventory in inventories]
    return [*dict.fromkeys(runs)]


def shrunk(story: Story, sequence: Sequence, problem: str) -> tuple[Sequence, str]:
    """Return a shorter sequence with a problem."""
    number = 0
    while number < len(sequence.runs):
        runs = (*sequence.runs[:number], *sequence.runs[number + 1 :])
        shorter = replace(sequence, runs=runs)
        again = problem_of(story, shorter)
        if again:
            sequence, problem = shorter, again
        else:
            number += 1
    return sequence, problem


def tell(story: Story, seed: int, sequence: Sequence, problem: str) -> str:
    """Return a sequence as a story."""
    return "\n".join(
        [
            f"FLASHDUTY_TEST_SEED={seed}, scope {sequence.scope}, recovery {sequence.recovery}:",
            (story.folder / "site.yml").read_text(),
            *(f"{number}. {run}" for number, run in enumerate(sequence.runs, 1)),
            problem,
        ]
    )


def test_nothing_broken_closes_and_all_that_is_mended_does(story: Story) -> None:
    stories = []
    for seed in range(SEED, SEED + SEQUENCES):
        sequence = random_sequence(random.Random(seed))
        story.command_itself = seed % COMMAND_IN == 0
        problem = problem_of(story, sequence)
        if problem:
            sequence, problem = shrunk(story, sequence, problem)
            stories.append(tell(story, seed, sequence, problem))
        print(
            f"FLASHDUTY_TEST_SEED={seed}: {problem.partition(':')[0] or 'ok'};"
            f" {story.core.version}, {sequence.scope}, {sequence.recovery}, {len(sequence.runs)} runs",
            flush=True,
        )
    print(f"{SEQUENCES} sequences, {len(stories)} problems")
    assert not stories, "\n\n".join(stories)
