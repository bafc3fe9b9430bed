# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
The law holds for playbooks that nobody has thought of, too.

FLASHDUTY_TEST_PLAYBOOKS tells how many are tried, a few by default, and FLASHDUTY_TEST_SEED which is the first. One in ten is
run with the command itself, the others with forks of one process: see ``forked_commands.py``.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.emulator.control import Emulator
from tests.tools.cores import Core

from .random_playbooks import HOSTS, RandomPlaybook
from .runs import Row, Run, look

PLAYBOOKS = int(os.environ.get("FLASHDUTY_TEST_PLAYBOOKS") or 6)
SEED = int(os.environ.get("FLASHDUTY_TEST_SEED") or 0)
COMMAND_IN = 10
STRATEGIES = ("linear", "linear", "free", "host_pinned")


@pytest.mark.parametrize("number", range(SEED, SEED + PLAYBOOKS))
def test_alerts_name_the_hosts_that_were_given_up_on_whatever_the_playbook(
    number: int,
    cores: list[Core],
    flashduty: Emulator,
    tmp_path: Path,
) -> None:
    core = cores[number % len(cores)]
    strategy = STRATEGIES[number // len(cores) % len(STRATEGIES)]
    playbook = RandomPlaybook(random.Random(number), strategy)
    path = playbook.write(tmp_path)
    row = Row("all", HOSTS, inventory=playbook.inventory())

    seen = look(
        Run(str(path), strategy, [row], [], "ansible-playbook"),
        core,
        flashduty,
        tmp_path,
        itself=number % COMMAND_IN == 0,
    )

    if "PLAY RECAP" not in seen.output:
        # An import that an include takes in, whose file depends on the host, is an error that ends ansible-core 2.16.
        assert "dynamic parent include" in seen.output
        return
    # Either of the other two sources is off now and then: the look into the iterator where a rescue begins with a block or
    # a meta task, the recap where an include or a handler fails. Not for the same host, though.
    disputed = seen.alerts ^ seen.truth
    wrong = {host for host in disputed if (host in seen.alerts) != (host in seen.recap)}
    assert not wrong, f"{path}\n{seen.output}"
