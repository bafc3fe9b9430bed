# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables without what machines say. What they may say is tested by real runs: ``secrets/test_trust_boundary.py``."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.playbook import Playbook
from ansible.plugins.loader import connection_loader
from ansible.vars.manager import VariableManager
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible import trust

PLAYBOOK = """
- hosts: all
  vars: {of_play: 1}
  tasks:
    - {name: Nothing, meta: noop, vars: {of_task: 2}}
"""


@pytest.fixture
def play(tmp_path: Path) -> t.Any:
    (tmp_path / "site.yml").write_text(PLAYBOOK)
    (tmp_path / "hosts.ini").write_text("[web]\nweb1 of_host=3\nweb2\n")
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "web.yml").write_text("of_group: 4\n")
    loader = DataLoader()
    inventory = InventoryManager(loader, [str(tmp_path / "hosts.ini")])
    manager = VariableManager(loader, inventory)
    (play,) = Playbook.load(
        str(tmp_path / "site.yml"), variable_manager=manager, loader=loader
    ).get_plays()
    return play


def collected(play: t.Any) -> dict[str, t.Any]:
    host = play.get_variable_manager()._inventory.get_host("web1")
    task = play.tasks[0].block[0]
    boundary = trust.TrustBoundary([], print)
    variables = boundary.variables(play, host=host, task=task)
    # Each collection has one of its own.
    other = variables.pop("hostvars")["web2"]
    return {**variables, "of web2": dict(other)}


def test_a_host_without_facts_has_all_its_other_variables(
    play: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ansible-core goes another way where there are no facts, which is to be as good."""
    searches: list[object] = []
    search = connection_loader.all

    def noted(**how: t.Any) -> t.Any:
        searches.append(how)
        return search(**how)

    monkeypatch.setattr(connection_loader, "all", noted)

    variables = collected(play)

    assert searches == [], "this takes a third of the time"
    assert [
        variables[f"of_{level}"] for level in ("play", "task", "host", "group")
    ] == [
        1,
        2,
        3,
        4,
    ]
    monkeypatch.setattr(trust, "_NO_FACTS", {})
    as_ever = collected(play)
    assert searches, "the way with facts, to compare with"
    del variables["vars"], as_ever["vars"]
    assert variables == as_ever


def test_a_host_with_facts_keeps_them(play: t.Any) -> None:
    manager = play.get_variable_manager()
    manager.set_host_facts("web1", {"ansible_system": "Linux", "flashduty_status": "x"})

    variables = collected(play)

    assert variables["ansible_facts"] == {"system": "Linux"}
    assert "flashduty_status" not in variables
