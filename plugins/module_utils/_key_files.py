# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Keys and other secrets in files, and in pipes, which can be read only once.

No message of this file holds a value: somebody may have put the key into the wrong option.
"""

from __future__ import annotations

import os
import select
import stat
import time
import typing as t

from ._flashduty.errors import ConfigurationError
from ._flashduty.push_url import is_like_a_key

# What was read from a pipe, such as <(…) of a shell, by its path: it can be read only once.
_READ_FROM_PIPES: dict[str, bytes] = {}

# Seconds that whoever writes into a pipe may take.
_LONGEST_WAIT_FOR_A_PIPE = 5.0

_LARGEST_KEY_FILE = 64 * 1024


def remember_pipe_at(path: str) -> None:
    """Read what comes out of a pipe, if there is one, so that it can be had again."""
    if stat.S_ISFIFO(os.stat(path).st_mode):
        _read_file(path)


def _read_file(path: str) -> bytes:
    """Return what a small file holds, or a pipe once held. A pipe into which nobody writes does not hold up the run."""
    if path in _READ_FROM_PIPES:
        return _READ_FROM_PIPES[path]
    # Opening a pipe waits for a writer, unless it is told not to.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
        content = (
            _read_pipe(descriptor)
            if is_pipe
            else os.read(descriptor, _LARGEST_KEY_FILE)
        )
    finally:
        os.close(descriptor)
    if is_pipe:
        _READ_FROM_PIPES[path] = content
    return content


def _read_pipe(descriptor: int) -> bytes:
    content = b""
    deadline = time.monotonic() + _LONGEST_WAIT_FOR_A_PIPE
    while len(content) < _LARGEST_KEY_FILE and time.monotonic() < deadline:
        select.select([descriptor], [], [], deadline - time.monotonic())
        try:
            piece = os.read(descriptor, _LARGEST_KEY_FILE)
        except BlockingIOError:
            continue
        if not piece:
            # Its end, or nobody has opened it for writing yet.
            if content or _is_over(descriptor):
                break
            time.sleep(0.05)
        content += piece
    return content


def _is_over(descriptor: int) -> bool:
    """Say whether a writer was there and has left; poll tells this from one that is still to come."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return any(event & select.POLLHUP for _descriptor, event in poll.poll(0))


def content_of_key_file(path: str) -> str:
    """Return what a file that may hold a secret says, without white space around it; nothing where it cannot be read.

    A pipe is not read here: that can be done only once.
    """
    try:
        if path in _READ_FROM_PIPES or stat.S_ISREG(os.stat(path).st_mode):
            return _read_file(path).decode("utf-8", "replace").strip()
    except (OSError, ValueError):
        # Whoever needs it says so.
        return ""
    return ""


def secret_in_file(
    path: str,
    name: str,
    *,
    instead_of: str,
    what: str,
    check: t.Callable[[str, str, str], str],
) -> str:
    """Return the secret in a file.

    :param name: how the option is written that names the file.
    :param instead_of: the option that holds the secret itself.
    :param what: what a person calls it.
    :param check: returns the secret in a text; gets the option and how it is written, and raises ConfigurationError.
    :raises ConfigurationError: names the file, the problem and what is allowed, never what it holds.
    """
    option = f"{instead_of}_file"
    try:
        text = _read_file(path).decode().strip()
    except UnicodeDecodeError:
        problem = "is not a text file"
    except ValueError:
        # A NUL, which a name cannot have. Python says so in different ways.
        path, problem = path.replace("\0", "\\0"), "cannot be read (no such name)"
    except OSError as exc:
        problem = f"cannot be read ({os.strerror(exc.errno) if exc.errno else type(exc).__name__})"
    else:
        if text.startswith("$ANSIBLE_VAULT"):
            problem = "is encrypted with Ansible Vault, which is not read here"
        elif text:
            return check(text, option, f"{name}: the content of {path}")
        else:
            problem = "is empty"
    if not os.path.exists(path) and is_like_a_key(os.path.basename(path)):
        # So it must not be shown.
        raise ConfigurationError(
            f"{name} looks like an {what}, not like the path of a file.",
            option=option,
            hint=f"Give the key as {instead_of}, or the path of a file that holds it.",
        )
    raise ConfigurationError(
        f"{name}: the file {path} {problem}.",
        option=option,
        hint=f"Give the path of a file that holds nothing but the {what}.",
    )
