# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several runs, one after the other, and what Flashduty holds after each."""

from __future__ import annotations

import collections
import json
import shutil
import typing as t
from pathlib import Path

import pytest

from tests.emulator.control import Emulator, Item
from tests.tools.cores import Core
from tests.tools.playbooks import PlaybookRun, RunningPlaybook, Workspace

CALLBACK = "flashcat.flashduty.alert_on_failure"

# Each task fails on the hosts whose variable ``broken`` names it. ``raw`` is the fastest there is.
TASK = """
    - name: {name}
      ansible.builtin.raw: "{{{{ 'echo out of order; exit 1' if '{name}' in broken | default('') else 'true' }}}}"
      tags: {tag}
"""


def playbook_of(*names: str, head: str = "") -> str:
    """Return a play of such tasks for all hosts, each task with its name in lower case as its tag."""
    tasks = "".join(TASK.format(name=name, tag=name.lower()) for name in names)
    return f"- name: Play\n  hosts: all\n  gather_facts: false\n{head}  tasks:{tasks}"


def inventory_of(*hosts: str) -> str:
    """Return an inventory of lines such as ``h1``, ``h1 broken=First`` or ``h1 gone``."""
    lines = [host.replace(" gone", " ansible_connection=gone") for host in hosts]
    return "\n".join([*lines, "", "[all:vars]", "ansible_connection=local", ""])


class Story(Workspace):
    """Runs of playbooks with the callback, and a Flashduty that hears of them."""

    def __init__(self, folder: Path, core: Core, flashduty: Emulator) -> None:
        super().__init__(folder, core)
        self.flashduty = flashduty

    @property
    def state(self) -> Path:
        return self.home / ".ansible" / "flashduty"

    def _with_callback(
        self,
        options: t.Mapping[str, t.Any] | None,
        environment: t.Mapping[str, str] | None,
    ) -> dict[str, str]:
        return {
            "ANSIBLE_CALLBACKS_ENABLED": CALLBACK,
            "FLASHDUTY_PUSH_URL": self.flashduty.push_url,
            **{
                f"FLASHDUTY_{name.upper()}": (
                    value if isinstance(value, str) else json.dumps(value)
                )
                for name, value in (options or {}).items()
            },
            **(environment or {}),
        }

    def begin(
        self,
        playbook: str | Path,
        *arguments: str,
        hosts: t.Sequence[str] = (),
        options: t.Mapping[str, t.Any] | None = None,
        environment: t.Mapping[str, str] | None = None,
        **others: t.Any,
    ) -> RunningPlaybook:
        """Start a run; see ``play``."""
        return self.start(
            playbook,
            *arguments,
            inventory=inventory_of(*hosts) if hosts else others.pop("inventory"),
            environment=self._with_callback(options, environment),
            **others,
        )

    def play(
        self,
        playbook: str | Path,
        *arguments: str,
        hosts: t.Sequence[str] = (),
        options: t.Mapping[str, t.Any] | None = None,
        environment: t.Mapping[str, str] | None = None,
        **others: t.Any,
    ) -> PlaybookRun:
        """Run a playbook to its end.

        :param hosts: lines for ``inventory_of``.
        :param options: options of the callback.
        """
        run = self.begin(
            playbook,
            *arguments,
            hosts=hosts,
            options=options,
            environment=environment,
            **others,
        ).wait()
        assert "because of a bug" not in run.output
        return run

    def move_to_another_controller(self) -> None:
        """Forget all that a controller remembers of its runs."""
        shutil.rmtree(self.state, ignore_errors=True)

    # -- what Flashduty holds

    def alerts(self, status: str) -> list[Item]:
        return [a for a in self.flashduty.alerts() if a["status"] == status]

    @property
    def open(self) -> list[str]:
        """What open alerts are about: hosts, and for alerts of whole runs the playbook; sorted."""
        return sorted(alert["labels"]["resource"] for alert in self.alerts("open"))

    @property
    def recovered(self) -> list[str]:
        return sorted(alert["labels"]["resource"] for alert in self.alerts("recovered"))

    @property
    def outcomes(self) -> dict[str, int]:
        """What became of all events: opened, updated, merged, dropped, closed, stray."""
        return dict(
            collections.Counter(event["outcome"] for event in self.flashduty.events())
        )

    @property
    def only_alert(self) -> Item:
        (alert,) = self.flashduty.alerts()
        return alert


@pytest.fixture(scope="session")
def shared_emulator() -> t.Iterator[Emulator]:
    """One Flashduty for many tests: starting it takes as long as a playbook."""
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def flashduty(shared_emulator: Emulator) -> Emulator:
    """A Flashduty that has heard of nothing yet."""
    if not shared_emulator.running:
        shared_emulator.start()
    shared_emulator.reset()
    return shared_emulator


@pytest.fixture
def story(tmp_path: Path, core: Core, flashduty: Emulator) -> t.Iterator[Story]:
    """A folder to run playbooks in, with the callback."""
    story = Story(tmp_path, core, flashduty)
    yield story
    story.close()
