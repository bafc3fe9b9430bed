# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A controller that remembers its runs, and whose records can be made older than they are."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import sqlite3
import time
import typing as t
from pathlib import Path

import pytest
import yaml

from tests.emulator.control import Emulator, Item
from tests.tools.cores import Core
from tests.tools.playbooks import (
    CALLBACK,
    PlaybookRun,
    RunningPlaybook,
    Workspace,
    inventory_of,
)

NIGHTLY = """
- name: Converge
  hosts: all
  gather_facts: false
  tasks:
    - name: Check
      ansible.builtin.raw: "{{ 'exit 1' if inventory_hostname in broken | default('') else 'true' }}"
      tags: check
"""
# It stops at its second task until the file "go" is there; "started" says that it is there.
# The last worker was forked before it says that it has started: ansible-core 2.22 loses a Ctrl-C that comes in a fork.
SLOW = """
- name: Converge
  hosts: all
  gather_facts: false
  tasks:
    - name: Begin
      ansible.builtin.raw: "true"
    - name: Wait
      ansible.builtin.raw: |
        cd {{ playbook_dir }}; n=0; touch there-{{ inventory_hostname }}
        if [ {{ inventory_hostname }} != h1 ]; then exit 0; fi
        while ! [ -e there-h2 -a -e there-h3 ] && [ $((n+=1)) -lt 3000 ]; do sleep 0.1; done
        touch started; while [ ! -e go ] && [ $((n+=1)) -lt 3000 ]; do sleep 0.1; done
"""
HOSTS = ("h1", "h2", "h3")
# When something happened, by tables.
_TIMES = {
    "flashduty_runs": ("started_at", "renewed_until", "ended_at"),
    "flashduty_expected_playbooks": (
        "since",
        "started_at",
        "completed_at",
        "raised_at",
    ),
    "flashduty_open_alerts": ("opened_at",),
}


class Controller(Workspace):
    """Runs playbooks with the callback, and tasks of the collection.

    :param environment: what comes on top for all of them.
    """

    def __init__(
        self, folder: Path, core: Core, flashduty: Emulator, **environment: str
    ) -> None:
        super().__init__(folder, core)
        self.flashduty = flashduty
        self._environment = {
            "ANSIBLE_CALLBACKS_ENABLED": CALLBACK,
            "FLASHDUTY_PUSH_URL": flashduty.push_url,
            **environment,
        }
        self.state = self.home / ".ansible" / "flashduty" / "outbox.sqlite3"
        self._older = 0.0

    def begin(
        self,
        playbook: str,
        *arguments: str,
        hosts: t.Sequence[str] = HOSTS,
        name: str = "nightly.yml",
        **options: str,
    ) -> RunningPlaybook:
        """Start a run.

        :param hosts: lines for ``inventory_of``.
        :param options: options of the callback.
        """
        path = self.write(name, playbook)
        written = time.time() - self._older
        os.utime(path, (written, written))
        return self.start(
            path,
            *arguments,
            inventory=inventory_of(*hosts),
            environment={
                **self._environment,
                **{
                    f"FLASHDUTY_{option.upper()}": value
                    for option, value in options.items()
                },
            },
        )

    def play(self, playbook: str, *arguments: str, **others: t.Any) -> PlaybookRun:
        """Run a playbook to its end; see ``begin``."""
        run = self.begin(playbook, *arguments, **others).wait()
        assert "because of a bug" not in run.output, run.output
        return run

    def begin_slow(self, playbook: str = SLOW, **options: str) -> RunningPlaybook:
        """Start the slow playbook and return when it is at its second task."""
        for name in ("started", "go", *(f"there-{host}" for host in HOSTS)):
            (self.folder / name).unlink(missing_ok=True)
        running = self.begin(playbook, "-f", "5", **options)
        self.wait_until((self.folder / "started").exists, running)
        return running

    def go_on(self) -> None:
        """Let the slow playbook come to its end."""
        (self.folder / "go").touch()

    def wait_until(
        self, condition: t.Callable[[], t.Any], running: RunningPlaybook | None = None
    ) -> None:
        """Wait for something that happens in another process."""
        deadline = time.monotonic() + 180
        while not condition():
            output = running.stdout + running.stderr if running else ""
            assert time.monotonic() < deadline, output
            time.sleep(0.05)

    def ask(self, module: str, **options: t.Any) -> Item:
        """Run one task of the collection, and return its result."""
        return self.ask_all(result=(module, options))["result"]

    def ask_all(self, **tasks: tuple[str, Item]) -> dict[str, Item]:
        """Run tasks of the collection in one go, and return their results.

        :param tasks: for each its module, and the options of that; a ``check`` among them lets it run in check mode.
        """
        listed = []
        for name, (module, options) in tasks.items():
            mode = (
                {"check_mode": True, "diff": True}
                if options.pop("check", False)
                else {}
            )
            listed.append(
                {
                    f"flashcat.flashduty.{module}": options,
                    "register": name,
                    "ignore_errors": True,
                    **mode,
                }
            )
        shown = ", ".join(f"'{name}': {name}" for name in tasks)
        show = {"msg": f"<result>{{{{ {{{shown}}} | to_json | b64encode }}}}</result>"}
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "vars": {"flashduty_enabled": False},
            "tasks": [*listed, {"ansible.builtin.debug": show}],
        }
        run = self.run(
            self.write("ask.yml", yaml.safe_dump([play])),
            environment=self._environment,
        )
        found = re.search("<result>(.*)</result>", run.stdout)
        assert found, run.output
        results: dict[str, Item] = json.loads(base64.b64decode(found[1]))
        assert "because of a bug" not in str(results), results
        return results

    def age(self, seconds: float) -> None:
        """Let all that is remembered, and the playbooks, have been so many seconds earlier."""
        self._older += seconds
        with contextlib.closing(sqlite3.connect(self.state)) as database:
            for table, columns in _TIMES.items():
                for column in columns:
                    database.execute(
                        f"UPDATE {table} SET {column} = {column} - ?", (seconds,)
                    )
            database.commit()

    def change(self, statement: str, *values: t.Any) -> None:
        """Change what is remembered."""
        with contextlib.closing(sqlite3.connect(self.state)) as database:
            database.execute(statement, values)
            database.commit()

    # -- what Flashduty holds

    def alerts(self, status: str) -> list[Item]:
        return [a for a in self.flashduty.alerts() if a["status"] == status]

    @property
    def open(self) -> list[str]:
        """What open alerts are about: their label status, sorted."""
        return sorted(alert["labels"]["status"] for alert in self.alerts("open"))

    @property
    def recovered(self) -> list[str]:
        return sorted(alert["labels"]["status"] for alert in self.alerts("recovered"))


@pytest.fixture
def controller(
    tmp_path: Path, core: Core, flashduty: Emulator
) -> t.Iterator[Controller]:
    """A folder to run playbooks in, with the callback."""
    controller = Controller(tmp_path, core, flashduty)
    yield controller
    controller.close()
