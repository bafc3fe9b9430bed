# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
Let ansible-test sanity make its virtual environments where only a package index can be reached.

It wants to download get-pip from ci-files.testing.ansible.com. Where that cannot be had, a stand-in that uses Python's
own ensurepip does the same.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from pathlib import Path

URL = "https://ci-files.testing.ansible.com/ansible-test/get-pip-{version}.py"
CACHE = Path("~/.ansible/test/cache").expanduser()

# What ansible-core 2.16 and 2.17, 2.18 and 2.19, 2.20 to 2.22 ask for.
VERSIONS = ("23.1.2", "24.2", "25.2")

STAND_IN = """\
import subprocess
import sys

# In a process of its own: ensurepip switches pip's configuration files off for the rest of the process.
subprocess.check_call([sys.executable, "-m", "ensurepip"])
arguments = [a for a in sys.argv[1:] if a not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "pip", "install", *arguments])
"""


def cached_file(version: str) -> Path:
    return CACHE / f"get_pip_{version.replace('.', '_')}.py"


def can_be_downloaded(version: str) -> bool:
    request = urllib.request.Request(URL.format(version=version), method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=10):
            return True
    except urllib.error.HTTPError as exc:
        # Some proxies refuse HEAD; only an answer that says "not there" counts.
        return exc.code not in (403, 404, 407, 502, 503)
    except OSError:
        return False


def main() -> int:
    missing = [version for version in VERSIONS if not cached_file(version).exists()]
    if not missing or can_be_downloaded(missing[0]):
        return 0
    CACHE.mkdir(parents=True, exist_ok=True)
    for version in missing:
        print(f"get-pip {version} cannot be downloaded: using ensurepip instead.")
        cached_file(version).write_text(STAND_IN, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
