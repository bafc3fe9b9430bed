# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build the collection as it would be published, look inside, install it and use it."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
import typing as t
from pathlib import Path

from tests.tools.cores import Core, make_core
from tests.tools.environments import ROOT, one_at_a_time

DIST = ROOT / "dist"

# Everything else is for developers, or an accident.
EXPECTED = {
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "COPYING",
    "FILES.json",
    "LICENSES",
    "MANIFEST.json",
    "README.md",
    "REUSE.toml",
    "SECURITY.md",
    "changelogs",
    "docs",
    "meta",
    "playbooks",
    "plugins",
    "requirements-postgresql.txt",
    "requirements.txt",
    "roles",
}


def run(core: Core, home: Path, *command: str, **extra: str) -> str:
    """Run a command of an ansible-core and return what it says; a failure ends the program."""
    name, *arguments = command
    answer = subprocess.run(
        [core.bin(name), *arguments],
        check=False,
        cwd=ROOT,
        env=core.environment(home, **extra),
        capture_output=True,
        text=True,
    )
    print(f"[ansible-core {core.version}] {' '.join(command)}", flush=True)
    if answer.returncode != 0:
        sys.exit(answer.stdout + answer.stderr)
    return answer.stdout


def build(core: Core, home: Path) -> Path:
    run(
        core,
        home,
        "ansible-galaxy",
        "collection",
        "build",
        "--force",
        "--output-path",
        str(DIST),
    )
    return max(DIST.glob("*.tar.gz"), key=lambda file: file.stat().st_mtime)


def unexpected_content(tarball: Path) -> list[str]:
    """Return what is in a tarball and should not be."""
    with tarfile.open(tarball) as archive:
        names = archive.getnames()
    return [
        name
        for name in names
        if name.partition("/")[0] not in EXPECTED
        or "__pycache__" in name
        or name.endswith(".pyc")
    ]


def use(core: Core, tarball: Path, folder: Path) -> None:
    """Install a tarball and let Ansible read the documentation of everything in it."""
    home = folder / "home"
    collections = folder / "collections"
    home.mkdir()
    where = {"ANSIBLE_COLLECTIONS_PATH": str(collections)}
    install = [
        "ansible-galaxy",
        "collection",
        "install",
        "--offline",
        "-p",
        str(collections),
        str(tarball),
    ]
    run(core, home, *install, **where)
    run(
        core,
        home,
        "ansible-galaxy",
        "collection",
        "verify",
        "--offline",
        "flashcat.flashduty",
        **where,
    )
    for kind in ("module", "callback", "role"):
        listing = run(
            core,
            home,
            "ansible-doc",
            "--json",
            "-l",
            "-t",
            kind,
            "flashcat.flashduty",
            **where,
        )
        for name in sorted(json.loads(listing)):
            run(core, home, "ansible-doc", "--json", "-t", kind, name, **where)


def main(versions: t.Sequence[str]) -> int:
    with one_at_a_time():
        made = [make_core(version) for version in versions]
    with tempfile.TemporaryDirectory() as scratch:
        tarball = build(made[-1], Path(scratch))
        if unexpected := unexpected_content(tarball):
            print(f"Not for users, but in {tarball.name}:", *unexpected, sep="\n  ")
            return 1
        for core in made:
            folder = Path(scratch, core.version)
            folder.mkdir()
            use(core, tarball, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
