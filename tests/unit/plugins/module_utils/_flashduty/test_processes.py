# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The end of other processes is noticed, whatever the system offers for it."""

from __future__ import annotations

import os
import subprocess
import time
import typing as t

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty import (
    processes,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.processes import (
    WatchedProcess,
    is_gone,
    process_name,
)


@pytest.fixture
def sleeper() -> t.Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_a_living_process_has_not_ended(sleeper: subprocess.Popen[bytes]) -> None:
    watched = WatchedProcess(sleeper.pid)

    assert watched.is_reported
    assert not watched.has_ended()
    assert not watched.wait(0.01)
    assert not is_gone(process_name(sleeper.pid))


def test_its_end_is_noticed_at_once_even_if_nobody_has_collected_it(
    sleeper: subprocess.Popen[bytes],
) -> None:
    watched = WatchedProcess(sleeper.pid)
    sleeper.kill()
    started = time.monotonic()

    assert watched.wait(30)
    assert time.monotonic() - started < 10
    assert watched.has_ended()


def test_a_process_that_is_gone_is_not_waited_for(
    sleeper: subprocess.Popen[bytes],
) -> None:
    sleeper.kill()
    sleeper.wait()

    assert WatchedProcess(sleeper.pid).wait()
    assert is_gone(process_name(sleeper.pid))


def test_where_the_system_reports_nothing_the_number_has_to_do(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    watched = WatchedProcess(sleeper.pid)
    parent = WatchedProcess(os.getppid())

    assert not watched.is_reported
    assert not watched.wait(0.01)
    assert not parent.has_ended()
    sleeper.kill()
    sleeper.wait()
    assert watched.wait(30)


def test_of_another_machine_nothing_is_known() -> None:
    name = process_name(2**22 + 1)
    pid = name.rpartition(":")[2]

    assert is_gone(name)
    assert not is_gone(f"elsewhere/pid:[1]:{pid}")
    assert not is_gone("nonsense")
    assert processes.process_name() == process_name(os.getpid())
