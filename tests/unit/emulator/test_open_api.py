# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Open API of the emulator: as strict as the service, and silences that hold alerts back."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.emulator.control import Emulator
from tests.emulator.open_api import MAX_ALERT_WINDOW, OpenApi
from tests.emulator.service import Refusal, Service

if t.TYPE_CHECKING:
    from .conftest import Client

DAY = 86400
NOW = 1_800_000_000
CHANNEL = 1001
Payload = dict[str, t.Any]


class Account:
    """A Flashduty account without a network, and with a clock of its own."""

    def __init__(self) -> None:
        self.now = NOW
        self.service = Service(
            alert_keys=["key"], change_keys=[], clock=lambda: self.now
        )
        self.api = OpenApi(self.service, channels=["Shop"], clock=lambda: self.now)

    def push(self, alert_key: str = "disk", **fields: t.Any) -> Payload:
        payload = {
            "title_rule": "Disk full",
            "event_status": "Critical",
            "alert_key": alert_key,
            "event_time": self.now,
            "labels": {"resource": "db1"},
            **fields,
        }
        body = json.dumps(payload).encode()
        self.service.push("alert", "key", "application/json", body)
        found = [
            one
            for one in self.service.alerts()
            if one["alert_key"] == payload["alert_key"]
        ]
        return found[-1] if found else {}

    def silence(self, **fields: t.Any) -> str:
        created = self.api.call("/channel/silence/rule/create", silence(**fields))
        return str(created["rule_id"])

    def alerts(self, **fields: t.Any) -> Payload:
        payload = {"start_time": NOW - DAY, "end_time": self.now + 1, **fields}
        return t.cast(Payload, self.api.call("/alert/list", payload))


def condition(key: str, *values: str, oper: str = "IN") -> Payload:
    return {"key": key, "oper": oper, "vals": list(values)}


def silence(**fields: t.Any) -> Payload:
    return {
        "channel_id": CHANNEL,
        "rule_name": "patch",
        "time_filter": {"start_time": NOW, "end_time": NOW + 3600},
        "filters": [[condition("labels.resource", "db1")]],
        **fields,
    }


@pytest.fixture
def account() -> Account:
    return Account()


def test_a_silence_holds_back_and_marks_and_ends_by_itself(account: Account) -> None:
    account.silence(is_auto_delete=True)

    held_back = account.push()
    other = account.push("other", labels={"resource": "db2"})
    account.now += 3600
    later = account.push(description="still full")

    assert (held_back["paged_at"], held_back["silenced_by"]) == (None, "patch")
    assert (other["paged_at"], other["silenced_by"]) == (NOW, None)
    assert (later["paged_at"], later["ever_silenced"]) == (NOW + 3600, True)
    assert account.api.silences() == []


def test_a_silence_may_drop_what_it_matches(account: Account) -> None:
    account.silence(is_directly_discard=True)

    assert account.push() == {}


def test_without_auto_delete_a_silence_stays_and_has_no_effect(
    account: Account,
) -> None:
    account.silence()
    account.now += 3600

    [item] = account.api.silences()

    assert (item["is_effective"], item["status"]) == (False, "enabled")


def test_a_silence_that_is_removed_is_gone(account: Account) -> None:
    place = {"channel_id": CHANNEL, "rule_id": account.silence()}

    account.api.call("/channel/silence/rule/delete", place)

    assert account.api.silences() == []
    assert account.push()["paged_at"] == NOW
    with pytest.raises(Refusal, match="does not exist"):
        account.api.call("/channel/silence/rule/delete", place)


def test_a_recovery_passes_a_silence(account: Account) -> None:
    account.push()
    account.silence()

    assert account.push(event_status="Ok")["status"] == "recovered"


