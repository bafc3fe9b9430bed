# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run asks its outbox, before there is anything to deliver, and when its courier starts."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
    Connection,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    AlertEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OutboxLocation,
    open_outbox,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
    OpenAlert,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils import _processes
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._delivery import (
    Delivery,
)

from tests.emulator.control import Emulator

CONNECTION = Connection("key", "http://127.0.0.1:1/event/push/alert/standard")


def begun(location: OutboxLocation) -> Delivery:
    """Return the delivery of a run of site.yml that has just begun."""
    delivery = Delivery(location, max_in_flight=1, rate_limit=0, warn=print)
    delivery.begin_playbook("site.yml")
    delivery.connect(CONNECTION)
    return delivery


def write(location: OutboxLocation, key: str, origin: str) -> None:
    """Raise an alert, and deliver it."""
    event = AlertEvent.create(title_rule="t", event_status="Critical", alert_key=key)
    opened = OpenAlert(key, origin, "t", "Critical", 1.0)
    with open_outbox(location) as outbox:
        outbox.add(CONNECTION.fingerprint, [event], opened=opened)
        claimed, _pause = outbox.claim(CONNECTION.fingerprint, "me", limit=9, lease=9)
        outbox.settle(delivered=claimed)


def test_what_concerns_other_playbooks_is_not_looked_at(tmp_path: Path) -> None:
    location = OutboxLocation(str(tmp_path))
    write(location, "a", "shop.yml")

    delivery = begun(location)

    assert not delivery.has_state()
    delivery.begin_playbook("shop.yml")
    assert delivery.has_state()


def test_what_a_worker_of_the_run_leaves_is_noticed(tmp_path: Path) -> None:
    location = OutboxLocation(str(tmp_path))
    open_outbox(location).close()
    delivery = begun(location)
    assert not delivery.has_state()

    worker = os.fork()
    if worker == 0:
        write(location, "a", "site.yml")
        os._exit(0)
    os.waitpid(worker, 0)

    assert delivery.has_state()
    assert delivery.open_alerts(CONNECTION.fingerprint, "site.yml")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The couriers that were started."""
    processes: list[subprocess.Popen[bytes]] = []
    start = _processes.start_courier

    def start_courier(**how: t.Any) -> subprocess.Popen[bytes]:
        processes.append(start(**how))
        return processes[-1]

    monkeypatch.setattr(_processes, "start_courier", start_courier)
    return processes


def test_a_courier_is_ready_before_the_first_event(
    tmp_path: Path, flashduty: Emulator, started: list[subprocess.Popen[bytes]]
) -> None:
    delivery = Delivery(
        OutboxLocation(str(tmp_path)), max_in_flight=1, rate_limit=0, warn=print
    )
    delivery.begin_playbook("site.yml")
    delivery.expect_events()
    assert not started, "there is nowhere to deliver to"
    url = f"{flashduty.url}/event/push/alert/standard"
    connection = dataclasses.replace(
        CONNECTION, integration_key=flashduty.alert_key, url=url
    )
    delivery.connect(connection)

    delivery.expect_events()
    delivery.expect_events()
    assert len(started) == 1
    event = AlertEvent.create(title_rule="t", event_status="Critical", alert_key="a")
    delivery.submit(connection.fingerprint, [event])

    assert not delivery.flush(10).waiting
    assert [alert["alert_key"] for alert in flashduty.alerts()] == ["a"]
    assert [process.returncode for process in started] == [0], "one serves"


def test_a_courier_that_was_expected_in_vain_ends_with_the_run(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    delivery = begun(OutboxLocation(str(tmp_path)))

    delivery.expect_events()

    assert not delivery.flush(10).has_news
    assert [process.returncode for process in started] == [0]
