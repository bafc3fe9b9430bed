# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several runs, one after the other, and what Flashduty holds after each."""

from __future__ import annotations

import collections
import json
import shutil
import time
import typing as t
from pathlib import Path

import pytest

from tests.emulator.control import Emulator, Item
from tests.tools.cores import Core
from tests.tools.playbooks import (
    CALLBACK,
    PlaybookRun,
    RunningPlaybook,
    Workspace,
    inventory_of,
)

# Each task fails on the hosts whose variable ``broken`` names it. ``raw`` is the fastest there is.
TASK = """
    - name: {name}
      ansible.builtin.raw: "{{{{ 'echo out of order; exit 1' if '{name}' in broken | default('') else 'true' }}}}"
      tags: {tag}
"""

# It stops at its second task until the file "go" is there, for some minutes at most; "started" says that it is there.
SLOW = """
- name: Play
  hosts: all
  gather_facts: false
  vars:
    flashduty_labels:
      team: edge
  tasks:
    - name: Fail on h1
      ansible.builtin.raw: "{{ 'exit 1' if inventory_hostname == 'h1' and fails | default(false) else 'true' }}"
      tags: now
    - name: Wait
      ansible.builtin.raw: |
        touch {{ playbook_dir }}/started
        n=0; while [ ! -e {{ playbook_dir }}/go ] && [ $((n+=1)) -lt 3000 ]; do sleep 0.1; done
"""
SLOW_HOSTS = ["h1", "h2"]


def playbook_of(*names: str, head: str = "") -> str:
    """Return a play of such tasks for all hosts, each task with its name in lower case as its tag."""
    tasks = "".join(TASK.format(name=name, tag=name.lower()) for name in names)
    return f"- name: Play\n  hosts: all\n  gather_facts: false\n{head}  tasks:{tasks}"


def rename_controller(folder: Path, name: str) -> dict[str, str]:
    """Return an environment in which this machine has another name."""
    folder = folder / name
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        f"import socket\n\nsocket.gethostname = lambda: {name!r}\n"
    )
    return {"PYTHONPATH": str(folder)}


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


def begin_slow(story: Story, *arguments: str, **others: t.Any) -> RunningPlaybook:
    """Start the slow playbook and return when it is at its second task."""
    (story.folder / "started").unlink(missing_ok=True)
    (story.folder / "go").unlink(missing_ok=True)
    running = story.begin(SLOW, *arguments, hosts=SLOW_HOSTS, **others)
    deadline = time.monotonic() + 180
    while not (story.folder / "started").exists():
        assert time.monotonic() < deadline, running.stdout + running.stderr
        assert running.process.poll() is None, running.stdout + running.stderr
        time.sleep(0.02)
    return running


@pytest.fixture
def story(tmp_path: Path, core: Core, flashduty: Emulator) -> t.Iterator[Story]:
    """A folder to run playbooks in, with the callback."""
    story = Story(tmp_path, core, flashduty)
    yield story
    story.close()
