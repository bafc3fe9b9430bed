# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from tests.tools.playbooks import PlaybookRun, inventory_of

OUTPUT = """
PLAY [all] *********************************************************************

TASK [Fail] ********************************************************************
fatal: [web1]: FAILED! => {"msg": "PLAY RECAP was never this"}

PLAY RECAP *********************************************************************
web1                       : ok=1    changed=0    unreachable=0    failed=1    skipped=0    rescued=0    ignored=0
web2.example.com           : ok=2    changed=1    unreachable=1    failed=0    skipped=0    rescued=0    ignored=0

Flashduty: 2 alerts raised.
"""


def test_the_recap_is_read_from_the_output() -> None:
    run = PlaybookRun(2, OUTPUT, "", 1.0)

    assert set(run.recap) == {"web1", "web2.example.com"}
    assert run.recap["web2.example.com"]["changed"] == 1
    assert run.hosts_with("failed") == {"web1"}
    assert run.hosts_with("unreachable") == {"web2.example.com"}


def test_a_run_that_broke_off_has_no_recap() -> None:
    assert PlaybookRun(4, "ERROR! no action detected", "", 1.0).recap == {}


def test_all_hosts_of_an_inventory_are_this_machine() -> None:
    assert inventory_of("web1", "web2").splitlines() == [
        "web1",
        "web2",
        "",
        "[all:vars]",
        "ansible_connection=local",
    ]
