# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What comes between a hook and what it does."""

from __future__ import annotations

import os
import signal
import time
import types
import typing as t

import pytest
from ansible.utils.display import Display
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._callback import (
    exit_watch,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._callback.exit_watch import (
    ExitWatch,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._callback.plugin import (
    AlertCallback,
)

from tests.tools.waiting import wait_until


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


@pytest.fixture
def callback(seen: list[str]) -> t.Iterator[AlertCallback]:
    """Yield one that watches a run."""
    callback = AlertCallback(Display())
    callback._reporter = t.cast("t.Any", Reporter(seen))
    callback._watch_exit()
    yield callback
    t.cast("ExitWatch", callback._exit_watch).disarm()


def test_a_signal_waits_for_the_end_of_the_hook_that_it_comes_into(
    callback: AlertCallback, seen: list[str]
) -> None:
    callback.dispatch(t.cast("t.Any", Reporter.failed))
    # The second one has come while the report was made.
    wait_until(lambda: seen.count("others") == 2)

    assert seen[:3] == ["the hook has ended", "terminated", "others"]


@pytest.mark.parametrize(
    "module",
    [
        "ansible.utils.display",
        "ansible.module_utils._internal._secrets",
        "multiprocessing.popen_fork",
        "importlib._bootstrap",
    ],
)
def test_so_it_does_for_what_an_alert_needs_itself(
    callback: AlertCallback, seen: list[str], module: str
) -> None:
    def print_or_mask() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        # It comes once more, in vain.
        time.sleep(0.05)
        seen.append("done")

    within = types.FunctionType(
        (lambda function: function()).__code__, {"__name__": module}
    )
    within(print_or_mask)
    wait_until(lambda: seen.count("others") == 2)

    assert seen[:3] == ["done", "terminated", "others"]


def test_what_never_ends_does_not_keep_it_off_for_ever(
    callback: AlertCallback, seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exit_watch, "_LONGEST_DELAY", 0.05)

    def wait_for_somebody() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        wait_until(lambda: seen.count("others") == 2)

    within = types.FunctionType(
        (lambda function: function()).__code__, {"__name__": "ansible.utils.display"}
    )
    within(wait_for_somebody)

    assert seen[:2] == ["terminated", "others"]
