# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The web page: where it comes from and what it must not do. (How it looks, a person has to see.)"""

from __future__ import annotations

import base64
import hashlib
import re
import typing as t

import pytest

if t.TYPE_CHECKING:
    from tests.emulator.control import Emulator

    from .conftest import Answer, Client


@pytest.fixture
def page(emulator: Emulator, client: Client) -> Answer:
    return client.send("GET", f"{emulator.url}/")


def test_the_page_loads_nothing_from_elsewhere(page: Answer) -> None:
    sources = re.findall(r'(?:src|href)="([^"]*)"', page.body.decode())

    assert page.status == 200
    assert sources == ["data:,"]
    assert "@import" not in page.body.decode()


def test_the_browser_runs_the_scripts_of_the_page_and_no_others(page: Answer) -> None:
    (script,) = re.findall(rb"<script>(.*?)</script>", page.body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()

    policy = page.headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    "word", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("]
)
def test_the_page_never_makes_markup_of_texts(page: Answer, word: str) -> None:
    assert word not in page.body.decode()


def test_the_page_gets_open_alerts_recovered_ones_and_changes(
    emulator: Emulator, client: Client
) -> None:
    client.push(alert_key="a")
    client.push(alert_key="b", event_status="Warning")
    client.push(alert_key="a", event_status="Ok")
    client.push_change()

    content = client.send("GET", f"{emulator.url}/_emulator/page").json

    assert [alert["alert_key"] for alert in content["open"]] == ["b"]
    assert [alert["alert_key"] for alert in content["recovered"]] == ["a"]
    assert [change["change_key"] for change in content["changes"]] == ["deploy"]
    assert content["severities"] == {"Warning": 1}
    assert content["counts"]["accepted"] == 4


def test_the_page_gets_the_newest_of_many(emulator: Emulator, client: Client) -> None:
    connection = client.connect()
    for number in range(230):
        body = b'{"title_rule": "t", "event_status": "Info", "alert_key": "%d"}'
        client.send(body=body % number, connection=connection)
    connection.close()

    content = client.send("GET", f"{emulator.url}/_emulator/page").json

    assert content["open_count"] == 230
    assert len(content["open"]) == 200
    assert content["open"][0]["alert_key"] == "229"


def test_the_worst_alerts_come_first_and_are_not_pushed_out(
    emulator: Emulator, client: Client
) -> None:
    for number, severity in enumerate(["Critical", "Info", "Critical", "Warning"]):
        client.push(alert_key=str(number), event_status=severity)

    content = client.send("GET", f"{emulator.url}/_emulator/page").json

    assert [alert["alert_key"] for alert in content["open"]] == ["2", "0", "3", "1"]


def test_the_page_gets_the_last_events_of_a_long_story(
    emulator: Emulator, client: Client
) -> None:
    for number in range(35):
        client.push(description=str(number))

    (alert,) = client.send("GET", f"{emulator.url}/_emulator/page").json["open"]

    assert alert["events_count"] == 35
    assert [event["description"] for event in alert["events"]] == [
        str(number) for number in range(5, 35)
    ]
