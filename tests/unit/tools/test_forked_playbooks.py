# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import signal
import time

import pytest

from tests.tools.forked_playbooks import PlaybookForks
from tests.tools.playbooks import Workspace

PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.raw: "echo $WHO; {{ command }}"
"""


@pytest.mark.any_core
def test_a_fork_is_what_the_command_is(workspace: Workspace) -> None:
    environment = workspace.core.environment(workspace.home)

    with PlaybookForks(
        workspace.core.python, workspace.folder, environment
    ) as workspace.forks:
        failed = workspace.run(
            PLAYBOOK, "-v", "-e", "command='exit 3'", environment={"WHO": "first"}
        )
        running = workspace.start(PLAYBOOK, "-e", "command='touch slow; sleep 300'")
        while not (workspace.folder / "slow").exists():
            assert running.process.poll() is None, running.stderr
            time.sleep(0.02)
        running.signal(signal.SIGTERM)
        killed = running.wait()
        worked = workspace.run(
            PLAYBOOK, "-v", "-e", "command=true", environment={"WHO": "third"}
        )

    assert (failed.rc, killed.rc, worked.rc) == (2, -signal.SIGTERM, 0)
    assert failed.recap["localhost"]["failed"] == 1
    assert "first" in failed.stdout and "third" in worked.stdout
    assert failed.stderr == worked.stderr == ""
