# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random playbooks in random runs: nothing that is broken is closed, and all that is mended is.

What is true is not taken from a model, but from the playbooks themselves: each place writes down that it was worked on, and
fails while a marker says that it is broken.

``FLASHDUTY_TEST_SEQUENCES`` is the number of sequences of runs, ``FLASHDUTY_TEST_SEED`` the first of their seeds.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
import typing as t
from dataclasses import dataclass, replace

from .conftest import Story

SEQUENCES = int(os.environ.get("FLASHDUTY_TEST_SEQUENCES") or 1)
SEED = int(os.environ.get("FLASHDUTY_TEST_SEED") or random.randrange(10**6))
HOSTS = ("web1", "web2", "db1")
APPS = ("shop", "search")
WORK = (
    "ansible.builtin.raw: \"echo {{{{ inventory_hostname }}}} {name} {app} >> '{{{{ world }}}}/log';"
    " test ! -e '{{{{ world }}}}/{{{{ inventory_hostname }}}}.{name}.{app}'\""
)


@dataclass(frozen=True)
class Sequence:
    """A playbook and its runs, as they can be told."""

    scope: str
    recovery: str
    kinds: tuple[tuple[str, ...], tuple[str, ...]]
    runs: tuple[RandomRun, ...]


@dataclass(frozen=True)
class RandomRun:
    """A run: what is broken, and what its starter chose."""

    broken: frozenset[tuple[str, str, str]]
    arguments: tuple[str, ...] = ()
    inventory: str = "production"
    killed_after: float = 0.0

    def __str__(self) -> str:
        broken = ", ".join(".".join(one) for one in sorted(self.broken)) or "nothing"
        killed = f", killed after {self.killed_after} s" if self.killed_after else ""
        return f"{' '.join(self.arguments) or 'a whole run'} on {self.inventory}{killed}; broken: {broken}"


def _work(name: str, app: str = "{{ app }}") -> str:
    return WORK.format(name=name, app=app)


def _task(name: str, kind: str) -> tuple[str, str]:
    """Return the text of a task of a kind, and that of a handler if it needs one."""
    head = f"    - name: {name}\n      tags: {name.lower()}\n      "
    condition = f"      when: go_{name} | default(true) | bool\n"
    loop = f"      loop: \"{{{{ apps_{name} | default(['shop', 'search']) }}}}\"\n      loop_control: {{loop_var: app}}\n"
    if kind == "handler":
        notify = f"ansible.builtin.raw: 'true'\n      changed_when: go_{name} | default(true) | bool\n      notify: Handle {name}\n"
        return (
            head + notify,
            f"    - name: Handle {name}\n      {_work(name, 'once')}\n",
        )
    if kind == "end":
        return (
            f"    - name: {name}\n      ansible.builtin.meta: end_play\n      when: freeze_{name} | default(false) | bool\n",
            "",
        )
    texts = {
        "plain": f"{head}{_work(name, 'once')}\n",
        "condition": f"{head}{_work(name, 'once')}\n{condition}",
        "loop": f"{head}{_work(name)}\n{loop}",
        "include": f"{head}ansible.builtin.include_tasks: {{file: {name}.yml, apply: {{tags: {name.lower()}}}}}\n{loop}",
        "role": f"{head}ansible.builtin.include_role: {{name: {name}, apply: {{tags: {name.lower()}}}}}\n{loop}",
        "parameters": "".join(
            f"    - ansible.builtin.import_tasks: {name}.yml\n      tags: {name.lower()}\n      vars: {{app: {app}}}\n"
            f"      when: \"'{app}' in apps_{name} | default(['shop', 'search'])\"\n"
            for app in APPS
        ),
        "check": f"{head}{_work(name, 'once')}\n      check_mode: \"{{{{ dry_{name} | default(false) | bool }}}}\"\n",
    }
    return texts[kind], ""


KINDS = (
    *("plain", "condition", "loop", "include", "role", "parameters"),
    *("handler", "check", "end"),
)


def write_playbook(story: Story, sequence: Sequence) -> None:
    """Write the playbook of a sequence, and the files that it includes."""
    plays = []
    for play, (hosts, kinds) in enumerate(zip(("web", "web:db"), sequence.kinds)):
        tasks, handlers = "", ""
        for number, kind in enumerate(kinds):
            name = f"T{play}{number}"
            task, handler = _task(name, kind)
            tasks, handlers = tasks + task, handlers + handler
            included = f"- name: {name}\n  {_work(name)}\n"
            story.write(f"{name}.yml", included)
            story.write(f"roles/{name}/tasks/main.yml", included)
        plays.append(
            f"- hosts: {hosts}\n  gather_facts: false\n  tasks:\n{tasks}"
            + (f"  handlers:\n{handlers}" if handlers else "")
        )
    story.write("site.yml", "".join(plays))
    story.write(".git/config", '[remote "origin"]\nurl = https://x/example/shop\n')
    for name in ("production", "staging"):
        world = story.folder / name
        world.mkdir(exist_ok=True)
        story.write(
            f"{name}.ini",
            f"[web]\nweb1\nweb2\n[db]\ndb1\n[all:vars]\nansible_connection=local\nworld={world}\n",
        )


