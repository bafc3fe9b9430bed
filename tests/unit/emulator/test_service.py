# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the service does with events, without a socket."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.emulator.service import (
    ALERT_STATUSES,
    CHANGE_STATUSES,
    ERRORS,
    Protocol,
    Refusal,
    Service,
    expand_title,
)

KEY = "k" * 32
OTHER_KEY = "o" * 32
CHANGE_KEY = "c" * 32


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self, now: float = 1_795_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Account:
    """A service, and short ways to push to it."""

    def __init__(
        self,
        *,
        protocol: Protocol = "2026",
        limits: bool = False,
        record: bool = True,
    ) -> None:
        self.clock = Clock()
        self.service = Service(
            alert_keys=[KEY, OTHER_KEY],
            change_keys=[CHANGE_KEY],
            protocol=protocol,
            limits=limits,
            record=record,
            clock=self.clock,
            monotonic=self.clock,
        )

    def push(self, *, key: str = KEY, **payload: t.Any) -> dict[str, t.Any] | None:
        content = {
            "title_rule": "Disk full",
            "event_status": "Critical",
            "alert_key": "disk",
            **payload,
        }
        body = json.dumps(
            {name: value for name, value in content.items() if value is not ...}
        )
        return self.service.push("alert", key, "application/json", body.encode())[1]

    def push_change(self, **payload: t.Any) -> None:
        content = {
            "title": "Deploy",
            "change_status": "Processing",
            "change_key": "d1",
            **payload,
        }
        body = json.dumps(
            {name: value for name, value in content.items() if value is not ...}
        )
        self.service.push("change", CHANGE_KEY, "application/json", body.encode())

    @property
    def alerts(self) -> list[dict[str, t.Any]]:
        return self.service.alerts()

    @property
    def alert(self) -> dict[str, t.Any]:
        (alert,) = self.alerts
        return alert

    @property
    def outcomes(self) -> list[str]:
        return [event["outcome"] for event in self.service.events("alert")]

    @property
    def notes(self) -> list[str]:
        return t.cast("list[str]", self.service.events("alert")[-1]["notes"])


@pytest.fixture
def account() -> Account:
    return Account()


# --- opening, merging, closing ---


def test_the_first_event_of_a_key_opens_an_alert(account: Account) -> None:
    account.push(event_time=1_794_000_000, description="95 %", labels={"host": "db1"})

    assert account.alert["status"] == "open"
    assert account.alert["severity"] == "Critical"
    assert account.alert["title"] == "Disk full"
    assert account.alert["description"] == "95 %"
    assert account.alert["labels"] == {"host": "db1"}
    assert account.alert["opened_at"] == 1_794_000_000
    assert account.alert["recovered_at"] is None


def test_events_of_one_key_merge_into_one_alert(account: Account) -> None:
    account.push(description="95 %")
    account.push(description="99 %")

    assert account.alert["description"] == "99 %"
    assert account.outcomes == ["opened", "merged"]


def test_ok_closes_the_alert(account: Account) -> None:
    account.push(event_time=1_794_000_000)
    account.push(event_status="Ok", event_time=1_794_000_060)

    assert account.alert["status"] == "recovered"
    assert account.alert["recovered_at"] == 1_794_000_060
    assert account.outcomes == ["opened", "closed"]


def test_ok_with_the_title_and_description_of_the_failure_closes_all_the_same(
    account: Account,
) -> None:
    account.push(description="same")
    account.push(description="same", event_status="Ok")

    assert account.alert["status"] == "recovered"


def test_ok_for_an_unknown_key_does_nothing_and_is_recorded_as_stray(
    account: Account,
) -> None:
    account.push(event_status="Ok")

    assert account.alerts == []
    assert account.outcomes == ["stray"]


def test_a_second_ok_is_stray(account: Account) -> None:
    account.push()
    account.push(event_status="Ok")
    account.push(event_status="Ok", description="again")

    assert account.outcomes == ["opened", "closed", "stray"]


def test_a_failure_after_the_recovery_opens_a_new_alert_with_the_same_key(
    account: Account,
) -> None:
    account.push()
    account.push(event_status="Ok")
    account.push()

    assert [alert["status"] for alert in account.alerts] == ["recovered", "open"]
    assert {alert["alert_key"] for alert in account.alerts} == {"disk"}


def test_the_severity_is_fixed_when_the_alert_opens(account: Account) -> None:
    account.push(event_status="Warning")
    account.push(event_status="Critical", description="worse")

    assert account.alert["severity"] == "Warning"
    assert account.alert["events"][-1]["status"] == "Critical"


def test_an_identical_event_is_dropped_even_if_another_came_between(
    account: Account,
) -> None:
    account.push(description="one")
    account.push(description="two")
    account.push(description="one")

    assert account.outcomes == ["opened", "merged", "dropped"]
    assert account.alert["description"] == "two"


