# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
Run many playbooks with one start of Python: for random tests, in which a third of the time would go into imports.

A process imports what ``ansible-playbook`` imports, once, and is forked for each run. A fork does what the command does, with
arguments, environment, output and session of its own, and may be killed. Nothing of a collection is imported before the fork.
What differs from the command: what ansible-core reads when it is imported (``ansible.cfg``, HOME, ``ANSIBLE_…`` variables) is
the same for all runs, and so is the order of sets. So a share of the runs has to be of the command itself.

This file is both ends: tests import it, and the process runs it with the Python of its ansible-core.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

# What every run imports, or reads the options of; it has all plugins of these kinds looked at.
_MODULES = (
    "ansible.cli.playbook",
    "ansible.executor.task_executor",
    "ansible.plugins.strategy.linear",
    "ansible.plugins.action.raw",
)
_PLUGINS = ("become", "callback", "connection", "inventory", "shell", "vars")


class ForkedPlaybook:
    """One run: what tests need of ``subprocess.Popen``."""

    def __init__(self, pid: int, answers: t.IO[bytes]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._answers = answers

    def poll(self) -> int | None:
        """Return how it has ended, as ``subprocess`` puts it; None while it runs."""
        if self.returncode is None:
            ready, _, _ = select.select([self._answers], [], [], 0)
            if ready:
                self.returncode = int(_answer(self._answers)["rc"])
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        :param timeout: in seconds.
        :raises subprocess.TimeoutExpired: it runs still.
        """
        if self.returncode is None:
            ready, _, _ = select.select([self._answers], [], [], timeout)
            if not ready:
                raise subprocess.TimeoutExpired("ansible-playbook", timeout or 0)
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


class PlaybookForks(contextlib.AbstractContextManager["PlaybookForks"]):
    """The process that is forked for each run, one run at a time; to be used in a ``with`` statement.

    :param python: that of an ansible-core.
    :param folder: the working directory.
    :param environment: that of the process, with all that ansible-core reads when it is imported.
    """

    def __init__(
        self, python: str, folder: Path, environment: t.Mapping[str, str]
    ) -> None:
        self._process = subprocess.Popen(
            [python, __file__],
            cwd=folder,
            env=dict(environment),
            # Nothing may be read ahead, since select() is asked whether there is something to read.
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._latest: ForkedPlaybook | None = None

    def start(
        self,
        command: t.Sequence[str],
        environment: t.Mapping[str, str],
        stdout: t.IO[bytes],
        stderr: t.IO[bytes],
    ) -> ForkedPlaybook:
        """Start a run and return at once; but only when the one before has ended.

        :param command: the path of ``ansible-playbook``, and its arguments.
        """
        if self._latest is not None:
            self._latest.wait()
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None and answers is not None
        request = {
            "command": list(command),
            "environment": dict(environment),
            "stdout": stdout.name,
            "stderr": stderr.name,
        }
        requests.write(json.dumps(request).encode() + b"\n")
        self._latest = ForkedPlaybook(_answer(answers)["pid"], answers)
        return self._latest

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process, and a run that is going on."""
        if self._latest is not None and self._latest.poll() is None:
            os.killpg(self._latest.pid, signal.SIGKILL)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait()


def _answer(answers: t.IO[bytes]) -> dict[str, t.Any]:
    line = answers.readline()
    if not line:
        raise RuntimeError("The process that is forked for playbooks has ended.")
    return t.cast("dict[str, t.Any]", json.loads(line))


# -- the other end


def _run(request: dict[str, t.Any]) -> t.NoReturn:
    """Be ``ansible-playbook``, in a process that has just been forked."""
    from ansible import constants
    from ansible.cli.playbook import main
    from ansible.utils import vars as unique_ids

    os.setsid()
    for number, name in ((1, "stdout"), (2, "stderr")):
        opened = os.open(request[name], os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    opened = os.open(os.devnull, os.O_RDONLY)
    os.dup2(opened, 0)
    os.close(opened)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["command"]
    # The run before has removed it at its end, since it was made when ansible-core was imported.
    os.makedirs(vars(constants)["DEFAULT_LOCAL_TMP"], mode=0o700, exist_ok=True)
    # Else all runs would give the same identifiers to their tasks.
    unique_ids.random_int = os.urandom(4).hex()
    main()
    sys.exit(0)


def _compile_collections() -> None:
    """Compile the code of the collections, which ansible-core does anew in each run; it is not executed."""
    finder = importlib.import_module(
        "ansible.utils.collection_loader._collection_finder"
    )
    compiled = {}
    for folder in os.environ["ANSIBLE_COLLECTIONS_PATH"].split(os.pathsep):
        for file in Path(folder).glob("ansible_collections/*/*/plugins/**/*.py"):
            arguments = (file.read_bytes(), str(file), "exec", 0, True)
            compiled[arguments] = compile(*arguments)

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


def _serve() -> None:
    """Answer requests, one a line, until there are no more."""
    # As if the command had been started.
    sys.path[0] = str(Path(sys.executable).parent)
    for name in _MODULES:
        importlib.import_module(name)
    plugins = importlib.import_module("ansible.plugins.loader")
    for kind in _PLUGINS:
        for _plugin in getattr(plugins, f"{kind}_loader").all(class_only=True):
            pass
    _compile_collections()
    # Else the forks would look through all of it, and so copy it.
    gc.collect()
    gc.freeze()
    assert threading.active_count() == 1
    assert not any(name.startswith("ansible_collections.") for name in sys.modules)
    # Not sys.stdin, which reads ahead.
    with os.fdopen(os.dup(0), "rb", 0) as requests, os.fdopen(
        os.dup(1), "wb", 0
    ) as answers:
        while line := requests.readline():
            pid = os.fork()
            if pid == 0:
                requests.close()
                answers.close()
                _run(json.loads(line))
            answers.write(json.dumps({"pid": pid}).encode() + b"\n")
            _, status = os.waitpid(pid, 0)
            rc = os.waitstatus_to_exitcode(status)
            with contextlib.suppress(BrokenPipeError):
                answers.write(json.dumps({"rc": rc}).encode() + b"\n")


if __name__ == "__main__":
    _serve()
