# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
Random playbooks, and random runs of them.

Each place of a playbook writes into the world's log that it was worked on, and fails while a file of the world is named
after it. A place is told by host, task and ``app``: a loop item, a parameter, a machine that a template chose, or ``once``.
"""

from __future__ import annotations

import json
import random
import typing as t
from dataclasses import dataclass, replace
from pathlib import Path

HOSTS = ("web1", "web2", "db1")
APPS = ("shop", "search")
# For tasks that run once for all hosts, whichever of them it is.
ANY_HOST = "any"
# Where the apps are, and where the task with a template is delegated to unless the starter of a run says otherwise.
MACHINES = {"shop": "db1", "search": "web2"}
HELPER = "db1"

_WORK = (
    "ansible.builtin.raw: \"echo {{{{ inventory_hostname }}}} {name} {app} >> '{{{{ world }}}}/log';"
    " test ! -e '{{{{ world }}}}/{host}.{name}.{app}'\""
)
_LAX = (
    'ignore_errors: "{{{{ lax_{name} | default(false) | bool'
    f" or (world ~ '/{ANY_HOST}.{{name}}.lax') is exists }}}}}}}}\""
)
# Tasks, with the further lines of each, and the apps at which it may be broken.
_KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "plain": ("", ("once",)),
    "condition": ("when: go_{name} | default(true) | bool", ("once",)),
    "indirect": (
        "when: wanted\n      vars: {{wanted: '{{{{ go_{name} | default(true) | bool }}}}'}}",
        ("once",),
    ),
    "fact": ("when: wanted_{name} | bool", ("once",)),
    "fail": ("", ("once",)),
    # Whether it is ignored that it fails, its starter or the world says.
    "lax": (_LAX, ("once", "lax")),
    "lax_there": (
        f"{_LAX}\n      delegate_to: '{{{{{{{{ helper }}}}}}}}'",
        ("once", "lax"),
    ),
    "check": ("check_mode: '{{{{ dry_{name} | default(false) | bool }}}}'", ("once",)),
    "there": (f"delegate_to: {HELPER}", ("once",)),
    "helper": ("delegate_to: '{{{{ helper_{name} | default(helper) }}}}'", HOSTS[1:]),
    "once": ("run_once: true", ("once",)),
    "once_there": (f"run_once: true\n      delegate_to: {HELPER}", ("once",)),
    "loop": ("", APPS),
    "spread": ("delegate_to: '{{{{ machines[app] }}}}'", APPS),
    "include": ("", APPS),
    "role": ("", APPS),
    "parameters": ("", APPS),
    "handler": ("", ("once",)),
    "rescue": ("", ("block", "rescue")),
    "included": ("", ("once",)),
    "nested": ("", APPS),
    # In the world, the end may be due without anybody having chosen it.
    "end_play": ("", ("due",)),
    "end_host": ("", ("due",)),
}
# What the starter of a run may choose for a task of a kind.
_LOOPS = ("loop", "spread", "include", "nested", "role", "parameters")
_CONDITIONS = ("condition", "indirect", "fact", "included", "handler")
# What a whole run mends, in which it was not wanted.
UNWANTED = ("fail", "rescue")


@dataclass(frozen=True)
class RandomRun:
    """A run: what is broken, which machines do not answer, and what its starter chose.

    :param killed_at: it is terminated as soon as the log has so many lines more; 0 if it is not.
    """

    broken: frozenset[tuple[str, str, str]]
    gone: frozenset[str] = frozenset()
    arguments: tuple[str, ...] = ()
    inventory: str = "production"
    killed_at: int = 0

    @property
    def chooses_hosts(self) -> bool:
        """Whether its starter chose the hosts."""
        return "--limit" in self.arguments or "hosts_" in str(self.arguments)

    @property
    def chooses_helper(self) -> str:
        """The machine that its starter chose to delegate to; empty if none."""
        extra = json.loads(self.arguments[1]) if "-e" in self.arguments else {}
        return next(
            (str(v) for name, v in extra.items() if name.startswith("helper_")), ""
        )

    def __str__(self) -> str:
        broken = ", ".join(".".join(one) for one in sorted(self.broken)) or "nothing"
        gone = f"; gone: {', '.join(sorted(self.gone))}" if self.gone else ""
        killed = f", killed at line {self.killed_at}" if self.killed_at else ""
        return f"{' '.join(self.arguments) or 'a whole run'} on {self.inventory}{killed}; broken: {broken}{gone}"


@dataclass(frozen=True)
class Sequence:
    """A playbook and its runs, as they can be told.

    :param kinds: those of the tasks of each play.
    :param serial: for each play.
    :param keywords: further lines of each play.
    :param chosen_hosts: an extra variable can narrow the hosts of the plays.
    """

    scope: str
    recovery: str
    kinds: tuple[tuple[str, ...], tuple[str, ...]]
    serial: tuple[int, int]
    runs: tuple[RandomRun, ...]
    keywords: tuple[str, str] = ("", "")
    chosen_hosts: bool = False

    @property
    def tasks(self) -> dict[str, str]:
        """The kinds of all tasks by their names."""
        return {
            f"T{play}{number}": kind
            for play, kinds in enumerate(self.kinds)
            for number, kind in enumerate(kinds)
        }

    def batch_of(self, name: str, host: str) -> list[str]:
        """Return the hosts for which a task is run together with one host, in a run without a limit."""
        play = int(name[1])
        hosts = list(HOSTS[: 2 + play])
        size = self.serial[play] or len(hosts)
        first = hosts.index(host) // size * size
        return hosts[first : first + size]

    def machines_of(self, name: str, host: str, run: RandomRun) -> set[str]:
        """Return the machines that a task reaches for a host."""
        kind = self.tasks.get(name)
        if kind == "helper":
            return {run.chooses_helper or HELPER}
        if kind == "spread":
            return set(MACHINES.values())
        return {HELPER} if str(kind).endswith("there") else {host}


# -- playbooks


def write_playbook(folder: Path, sequence: Sequence) -> None:
    """Write the playbook of a sequence, what it includes, and an empty world for each inventory."""
    plays = []
    for play, hosts in enumerate(("web", "web:db")):
        tasks, handlers = "", ""
        for name, kind in sequence.tasks.items():
            if int(name[1]) == play:
                tasks += _task(name, kind)
                if kind == "handler":
                    work = _work(name, "once")
                    handlers += f"    - name: Handle {name}\n      {work}\n"
                included = f"- name: {name}\n  {_work(name)}\n"
                _write(folder / f"{name}.yml", included)
                _write(
                    folder / f"{name}_outer.yml",
                    f"- ansible.builtin.include_tasks: {name}.yml\n",
                )
                _write(folder / "roles" / name / "tasks/main.yml", included)
        serial = sequence.serial[play]
        if sequence.chosen_hosts:
            hosts = f"\"{{{{ hosts_{play} | default('{hosts}') }}}}\""
        plays.append(
            f"- hosts: {hosts}\n  gather_facts: false\n{sequence.keywords[play]}"
            + (f"  serial: {serial}\n" if serial else "")
            + f"  vars: {{machines: {json.dumps(MACHINES)}, helper: {HELPER}}}\n"
            + f"  tasks:\n{tasks}"
            + (f"  handlers:\n{handlers}" if handlers else "")
        )
    _write(folder / "site.yml", "".join(plays))
    _write(folder / ".git/config", '[remote "origin"]\nurl = https://x/example/shop\n')
    for name in ("production", "staging"):
        world = folder / name
        world.mkdir(exist_ok=True)
        web1, web2, db1 = (f"{host} gone_file={world}/{host}.gone" for host in HOSTS)
        _write(
            folder / f"{name}.ini",
            f"[web]\n{web1}\n{web2}\n[db]\n{db1}\n"
            f"[all:vars]\nansible_connection=sometimes\nworld={world}\n",
        )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _work(name: str, app: str = "{{ app }}", kind: str = "") -> str:
    host = ANY_HOST if kind.startswith("once") else "{{ inventory_hostname }}"
    return _WORK.format(name=name, app=app, host=host)


def _task(name: str, kind: str) -> str:
    """Return the text of a task."""
    tag = name.lower()
    head = f"    - name: {name}\n      tags: {tag}\n      "
    apps = f"apps_{name} | default({list(APPS)})"
    loop = f'      loop: "{{{{ {apps} }}}}"\n      loop_control: {{loop_var: app}}\n'
    if kind in ("end_play", "end_host"):
        due = f"(world ~ '/{ANY_HOST}.{name}.due') is exists"
        return (
            f"{head}ansible.builtin.meta: {kind}\n"
            f'      when: "freeze_{name} | default(false) | bool or {due}"\n'
        )
    if kind == "handler":
        return (
            f"{head}ansible.builtin.raw: 'true'\n"
            f"      changed_when: go_{name} | default(true) | bool\n      notify: Handle {name}\n"
        )
    if kind == "included":
        # One file serves all kinds of includes.
        return (
            f"{head}ansible.builtin.include_tasks: {{file: {name}.yml, apply: {{tags: {tag}}}}}\n"
            f"      vars: {{app: once}}\n      when: go_{name} | default(true) | bool\n"
        )
    if kind == "nested":
        return f"{head}ansible.builtin.include_tasks: {{file: {name}_outer.yml, apply: {{tags: {tag}}}}}\n{loop}"
    if kind == "include":
        return f"{head}ansible.builtin.include_tasks: {{file: {name}.yml, apply: {{tags: {tag}}}}}\n{loop}"
    if kind == "role":
        return f"{head}ansible.builtin.include_role: {{name: {name}, apply: {{tags: {tag}}}}}\n{loop}"
    if kind == "parameters":
        return "".join(
            f"    - ansible.builtin.import_tasks: {name}.yml\n      tags: {tag}\n      vars: {{app: {app}}}\n"
            f"      when: \"'{app}' in {apps}\"\n"
            for app in APPS
        )
    if kind == "rescue":
        return (
            f"    - tags: {tag}\n      block:\n        - name: {name}\n          {_work(name, 'block')}\n"
            f"      rescue:\n        - name: Rescue {name}\n          {_work(name, 'rescue')}\n"
        )
    if kind == "fail":
        return (
            f"{head}{_work(name, 'once')[:-1]} && echo good || echo bad\"\n      register: found_{name}\n"
            f"{head}ansible.builtin.fail:\n      when: \"'bad' in found_{name}.stdout | default('')\"\n"
        )
    if kind == "fact":
        fact = f"wanted_{name}: '{{{{ go_{name} | default(true) | bool }}}}'"
        head = f"    - name: Set {name}\n      tags: {tag}\n      ansible.builtin.set_fact: {{{fact}}}\n{head}"
    lines = _KINDS[kind][0].format(name=name)
    app = {
        "loop": "{{ app }}",
        "spread": "{{ app }}",
        "helper": f"{{{{ helper_{name} | default(helper) }}}}",
    }.get(kind, "once")
    return (
        f"{head}{_work(name, app, kind)}\n"
        + (f"      {lines}\n" if lines else "")
        + (loop if kind in ("loop", "spread") else "")
    )


# -- chance


def random_sequence(rng: random.Random) -> Sequence:
    """Return a random playbook with random runs."""
    kinds = tuple(
        tuple(rng.choice([*_KINDS]) for _task in range(rng.randint(1, 3)))
        for _play in "ab"
    )
    serial = (rng.choice([0, 0, 0, 1]), rng.choice([0, 0, 0, 2]))
    recovery = rng.choice(["auto", "auto", "auto", "stateless"])
    scopes = ["host", "playbook"] + ["task"] * (recovery == "auto")
    usual = [""] * 4
    keywords = [*usual, "  strategy: free\n", "  any_errors_fatal: true\n"]
    sequence = Sequence(
        rng.choice(scopes),
        recovery,
        t.cast(t.Any, kinds),
        serial,
        runs=(),
        keywords=(rng.choice(keywords), rng.choice(keywords)),
        chosen_hosts=rng.random() < 0.3,
    )
    broken: frozenset[tuple[str, str, str]] = frozenset()
    gone: frozenset[str] = frozenset()
    runs = []
    for _run in range(rng.randint(3, 5)):
        if rng.random() < 0.6:
            broken = frozenset(_random_places(rng, sequence))
            gone = frozenset(rng.sample(HOSTS, rng.choice([0, 0, 0, 1])))
        runs.append(_random_run(rng, RandomRun(broken, gone), sequence))
    return replace(sequence, runs=tuple(runs))


def _random_places(
    rng: random.Random, sequence: Sequence
) -> t.Iterator[tuple[str, str, str]]:
    for _place in range(rng.randint(0, 3)):
        name, kind = rng.choice([*sequence.tasks.items()])
        app = rng.choice(_KINDS[kind][1])
        is_for_all = kind.startswith(("once", "end_")) or app == "lax"
        host = ANY_HOST if is_for_all else rng.choice(HOSTS)
        yield host, name, app
        if app == "rescue":
            yield host, name, "block"


def _random_run(rng: random.Random, run: RandomRun, sequence: Sequence) -> RandomRun:
    name, kind = rng.choice([*sequence.tasks.items()])
    way = rng.choice(
        ["whole"] * 4
        + ["limit", "tags", "skip", "start", "check"]
        + ["extra"] * 4
        + ["other", "other", "kill", "kill"]
    )
    if way == "limit":
        return replace(run, arguments=("--limit", rng.choice(HOSTS)))
    if way == "tags":
        return replace(run, arguments=("--tags", name.lower()))
    if way == "skip":
        return replace(run, arguments=("--skip-tags", name.lower()))
    if way == "start":
        return replace(run, arguments=("--start-at-task", name))
    if way == "check":
        return replace(run, arguments=("--check",))
    if way == "extra":
        return replace(
            run, arguments=("-e", json.dumps(_choice(rng, name, kind, sequence)))
        )
    # Without a memory, a host is what it is called.
    if way == "other" and sequence.recovery == "auto":
        return replace(run, inventory="staging")
    if way == "kill":
        return replace(run, killed_at=rng.choice([1, 3, 6, 10]))
    return run


def _choice(
    rng: random.Random, name: str, kind: str, sequence: Sequence
) -> dict[str, t.Any]:
    """Return extra variables that decide about a task; or about nothing, where none can."""
    if sequence.chosen_hosts and rng.random() < 0.5:
        return {f"hosts_{name[1]}": rng.choice(HOSTS[: 2 + int(name[1])])}
    if kind in _LOOPS:
        return {f"apps_{name}": [rng.choice(APPS)]}
    if kind in _CONDITIONS:
        return {f"go_{name}": False}
    if kind.startswith("end_"):
        return {f"freeze_{name}": True}
    if kind.startswith("lax"):
        return {f"lax_{name}": True}
    if kind == "check":
        return {f"dry_{name}": True}
    if kind == "helper":
        return {f"helper_{name}": rng.choice(HOSTS[1:])}
    return {"colour": "red"}
