# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
Run all checks and tests, two at a time, and print a table at the end.

A few tests that fail are run again, alone: machines are shared, and processes that wait for others may be starved. The
table names the tests that passed only then.

    make test                               # ansible-core: the oldest and the newest that run here; a quarter of the playbook tests
    make test-all                           # ansible-core: all that run here
    make lint                               # the checks that run nothing
    make test ONLY="unit integration" CORES="2.19"
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from tests.tools import cores
from tests.tools.environments import (
    REQUIREMENTS,
    ROOT,
    VENV,
    hash_of,
    why_not_a_git_checkout,
)
from tests.tools.interpreters import working_pythons
from tests.tools.progress import say

LOGS = ROOT / "tests" / "output" / "logs"
SIGN_OF_LIFE_SECONDS = 30
STEP_TIMEOUT_SECONDS = 75 * 60
# More tests than these fail for a reason.
MOST_TESTS_TO_RUN_AGAIN = 8
# pytest's exit status when tests have failed, and nothing else was wrong
TESTS_FAILED = 1

# This check fails when a cache appears while it looks at the files of the checkout: it asks Git only once what to ignore.
LINT_SESSION_THAT_RUNS_ALONE = "license-check"

# What nox installs depends on these.
NOX_RECIPE = hash_of(ROOT / "antsibull-nox.toml", ROOT / "noxfile.py", *REQUIREMENTS)

LINT_SESSIONS = (
    "formatters",
    "codeqa",
    "yamllint",
    "typing",
    "antsibull-nox-config",
    "extra-checks",
    "docs-check",
    "changelog",
    "ansible-lint",
)


@dataclass
class Step:
    """One row of the table."""

    name: str
    group: str
    command: t.Sequence[str]
    environment: t.Mapping[str, str] = field(default_factory=dict)
    # Why it cannot run, if so
    obstacle: str | None = None
    # To be written when it passes: nox has installed everything and need not look again
    stamp: Path | None = None
    # Further arguments if it is pytest: what it remembers its failures by is added to them
    pytest_arguments: t.Sequence[str] | None = None

    # The tests that passed only when they ran alone
    unsteady: t.Sequence[str] = ()
    status: int | None = None
    seconds: float = 0.0

    @property
    def log(self) -> Path:
        return LOGS / f"{self.name}.log"

    @property
    def result(self) -> str:
        if self.obstacle:
            return f"NOT RUN: {self.obstacle}"
        if self.status is None:
            return "not reached"
        if self.status != 0:
            return f"FAILED, status {self.status}"
        if self.unsteady:
            return f"passed, when run again: {', '.join(self.unsteady)}"
        return "passed"

    @property
    def _memory(self) -> Path:
        """Where pytest remembers its failures. Steps run beside each other."""
        return LOGS / f"{self.name}.cache"

    def _with_memory(self, *arguments: str) -> list[str]:
        return [*self.command, "-o", f"cache_dir={self._memory}", *arguments]

    def first_command(self) -> list[str]:
        """Return the command that runs the whole step."""
        if self.pytest_arguments is None:
            return list(self.command)
        return self._with_memory(*self.pytest_arguments)

    def second_command(self) -> list[str]:
        """Return the command that runs again what has failed, one test at a time."""
        return self._with_memory("--last-failed", "--last-failed-no-failures", "none")

    def failed_tests(self) -> list[str]:
        """Return the tests that pytest remembers as failed, none where it was not pytest."""
        try:
            text = (self._memory / "v" / "cache" / "lastfailed").read_text("utf-8")
        except OSError:
            return []
        return sorted(json.loads(text))

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


