# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""A small memory that all tasks of one run share, whatever host they are for and whatever worker they run in."""

from __future__ import annotations

import fcntl
import json
import os
import typing as t

from ansible import constants as C


class SharedState:
    """Data that one task at a time can read and change, as a context manager.

    It is in the folder that ansible-core makes for the temporary files of a run, for its user alone, and deletes at the
    end. The workers of a run are forks, so they all know the same folder.

    :ivar data: what the file holds; empty at first. It is written back at the end of the context.
    """

    def __init__(self, name: str, *, folder: str | None = None) -> None:
        folder = folder or str(C.DEFAULT_LOCAL_TMP)  # type: ignore[attr-defined, unused-ignore]
        self.path = os.path.join(folder, f"flashduty-{name}.json")
        self.data: dict[str, t.Any] = {}
        self._file: t.TextIO | None = None

    def __enter__(self) -> SharedState:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "r+", encoding="utf-8")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        content = self._file.read()
        self.data = json.loads(content) if content else {}
        return self

    def __exit__(self, *_exc_info: object) -> None:
        if self._file is not None:
            self.save()
            # Closing it gives up the lock.
            self._file.close()
            self._file = None

    def save(self) -> None:
        """Write the data now. In place, so that whoever holds the file open sees it even after its deletion."""
        if self._file is None:
            raise RuntimeError("the state is saved outside its with block")
        self._file.seek(0)
        self._file.write(json.dumps(self.data, default=str))
        self._file.truncate()
        self._file.flush()
