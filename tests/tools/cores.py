# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
Know which ansible-core runs on which Python, and make an environment for each.

    python3 -m tests.tools.cores            # make the oldest and the newest, print a JSON
    python3 -m tests.tools.cores --all
    python3 -m tests.tools.cores 2.19
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

from tests.tools.environments import ROOT, TREE, VENV, make_environment, one_at_a_time
from tests.tools.interpreters import Version, working_pythons
from tests.tools.progress import CommandFailed, say

# With ansible_connection=gone, a host never answers.
CONNECTION_PLUGINS = Path(__file__).resolve().parent / "connection_plugins"
RUNTIME_REQUIREMENTS = ROOT / "requirements.txt"
DATABASE_REQUIREMENTS = ROOT / "requirements-postgresql.txt"
CORES_VARIABLE = "FLASHDUTY_TEST_CORES"

# The controller's Pythons, as ansible-test of each release has them.
SUPPORTED_PYTHONS: dict[str, tuple[Version, ...]] = {
    "2.16": ((3, 10), (3, 11), (3, 12)),
    "2.17": ((3, 10), (3, 11), (3, 12)),
    "2.18": ((3, 11), (3, 12), (3, 13)),
    "2.19": ((3, 11), (3, 12), (3, 13)),
    "2.20": ((3, 12), (3, 13), (3, 14)),
    "2.21": ((3, 12), (3, 13), (3, 14)),
    "2.22": ((3, 13), (3, 14), (3, 15)),
}
# Not released yet: pip takes a release candidate only where one is named.
CANDIDATES = {"2.22": "2.22.0rc1"}
OLDEST_SUPPORTED = next(iter(SUPPORTED_PYTHONS))

# The oldest Python that modules support on a target, and the last ansible-core that has its module_utils for it.
TARGET_PYTHON: Version = (3, 9)
TARGET_ANSIBLE_CORE = "2.15"
TARGET_FOLDER = VENV / "cores" / "target"
TARGET_VARIABLE = "FLASHDUTY_TEST_TARGET_PYTHON"
# Set to 1 by make test-all: no test is left out because it takes long.
EVERYTHING_VARIABLE = "FLASHDUTY_TEST_EVERYTHING"
# Set by make test: of so many tests of a file it runs one, others with each seed.
ONE_IN_VARIABLE = "FLASHDUTY_TEST_ONE_IN"
SEED_VARIABLE = "FLASHDUTY_TEST_SEED"


@dataclass(frozen=True)
class Core:
    """One ansible-core, in a virtual environment of its own."""

    version: str
    root: Path

    @property
    def python(self) -> str:
        return self.bin("python")

    def bin(self, name: str) -> str:
        """Return the path of a command of this environment."""
        return str(self.root / "bin" / name)

    def environment(self, home: Path, **extra: str) -> dict[str, str]:
        """
        Return the environment for a command that is to see nothing of the machine it runs on.

        Nothing is inherited but PATH and the folder for temporary files: no proxies, no configuration, no variable
        of a CI system.
        """
        inherited = {"TMPDIR": os.environ["TMPDIR"]} if "TMPDIR" in os.environ else {}
        return {
            **inherited,
            "PATH": os.pathsep.join([str(self.root / "bin"), *system_path()]),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "NO_PROXY": "127.0.0.1,localhost",
            # So that a run that hangs can be asked where.
            "PYTHONFAULTHANDLER": "1",
            "ANSIBLE_COLLECTIONS_PATH": str(TREE),
            "ANSIBLE_CONNECTION_PLUGINS": str(CONNECTION_PLUGINS),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "1",
            # The Python of this environment has requests; discovery might find pyenv's shims, which fail.
            "ANSIBLE_PYTHON_INTERPRETER": self.python,
            # async_wrapper takes ~ from the password file, async_status from HOME: so leave ~ out of it.
            "ANSIBLE_ASYNC_DIR": str(home / ".ansible_async"),
            **extra,
        }


def everything_is_wanted() -> bool:
    """Whether this is ``make test-all``, or ``make test`` with chosen ansible-cores."""
    return os.environ.get(EVERYTHING_VARIABLE) == "1"


