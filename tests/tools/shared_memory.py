# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep the shared memory of SQLite from a folder, as file systems do that have none."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import typing as t
from pathlib import Path


@contextlib.contextmanager
def blocked_shared_memory(folder: Path) -> t.Iterator[None]:
    """Let nobody, not even root, write to the file of the shared memory: it is a program that runs."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "outbox.sqlite3-shm"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    program.chmod(0o700)
    process = subprocess.Popen(["sleep", "3600"], executable=str(program))
    try:
        yield
    finally:
        process.kill()
        process.wait()
