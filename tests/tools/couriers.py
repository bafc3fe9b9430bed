# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find the couriers that are at work on this machine."""

from __future__ import annotations

import contextlib
import os
import typing as t
from pathlib import Path


class Courier(t.NamedTuple):
    """A courier's process."""

    pid: int
    parent: int
    arguments: bytes
    environment: bytes

    def serves(self, folder: Path) -> bool:
        """Say whether it has a file of this folder open."""
        with contextlib.suppress(OSError):
            for file in Path(f"/proc/{self.pid}/fd").iterdir():
                # It opens and closes some all the time.
                with contextlib.suppress(OSError):
                    if os.readlink(file).startswith(str(folder)):
                        return True
        return False


def couriers() -> t.Iterator[Courier]:
    """Yield each courier, of whatever run.

    This reads ``/proc`` and does not ask ``ps``, which cuts arguments where ``COLUMNS`` is set.
    """
    for process in Path("/proc").glob("[0-9]*"):
        # Another one's process, or one that has just ended.
        with contextlib.suppress(OSError):
            arguments = (process / "cmdline").read_bytes()
            if b"_flashduty.courier" not in arguments:
                continue
            after_name = (process / "stat").read_text().rpartition(")")[2]
            yield Courier(
                pid=int(process.name),
                parent=int(after_name.split()[1]),
                arguments=arguments,
                environment=(process / "environ").read_bytes(),
            )
