# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start ansible-playbook, and see whom alerts, ansible-core and the recap name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tests.emulator.control import Emulator
from tests.tools.cores import Core
from tests.tools.environments import ROOT
from tests.tools.forked_commands import start_command, wait_or_kill
from tests.tools.playbooks import CALLBACK, parse_recap

HERE = Path(__file__).resolve().parent
PLAYBOOKS = HERE / "playbooks"
INVENTORY = """
{hosts}
spare

[outside]
elsewhere
gone_elsewhere ansible_connection=gone

[all:vars]
ansible_connection=local
"""


@dataclass(frozen=True)
class Row:
    """Some hosts of a run, and what becomes of them."""

    row: str
    hosts: list[str]
    inventory: list[str] | None = None
    given_up: list[str] | dict[str, list[str]] | None = None
    alerts: list[str] | None = None
    recap: str = ""
    because: str = ""

    def given_up_by(self, core: Core) -> list[str]:
        """Return the hosts that this ansible-core gives up on."""
        if not isinstance(self.given_up, dict):
            return sorted(self.given_up or [])
        reached = [v for v in self.given_up if _version(v) <= _version(core.version)]
        return sorted(self.given_up[max(reached, key=_version)])

    def alerted_on(self, core: Core) -> list[str]:
        """Return the hosts that alerts have to name."""
        return self.given_up_by(core) if self.alerts is None else sorted(self.alerts)


@dataclass(frozen=True)
class Run:
    """One start of ansible-playbook, or of ansible."""

    run: str
    strategy: str
    rows: list[Row]
    options: list[str]
    command: str

    def __str__(self) -> str:
        return " ".join([self.run, *self.options, self.strategy])


@dataclass(frozen=True)
class Seen:
    """The hosts that each source names."""

    alerts: set[str]
    truth: set[str]
    recap: set[str]
    output: str


def look(
    run: Run,
    core: Core,
    flashduty: Emulator,
    folder: Path,
    *,
    itself: bool = False,
) -> Seen:
    """Start a run, and see whom each source names.

    :param itself: whether to start the command itself: see ``forked_commands.py``.
    """
    hosts = [host for row in run.rows for host in row.inventory or row.hosts]
    inventory = folder / "inventory.ini"
    inventory.write_text(INVENTORY.format(hosts="\n".join(hosts)), encoding="utf-8")
    truth = folder / "truth"
    case = f"{core.version} {run}"
    command = [
        *(core.bin(run.command), "-i", str(inventory)),
        *run.run.split(),
        *run.options,
    ]
    environment = environment_of(
        core,
        folder,
        ANSIBLE_STRATEGY=f"truthful_{run.strategy}",
        FLASHDUTY_LABELS=json.dumps({"case": case}),
        FLASHDUTY_PUSH_URL=flashduty.push_url,
        WHAT_RAISES_TRUTH=str(truth),
    )
    output = folder / "output"
    with output.open("wb") as file:
        process = start_command(
            core,
            command,
            folder=PLAYBOOKS,
            environment=environment,
            stdout=file,
            stderr=file,
            itself=itself,
        )
        wait_or_kill(process)
    told = output.read_text(encoding="utf-8", errors="replace")
    return Seen(
        alerts={
            event["labels"]["host"]
            for event in flashduty.events()
            if event["labels"].get("case") == case
            and event["event_status"] == "Critical"
            # The alert for a run that dies names no host.
            and "host" in event["labels"]
        },
        truth=read_truth(truth),
        recap={
            host
            for host, counts in parse_recap(told).items()
            if counts["failed"] or counts["unreachable"]
        },
        output=told,
    )


def environment_of(core: Core, folder: Path, **extra: str) -> dict[str, str]:
    """Return the environment of all runs, with what is different for each."""
    return core.environment(
        folder,
        ANSIBLE_CALLBACKS_ENABLED=CALLBACK,
        ANSIBLE_LOAD_CALLBACK_PLUGINS="true",
        ANSIBLE_DEPRECATION_WARNINGS="false",
        ANSIBLE_GATHERING="explicit",
        ANSIBLE_STRATEGY_PLUGINS=str(HERE / "truth" / "strategy_plugins"),
        PYTHONPATH=str(ROOT),
        **extra,
    )


def read_truth(path: Path) -> set[str]:
    """Return what truth/truth.py has written down."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {host for line in lines for host in json.loads(line)["given_up"]}


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))
