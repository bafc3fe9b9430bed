# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run ends with the role as it ends without it."""

from __future__ import annotations

import typing as t

import pytest

from tests.tools.playbooks import PlaybookRun

from .conftest import DEPLOY, WITHOUT_ROLE, Shop, hosts_that_said, site

RESCUED = """
- name: Try
  block:
    - name: Fail at first
      ansible.builtin.raw: exit 1
      when: inventory_hostname in broken
  rescue:
    - name: Try again
      ansible.builtin.raw: "{}"
"""
ONCE = """
- name: Migrate the database
  ansible.builtin.raw: exit 1
  run_once: true
"""
HANDLER = """
- name: Change the configuration
  ansible.builtin.raw: "true"
  notify: Restart

- name: Run handlers
  ansible.builtin.meta: flush_handlers
"""
HANDLERS = """
handlers:
  - name: Restart
    ansible.builtin.raw: "{{ 'false' if inventory_hostname in broken else 'true' }}"
"""
IGNORED = """
- name: Does not matter
  ansible.builtin.raw: exit 1
  ignore_errors: true
"""
INCLUDED = """
- name: Include what is not there
  ansible.builtin.include_tasks: missing.yml
  when: inventory_hostname in broken
"""

Facts = dict[str, t.Any]

# What is deployed, keywords of the play, what goes wrong.
SITUATIONS: dict[str, tuple[str, str, Facts]] = {
    "good": (DEPLOY, "", {}),
    "one fails": (DEPLOY, "", {"broken": ["web2"]}),
    "all fail": (DEPLOY, "", {"broken": ["web1", "web2", "web3"]}),
    "one vanishes": (DEPLOY, "", {"gone": ["web2"]}),
    "all vanish": (DEPLOY, "", {"gone": ["web1", "web2", "web3"]}),
    "rescued": (RESCUED.format("true"), "", {"broken": ["web2"]}),
    "failing rescue": (RESCUED.format("false"), "", {"broken": ["web2"]}),
    "run_once": (ONCE, "", {}),
    "ignored": (IGNORED, "", {}),
    "handler": (HANDLER, HANDLERS, {"broken": ["web2"]}),
    "any_errors_fatal": (DEPLOY, "any_errors_fatal: true", {"broken": ["web2"]}),
    "max_fail_percentage": (DEPLOY, "max_fail_percentage: 20", {"broken": ["web2"]}),
    "serial": (DEPLOY, "serial: 1", {"broken": ["web2"]}),
    "missing include": (INCLUDED, "", {"broken": ["web2"]}),
    "free": (DEPLOY, "strategy: free", {"broken": ["web2"]}),
}


def result_of(run: PlaybookRun) -> Facts:
    """Return what counts as a run's result."""
    counts = {
        host: {
            name: counts[name]
            for name in ("failed", "unreachable", "ignored", "changed")
        }
        for host, counts in run.recap.items()
        if counts["failed"] or counts["unreachable"] or counts["ignored"]
    }
    return {
        "rc": run.rc,
        "counts": counts,
        "went on": hosts_that_said(run, "same play"),
        "went on in the next play": hosts_that_said(run, "other play"),
    }


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.thorough(
    "all fail",
    "any_errors_fatal",
    "failing rescue",
    "free",
    "handler",
    "ignored",
    "max_fail_percentage",
    "missing include",
    "run_once",
)
def test_the_result_is_what_it_would_be_without_the_role(
    shop: Shop, situation: str
) -> None:
    deploy, play, variables = SITUATIONS[situation]
    shop.write("deploy.yml", deploy)

    without = shop.deploy(site(deploy=WITHOUT_ROLE, play=play), **variables)
    with_role = shop.deploy(site(play=play), **variables)

    expected = result_of(without)
    if situation == "missing include":
        # ansible-core counts a failing include also where it is rescued, and then the host fails for good.
        expected["counts"]["web2"]["failed"] = 2
    assert result_of(with_role) == expected
    told = ["Processing", "Done" if with_role.rc == 0 else "Canceled"]
    assert shop.flashduty.wait_for(lambda _emulator: len(shop.change_statuses()) == 2)
    assert shop.change_statuses() == told
    assert bool(shop.flashduty.alerts()) == (with_role.rc != 0)
