# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from tests.tools.forked_commands import ForkedCommand, wait_or_kill
from tests.tools.playbooks import Workspace

PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.raw: "echo $WHO; {{ command }}"
"""


@pytest.mark.any_core
def test_a_fork_is_what_the_command_is(workspace: Workspace) -> None:
    failed = workspace.run(
        PLAYBOOK, "-v", "-e", "command='exit 3'", environment={"WHO": "first"}
    )
    running = workspace.start(PLAYBOOK, "-e", "command='touch slow; sleep 300'")
    while not (workspace.folder / "slow").exists():
        assert running.process.poll() is None, running.stderr
        time.sleep(0.02)
    # One more beside it, and with a configuration of its own.
    worked = workspace.run(
        PLAYBOOK,
        *("-e", "command=true"),
        config="[defaults]\nverbosity = 1\n",
        environment={"WHO": "third"},
    )
    running.signal(signal.SIGTERM)
    killed = running.wait()

    assert isinstance(running.process, ForkedCommand)
    assert (failed.rc, killed.rc, worked.rc) == (2, -signal.SIGTERM, 0)
    assert failed.recap["localhost"]["failed"] == 1
    assert "first" in failed.stdout and "third" in worked.stdout
    assert "changed: [localhost] => " in worked.stdout
    assert failed.stderr == worked.stderr == ""


@pytest.mark.parametrize("itself", [False, True], ids=["fork", "itself"])
@pytest.mark.any_core
def test_what_takes_too_long_is_killed(workspace: Workspace, itself: bool) -> None:
    workspace.command_itself = itself
    process = workspace.start(PLAYBOOK, "-e", "command='sleep 300'").process

    with pytest.raises(subprocess.TimeoutExpired):
        wait_or_kill(process, 0.1)

    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("variable", ["PYTHONHASHSEED", "LC_ALL"])
@pytest.mark.any_core
def test_what_is_read_before_the_fork_is_not_forked(
    workspace: Workspace, variable: str
) -> None:
    running = workspace.start(
        PLAYBOOK, "-e", "command=true", environment={variable: "8"}
    )

    assert not isinstance(running.process, ForkedCommand)
    running.kill()