def plan(wanted: t.Sequence[str], *, everything: bool) -> list[list[Step]]:
    """
    Return lanes of steps: what runs before all else, and two that may run beside each other, checks and what is quick, and
    the tests that take long.

    :param wanted: the ansible-cores.
    :param everything: whether to do, too, what takes minutes and says nearly the same each time.
    """
    python = str(VENV / "bin" / "python")
    # One more than there are processors, since tests also wait.
    workers = (os.cpu_count() or 1) + 1
    side_by_side = ("-n", str(workers), "--dist", "worksteal")
    # A test that runs again does the same again.
    seed = {cores.SEED_VARIABLE: str(random.randrange(10**6))}
    no_git = why_not_a_git_checkout()
    no_target = why_no_target()

    def nox(session: str, group: str, **environment: str) -> Step:
        stamp = ROOT / ".nox" / "complete" / session
        reuse = "-R" if stamp.exists() and stamp.read_text() == NOX_RECIPE else "-r"
        command = [str(VENV / "bin" / "nox"), reuse, "-e", session]
        return Step(session, group, command, environment, no_git, stamp)

    def pytest(
        name: str, group: str, folder: str, *arguments: str, **environment: str
    ) -> Step:
        obstacle = None if (ROOT / folder).is_dir() else f"{folder} does not exist"
        command = [python, "-m", "pytest", folder]
        environment = {"FLASHDUTY_TEST_EXAMPLES": "50", **environment}
        return Step(
            name,
            group,
            command,
            environment,
            obstacle=obstacle,
            pytest_arguments=arguments,
        )

    def tool(name: str, group: str, *arguments: str, **environment: str) -> Step:
        return Step(name, group, [python, "-m", *arguments], environment)

    def units(which: str, *arguments: str) -> Step:
        # The other unit tests look for further examples; these for what another environment breaks.
        few = {} if everything else {cores.ONE_IN_VARIABLE: "2", **seed}
        step = tool(
            f"unit-{which}",
            "unit",
            "tests.tools.units",
            which,
            FLASHDUTY_TEST_EXAMPLES="10",
            **few,
        )
        step.pytest_arguments = arguments
        return step

    # By default, all checkouts of all collections share one folder, and what a broken run left in it counts.
    scratch = {"MOLECULE_EPHEMERAL_DIRECTORY": str(LOGS / "molecule")}
    molecule = nox("molecule", "molecule", **scratch)
    if not (ROOT / "extensions" / "molecule").is_dir():
        molecule.obstacle = "extensions/molecule does not exist"

    # CI: the formatters check instead of rewriting.
    first = [nox(LINT_SESSION_THAT_RUNS_ALONE, "lint")]
    checks = [nox(session, "lint", CI="true") for session in LINT_SESSIONS]
    checks += [
        nox(f"sanity-{version}", "sanity")
        for version in reversed(wanted if everything else wanted[-1:])
    ]
    checks += [nox("build-import-check", "build")]
    checks += [tool("tarball", "build", "tests.tools.tarball", *wanted), molecule]
    for step in checks:
        # Tests have time limits.
        step.command = ["nice", "-n", "5", *step.command]
    environments = {version: str(VENV / "cores" / version) for version in wanted}
    target = str(cores.TARGET_FOLDER / "bin" / "python")
    variables = {cores.CORES_VARIABLE: json.dumps(environments), **seed}
    if no_target is None:
        variables[cores.TARGET_VARIABLE] = target
    if everything:
        variables[cores.EVERYTHING_VARIABLE] = "1"
    else:
        variables[cores.ONE_IN_VARIABLE] = "4"
    # What an old target cannot run is the same each time: no list of it.
    unit_target = units("target", "-rfE")
    unit_target.obstacle = no_target
    elsewhere = [unit_target]
    elsewhere += [
        units(version, "-n", "2")
        for version in wanted
        # The other tests have that one.
        if version != list(cores.available())[-1]
    ]
    tests = [
        tool("ansible-cores", "environments", "tests.tools.cores", *wanted),
        pytest("unit", "unit", "tests/unit", *side_by_side),
        pytest(
            "integration",
            "integration",
            "tests/integration",
            *side_by_side,
            **variables,
        ),
        *elsewhere,
    ]
    return [first, checks, tests]


def choose(lane: t.Sequence[Step], only: set[str]) -> list[Step]:
    """Return the wanted steps of a lane, with the environments that they need."""
    wanted = [step for step in lane if {step.name, step.group} & only]
    if not wanted:
        return []
    return [step for step in lane if step in wanted or step.group == "environments"]


