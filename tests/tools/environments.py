# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
Make the development environment, .venv, and remake it when its requirements change.

Standard library only: this is the first thing that runs on a new machine.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import typing as t
from contextlib import contextmanager
from pathlib import Path

from tests.tools.interpreters import Version, working_pythons
from tests.tools.progress import CommandFailed, must_succeed, say, step

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
TREE = VENV / "tree"
TESTS = ROOT / "tests"
REQUIREMENTS = (TESTS / "requirements.txt", TESTS / "unit" / "requirements.txt")

# Tried in this order.
PREFERRED_PYTHONS: tuple[Version, ...] = ((3, 13), (3, 12), (3, 11), (3, 14))


@contextmanager
def one_at_a_time() -> t.Iterator[None]:
    """Keep two runs in one checkout from making the same environment at once."""
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def make_environment(
    folder: Path,
    python: Path,
    pip_arguments: t.Sequence[str],
    *,
    title: str,
    depends_on: t.Sequence[Path] = (),
) -> None:
    """Make a virtual environment, unless the same one is already there."""
    stamp = folder / "made-from"
    recipe = describe_recipe(python, pip_arguments, depends_on)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == recipe:
        return
    with step(f"{title}, in {folder.relative_to(ROOT)}"):
        clear(folder)
        must_succeed([str(python), "-m", "venv", str(folder)])
        pip = [str(folder / "bin" / "python"), "-m", "pip"]
        must_succeed([*pip, "install", "--disable-pip-version-check", *pip_arguments])
        stamp.write_text(recipe, encoding="utf-8")


def describe_recipe(
    python: Path, pip_arguments: t.Sequence[str], files: t.Sequence[Path]
) -> str:
    """Return a text that changes whenever an environment has to be remade."""
    return "\n".join([str(python), *pip_arguments, hash_of(*files), ""])


def hash_of(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def clear(folder: Path) -> None:
    """Remove an environment, but not the environments with other ansible-cores inside it."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.name in ("cores", "units"):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def make_tree() -> None:
    """Let Ansible find the checkout as flashcat.flashduty."""
    link = TREE / "ansible_collections" / "flashcat" / "flashduty"
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() and link.resolve() == ROOT:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(ROOT, link.parent), target_is_directory=True)


def make_development_environment() -> None:
    """Make .venv with the newest Python that works here."""
    pythons = working_pythons()
    python = next((pythons[v] for v in PREFERRED_PYTHONS if v in pythons), None)
    if python is None:
        raise CommandFailed(
            "No working Python 3.11 or newer with venv, ssl and sqlite3 found"
            " (on Debian and Ubuntu: apt-get install python3 python3-venv)."
        )
    make_environment(
        VENV,
        python,
        ["-r", str(REQUIREMENTS[0])],
        title="Installing the development environment",
        depends_on=REQUIREMENTS,
    )
    make_tree()


def why_not_a_git_checkout() -> str | None:
    """Return why the sessions that look for files with git cannot run, or None."""
    if shutil.which("git") is None:
        return "git is not installed"
    answer = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--is-inside-work-tree"],
        check=False,
        capture_output=True,
        text=True,
    )
    if answer.returncode == 0:
        return None
    return answer.stderr.strip().splitlines()[0].removeprefix("fatal: ")


def main() -> int:
    try:
        with one_at_a_time():
            make_development_environment()
    except CommandFailed as exc:
        say(f"\n{exc}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
