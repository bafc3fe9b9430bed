# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
Show two controllers that share one memory: one raises alerts and is destroyed, the other delivers and closes them.

    make fleet-demo

An emulator of Flashduty and a PostgreSQL server run on this machine, for as long as it takes. Each controller is a folder with a
home and a checkout of its own. Linux only: what belongs to a controller is found in /proc.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.demo.run import (  # noqa: E402
    Disappointment,
    Stage,
    headline,
    must_hold,
    paint,
    perform,
    show_alerts,
    show_output,
)
from tests.emulator.control import Emulator  # noqa: E402
from tests.postgres import PostgresServer  # noqa: E402
from tests.tools.environments import TREE  # noqa: E402
from tests.tools.playbooks import processes_with_home  # noqa: E402
from tests.tools.progress import say  # noqa: E402

HOUSEKEEPING = ("ansible-playbook", "flashcat.flashduty.housekeeping")
# Seconds until a controller on a slow machine has met its failures.
PATIENCE = 120.0


class Controller(Stage):
    """A machine that runs Ansible, such as a container of AWX."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        super().__init__(folder)
        self.root = folder

    def destroy(self) -> None:
        """Kill all that runs on it at once, and delete its disk."""
        for pid in processes_with_home(self.home):
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.root)


def main() -> int:
    return perform(show)


def show(folder: Path) -> None:
    """Run the demo."""
    server = PostgresServer()
    try:
        with Emulator() as flashduty:
            state_url = server.new_schema()
            say(
                f"Flashduty (an emulator) is at {paint(flashduty.url, 'cyan')}, and PostgreSQL runs, too."
            )
            # Their checkouts are in different places, so that the playbook needs a name that both know it by.
            shared = {"FLASHDUTY_STATE_URL": state_url, "FLASHDUTY_PLAYBOOK_ID": "shop"}
            first, second = Controller(folder / "first"), Controller(folder / "second")

            headline("1. The first controller: web2 fails, db1 is switched off,")
            say("   and Flashduty does not answer just now.")
            flashduty.misbehave({"kind": "hang", "seconds": 600, "times": 0})
            destroy_in_the_middle(first, flashduty.push_url, shared)
            flashduty.behave()
            must_hold(flashduty, {})

            headline("2. The second controller looks after what is left")
            second.play(
                flashduty.push_url, succeeds=True, command=HOUSEKEEPING, **shared
            )
            show_alerts(flashduty.alerts())
            must_hold(flashduty, {"web2": "open", "db1": "open"})

            headline(
                "3. web2's settings are repaired, db1 is switched on; the second controller runs the playbook"
            )
            second.repair()
            second.play(flashduty.push_url, succeeds=True, **shared)
            show_alerts(flashduty.alerts(), in_full=False)
            must_hold(flashduty, {"web2": "recovered", "db1": "recovered"})
            say(
                "\nThe second controller has never seen them fail. All it shares with the first is FLASHDUTY_STATE_URL."
            )
    finally:
        server.close()


def destroy_in_the_middle(
    controller: Controller, push_url: str, shared: dict[str, str]
) -> None:
    """Run the playbook, and destroy the controller as soon as both failures are in the database."""
    process = controller.start(push_url, **shared)
    printing = threading.Thread(target=show_output, args=[process])
    printing.start()
    try:
        wait_for_events(shared["FLASHDUTY_STATE_URL"], 2)
    finally:
        controller.destroy()
        process.wait()
        printing.join()
    say(paint("  The first controller is destroyed, and its disk with it.", "red"))


def wait_for_events(state_url: str, number: int) -> None:
    """Wait until so many events are in the database."""
    sys.path.insert(0, str(TREE))
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        OutboxLocation,
        open_outbox,
    )

    deadline = time.monotonic() + PATIENCE
    with open_outbox(OutboxLocation("/nowhere", state_url)) as outbox:
        while outbox.counts()["waiting"] < number:
            if time.monotonic() > deadline:
                raise Disappointment("no failure has come to the database.")
            time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