def unknown_names(
    lanes: t.Sequence[t.Sequence[Step]], only: t.Sequence[str]
) -> str | None:
    """Return what to say of names that are no step and no group, or None."""
    steps = [step for lane in lanes for step in lane]
    groups = dict.fromkeys(step.group for step in steps)
    unknown = [
        name for name in only if name not in {*groups, *(step.name for step in steps)}
    ]
    if not unknown:
        return None
    lines = [f"There is no step or group called {' or '.join(unknown)}. There are:"]
    for group in groups:
        names = [step.name for step in steps if step.group == group]
        lines.append(f"  {group}: {' '.join(names)}")
    return "\n".join(lines)


def why_no_target() -> str | None:
    """Return why modules cannot be tested with the oldest Python of a target, or None."""
    if cores.TARGET_PYTHON in working_pythons():
        return None
    return f"no Python {'.'.join(map(str, cores.TARGET_PYTHON))} works here"


def environment_for(step: Step) -> dict[str, str]:
    """Return the environment of a step: without what would change the outcome."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANSIBLE_", "FLASHDUTY_", "PYTEST_", "PYTHON"))
        and name != "PUSH_URL"
    }
    # nox looks for Pythons in PATH, and pyenv's shims do not work.
    folders = [VENV / "bin", *(python.parent for python in working_pythons().values())]
    path = [*map(str, folders), inherited.get("PATH", os.defpath)]
    fixed = {"PATH": os.pathsep.join(path), "NO_COLOR": "1"}
    return {**inherited, **fixed, **step.environment}


class Runner:
    """Runs lanes of steps: the first one before the others, those beside each other."""

    def __init__(self, lanes: t.Sequence[t.Sequence[Step]]) -> None:
        self._lanes = lanes
        self._running: dict[str, tuple[Step, subprocess.Popen[bytes], float]] = {}
        self._lock = threading.Lock()
        self._stopped = False

    def run(self) -> None:
        """Run all lanes to their end; Ctrl-C ends them all."""
        shutil.rmtree(LOGS, ignore_errors=True)
        LOGS.mkdir(parents=True)
        first, *others = self._lanes
        try:
            self._run_beside_each_other([first])
            self._run_beside_each_other(others)
        finally:
            self._stop()

    def _run_beside_each_other(self, lanes: t.Sequence[t.Sequence[Step]]) -> None:
        threads = [
            threading.Thread(target=self._run_lane, args=(lane,), daemon=True)
            for lane in lanes
        ]
        for thread in threads:
            thread.start()
        last_sign = time.monotonic()
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.2)
            if time.monotonic() - last_sign > SIGN_OF_LIFE_SECONDS:
                last_sign = time.monotonic()
                self._give_sign_of_life()

    def _run_lane(self, lane: t.Sequence[Step]) -> None:
        for step in lane:
            if not step.obstacle and not self._stopped:
                self._run_step(step)

    def _run_step(self, step: Step) -> None:
        started = time.monotonic()
        say(f"--> {step.name}")
        status = self._run_command(step, step.first_command(), started)
        failed = step.failed_tests() if status == TESTS_FAILED else []
        if failed and len(failed) <= MOST_TESTS_TO_RUN_AGAIN and not self._stopped:
            say(f"    {step.name}: {len(failed)} failed; once more, alone")
            status = self._run_command(step, step.second_command(), started)
            step.unsteady = failed
        if status == 0 and step.stamp:
            step.stamp.parent.mkdir(parents=True, exist_ok=True)
            step.stamp.write_text(NOX_RECIPE)
        with self._lock:
            del self._running[step.name]
            step.status, step.seconds = status, time.monotonic() - started
            say(report(step))

    def _run_command(self, step: Step, command: t.Sequence[str], started: float) -> int:
        """Run a command of a step to its end, add what it says to the log, and return its status."""
        # A file, not a pipe: whatever a test leaves running in the background would keep a pipe open.
        with step.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment_for(step),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            with self._lock:
                self._running[step.name] = (step, process, started)
            try:
                return process.wait(STEP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                log.write(f"\nStopped after {STEP_TIMEOUT_SECONDS} s.\n".encode())
                kill(process)
                return 124

    def _give_sign_of_life(self) -> None:
        with self._lock:
            running = [
                f"{step.name} {progress_of(step)}({time.monotonic() - started:.0f} s)"
                for step, _process, started in self._running.values()
            ]
        if running:
            say(f"    still running: {', '.join(running)}")

    def _stop(self) -> None:
        self._stopped = True
        with self._lock:
            for _step, process, _started in self._running.values():
                kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a step and what it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def progress_of(step: Step) -> str:
    """Return how far pytest is, such as "62% ", or nothing."""
    percentages = re.findall(r"\[ *(\d+%)\]", step.output()[-4000:])
    return f"{percentages[-1]} " if percentages else ""


def report(step: Step) -> str:
    """Return what to say at the end of a step: everything if it failed, pytest's closing lines if it passed."""
    headline = f"    {step.name}: {step.result} in {step.seconds:.0f} s"
    if step.status != 0:
        rule = "-" * 79
        output = "\n".join(
            line
            for line in step.output().rstrip().splitlines()
            if not line.startswith("SKIPPED [")
        )
        return f"{headline}\n{rule}\n{output}\n{rule}"
    _before, found, summary = step.output().rpartition("short test summary info")
    lines = summary.splitlines()[1:] if found else step.output().splitlines()[-1:]
    if step.group in ("unit", "integration"):
        return "\n".join([headline, *(f"    {line}" for line in lines[-15:])])
    return headline


