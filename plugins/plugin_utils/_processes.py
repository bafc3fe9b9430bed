# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Starts the courier beside the run, so that nobody else can read what it is told."""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t
from urllib.parse import quote

from ansible_collections.flashcat.flashduty.plugins.module_utils import _flashduty
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.processes import (
    WatchedProcess,
)

# Paths of files in the environment that requests reads.
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def start_courier(
    *, keys: t.Collection[str], pass_fds: t.Collection[int] = ()
) -> subprocess.Popen[bytes]:
    """Start ``python -m _flashduty.courier``, with a standard input to be told everything by.

    Others can read arguments and the environment of a process, so neither holds a key.

    :param keys: integration keys; what holds one is left out of the environment.
    :param pass_fds: file descriptors that the process inherits.
    :raises OSError: when the process cannot be started.
    """
    return subprocess.Popen(
        [*_python(), "-m", "_flashduty.courier"],
        stdin=subprocess.PIPE,
        # An inherited output would keep a pipe open that somebody reads to its end.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Where the run is may be unmounted before the process ends.
        cwd=os.sep,
        env=_environment(keys),
        pass_fds=tuple(pass_fds),
        # Own session: not hit by Ctrl-C or the worker's exit.
        start_new_session=True,
        bufsize=0,
    )


def courier_problem(keys: t.Collection[str]) -> str | None:
    """Return why a courier could not deliver anything, although this process could; None where it can.

    :param keys: as for :func:`start_courier`.
    """
    try:
        done = subprocess.run(
            [*_python(), "-c", "import _flashduty, requests"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=os.sep,
            env=_environment(keys),
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return (
            f"The process that delivers alerts cannot be started: {type(exc).__name__}."
        )
    if done.returncode == 0:
        return None
    return f"The Python package requests is not found by the process that delivers alerts ({sys.executable})."


def _python() -> list[str]:
    """Return the Python of the run. From 3.11 on, the working directory is kept off the path of modules."""
    return [sys.executable, *(["-P"] if sys.version_info >= (3, 11) else [])]


def _environment(keys: t.Collection[str]) -> dict[str, str]:
    """Return the run's environment, without keys, and valid in another working directory."""
    hidden = {text for key in keys for text in (key, quote(key, safe=""), quote(key))}
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("FLASHDUTY_")
        and not any(text in value for text in hidden)
    }
    for name in _CA_VARIABLES:
        if environment.get(name):
            environment[name] = os.path.abspath(environment[name])
    package = os.path.abspath(_flashduty.__file__ or _flashduty.__path__[0])
    # The run's own path behind it: a launcher may have put there what requests needs.
    path = [os.path.dirname(os.path.dirname(package)), *map(os.path.abspath, sys.path)]
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path))
    return environment


def wait_for(process: subprocess.Popen[bytes], seconds: float) -> int:
    """Return the exit status of such a process, as soon as it ends.

    :param seconds: how long to wait at most.
    :raises subprocess.TimeoutExpired: when it goes on.
    """
    # Left to itself, Popen.wait looks twenty times a second, which is a long time at the end of a run.
    watched = WatchedProcess(process.pid)
    if watched.is_reported:
        watched.wait(seconds)
        seconds = 0.0
    watched.close()
    return process.wait(seconds)
