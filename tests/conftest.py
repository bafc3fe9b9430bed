# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures for all tests: ansible-cores, a Flashduty to test against, and playbook runs."""

from __future__ import annotations

import collections
import hashlib
import os
import re
import signal
import subprocess
import typing as t
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.tools.cores import (
    ONE_IN_VARIABLE,
    SEED_VARIABLE,
    TARGET_VARIABLE,
    Core,
    configured_cores,
    everything_is_wanted,
)
from tests.tools.playbooks import PlaybookRun, Workspace

if t.TYPE_CHECKING:
    from tests.emulator.control import Emulator


# How long an example takes says more about the machine than about the code.
settings.register_profile(
    "unhurried",
    deadline=None,
    # "make test" asks for more.
    max_examples=int(os.environ.get("FLASHDUTY_TEST_EXAMPLES") or 25),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("unhurried")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that asks for ``core``, directly or not, with every configured ansible-core."""
    if "core" in metafunc.fixturenames:
        cores = configured_cores()
        ids = [f"core{core.version}" for core in cores]
        metafunc.parametrize("core", cores, ids=ids, scope="session")


def pytest_configure(config: pytest.Config) -> None:
    for marker in (
        "each_core: depends on ansible-core so much that make test runs it with the oldest one, too",
        "any_core: does not depend on ansible-core, so one version is enough, even for make test-all",
        "thorough: takes long, and finds little that others do not find; only make test-all runs it. With arguments: only"
        " with the parameters of these ids",
    ):
        config.addinivalue_line("markers", marker)
    # What a shell starts in the background ignores Ctrl-C, nohup ignores hang-ups, and the playbooks would inherit it.
    for number, usual in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out what this run need not find out: see the markers. A test that is named is never left out."""
    newest = configured_cores()[-1]
    everything = everything_is_wanted()
    named = any("::" in argument for argument in config.args)

    def is_wanted(item: pytest.Item) -> bool:
        if is_thorough(item) and not everything:
            return named
        is_newest = (
            not isinstance(item, pytest.Function)
            or not hasattr(item, "callspec")
            or item.callspec.params.get("core", newest) == newest
        )
        if is_newest or item.get_closest_marker("any_core"):
            return is_newest
        return bool(everything or named or item.get_closest_marker("each_core"))

    wanted = [item for item in items if is_wanted(item)]
    # With the option, those that did not fail are gone by now.
    if not named and not config.getoption("lf", False):
        one_in = int(os.environ.get(ONE_IN_VARIABLE) or 1)
        wanted = part_of(wanted, one_in, os.environ.get(SEED_VARIABLE, ""))
    chosen = set(wanted)
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = wanted


def part_of(
    items: t.Sequence[pytest.Item], one_in: int, seed: str
) -> list[pytest.Item]:
    """Return one in so many of the tests of each file, at least one: others with each seed."""

    def place(item: pytest.Item) -> bytes:
        return hashlib.sha256(f"{seed} {item.nodeid}".encode()).digest()

    files = collections.defaultdict(list)
    for item in sorted(items, key=place):
        files[item.path].append(item)
    chosen = {
        item for found in files.values() for item in found[: -(-len(found) // one_in)]
    }
    return [item for item in items if item in chosen]


def is_thorough(item: pytest.Item) -> bool:
    """Whether a test is marked as thorough, or with its parameters."""
    callspec = getattr(item, "callspec", None)
    parameters = re.sub(r"-?core[\d.]+-?", "", callspec.id) if callspec else ""
    return any(
        not marker.args or parameters in marker.args
        for marker in item.iter_markers("thorough")
    )


@pytest.fixture(scope="session")
def cores() -> list[Core]:
    """All configured ansible-cores, oldest first."""
    return configured_cores()


@pytest.fixture(scope="session")
def target_python(cores: list[Core]) -> str:
    """The Python of a target: the oldest that modules support where there is one, with requests."""
    return os.environ.get(TARGET_VARIABLE, cores[0].python)


@pytest.fixture(scope="session")
def started_flashduty() -> t.Iterator[Emulator]:
    """The process behind ``flashduty``: to start it takes as long as a playbook."""
    # What runs without the emulator's requirements has no use for it.
    from tests.emulator.control import Emulator

    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def flashduty(started_flashduty: Emulator) -> Emulator:
    """A Flashduty on loopback that has heard of nothing yet, and behaves."""
    started_flashduty.reset()
    return started_flashduty


@pytest.fixture
def emulator(flashduty: Emulator) -> Emulator:
    """The same by its old name."""
    return flashduty


@pytest.fixture
def workspace(tmp_path: Path, core: Core) -> t.Iterator[Workspace]:
    """A folder to run playbooks in."""
    workspace = Workspace(tmp_path, core)
    yield workspace
    workspace.close()


@pytest.fixture
def run_playbook(workspace: Workspace) -> t.Callable[..., PlaybookRun]:
    """Run a playbook to its end; the parameters are those of ``Workspace.run``."""
    return workspace.run


@pytest.fixture
def mount(tmp_path: Path) -> t.Iterator[t.Callable[[str, str], Path]]:
    """Mount a file system in memory, or skip the test where that is not allowed."""
    mounted: list[Path] = []

    def mount(name: str, options: str) -> Path:
        place = tmp_path / name
        place.mkdir(exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "flashduty-test", str(place)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)