def table(steps: t.Sequence[Step]) -> str:
    """Return the closing table."""
    width = max(len(step.name) for step in steps)
    rows = [
        f"{step.name:<{width}}  {step.seconds:>5.0f} s  {step.result}" for step in steps
    ]
    return "\n".join([f"{'step':<{width}}  {'time':>7}  result", *rows])


def parse_arguments(arguments: t.Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run all checks and tests.")
    parser.add_argument(
        "--all", action="store_true", help="all ansible-cores that run here"
    )
    parser.add_argument(
        "--cores",
        nargs="*",
        default=[],
        metavar="VERSION",
        help="only these ansible-cores",
    )
    parser.add_argument(
        "--only",
        nargs="*",
        default=[],
        metavar="STEP",
        help="only these steps or groups of steps",
    )
    options = parser.parse_args(arguments)
    unavailable = {
        version for version in options.cores if version not in cores.available()
    }
    if unavailable:
        parser.error(
            f"ansible-core {', '.join(sorted(unavailable))} cannot run here: {cores.missing()}"
        )
    return options


def main(arguments: t.Sequence[str] | None = None) -> int:
    started = time.monotonic()
    options = parse_arguments(arguments)
    wanted = options.cores or (
        list(cores.available()) if options.all else cores.oldest_and_newest()
    )
    lanes = plan(wanted, everything=options.all or bool(options.cores))
    if problem := unknown_names(lanes, options.only):
        say(problem)
        return 2
    if options.only:
        lanes = [choose(lane, set(options.only)) for lane in lanes]
    steps = [step for lane in lanes for step in lane]

    try:
        Runner(lanes).run()
    except KeyboardInterrupt:
        say("\nStopped.")
    say(f"\n{table(steps)}\n")
    say(f"ansible-core: {', '.join(wanted)}.")
    for version, reason in cores.missing().items():
        say(f"NOT TESTED: ansible-core {version} {reason}.")
    results = collections.Counter(
        step.result.partition(":")[0].partition(",")[0] for step in steps
    )
    counts = ", ".join(f"{count} {result}" for result, count in results.items())
    say(
        f"{counts}, in {time.monotonic() - started:.0f} s. Logs: {LOGS.relative_to(ROOT)}"
    )
    return 0 if all(step.obstacle or step.status == 0 for step in steps) else 1


if __name__ == "__main__":
    sys.exit(main())
