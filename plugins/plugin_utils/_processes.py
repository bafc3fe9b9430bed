# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Processes of the core beside the run: the courier of the callback, the last will of a deployment."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils import _flashduty


def start_beside_the_run(
    module: str, *, keys: t.Collection[str], pass_fds: t.Collection[int] = ()
) -> subprocess.Popen[bytes]:
    """Start ``python -m _flashduty.<module>``, with a standard input to be told everything by.

    Others can read arguments and the environment of a process, so neither holds a key.

    :param keys: integration keys; what holds one is left out of the environment.
    :param pass_fds: file descriptors that the process inherits.
    :raises OSError: when the process cannot be started.
    """
    package = os.path.abspath(_flashduty.__file__ or _flashduty.__path__[0])
    # The package requests may have been found by the run's own path.
    path = [os.path.dirname(os.path.dirname(package)), os.environ.get("PYTHONPATH")]
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("FLASHDUTY_") and not any(key in value for key in keys)
    }
    return subprocess.Popen(
        [sys.executable, "-m", f"_flashduty.{module}"],
        stdin=subprocess.PIPE,
        # An inherited output would keep a pipe open that somebody reads to its end.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Where the run is may be unmounted before the process ends.
        cwd=os.sep,
        env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, path))},
        pass_fds=tuple(pass_fds),
        # Neither Ctrl-C nor the end of a worker is for it.
        start_new_session=True,
        bufsize=0,
    )


def wait_for(process: subprocess.Popen[bytes], seconds: float) -> int:
    """Return the exit status of such a process, as soon as it ends.

    :param seconds: how long to wait at most.
    :raises subprocess.TimeoutExpired: when it goes on.
    """
    # Left to itself, Popen.wait looks twenty times a second, which is a long time at the end of a run.
    with contextlib.suppress(AttributeError, OSError):
        descriptor = os.pidfd_open(process.pid)  # type: ignore[attr-defined, unused-ignore]
        try:
            watch = select.poll()
            watch.register(descriptor, select.POLLIN)
            watch.poll(seconds * 1000)
        finally:
            os.close(descriptor)
        seconds = 0.0
    return process.wait(seconds)
