# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deployments as they go every day: one change each, one alert if it fails, closed by the next one that does not."""

from __future__ import annotations

import typing as t

import pytest

from .conftest import Shop, site


def test_a_deployment_is_one_change_over_all_hosts(shop: Shop) -> None:
    run = shop.deploy()

    assert run.rc == 0
    assert shop.change_statuses() == ["Processing", "Done"]
    change = shop.the_change()
    assert change["title"] == "Deploy shop-api 1.4.2"
    assert change["change_key"].startswith("shop-api-1.4.2-")
    assert change["labels"]["service"] == "shop-api"
    assert change["labels"]["version"] == "1.4.2"
    assert change["labels"]["hosts"] == "web1,web2,web3"
    assert shop.flashduty.alerts() == []


@pytest.mark.each_core
def test_a_failure_pages_once_and_the_next_success_closes_it(shop: Shop) -> None:
    failed = shop.deploy(broken=["web2"])

    assert failed.rc == 2
    assert failed.hosts_with("failed") == {"web2"}
    assert shop.change_statuses() == ["Processing", "Canceled"]
    assert shop.alert_statuses() == ["Critical"]
    alert = shop.the_alert()
    assert alert["title"] == "Deployment of shop-api failed"
    for words in (
        "shop-api 1.4.2",
        "1 of 3 hosts",
        "web2",
        "Restart the service",
        "rc 3",
        "boom",
        "half way",
    ):
        assert words in alert["description"]
    assert alert["labels"]["resource"] == alert["labels"]["service"] == "shop-api"
    assert alert["labels"]["host"] == "web2"
    assert alert["labels"]["check"] == "Restart the service"

    again = shop.deploy(broken=["web2", "web3"])

    assert again.hosts_with("failed") == {"web2", "web3"}
    # The same alert, brought up to date.
    assert shop.the_alert()["status"] == "open"
    assert "2 of 3 hosts failed: web2, web3" in shop.the_alert()["description"]

    good = shop.deploy()

    assert good.rc == 0
    assert shop.the_alert()["status"] == "recovered"
    assert [change["status"] for change in shop.flashduty.changes()] == [
        "Canceled",
        "Canceled",
        "Done",
    ]
    assert len({change["change_key"] for change in shop.flashduty.changes()}) == 3


def test_another_deployment_closes_nothing(shop: Shop) -> None:
    shop.deploy(broken=["web1"])
    shop.deploy(site(more="flashduty_deployment_name: shop-web"))

    assert shop.the_alert()["status"] == "open"


def test_two_plays_that_deploy_one_version_are_one_change(shop: Shop) -> None:
    play = site().partition("    - name: Afterwards")[0]
    canary = play.replace("hosts: all", "hosts: web1")
    rest = play.replace("hosts: all", "hosts: web2 web3")

    run = shop.deploy(canary + rest)

    assert run.rc == 0
    assert shop.change_statuses() == ["Processing", "Done", "Processing", "Done"]
    assert shop.the_change()["status"] == "Done"


def test_the_alert_waits_for_every_host_that_has_failed(one_shop: Shop) -> None:
    shop, hosts = one_shop, ("web1", "web2")
    shop.deploy(hosts=hosts, broken=["web1", "web2"])
    assert shop.the_alert()["status"] == "open"

    # It passes on one of them, and is not tried on the other.
    narrowed = shop.deploy(site(), "--limit", "web1", hosts=hosts)

    assert narrowed.rc == 0
    assert "shop-api was not deployed again on web2." in narrowed.output
    assert shop.alert_statuses() == ["Critical"]

    # Neither does a pretended one say anything.
    shop.deploy(site(), "--check", hosts=hosts)
    assert shop.the_alert()["status"] == "open"

    # What is proven in part is remembered: the rest is enough.
    rest = shop.deploy(site(), "--limit", "web2", hosts=hosts)

    assert "stays open" not in rest.output
    assert shop.the_alert()["status"] == "recovered"
    assert shop.alert_statuses() == ["Critical", "Ok"]


@pytest.mark.thorough
def test_without_memory_only_the_whole_deployment_closes(one_shop: Shop) -> None:
    shop, hosts = one_shop, ("web1", "web2")

    def anew(*arguments: str, **more: t.Any) -> None:
        folder = shop.folder / f"state{len(shop.flashduty.change_events())}"
        shop.deploy(
            site(),
            *arguments,
            hosts=hosts,
            environment={"FLASHDUTY_STATE_PATH": str(folder)},
            **more,
        )

    anew(broken=["web2"])
    anew("--limit", "web1")
    assert shop.the_alert()["status"] == "open"

    anew()

    assert shop.the_alert()["status"] == "recovered"