def system_path() -> list[str]:
    """Return PATH without virtual environments, whose commands would be the wrong ones."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return [f for f in folders if f and not Path(f, "..", "pyvenv.cfg").exists()]


def choose_python(version: str, *, newest: bool) -> Path | None:
    """
    Return the Python for an ansible-core, or None if this machine has none that fits.

    The newest ansible-core gets the newest Python, all others their oldest, so that both ends are tested.
    """
    pythons = working_pythons()
    fitting = [pythons[v] for v in sorted(SUPPORTED_PYTHONS[version]) if v in pythons]
    if not fitting:
        return None
    return fitting[-1] if newest else fitting[0]


def available() -> dict[str, Path]:
    """Return the ansible-cores that can run here, oldest first, each with its Python."""
    newest = max(
        (v for v in SUPPORTED_PYTHONS if choose_python(v, newest=True)),
        key=list(SUPPORTED_PYTHONS).index,
        default=None,
    )
    chosen = {v: choose_python(v, newest=v == newest) for v in SUPPORTED_PYTHONS}
    return {version: python for version, python in chosen.items() if python}


def missing() -> dict[str, str]:
    """Return why the other ansible-cores cannot run here."""
    reasons = {}
    for version, pythons in SUPPORTED_PYTHONS.items():
        if version not in available():
            names = " or ".join(f"{major}.{minor}" for major, minor in pythons)
            reasons[version] = f"needs Python {names}; none of them works here"
    return reasons


def oldest_and_newest() -> list[str]:
    """Return the two ends of what can run here (one, if that is all there is)."""
    versions = list(available())
    return list(dict.fromkeys([*versions[:1], *versions[-1:]]))


def requirement(version: str) -> str:
    """Return what pip installs for an ansible-core: the newest of a minor version."""
    if candidate := CANDIDATES.get(version):
        return f"ansible-core~={candidate}"
    return f"ansible-core=={version}.*"


def make_core(version: str) -> Core:
    """Make the environment of one ansible-core, unless it is there."""
    folder = VENV / "cores" / version
    make_environment(
        folder,
        available()[version],
        [
            requirement(version),
            *requests_requirement(version),
            *("-r", str(DATABASE_REQUIREMENTS)),
        ],
        title=f"Installing ansible-core {version}",
        depends_on=[RUNTIME_REQUIREMENTS, DATABASE_REQUIREMENTS],
    )
    return Core(version, folder)


def requests_requirement(version: str) -> list[str]:
    """The oldest ansible-core gets the oldest requests that we promise to work with."""
    if version == OLDEST_SUPPORTED:
        return oldest_requests()
    return ["-r", str(RUNTIME_REQUIREMENTS)]


def oldest_requests() -> list[str]:
    text = RUNTIME_REQUIREMENTS.read_text(encoding="utf-8")
    return re.sub(r"#.*", "", text).replace(">=", "==").split()


def make_target() -> None:
    """Make the environment of an old target, unless it is there or its Python is not."""
    if TARGET_PYTHON in working_pythons():
        make_environment(
            TARGET_FOLDER,
            working_pythons()[TARGET_PYTHON],
            [
                f"ansible-core=={TARGET_ANSIBLE_CORE}.*",
                *oldest_requests(),
                *("pytest", "hypothesis"),
            ],
            title="Installing what an old target has",
            depends_on=[RUNTIME_REQUIREMENTS],
        )


def current_core() -> Core:
    """Return the ansible-core that is installed beside the running Python."""
    from ansible.release import __version__

    return Core(".".join(__version__.split(".")[:2]), Path(sys.prefix))


def configured_cores() -> list[Core]:
    """Return the ansible-cores that the integration tests shall use."""
    configured = os.environ.get(CORES_VARIABLE)
    if not configured:
        return [current_core()]
    return [
        Core(version, ROOT / root) for version, root in json.loads(configured).items()
    ]


def main(arguments: t.Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make environments with ansible-core.")
    parser.add_argument("versions", nargs="*", metavar="VERSION")
    parser.add_argument("--all", action="store_true", help="all that can run here")
    options = parser.parse_args(arguments)

    wanted = options.versions or oldest_and_newest()
    if options.all:
        wanted = list(available())
    unknown = [version for version in wanted if version not in available()]
    if unknown:
        parser.error(f"not to be had here: {', '.join(unknown)}; {missing()}")
    try:
        with contextlib.redirect_stdout(sys.stderr), one_at_a_time():
            made = {version: make_core(version) for version in wanted}
            make_target()
    except CommandFailed as exc:
        say(f"\n{exc}")
        return 1
    facts = {
        "made": {version: str(core.root) for version, core in made.items()},
        "available": {v: str(python) for v, python in available().items()},
        "missing": missing(),
    }
    print(json.dumps(facts, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
