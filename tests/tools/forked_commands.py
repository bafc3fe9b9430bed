# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
Start commands of ansible-core in half the time.

A process imports what ``ansible-playbook`` imports and is not Ansible's: libraries, and the standard library. It is forked
for each run, and the fork runs the command, with arguments, environment, folder, output and session of its own. Nothing of
Ansible, and nothing of a collection, is imported before the fork. So a run reads its configuration as always. What differs
from a start by the shell: the order of sets is the same in all runs, and a collection's code was compiled once.

This file is both ends: tests import it, and the process runs it with the Python of its ansible-core.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from tests.tools.cores import Core

# What Python and its libraries read before the first line of a command.
_READ_AT_START = ("PYTHON", "LANG", "LC_", "LD_", "TZ")
# What nearly every run imports.
_MODULES = (
    "ansible.cli.playbook",
    "ansible.executor.task_executor",
    "ansible.plugins.strategy.linear",
    "ansible.plugins.action.raw",
    "ansible.plugins.callback.default",
    "ansible.plugins.connection.local",
    "ansible.plugins.inventory.ini",
    "ansible.plugins.shell.sh",
)
_ANSIBLE = ("ansible", "ansible_collections")
_MOST_BYTES = 1 << 18


class ForkedCommand:
    """One run: what tests need of ``subprocess.Popen``."""

    def __init__(self, answers: socket.socket) -> None:
        self.returncode: int | None = None
        # One for each line: its process id, and how it has ended.
        self._answers = answers.makefile("rb", buffering=0)
        self.pid = int(self._answer()["pid"])

    def _answer(self) -> dict[str, t.Any]:
        line = self._answers.readline()
        if not line:
            raise RuntimeError("The process that is forked for commands has ended.")
        return t.cast("dict[str, t.Any]", json.loads(line))

    def _is_answered(self, timeout: float | None) -> bool:
        return bool(select.select([self._answers], [], [], timeout)[0])

    def poll(self) -> int | None:
        """Return how it has ended, as ``subprocess`` puts it; None while it runs."""
        if self.returncode is None and self._is_answered(0):
            self.returncode = int(self._answer()["rc"])
            self._answers.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        :param timeout: in seconds.
        :raises subprocess.TimeoutExpired: it runs still.
        """
        if self.returncode is None and not self._is_answered(timeout):
            raise subprocess.TimeoutExpired("a forked command", timeout or 0)
        rc = self.poll()
        assert rc is not None
        return rc

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)


class CommandForks:
    """The process that is forked.

    :param core: the ansible-core of the commands.
    """

    def __init__(self, core: Core) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="flashduty-forks"))
        self._environment = core.environment(self._home)
        self._requests, other_end = socket.socketpair(
            socket.AF_UNIX, socket.SOCK_SEQPACKET
        )
        with other_end:
            self._process = subprocess.Popen(
                [core.python, __file__],
                env=self._environment,
                stdin=other_end.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def can_start(self, environment: t.Mapping[str, str]) -> bool:
        """Return whether a command would have found the same when Python started."""

        def read_at_start(variables: t.Mapping[str, str]) -> dict[str, str]:
            return {
                name: value
                for name, value in variables.items()
                if name.startswith(_READ_AT_START) and name != "PYTHONPATH"
            }

        return read_at_start(environment) == read_at_start(
            self._environment
        ) and not any(
            Path(folder, "sitecustomize.py").exists()
            for folder in _python_path(environment)
        )

    def start(
        self,
        command: t.Sequence[str],
        *,
        folder: Path,
        environment: t.Mapping[str, str],
        stdout: t.IO[bytes],
        stderr: t.IO[bytes],
    ) -> ForkedCommand:
        """Start a run and return at once.

        :param command: the path of a script in Python, such as ``ansible-playbook``, and its arguments.
        """
        request = {
            "command": list(command),
            "folder": str(folder),
            "environment": dict(environment),
        }
        answers, other_end = socket.socketpair()
        with other_end, answers:
            files = [stdout.fileno(), stderr.fileno(), other_end.fileno()]
            socket.send_fds(self._requests, [json.dumps(request).encode()], files)
            other_end.close()
            return ForkedCommand(answers)

    def close(self) -> None:
        """End the process."""
        self._requests.close()
        self._process.wait()
        shutil.rmtree(self._home, ignore_errors=True)


def _python_path(environment: t.Mapping[str, str]) -> list[str]:
    return [f for f in environment.get("PYTHONPATH", "").split(os.pathsep) if f]


@functools.cache
def _forks_of(core: Core) -> CommandForks:
    """Return the process that is forked for the commands of an ansible-core. It ends with this process."""
    forks = CommandForks(core)
    atexit.register(forks.close)
    return forks


def start_command(
    core: Core,
    command: t.Sequence[str],
    *,
    folder: Path,
    environment: t.Mapping[str, str],
    stdout: t.IO[bytes],
    stderr: t.IO[bytes],
    itself: bool = False,
) -> subprocess.Popen[bytes] | ForkedCommand:
    """Start a command of an ansible-core as a fork, where that makes no difference, and return at once.

    :param command: the path of the command, and its arguments.
    :param itself: whether to start the command itself, as the shell does, which ``make test-all`` always does.
    """
    # Not for the other end.
    from tests.tools.cores import everything_is_wanted

    forks = None if itself or everything_is_wanted() else _forks_of(core)
    if forks is not None and forks.can_start(environment):
        return forks.start(
            command,
            folder=folder,
            environment=environment,
            stdout=stdout,
            stderr=stderr,
        )
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )


def wait_or_kill(
    process: subprocess.Popen[bytes] | ForkedCommand, timeout: float = 300
) -> int:
    """Wait for the end of what was started; kill it, and what it has started, if that takes too long.

    :param timeout: in seconds.
    :raises subprocess.TimeoutExpired: it was killed.
    """
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def run_command(
    core: Core,
    command: t.Sequence[str],
    *,
    folder: Path,
    environment: t.Mapping[str, str],
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; see ``start_command``."""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = start_command(
            core,
            command,
            folder=folder,
            environment=environment,
            stdout=stdout,
            stderr=stderr,
        )
        rc = wait_or_kill(process)
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    return subprocess.CompletedProcess(command, rc, *texts)


