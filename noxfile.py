# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# /// script
# dependencies = ["nox>=2025.02.09", "antsibull-nox>=1.10.0"]
# ///

"""Sessions: what antsibull-nox.toml describes, and ansible-test sanity without a container."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import nox

try:
    import antsibull_nox
except ImportError:
    print("You need to install antsibull-nox in the same Python environment as nox.")
    sys.exit(1)

SUPPORTED_ANSIBLE_CORE = ("2.16", "2.17", "2.18", "2.19", "2.20", "2.21")
# Not released yet, and so not to be had by antsibull-nox; to be moved up when it is.
CANDIDATE = "2.22"
SANITY = (
    "sanity",
    "--requirements",
    # By default ansible-test tries every Python it finds, pyenv's shims included.
    "--target-python",
    "default",
    "--color",
    "no",
)


def provide_get_pip() -> None:
    subprocess.run([sys.executable, "-m", "tests.tools.get_pip"], check=True)


def remove_scratch_output() -> None:
    # Without this, antsibull-nox 1.10.0 fails while it copies tests/output back.
    shutil.rmtree("tests/output/.tmp", ignore_errors=True)


def add_sanity(ansible_core: str) -> None:
    antsibull_nox.add_ansible_test_session(
        name=f"sanity-{ansible_core}",
        description=f"Run sanity tests with ansible-core {ansible_core}, without a container",
        ansible_test_params=SANITY,
        ansible_core_version=ansible_core,
        ansible_core_source="pypi",
        callback_before=provide_get_pip,
        callback_after=remove_scratch_output,
        default=ansible_core == SUPPORTED_ANSIBLE_CORE[-1],
    )


antsibull_nox.load_antsibull_nox_toml()

for version in SUPPORTED_ANSIBLE_CORE:
    add_sanity(version)


def make_tree(session: nox.Session) -> Path:
    """Return a folder in which Ansible and Python find the checkout as flashcat.flashduty."""
    tree = Path(session.create_tmp(), "tree").absolute()
    collection = tree / "ansible_collections" / "flashcat" / "flashduty"
    if not collection.is_symlink():
        collection.parent.mkdir(parents=True)
        collection.symlink_to(Path.cwd(), target_is_directory=True)
    return tree


@nox.session(name=f"sanity-{CANDIDATE}", python="3.13", default=False)
def sanity_of_candidate(session: nox.Session) -> None:
    """Run sanity tests with the release candidate of ansible-core, without a container"""
    session.install(f"ansible-core~={CANDIDATE}.0rc1")
    provide_get_pip()
    # ansible-test refuses a tree of links, and looks at every file that it finds.
    parent = Path(session.create_tmp(), "ansible_collections", "flashcat").absolute()
    shutil.rmtree(parent, ignore_errors=True)
    for name in subprocess.check_output(["git", "ls-files"], text=True).splitlines():
        if Path(name).is_file():
            copy = parent / "flashduty" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, copy)
    with session.chdir(parent / "flashduty"):
        session.run("ansible-test", *SANITY, *session.posargs)


@nox.session(default=True)
def typing(session: nox.Session) -> None:
    """Run type checker: mypy"""
    session.install("mypy>=2.4,<2.5", "types-PyYAML", "types-requests")
    session.install("-r", "tests/requirements.txt")
    # Plugins import each other by the collection's name, tests import each other as tests.*
    tree = make_tree(session)
    plugins = tree / "ansible_collections" / "flashcat" / "flashduty" / "plugins"
    session.run(
        "mypy",
        *session.posargs,
        str(plugins),
        "tests",
        "noxfile.py",
        env={"MYPYPATH": f"{tree}:{Path.cwd()}"},
    )


@nox.session(default=True)
def changelog(session: nox.Session) -> None:
    """Check the changelog's fragments: antsibull-changelog lint"""
    session.install("antsibull-changelog")
    session.run("antsibull-changelog", "lint")


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the documentation as HTML, in site/build/html"""
    session.install(
        "ansible-core",
        "ansible-pygments",
        "antsibull-docs",
        "sphinx",
        "sphinx-ansible-theme>=0.9.0",
    )
    session.run("python", "tests/tools/docs.py", str(make_tree(session)))


if __name__ == "__main__":
    nox.main()
