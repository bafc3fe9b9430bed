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


def provide_get_pip() -> None:
    subprocess.run([sys.executable, "-m", "tests.tools.get_pip"], check=True)


def remove_scratch_output() -> None:
    # Without this, antsibull-nox 1.10.0 fails while it copies tests/output back.
    shutil.rmtree("tests/output/.tmp", ignore_errors=True)


def add_sanity(ansible_core: str) -> None:
    antsibull_nox.add_ansible_test_session(
        name=f"sanity-{ansible_core}",
        description=f"Run sanity tests with ansible-core {ansible_core}, without a container",
        # By default ansible-test tries every Python it finds, pyenv's shims included.
        ansible_test_params=[
            "sanity",
            "--requirements",
            "--target-python",
            "default",
            "--color",
            "no",
        ],
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
