# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run commands that take long, with a sign of life instead of pages of output."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
import typing as t
from contextlib import contextmanager

SIGN_OF_LIFE_SECONDS = 20


class CommandFailed(Exception):
    """A command ended with a status other than 0; the message holds the end of its output."""


def say(text: str) -> None:
    print(text, flush=True)


@contextmanager
def step(title: str) -> t.Iterator[None]:
    """Say what begins, that it goes on, and how long it took."""
    started = time.monotonic()
    finished = threading.Event()

    def signs_of_life() -> None:
        while not finished.wait(SIGN_OF_LIFE_SECONDS):
            say(f"    {title}: {time.monotonic() - started:.0f} s so far")

    say(f"--> {title}")
    threading.Thread(target=signs_of_life, daemon=True).start()
    try:
        yield
    finally:
        finished.set()
    say(f"    {title}: done in {time.monotonic() - started:.0f} s")


def output_of(
    command: t.Sequence[str],
    *,
    environment: t.Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> tuple[int, str]:
    """Run a command without input and return its status and output, stdout and stderr together."""
    # A file, not a pipe: whatever a command leaves running in the background would keep a pipe open.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            command,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        note = ""
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            note = f"\nStopped: not done after {timeout:.0f} s.\n"
            status = 124
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        output.seek(0)
        return status, output.read() + note


def must_succeed(command: t.Sequence[str]) -> None:
    """Run a command quietly; raise CommandFailed with the last lines if it fails."""
    status, output = output_of(command)
    if status != 0:
        tail = "\n".join(output.splitlines()[-30:])
        raise CommandFailed(f"{' '.join(command)} ended with {status}:\n{tail}")
