# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find the Pythons of this machine that really work."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

# A Python as (major, minor).
Version = tuple[int, int]

# pyenv's shims exist and fail with 127, and Debian's python3 may lack venv: so ask each Python to do what we need.
PROBE = """
import ensurepip, sqlite3, ssl, sys, venv
print(*sys.version_info[:2], getattr(sys, "_base_executable", sys.executable))
"""


def candidates() -> t.Iterator[Path]:
    """Yield everything that may be a Python: PATH first, then pyenv, then the system."""
    names = ["python3", *(f"python3.{minor}" for minor in range(15, 8, -1))]
    for name in names:
        if found := shutil.which(name):
            yield Path(found)
    for root in pyenv_roots():
        yield from sorted(root.glob("versions/*/bin/python3"), reverse=True)
    for folder in ("/usr/local/bin", "/usr/bin"):
        for name in names:
            yield Path(folder, name)
    yield Path(sys.executable)


def pyenv_roots() -> list[Path]:
    """Return where pyenv keeps its Pythons, whether or not it is in PATH."""
    roots = [Path.home() / ".pyenv"]
    if configured := os.environ.get("PYENV_ROOT"):
        roots.insert(0, Path(configured))
    if pyenv := shutil.which("pyenv"):
        answer = subprocess.run(
            [pyenv, "root"], check=False, capture_output=True, text=True
        )
        if answer.returncode == 0:
            roots.insert(0, Path(answer.stdout.strip()))
    return list(dict.fromkeys(root for root in roots if root.is_dir()))


def probe(python: Path) -> tuple[Version, Path] | None:
    """Return the version and the real path of a Python that works, else None."""
    try:
        answer = subprocess.run(
            [str(python), "-I", "-c", PROBE],
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if answer.returncode != 0:
        return None
    major, minor, executable = answer.stdout.strip().split(" ", 2)
    return (int(major), int(minor)), Path(executable).resolve()


@functools.cache
def working_pythons() -> dict[Version, Path]:
    """Return the first working Python of each version, newest version first."""
    found: dict[Version, Path] = {}
    seen: set[Path] = set()
    for candidate in candidates():
        if candidate in seen or not candidate.exists():
            continue
        seen.add(candidate)
        if answer := probe(candidate):
            found.setdefault(*answer)
    return dict(sorted(found.items(), reverse=True))