def random_sequence(rng: random.Random) -> Sequence:
    """Return a random playbook with random runs."""
    kinds = tuple(
        tuple(rng.choice(KINDS) for _task in range(rng.randint(1, 4))) for _play in "ab"
    )
    names = [
        (f"T{play}{number}", kind)
        for play, of_play in enumerate(kinds)
        for number, kind in enumerate(of_play)
    ]
    recovery = rng.choice(["auto", "auto", "auto", "stateless"])
    broken: frozenset[tuple[str, str, str]] = frozenset()
    runs = []
    for _run in range(rng.randint(3, 5)):
        if rng.random() < 0.6:
            broken = frozenset(
                (rng.choice(HOSTS), rng.choice(names)[0], app)
                for _one in range(rng.randint(0, 3))
                for app in [rng.choice([*APPS, "once", "once"])]
            )
        runs.append(_random_run(rng, broken, names, recovery))
    scope = rng.choice(["host", "task", "playbook"])
    if recovery == "stateless" and scope == "task":
        scope = "host"
    return Sequence(scope, recovery, t.cast(t.Any, kinds), tuple(runs))


def _random_run(
    rng: random.Random,
    broken: frozenset[tuple[str, str, str]],
    names: list[tuple[str, str]],
    recovery: str,
) -> RandomRun:
    run = RandomRun(broken)
    name, kind = rng.choice(names)
    way = rng.choice(
        ["whole", "whole", "limit", "tags", "check", "extra", "extra", "other", "kill"]
    )
    if way == "limit":
        return replace(run, arguments=("--limit", rng.choice(HOSTS)))
    if way == "tags":
        return replace(run, arguments=("--tags", name.lower()))
    if way == "check":
        return replace(run, arguments=("--check",))
    if way == "extra":
        looped = {f"apps_{name}": [rng.choice(APPS)]}
        choices: dict[str, dict[str, t.Any]] = {
            **dict.fromkeys(("loop", "include", "role", "parameters"), looped),
            "check": {f"dry_{name}": True},
            "end": {f"freeze_{name}": True},
        }
        chosen = choices.get(kind, {f"go_{name}": False})
        return replace(run, arguments=("-e", json.dumps(chosen)))
    # Without a memory, a host is what it is called.
    if way == "other" and recovery == "auto":
        return replace(run, inventory="staging")
    if way == "kill":
        return replace(run, killed_after=rng.choice([1.0, 2.0, 3.0]))
    return run


def play(story: Story, sequence: Sequence, run: RandomRun) -> str:
    """Break what is broken, and run the playbook. Return its output."""
    for name in ("production", "staging"):
        for marker in (story.folder / name).glob("*.*"):
            marker.unlink()
        for parts in run.broken if name == run.inventory else ():
            (story.folder / name / ".".join(parts)).touch()
    running = story.begin(
        story.folder / "site.yml",
        *run.arguments,
        inventory=story.folder / f"{run.inventory}.ini",
        options={"alert_scope": sequence.scope, "recovery": sequence.recovery},
    )
    if run.killed_after:
        time.sleep(run.killed_after)
        running.signal(signal.SIGTERM)
    ended = running.wait()
    assert "because of a bug" not in ended.output, ended.output
    return ended.output


class Truth:
    """What failed when it was last worked on, and is broken still."""

    def __init__(self) -> None:
        self.failed: set[tuple[str, str, str, str]] = set()
        self._read: dict[str, int] = {}

    def learn(self, story: Story, run: RandomRun) -> None:
        """Read what the places of the last run have written down."""
        log = story.folder / run.inventory / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        for line in lines[self._read.get(run.inventory, 0) :]:
            host, name, app = line.split()
            place = (run.inventory, host, name, app)
            if (host, name, app) in run.broken:
                self.failed.add(place)
            else:
                self.failed.discard(place)
        self._read[run.inventory] = len(lines)

    def hidden(
        self, story: Story, sequence: Sequence
    ) -> list[tuple[str, str, str, str]]:
        """Return what is broken and has no open alert."""
        found = {
            (a["labels"].get("host", ""), a["labels"].get("check", ""))
            for a in story.alerts("open")
        }
        hosts = {host for host, _check in found}
        has_alert = {
            "host": lambda host, name: host in hosts,
            "task": lambda host, name: any(
                one == host and check.endswith(name) for one, check in found
            ),
            "playbook": lambda host, name: bool(found),
        }[sequence.scope]
        return [
            place for place in sorted(self.failed) if not has_alert(place[1], place[2])
        ]


def problem_of(story: Story, sequence: Sequence) -> str:
    """Play a sequence, and return what is wrong; or an empty text."""
    story.flashduty.reset()
    story.move_to_another_controller()
    for name in ("production", "staging"):
        shutil.rmtree(story.folder / name, ignore_errors=True)
    write_playbook(story, sequence)
    truth = Truth()
    for number, run in enumerate(sequence.runs, 1):
        output = play(story, sequence, run)
        truth.learn(story, run)
        hidden = truth.hidden(story, sequence)
        if run.killed_after:
            # What it was killed in the middle of, nobody was told.
            truth.failed.difference_update(hidden)
        elif hidden:
            return f"after run {number}, {hidden} is broken without an alert:\n{output}"
    for inventory in ("production", "staging"):
        mended = RandomRun(frozenset(), inventory=inventory)
        output = play(story, sequence, mended)
    left = [alert["title"] for alert in story.alerts("open")]
    return f"all is mended, and {left} stay open:\n{output}" if left else ""


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
    for seed in range(SEED, SEED + SEQUENCES):
        sequence = random_sequence(random.Random(seed))
        print(f"FLASHDUTY_TEST_SEED={seed}")
        problem = problem_of(story, sequence)
        if problem:
            sequence, problem = shrunk(story, sequence, problem)
            raise AssertionError(tell(story, seed, sequence, problem))
    print(f"{SEQUENCES} sequences: 0 unsafe, 0 not live")