def test_same_status_title_and_description_only_update_the_labels(
    account: Account,
) -> None:
    account.push(labels={"run_id": "1", "host": "db1"})
    account.push(labels={"run_id": "2"})

    assert account.outcomes == ["opened", "updated"]
    assert account.alert["labels"] == {"run_id": "2", "host": "db1"}


def test_a_recovery_keeps_labels_and_adds_new_ones(account: Account) -> None:
    account.push(labels={"run_id": "1"}, description="full")
    account.push(
        event_status="Ok", labels={"run_id": "2", "by": "cron"}, description="fine"
    )

    assert account.alert["labels"] == {"run_id": "1", "by": "cron"}
    assert account.alert["description"] == "full"


def test_alerts_of_two_integrations_do_not_mix(account: Account) -> None:
    account.push(key=KEY)
    account.push(key=OTHER_KEY, event_status="Ok")

    assert account.alert["status"] == "open"
    assert account.outcomes == ["opened", "stray"]


def test_labels_that_steer_who_is_paged_are_used_up(account: Account) -> None:
    account.push(
        labels={
            "host": "db1",
            "layer_person_reset_0_emails": "a@example.com",
            "layer_person_reset_1_team_names": "db",
            "layer_webhook_reset_0_feishus": "bot",
            "layer_cake": "chocolate",
        }
    )

    assert account.alert["labels"] == {"host": "db1", "layer_cake": "chocolate"}
    assert account.alert["routing"] == {
        "layer_person_reset_0_emails": "a@example.com",
        "layer_person_reset_1_team_names": "db",
        "layer_webhook_reset_0_feishus": "bot",
    }


def test_closing_by_hand_lets_the_next_failure_open_a_new_alert(
    account: Account,
) -> None:
    account.push()

    assert account.service.close_by_hand("disk") == 1
    account.push()

    assert [alert["closed_by_hand"] for alert in account.alerts] == [True, False]


def test_closing_by_hand_what_is_not_open_closes_nothing(account: Account) -> None:
    assert account.service.close_by_hand("disk") == 0


# --- what is in an event ---


def test_without_an_event_time_the_service_uses_its_own_clock(account: Account) -> None:
    account.clock.now = 1_795_000_042.9

    account.push()

    assert account.alert["opened_at"] == 1_795_000_042


def test_an_alert_key_is_made_and_returned_when_there_is_none(account: Account) -> None:
    data = account.push(alert_key=...)

    assert data == {"alert_key": account.alert["alert_key"]}
    assert len(account.alert["alert_key"]) == 22


def test_the_older_protocol_demands_an_alert_key_and_returns_no_data() -> None:
    account = Account(protocol="2024")

    assert account.push() is None
    with pytest.raises(Refusal, match="alert_key is required"):
        account.push(alert_key=...)


def test_the_older_protocol_knows_no_images() -> None:
    account = Account(protocol="2024")

    account.push(images=[{"src": "https://example.com/a.png"}])

    assert account.alert["images"] == []


@pytest.mark.parametrize("status", ALERT_STATUSES)
def test_documented_statuses_are_accepted(account: Account, status: str) -> None:
    account.push(event_status=status)

    assert account.service.counts["accepted"] == 1


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        pytest.param({"title_rule": ...}, "title_rule is required", id="no-title"),
        pytest.param({"title_rule": ""}, "title_rule is required", id="empty-title"),
        pytest.param({"title_rule": 5}, "title_rule must be a string", id="number"),
        pytest.param({"event_status": ...}, "event_status is required", id="no-status"),
        pytest.param({"event_status": "critical"}, "must be one of", id="lower-case"),
        pytest.param({"event_status": "Done"}, "must be one of", id="of-a-change"),
        pytest.param(
            {"event_status": "Ok", "alert_key": ...},
            "alert_key is required",
            id="ok-without-key",
        ),
        pytest.param({"alert_key": "k" * 256}, "at most 255", id="long-key"),
        pytest.param({"event_time": "1795000000"}, "integer", id="time-text"),
        pytest.param({"event_time": 1795000000.5}, "integer", id="time-fraction"),
        pytest.param({"event_time": True}, "integer", id="time-boolean"),
        pytest.param({"event_time": 1795000000000}, "in seconds", id="milliseconds"),
        pytest.param({"event_time": -1}, "in seconds", id="negative"),
        pytest.param({"description": ["x"]}, "must be a string", id="description"),
        pytest.param({"labels": ["x"]}, "map of strings", id="labels-list"),
        pytest.param({"labels": {"n": 3}}, "labels.n must be a string", id="label-int"),
        pytest.param({"labels": {"": "x"}}, "empty name", id="label-without-name"),
        pytest.param(
            {"labels": {f"l{n}": "" for n in range(51)}}, "at most 50", id="51-labels"
        ),
        pytest.param({"images": {}}, "must be a list", id="images"),
        pytest.param({"images": ["x"]}, "list of objects", id="image"),
        pytest.param({"images": [{"alt": "x"}]}, "src is required", id="no-src"),
        pytest.param({"images": [{"src": "x" * 257}]}, "at most 256", id="long-src"),
        pytest.param(
            {"images": [{"src": "x", "alt": "x" * 129}]}, "at most 128", id="long-alt"
        ),
    ],
)
def test_a_wrong_parameter_is_refused(
    account: Account, payload: dict[str, t.Any], message: str
) -> None:
    with pytest.raises(Refusal, match=message) as caught:
        account.push(**payload)

    assert caught.value.code == "InvalidParameter"
    assert caught.value.http == 400
    assert account.alerts == []


