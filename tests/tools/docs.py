# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
Build the documentation as HTML: the guides, and a page for each plugin and role. Any warning is an error.

    python tests/tools/docs.py TREE [--destination site]

TREE is a folder in which Ansible finds the checkout as ansible_collections/flashcat/flashduty. What has to be installed
is in the session "docs" of noxfile.py, which is what ``make docs`` runs. No network is needed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ROOT / "docs" / "docsite" / "rst"
COLLECTION = "flashcat.flashduty"
ANSIBLE_DOCS = "docs.ansible.com"

# The guides include *.inc.rst; they are no pages by themselves. The changelog has no title before the first release.
CONFIGURATION = """
exclude_patterns = ["**/*.inc.rst"]
suppress_warnings = ["toc.no_title"]
"""
# A few labels are on docs.ansible.com. They become plain text where it cannot be reached. Our own are checked by the
# session "docs-check".
ONLINE = f"""
intersphinx_mapping = {{"ansible": ("https://{ANSIBLE_DOCS}/projects/ansible/devel/", None)}}
"""
OFFLINE = """
intersphinx_mapping = {}
suppress_warnings.append("ref.ref")
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the documentation as HTML.")
    parser.add_argument("tree", type=Path)
    parser.add_argument("--destination", type=Path, default=ROOT / "site")
    options = parser.parse_args()
    try:
        index = build(options.tree.resolve(), options.destination.resolve())
    except subprocess.CalledProcessError as exc:
        return int(exc.returncode)
    print(f"Read {index}")
    return 0


def build(tree: Path, site: Path) -> Path:
    """Build everything anew, and return the first page."""
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir(parents=True)
    bin_folder = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([bin_folder, os.environ.get("PATH", os.defpath)]),
        "ANSIBLE_COLLECTIONS_PATH": str(tree),
        "ANSIBLE_HOME": str(site / ".ansible"),
    }

    def run(*command: str) -> None:
        subprocess.run(command, cwd=site, env=environment, check=True)

    selection = ("--use-current", "--squash-hierarchy", "--fail-on-error")
    run("antsibull-docs", "sphinx-init", *selection, "--dest-dir=.", COLLECTION)
    pages = site / "rst"
    pages.mkdir(mode=0o755, exist_ok=True)
    run(
        "antsibull-docs",
        "--config-file=antsibull-docs.cfg",
        "collection",
        *selection,
        "--cleanup=everything",
        f"--dest-dir={pages}",
        COLLECTION,
    )
    # antsibull-docs takes along the texts only.
    shutil.copytree(GUIDES / "images", pages / "docsite" / "images")
    with (site / "conf.py").open("a", encoding="utf-8") as configuration:
        configuration.write(CONFIGURATION)
        configuration.write(ONLINE if is_online() else OFFLINE)
    run("sphinx-build", "-M", "html", "rst", "build", "-c", ".", "-W", "--keep-going")
    return site / "build" / "html" / "index.html"


def is_online() -> bool:
    try:
        socket.create_connection((ANSIBLE_DOCS, 443), timeout=5).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
