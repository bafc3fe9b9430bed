# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Processes: who am I, is that process alive, wait for its end."""

from __future__ import annotations

import os
import select
import socket
import time

# Seconds between two looks whether a process lives, where the system does not report its end.
_POLL_INTERVAL = 0.5


def process_name(pid: int | None = None) -> str:
    """Return a name that tells a process from those of other machines and containers, and from those after it.

    :param pid: the process; this one when missing.
    """
    pid = os.getpid() if pid is None else pid
    return f"{_machine()}:{pid}:{_started_at(pid)}"


def is_gone(name: str) -> bool:
    """Say whether a process is known to have ended.

    :param name: what :func:`process_name` returned in that process. Of another machine nothing is known.
    """
    machine, _colon, process = name.partition(":")
    pid, _colon, started_at = process.partition(":")
    if machine != _machine() or not pid.isdigit():
        return False
    # Another process may have got the number.
    return not _is_alive(int(pid)) or _started_at(int(pid)) not in ("", started_at)


class WatchedProcess:
    """A process that need not be a child. Its number may serve for another one after its end: that is not mistaken for it.

    :param pid: the number of a process that has not ended yet, or only just.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._is_parent = os.getppid() == pid
        self._descriptor: int | None = None
        self._has_ended = False
        try:
            self._descriptor = os.pidfd_open(pid)  # type: ignore[attr-defined, unused-ignore]
        except ProcessLookupError:
            self._has_ended = True
        except (AttributeError, OSError):
            # Not Linux, or a container that forbids it: the number has to do.
            pass

    @property
    def is_reported(self) -> bool:
        """Whether the system reports the end of the process by itself."""
        return self._descriptor is not None

    def has_ended(self) -> bool:
        """Say whether the process has ended, even if nobody has collected its exit status yet."""
        return self.wait(0)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the process has ended; return whether it has.

        :param seconds: how long to wait at most; without end when missing.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self._has_ended:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if self._descriptor is not None:
                self._has_ended = _is_readable(self._descriptor, left)
            elif self._is_parent:
                self._has_ended = os.getppid() != self._pid
            else:
                self._has_ended = not _is_alive(self._pid)
            if left == 0 or self._has_ended:
                break
            if self._descriptor is None:
                time.sleep(
                    _POLL_INTERVAL if left is None else min(_POLL_INTERVAL, left)
                )
        return self._has_ended

    def close(self) -> None:
        """Give back what the watch holds open."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _is_readable(descriptor: int, seconds: float | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        # It is there, and belongs to somebody else.
        pass
    return True


def is_here(name: str) -> bool:
    """Say whether a process of that name belongs to this machine, so that :func:`is_gone` knows about it."""
    return name.partition(":")[0] == _machine()


def _machine() -> str:
    """Return what has process ids of its own: a machine since its start, or a container on it.

    Names of hosts do not tell machines apart that share a database: copies of one image have one name.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            machine = file.read().strip()
        processes = os.readlink("/proc/self/ns/pid")
    except OSError:
        machine, processes = socket.gethostname(), ""
    return f"{machine}/{processes}".replace(":", "-")


def _started_at(pid: int) -> str:
    """Return when a process has started, in ticks since the start of the machine; see proc_pid_stat(5)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