@pytest.mark.parametrize(
    ("group", "silenced"),
    [
        pytest.param([condition("severity", "Critical")], True, id="severity"),
        pytest.param([condition("severity", "Info")], False, id="other-severity"),
        pytest.param([condition("title", "/^Disk/")], True, id="regular-expression"),
        pytest.param([condition("title", "Disk*")], True, id="wildcard"),
        pytest.param([condition("labels.resource", "a", "db1")], True, id="any-value"),
        pytest.param([condition("resource", "db1")], False, id="no-such-key"),
        pytest.param(
            [condition("resource", "db1", oper="NOTIN")], True, id="no-such-key-NOTIN"
        ),
        pytest.param(
            [condition("severity", "Critical"), condition("title", "x")],
            False,
            id="all-of-a-group",
        ),
    ],
)
def test_conditions(account: Account, group: list[Payload], silenced: bool) -> None:
    account.silence(filters=[group])

    assert account.push()["ever_silenced"] is silenced


@pytest.mark.parametrize(
    "wrong",
    [
        {"rule_name": ""},
        {"rule_name": "x" * 40},
        {"description": "x" * 501},
        {"channel_id": 7},
        {"channel_id": "1001"},
        {"time_filter": None},
        {"time_filter": {"start_time": NOW, "end_time": NOW}},
        {"time_filters": [{"start": "01:00", "end": "02:00"}]},
        {"filters": []},
        {"filters": [[]]},
        {"filters": [[condition("title", "x", oper="EQ")]]},
        {"filters": [[condition("title")]]},
        {"is_auto_delete": "yes"},
    ],
    ids=str,
)
def test_a_silence_is_refused(account: Account, wrong: Payload) -> None:
    with pytest.raises(Refusal) as caught:
        account.silence(**wrong)

    assert caught.value.code == "InvalidParameter"


def test_a_list_of_alerts_spans_at_most_31_days(account: Account) -> None:
    with pytest.raises(Refusal, match="31 days"):
        account.alerts(start_time=account.now - MAX_ALERT_WINDOW)

    assert account.alerts(start_time=account.now + 1 - MAX_ALERT_WINDOW)["total"] == 0


def test_alerts_come_in_pages(account: Account) -> None:
    for number in range(5):
        account.now += 1
        account.push(str(number))

    seen: list[str] = []
    page: Payload = {"search_after_ctx": ""}
    while not seen or page["has_next_page"]:
        page = account.alerts(limit=2, search_after_ctx=page["search_after_ctx"])
        seen += [item["alert_key"] for item in page["items"]]

    assert seen == ["4", "3", "2", "1", "0"]
    with pytest.raises(Refusal, match="at most 100"):
        account.alerts(limit=101)


def test_an_alert_says_whether_it_was_silenced_and_has_an_incident(
    account: Account,
) -> None:
    account.silence()
    account.push()
    account.push("other", labels={})

    items = {item["alert_key"]: item for item in account.alerts()["items"]}

    assert items["disk"]["ever_muted"] and "incident" not in items["disk"]
    assert items["other"]["incident"]["progress"] == "Triggered"


def test_the_open_api_wants_its_own_key(emulator: Emulator, client: Client) -> None:
    url = f"{emulator.url}/channel/list?app_key="

    wrong = client.send(url=url + emulator.alert_key, body=b"{}")
    right = client.send(url=url + emulator.app_key, body=b"{}")

    assert (wrong.status, wrong.json["error"]["code"]) == (401, "Unauthorized")
    assert [one["channel_id"] for one in right.json["data"]["items"]] == [1001, 1002]
    assert [one["key_valid"] for one in emulator.requests()] == [False, True]
    assert emulator.app_key not in json.dumps(emulator.state())


def test_silences_show_on_the_page_and_outlive_a_restart(
    emulator: Emulator, client: Client
) -> None:
    url = f"{emulator.url}/channel/silence/rule/create?app_key={emulator.app_key}"
    body = silence(time_filter={"start_time": 1, "end_time": 9_000_000_000})
    client.send(url=url, body=json.dumps(body).encode())
    client.push(labels={"resource": "db1"})

    before = emulator.alerts()
    emulator.restart()

    [shown] = client.send("GET", f"{emulator.url}/_emulator/page").json["silences"]
    assert shown["rule_name"] == "patch"
    assert [alert["silenced_by"] for alert in emulator.alerts()] == ["patch"]
    assert emulator.alerts() == before
