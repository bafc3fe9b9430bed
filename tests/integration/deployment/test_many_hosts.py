# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Batches, strategies, hosts that vanish, and runs that end in the middle."""

from __future__ import annotations

import signal

import pytest

from .conftest import Shop, site

FOUR = ("web1", "web2", "web3", "web4")


def test_a_rolling_update_is_one_change_from_the_first_batch_to_the_last(
    shop: Shop,
) -> None:
    run = shop.deploy(site(play="serial: 2"), hosts=FOUR)

    assert run.rc == 0
    assert shop.change_statuses() == ["Processing", "Done"]
    assert shop.the_change()["labels"]["hosts"] == "web1,web2,web3,web4"


def test_a_failure_in_the_first_batch_is_told_at_once_and_stands(shop: Shop) -> None:
    run = shop.deploy(site(play="serial: 2"), hosts=FOUR, broken=["web1", "web4"])

    assert run.rc == 2
    assert run.hosts_with("failed") == {"web1", "web4"}
    assert shop.change_statuses() == ["Processing", "Canceled"]
    # One alert, which the second batch brings up to date.
    assert shop.alert_statuses() == ["Critical", "Critical"]
    assert "1 of 4 hosts failed: web1" in shop.flashduty.events()[0]["description"]
    assert "2 of 4 hosts failed: web1, web4" in shop.the_alert()["description"]


@pytest.mark.thorough
def test_a_batch_that_never_begins_is_told_at_the_end(shop: Shop) -> None:
    # All hosts of the first batch fail, so that the second one does not run.
    run = shop.deploy(site(play="serial: 1"), hosts=FOUR, gone=["web1"])

    assert run.rc == 4
    assert shop.flashduty.wait_for(lambda _emulator: len(shop.change_statuses()) == 2)
    assert shop.change_statuses() == ["Processing", "Canceled"]
    assert "web4" in shop.the_alert()["description"]


def test_a_host_that_vanishes_in_the_middle_is_missed_by_the_others(shop: Shop) -> None:
    run = shop.deploy(gone=["web2"])

    assert run.rc == 4
    assert run.hosts_with("unreachable") == {"web2"}
    assert run.hosts_with("failed") == set()
    assert shop.change_statuses() == ["Processing", "Canceled"]
    assert shop.alert_statuses() == ["Critical"]
    alert = shop.the_alert()
    assert alert["labels"]["host"] == "web2"
    assert alert["labels"]["status"] == "unreachable"
    assert "unreachable" in alert["description"]


@pytest.mark.thorough
def test_one_host_fails_and_another_one_vanishes(shop: Shop) -> None:
    run = shop.deploy(broken=["web1"], gone=["web3"])

    assert run.hosts_with("failed") == {"web1"}
    assert run.hosts_with("unreachable") == {"web3"}
    assert shop.alert_statuses() == ["Critical"]
    assert "2 of 3 hosts failed: web1, web3" in shop.the_alert()["description"]


def test_somebody_is_paged_although_all_hosts_have_vanished(shop: Shop) -> None:
    run = shop.deploy(gone=["web1", "web2", "web3"])

    assert run.rc == 4
    assert shop.flashduty.wait_for(lambda _emulator: len(shop.change_statuses()) == 2)
    assert shop.change_statuses() == ["Processing", "Canceled"]
    assert shop.alert_statuses() == ["Critical"]
    assert "3 of 3 hosts failed: web1, web2, web3" in shop.the_alert()["description"]
    assert shop.the_alert()["labels"]["status"] == "aborted"


def test_nobody_watches_a_run_that_should_not_be_watched(one_shop: Shop) -> None:
    run = one_shop.deploy(
        site(more="flashduty_deployment_watch: false"), hosts=["web1"], gone=["web1"]
    )

    assert run.hosts_with("unreachable") == {"web1"}
    # With a process beside the run there would be a second one.
    assert one_shop.change_statuses() == ["Processing"]
    assert one_shop.couriers() == []


def test_a_run_that_is_killed_is_told(shop: Shop) -> None:
    shop.write(
        "deploy.yml",
        "- name: Take long\n  ansible.builtin.raw: touch begun; sleep 60\n",
    )
    run = shop.begin(site(), hosts=["web1"])
    assert shop.flashduty.wait_for(
        lambda _emulator: (shop.home / "begun").exists()
        or (shop.folder / "begun").exists(),
        timeout=300,
    )

    run.signal(signal.SIGKILL, group=True)

    assert shop.flashduty.wait_for(lambda _emulator: len(shop.change_statuses()) == 2)
    assert shop.change_statuses() == ["Processing", "Canceled"]
    assert (
        "The run ended before this host was through" in shop.the_alert()["description"]
    )


@pytest.mark.thorough
def test_a_run_that_dies_of_a_broken_file_is_told(shop: Shop) -> None:
    shop.write("deploy.yml", "- name: No such module\n  no_such_module:\n")

    run = shop.deploy()

    assert run.rc == 4
    assert shop.flashduty.wait_for(lambda _emulator: len(shop.change_statuses()) == 2)
    assert shop.the_alert()["status"] == "open"


@pytest.mark.thorough
def test_hosts_that_go_their_own_ways_are_one_deployment(shop: Shop) -> None:
    run = shop.deploy(site(play="strategy: free"), hosts=FOUR)

    assert run.rc == 0
    assert shop.change_statuses() == ["Processing", "Done"]
    assert shop.the_change()["labels"]["hosts"] == "web1,web2,web3,web4"

    run = shop.deploy(site(play="strategy: free"), hosts=FOUR, broken=["web1", "web2"])

    assert run.hosts_with("failed") == {"web1", "web2"}
    assert shop.change_statuses()[2:] == ["Processing", "Canceled"]
    assert "2 of" in shop.the_alert()["description"]
    assert "web1, web2" in shop.the_alert()["description"]


@pytest.mark.thorough
def test_hosts_that_take_no_part_are_not_waited_for(shop: Shop) -> None:
    playbook = site().replace(
        "name: flashcat.flashduty.deployment\n",
        "name: flashcat.flashduty.deployment\n      when: inventory_hostname != 'web1'\n",
    )

    assert shop.deploy(playbook).rc == 0
    assert shop.change_statuses() == ["Processing", "Done"]
    assert shop.the_change()["labels"]["hosts"] == "web2,web3"


@pytest.mark.thorough
def test_those_who_take_part_can_be_named(shop: Shop) -> None:
    named = "flashduty_deployment_hosts: [web2, web3, elsewhere]"
    playbook = (
        site(play="serial: 1", more=named)
        .replace(
            "name: flashcat.flashduty.deployment\n",
            "name: flashcat.flashduty.deployment\n      when: inventory_hostname != 'web4'\n",
        )
        .replace("hosts: all", "hosts: web2 web3 web4", 1)
    )

    assert shop.deploy(playbook, hosts=FOUR).rc == 0
    assert shop.change_statuses() == ["Processing", "Done"]

    lost = playbook.replace(
        "  tasks:",
        "  pre_tasks:\n    - name: Look\n      ansible.builtin.raw: 'true'\n      vars:\n"
        "        ansible_connection: \"{{ 'gone' if inventory_hostname == 'web3' else 'local' }}\"\n  tasks:",
        1,
    ).replace("serial: 1", "serial: 3")

    assert shop.deploy(lost, hosts=FOUR).rc == 4
    assert shop.change_statuses()[2:] == ["Processing", "Canceled"]
    assert shop.the_alert()["labels"]["host"] == "web3"