@pytest.mark.parametrize(
    ("payload", "note"),
    [
        pytest.param({"title_rule": "é" * 513}, "title_rule truncated", id="title"),
        pytest.param({"description": "é" * 2049}, "description truncated", id="text"),
        pytest.param({"labels": {"a": "x" * 2049}}, "labels.a truncated", id="value"),
        pytest.param(
            {"labels": {"n" * 129: "x"}},
            f"name of labels.{'n' * 128} truncated",
            id="name",
        ),
        pytest.param(
            {"labels": {"a-b": "x"}},
            "labels.a-b is not named like a Prometheus label",
            id="characters",
        ),
        pytest.param({"severity": "x"}, "severity is not a known field", id="unknown"),
    ],
)
def test_what_the_service_changes_about_an_event_is_noted(
    account: Account, payload: dict[str, t.Any], note: str
) -> None:
    account.push(**payload)

    assert account.notes == [note]


def test_limits_count_characters_and_what_just_fits_is_left_alone(
    account: Account,
) -> None:
    account.push(
        title_rule="é" * 512,
        alert_key="é" * 255,
        description="é" * 2048,
        labels={**{f"l{n}": "é" * 2048 for n in range(49)}, "n" * 128: ""},
    )

    assert account.notes == []
    assert account.alert["title"] == "é" * 512


def test_one_image_is_kept_for_each_alt(account: Account) -> None:
    account.push(
        images=[
            {"src": "https://example.com/1", "alt": "load"},
            {"src": "https://example.com/2", "alt": "load"},
            {"src": "img_123", "href": "https://example.com/3"},
        ]
    )

    assert account.alert["images"] == [
        {"src": "https://example.com/2", "alt": "load"},
        {"src": "img_123", "href": "https://example.com/3"},
    ]


@pytest.mark.parametrize(
    ("rule", "title"),
    [
        ("$cluster::$resource", "nj::db1"),
        ("$resource-$missing", "db1-<no value>"),
        ("costs $5, 100 $", "costs $5, 100 $"),
        ("${resource}", "${resource}"),
        ("[TPL]${resource} / ${check}", "db1 / cpu<20%"),
        ("[TPL]{{.Labels.resource}} {{ .Labels.check }}", "db1 cpu<20%"),
        ("[TPL]${missing} {{.Labels.missing}}", "<no value> <no value>"),
        ("[TPL]$resource", "$resource"),
        ("{{.Labels.resource}}", "{{.Labels.resource}}"),
    ],
)
def test_title_rules_are_expanded_from_the_labels(rule: str, title: str) -> None:
    labels = {"cluster": "nj", "resource": "db1", "check": "cpu<20%"}

    assert expand_title(rule, labels) == title


def test_a_label_that_looks_like_a_variable_is_not_expanded_again() -> None:
    assert expand_title("$a", {"a": "$b", "b": "secret"}) == "$b"


# --- who may push what ---


@pytest.mark.parametrize("key", ["x" * 32, "", None, CHANGE_KEY])
def test_a_wrong_key_is_reported_as_a_parameter_error(
    account: Account, key: str | None
) -> None:
    with pytest.raises(Refusal) as caught:
        account.service.push("alert", key, "application/json", b"{}")

    assert caught.value.code == "InvalidParameter"
    assert caught.value.message == "integration_key is not a valid one"


def test_an_alert_key_is_not_valid_for_changes(account: Account) -> None:
    with pytest.raises(Refusal, match="integration_key is not a valid one"):
        account.service.push("change", KEY, "application/json", b"{}")


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/x-www-form-urlencoded"]
)
def test_another_content_type_is_refused(
    account: Account, content_type: str | None
) -> None:
    with pytest.raises(Refusal) as caught:
        account.service.push("alert", KEY, content_type, b"{}")

    assert caught.value.code == "InvalidContentType"


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"[]", b'"x"', b"\xff", b"[" * 200_000]
)
def test_a_body_that_is_no_json_object_is_refused(
    account: Account, body: bytes
) -> None:
    with pytest.raises(Refusal) as caught:
        account.service.push("alert", KEY, "application/json; charset=utf-8", body)

    assert caught.value.code == "InvalidParameter"