# -- the other end


def _run(request: dict[str, t.Any], stdout: int, stderr: int, answers: int) -> None:
    """Be a command, in a process that has just been forked."""
    os.setsid()
    os.chdir(request["folder"])
    for number, opened in enumerate((os.open(os.devnull, os.O_RDONLY), stdout, stderr)):
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[1:1] = _python_path(os.environ)
    sys.argv = request["command"]
    os.write(answers, json.dumps({"pid": os.getpid()}).encode() + b"\n")
    os.close(answers)
    runpy.run_path(sys.argv[0], run_name="__main__")


def _names_of_libraries() -> list[str]:
    """Return what a run imports and is not Ansible's, as another fork finds out."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        for name in _MODULES:
            importlib.import_module(name)
        names = [name for name in sys.modules if name.partition(".")[0] not in _ANSIBLE]
        with os.fdopen(writing, "w") as answer:
            json.dump(names, answer)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        found = json.load(answer)
    os.wait()
    return t.cast("list[str]", found)


def _compile_collections() -> set[str]:
    """Compile the code of the collections, which ansible-core does anew in each run.

    It is not executed.

    :returns: the names of modules of the standard library that it imports.
    """
    finder = importlib.import_module(
        "ansible.utils.collection_loader._collection_finder"
    )
    compiled = {}
    imported = set()
    for folder in os.environ["ANSIBLE_COLLECTIONS_PATH"].split(os.pathsep):
        for file in Path(folder).glob("ansible_collections/*/*/plugins/**/*.py"):
            arguments = (file.read_bytes(), str(file), "exec", 0, True)
            compiled[arguments] = compile(*arguments)
            for node in ast.walk(ast.parse(arguments[0])):
                if isinstance(node, ast.Import):
                    imported |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    imported.add(node.module)

    def compile_once(
        source: t.Any, filename: str, mode: str, flags: int, dont_inherit: bool
    ) -> t.Any:
        text = source.encode() if isinstance(source, str) else source
        arguments = (text, filename, mode, flags, dont_inherit)
        return compiled.get(arguments) or compile(
            source, filename, mode, flags, dont_inherit
        )

    # A global name of the module, in front of the built-in function.
    vars(finder)["compile"] = compile_once
    return {
        name for name in imported if name.partition(".")[0] in sys.stdlib_module_names
    }


def _serve() -> None:
    """Fork for each request, until there are no more, and tell how the forks have ended."""
    # As if a command had been started.
    sys.path[0] = str(Path(sys.executable).parent)
    for name in [*_names_of_libraries(), *_compile_collections()]:
        # Some are made by others, such as six.moves.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    # Else the forks would look through all of it, and so copy it.
    gc.collect()
    gc.freeze()
    assert threading.active_count() == 1
    assert "ansible.constants" not in sys.modules
    requests = socket.socket(fileno=0)
    waiting = selectors.DefaultSelector()
    waiting.register(requests, selectors.EVENT_READ)
    while True:
        for key, _events in waiting.select():
            if key.data is None:
                request, files, _flags, _address = socket.recv_fds(
                    requests, _MOST_BYTES, 3
                )
                if not request:
                    return
                stdout, stderr, answers = files
                pid = os.fork()
                if pid == 0:
                    others = list(waiting.get_map().values())
                    waiting.close()
                    for other in others:
                        if other.data is not None:
                            os.close(other.fd)
                            os.close(other.data[1])
                    requests.detach()
                    return _run(json.loads(request), stdout, stderr, answers)
                os.close(stdout)
                os.close(stderr)
                waiting.register(
                    os.pidfd_open(pid), selectors.EVENT_READ, (pid, answers)
                )
            else:
                pid, answers = key.data
                waiting.unregister(key.fd)
                os.close(key.fd)
                rc = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with contextlib.suppress(BrokenPipeError):
                    os.write(answers, json.dumps({"rc": rc}).encode() + b"\n")
                os.close(answers)


if __name__ == "__main__":
    _serve()
