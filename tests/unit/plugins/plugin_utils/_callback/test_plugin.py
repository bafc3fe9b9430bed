# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What comes between a hook and what it does."""

from __future__ import annotations

import os
import signal
import typing as t

import pytest
from ansible.utils.display import Display
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._callback.exit_watch import (
    ExitWatch,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._callback.plugin import (
    AlertCallback,
)


class Reporter:
    """One that is terminated in the middle of whatever it does."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    def failed(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        self.seen.append("the hook has ended")

    def abort(self, how: str) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        self.seen.append(how)


@pytest.fixture
def seen() -> t.Iterator[list[str]]:
    """Yield what has happened; the handler of others notes its turn there."""
    happened: list[str] = []
    previous = signal.signal(signal.SIGTERM, lambda *_: happened.append("others"))
    yield happened
    signal.signal(signal.SIGTERM, previous)


def test_a_signal_waits_for_the_end_of_the_hook_that_it_comes_into(
    seen: list[str],
) -> None:
    callback = AlertCallback(Display())
    callback._reporter = t.cast("t.Any", Reporter(seen))
    callback._watch_exit()
    try:
        callback.dispatch(t.cast("t.Any", Reporter.failed))
    finally:
        t.cast("ExitWatch", callback._exit_watch).disarm()

    assert seen == ["the hook has ended", "terminated", "others"]
