# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Notices that a run ends without its recap: by an exception, by SIGTERM or SIGHUP, or by Ctrl-C."""

from __future__ import annotations

import _thread
import atexit
import contextlib
import os
import signal
import threading
import time
import types
import typing as t

from .._ansible.interruptions import came_into_what_an_alert_needs

# Seconds until a signal comes once more that could not be handled; and how long it is put off where ansible-core is in
# the way, which may be waiting for somebody to read what it prints.
_PAUSE = 0.01
_LONGEST_DELAY = 3.0

Handler = t.Union[t.Callable[[int, t.Optional[types.FrameType]], t.Any], int, None]


class ExitWatch:
    """Watches over the end of the process.

    ansible-core calls no hook of a callback in these cases. After an exception and after Ctrl-C the handlers at exit
    still run; after SIGTERM, and SIGHUP when the terminal is gone, nothing does, so that a handler of ours goes before the
    one that was there.

    :param aborted: called once with the way the run ends: ``exit``, ``terminated`` or ``interrupted``.
    :param is_busy: tells whether the call must wait, because a signal came in the middle of something. It comes once more
        a moment later.
    """

    def __init__(
        self, aborted: t.Callable[[str], None], is_busy: t.Callable[[], bool]
    ) -> None:
        self._aborted = aborted
        self._is_busy = is_busy
        self._pid = os.getpid()
        self._interrupted = False
        self._done = False
        self._previous: dict[int, Handler] = {}
        self._put_off_since: float | None = None
        atexit.register(self._at_exit)
        if threading.current_thread() is threading.main_thread():
            handlers = {signal.SIGINT: self._interrupt}
            # The kernel spares the first process of a container from the signals that end others, also from those that
            # ansible-core sends to itself. If the run ends nevertheless, it is by an exception.
            if os.getpid() != 1:
                handlers |= dict.fromkeys(
                    (signal.SIGTERM, signal.SIGHUP), self._terminated
                )
            for number, handler in handlers.items():
                previous = signal.getsignal(number)
                if previous != signal.SIG_IGN and previous is not None:
                    self._previous[number] = previous
                    signal.signal(number, handler)

    def disarm(self) -> None:
        """Report nothing more: the run has ended well. The next playbook on the command line has a watch of its own."""
        self._done = True
        atexit.unregister(self._at_exit)
        for number, previous in self._previous.items():
            if signal.getsignal(number) in (self._terminated, self._interrupt):
                signal.signal(number, previous)
        self._previous.clear()

    def _report(self, how: str) -> None:
        if not self._done:
            self._done = True
            self._aborted(how)

    def _at_exit(self) -> None:
        # A worker is a fork, and leaves without handlers at exit; so this is for the unforeseen.
        if os.getpid() == self._pid:
            self._report("interrupted" if self._interrupted else "exit")

    def _terminated(self, number: int, frame: types.FrameType | None) -> None:
        if os.getpid() == self._pid:
            if self._must_wait(frame):
                # A thread without the locks of the module threading: the signal may have come into that.
                _thread.start_new_thread(self._send_again, (number,))
                return
            # Whatever becomes of the report, a signal that ends the run must end it.
            with contextlib.suppress(Exception):
                self._report("terminated")
        self._call_previous_handler(number, frame)

    def _must_wait(self, frame: types.FrameType | None) -> bool:
        if self._is_busy():
            return True
        if self._done or not came_into_what_an_alert_needs(frame):
            return False
        now = time.monotonic()
        if self._put_off_since is None:
            self._put_off_since = now
        return now - self._put_off_since < _LONGEST_DELAY

    def _send_again(self, number: int) -> None:
        time.sleep(_PAUSE)
        os.kill(self._pid, number)

    def _interrupt(self, number: int, frame: types.FrameType | None) -> None:
        self._interrupted = True
        self._call_previous_handler(number, frame)

    def _call_previous_handler(
        self, number: int, frame: types.FrameType | None
    ) -> None:
        """Do what would have been done without us."""
        previous = self._previous.get(number)
        if callable(previous):
            previous(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
