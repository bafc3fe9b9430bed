# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run real playbooks in a folder of their own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import textwrap
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from tests.tools.cores import Core
from tests.tools.forked_commands import ForkedCommand, start_command

CALLBACK = "flashcat.flashduty.alert_on_failure"
RECAP_LINE = re.compile(r"^(?P<host>\S+) +: (?P<counts>ok=\d+ .*)$", re.MULTILINE)
# Only what hangs takes so long, also on a machine that is slow and busy.
DEFAULT_TIMEOUT = 300.0


def inventory_of(*hosts: str) -> str:
    """
    Return an inventory whose hosts are all this machine.

    :param hosts: lines such as ``h1``, ``h1 broken=First`` or ``h1 gone``, for a host that never answers.
    """
    lines = [host.replace(" gone", " ansible_connection=gone") for host in hosts]
    return "\n".join([*lines, "", "[all:vars]", "ansible_connection=local", ""])


@dataclass(frozen=True)
class PlaybookRun:
    """What came of a run."""

    rc: int
    stdout: str
    stderr: str
    duration: float
    recap: dict[str, dict[str, int]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "recap", parse_recap(self.stdout))

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    def hosts_with(self, count: str) -> set[str]:
        """Return the hosts whose recap counts something, such as ``failed`` or ``unreachable``."""
        return {host for host, counts in self.recap.items() if counts.get(count)}


def parse_recap(output: str) -> dict[str, dict[str, int]]:
    """Return the counts of each host in the last PLAY RECAP."""
    recap = output.rpartition("PLAY RECAP ")[2] if "PLAY RECAP " in output else ""
    return {
        line["host"]: {
            name: int(count)
            for name, _equals, count in (
                pair.partition("=") for pair in line["counts"].split()
            )
        }
        for line in RECAP_LINE.finditer(recap)
    }


class RunningPlaybook:
    """An ansible-playbook that may be waited for, or killed."""

    def __init__(
        self,
        process: subprocess.Popen[bytes] | ForkedCommand,
        stdout: Path,
        stderr: Path,
    ) -> None:
        self.process = process
        self._stdout = stdout
        self._stderr = stderr
        self._started = time.monotonic()

    @property
    def stdout(self) -> str:
        """What it has written so far."""
        return self._stdout.read_text(encoding="utf-8", errors="replace")

    @property
    def stderr(self) -> str:
        return self._stderr.read_text(encoding="utf-8", errors="replace")

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send a signal to the process, or to it and its workers, as a terminal does."""
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def wait(self, timeout: float = DEFAULT_TIMEOUT) -> PlaybookRun:
        """Wait for the end; a run that takes too long is killed and fails the test."""
        try:
            rc = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._tell_where_it_hangs()
            self.kill()
            raise AssertionError(
                f"The playbook was not done after {timeout:.0f} s:\n{self.stdout}\n{self.stderr}"
            ) from None
        duration = time.monotonic() - self._started
        return PlaybookRun(rc, self.stdout, self.stderr, duration)

    def _tell_where_it_hangs(self) -> None:
        """Let the process end with the stacks of all its threads on its standard error."""
        self.process.send_signal(signal.SIGABRT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)

    def kill(self) -> None:
        """Kill the process and its workers, without a chance to say good-bye."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Workspace:
    """
    A folder with a playbook, an inventory and an ansible.cfg, and an ansible-core to run them.

    Commands see this folder as working directory, ``home`` in it as HOME, the collection, and nothing else of the machine.
    """

    def __init__(self, folder: Path, core: Core) -> None:
        self.folder = folder
        self.core = core
        self.home = folder / "home"
        self.home.mkdir(exist_ok=True)
        # Whether runs are started as the shell does it: see ``forked_commands.py``.
        self.command_itself = False
        self._runs: list[RunningPlaybook] = []

    def write(self, name: str, text: str) -> Path:
        """Write a file, indented as the test likes it."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def start(
        self,
        playbook: str | Path,
        *arguments: str,
        inventory: str | Path = "localhost",
        config: str | None = None,
        environment: t.Mapping[str, str] | None = None,
        core: Core | None = None,
    ) -> RunningPlaybook:
        """
        Start ansible-playbook and return at once.

        Playbook and inventory are text, or the path of a file. ``arguments`` go to ansible-playbook as they are,
        ``environment`` comes on top of ``Core.environment``, and ``config`` is the text of an ansible.cfg.
        """
        core = core or self.core
        if isinstance(playbook, str):
            playbook = self.write("playbook.yml", playbook)
        if isinstance(inventory, str):
            text = inventory if "\n" in inventory else inventory_of(*inventory.split())
            inventory = self.write("inventory.ini", text)
        if config is not None:
            self.write("ansible.cfg", config)
        number = len(self._runs) + 1
        stdout, stderr = (
            self.folder / f"run{number}.{name}" for name in ("out", "err")
        )
        command = [
            core.bin("ansible-playbook"),
            *("-i", str(inventory), str(playbook)),
            *arguments,
        ]
        with stdout.open("wb") as out, stderr.open("wb") as err:
            process = start_command(
                core,
                command,
                folder=self.folder,
                environment=core.environment(self.home, **(environment or {})),
                stdout=out,
                stderr=err,
                itself=self.command_itself,
            )
        running = RunningPlaybook(process, stdout, stderr)
        self._runs.append(running)
        return running

    def run(
        self,
        playbook: str | Path,
        *arguments: str,
        inventory: str | Path = "localhost",
        config: str | None = None,
        environment: t.Mapping[str, str] | None = None,
        core: Core | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> PlaybookRun:
        """Run ansible-playbook to its end; see ``start`` for the parameters."""
        running = self.start(
            playbook,
            *arguments,
            inventory=inventory,
            config=config,
            environment=environment,
            core=core,
        )
        return running.wait(timeout)

    def close(self) -> None:
        """Kill what a test left running: runs, their workers and couriers, and what those have started."""
        for running in self._runs:
            running.kill()
        for pid in processes_with_home(self.home):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def processes_with_home(home: Path) -> list[int]:
    """Return the processes whose home is a folder. Those of a run that was killed have no parent that tells of them."""
    wanted = f"HOME={home}".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        # Most belong to others, or are just ending.
        with contextlib.suppress(OSError):
            if wanted in environ.read_bytes().split(b"\0"):
                found.append(int(environ.parent.name))
    return found
