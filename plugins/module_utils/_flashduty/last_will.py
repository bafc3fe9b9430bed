# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""A process beside the run that sends what the run cannot send any more: its last will.

Started as ``python -m _flashduty.last_will``, with the folder above this package on Python's path. The one line of
JSON on its standard input says all, since others can read arguments and the environment:

``{"run_pid": …, "file": …, "folder": …, "connections": {"alert": {…}, "change": {…}}}``
    ``file`` is the number of an inherited file descriptor, and ``folder`` that of the outbox. The connections are the
    fields of ``Connection``.

The file holds a JSON object. As soon as the run has ended, however it did, the events in its ``will`` are sent, each
of them the arguments of ``AlertEvent.create`` or ``ChangeEvent.create`` by its kind. With ``urgent``, what waits in the
outbox is sent as well. The file may have been deleted by then: it stays readable through the descriptor.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
import typing as t

from .connection import Connection

# Seconds in which delivery is tried after the run has ended.
PATIENCE = 60.0
# Seconds between two looks whether the run still lives, where the system does not tell by itself.
_INTERVAL = 0.5


def wait_for_end(pid: int) -> None:
    """Wait until a process that is not a child has ended."""
    try:
        descriptor = os.pidfd_open(pid)  # type: ignore[attr-defined, unused-ignore]
    except ProcessLookupError:
        return
    except (AttributeError, OSError):
        # Not Linux, or a container that forbids it.
        while _lives(pid):
            time.sleep(_INTERVAL)
        return
    try:
        select.select([descriptor], [], [])
    finally:
        os.close(descriptor)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # Somebody else's process has got the number.
        return False
    return True


def read_state(descriptor: int) -> dict[str, t.Any]:
    """Return what the file holds; nothing when the run was killed while it wrote."""
    content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    try:
        state = json.loads(content)
    except ValueError:
        return {}
    return state if isinstance(state, dict) else {}


def execute(
    state: t.Mapping[str, t.Any],
    connections: t.Mapping[str, Connection],
    folder: str,
    *,
    patience: float = PATIENCE,
) -> None:
    """Send what the run has left behind, and try for a while when Flashduty is away. What is left stays in the outbox."""
    will = [one for one in state.get("will", ()) if one["kind"] in connections]
    if not will and not state.get("urgent"):
        return
    # Only now: most runs end well, and need neither.
    from .courier import Courier
    from .outbox import Outbox, OutboxError

    events = [(connections[one["kind"]], _event(one)) for one in will]
    try:
        with Outbox(folder) as outbox:
            for connection, event in events:
                outbox.add(connection.fingerprint, [event])
            courier = Courier(outbox)
            for connection in connections.values():
                courier.tell({"connection": vars(connection)})
            courier.tell({"farewell": patience})
            courier.run()
    except OutboxError:
        _send_directly(events)


def _event(one: t.Mapping[str, t.Any]) -> t.Any:
    from .events import AlertEvent, ChangeEvent

    kind = AlertEvent if one["kind"] == "alert" else ChangeEvent
    return kind.create(**one["fields"])


def _send_directly(events: t.Iterable[tuple[Connection, t.Any]]) -> None:
    from .client import Client
    from .errors import FlashdutyError

    for connection, event in events:
        try:
            with Client(connection) as client:
                client.send(event)
        except FlashdutyError:
            # Nobody is there any more who could be told.
            continue


def main() -> None:
    """Wait for the end of the run that has started this process, and send its last will."""
    told = json.loads(sys.stdin.readline() or "{}")
    if not told:
        return
    connections = {
        kind: Connection(**fields) for kind, fields in told["connections"].items()
    }
    wait_for_end(told["run_pid"])
    execute(read_state(told["file"]), connections, told["folder"])


if __name__ == "__main__":
    main()
    # A request that is still under way is not waited for.
    os._exit(0)