def test_the_table_of_errors_is_the_documented_one() -> None:
    assert {code: http for code, (http, _message) in ERRORS.items()} == {
        "InvalidParameter": 400,
        "InvalidContentType": 400,
        "MethodNotAllowed": 400,
        "Unauthorized": 401,
        "AccessDenied": 403,
        "RequestTooFrequently": 429,
        "RouteNotFound": 404,
        "ResourceNotFound": 400,
        "NoLicense": 400,
        "InternalError": 500,
    }


# --- limits ---


def test_a_hundred_requests_a_second_are_let_through() -> None:
    account = Account(limits=True)
    for _index in range(100):
        account.push()

    with pytest.raises(Refusal) as caught:
        account.push()

    assert caught.value.code == "RequestTooFrequently"
    assert caught.value.http == 429
    assert caught.value.retry_after == 1


def test_a_second_later_there_is_room_again() -> None:
    account = Account(limits=True)
    for _index in range(100):
        account.push()
    account.clock.now += 1.0

    account.push()

    assert account.service.counts["accepted"] == 101


def test_a_thousand_requests_a_minute_are_let_through() -> None:
    account = Account(limits=True)
    for _second in range(10):
        for _index in range(100):
            account.push()
        account.clock.now += 1.0

    with pytest.raises(Refusal) as caught:
        account.push()

    assert caught.value.retry_after == 50


def test_limits_are_for_each_integration() -> None:
    account = Account(limits=True)
    for _index in range(100):
        account.push(key=KEY)

    account.push(key=OTHER_KEY)

    assert account.service.counts["accepted"] == 101


def test_without_limits_nothing_is_refused(account: Account) -> None:
    for _index in range(1100):
        account.push()

    assert account.service.counts["accepted"] == 1100


# --- changes ---


def test_events_of_one_change_merge(account: Account) -> None:
    account.push_change(
        event_time=1_794_000_000, link="https://ci.example.com/1", labels={"env": "p"}
    )
    account.push_change(change_status="Done", event_time=1_794_000_300)

    (change,) = account.service.changes()
    assert change["status"] == "Done"
    assert change["link"] == "https://ci.example.com/1"
    assert change["labels"] == {"env": "p"}
    assert (change["started_at"], change["updated_at"]) == (
        1_794_000_000,
        1_794_000_300,
    )
    assert [event["status"] for event in change["events"]] == ["Processing", "Done"]


@pytest.mark.parametrize("status", CHANGE_STATUSES)
def test_documented_change_statuses_are_accepted(account: Account, status: str) -> None:
    account.push_change(change_status=status)

    assert account.service.changes()[0]["status"] == status


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"change_key": ...}, "change_key is required"),
        ({"change_status": "Critical"}, "change_status must be one of"),
        ({"title": ""}, "title is required"),
        ({"link": 3}, "link must be a string"),
        ({"labels": {f"l{n}": "" for n in range(51)}}, "at most 50"),
    ],
)
def test_a_wrong_parameter_of_a_change_is_refused(
    account: Account, payload: dict[str, t.Any], message: str
) -> None:
    with pytest.raises(Refusal, match=message):
        account.push_change(**payload)


def test_an_identical_change_event_is_dropped(account: Account) -> None:
    account.push_change()
    account.push_change()

    (change,) = account.service.changes()
    assert [event["outcome"] for event in change["events"]] == ["started", "dropped"]


# --- what is kept ---


def test_a_state_can_be_built_again_from_its_dump(account: Account) -> None:
    account.push(labels={"a": "1"})
    account.push(labels={"a": "2"})
    account.push(alert_key=..., key=OTHER_KEY)
    account.push(alert_key="by hand")
    account.service.close_by_hand("by hand")
    account.push(alert_key="by hand")
    account.push(event_status="Ok")
    account.push_change()

    again = Account()
    again.service.load(json.loads(json.dumps(account.service.dump())))

    assert again.alerts == account.alerts
    assert again.service.changes() == account.service.changes()
    assert again.service.events("alert") == account.service.events("alert")
    assert again.service.counts == account.service.counts


def test_a_reset_forgets_everything_but_moves_the_version_on(account: Account) -> None:
    account.push()
    version = account.service.version

    account.service.reset()

    assert account.alerts == []
    assert account.service.counts["accepted"] == 0
    assert account.service.version > version


def test_without_a_record_events_are_checked_and_counted_only() -> None:
    account = Account(record=False)

    account.push()
    with pytest.raises(Refusal):
        account.push(event_status="bad")

    assert account.service.counts["accepted"] == 1
    assert account.alerts == []
    assert account.service.events("alert") == []
