# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say what goes on while a command takes long, without pages of output."""

from __future__ import annotations

import subprocess
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

    def give_signs_of_life() -> None:
        while not finished.wait(SIGN_OF_LIFE_SECONDS):
            say(f"    {title}: {time.monotonic() - started:.0f} s so far")

    say(f"--> {title}")
    threading.Thread(target=give_signs_of_life, daemon=True).start()
    try:
        yield
    finally:
        finished.set()
    say(f"    {title}: done in {time.monotonic() - started:.0f} s")


def must_succeed(command: t.Sequence[str]) -> None:
    """Run a command quietly; raise CommandFailed with the last lines if it fails."""
    process = subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if process.returncode != 0:
        tail = "\n".join(process.stdout.splitlines()[-30:])
        raise CommandFailed(
            f"{' '.join(command)} ended with {process.returncode}:\n{tail}"
        )
