# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""queue_on_failure, outbox_info and outbox_flush: what could not be delivered is delivered later."""

from __future__ import annotations

import re
import stat
import typing as t

import pytest

from tests.emulator.control import Emulator

from .conftest import Answers, Playground, Task

UNAVAILABLE = {"kind": "error", "code": "InternalError"}
REFUSING = {"kind": "error", "code": "AccessDenied"}


@pytest.fixture(scope="module")
def answers(playground: Playground) -> Answers:
    """One run, in which events are queued, inspected and flushed."""
    flashduty = playground.flashduty
    key = {"push_url": flashduty.push_url}
    both = {**key, "change_push_url": flashduty.change_push_url}
    flashduty.misbehave(
        {**UNAVAILABLE, "match": {"alert_key": "plain"}},
        {**UNAVAILABLE, "match": {"alert_key": "in-turn"}},
        {**UNAVAILABLE, "match": {"change_key": "change"}},
        {**UNAVAILABLE, "match": {"alert_key": "bad"}},
        {**REFUSING, "match": {"alert_key": "bad"}, "times": 2},
        {**UNAVAILABLE, "match": {"alert_key": "bad change"}},
        {**UNAVAILABLE, "match": {"alert_key": "stuck"}, "times": 0},
        {**REFUSING, "match": {"alert_key": "refused"}},
    )

    def send(alert_key: str, status: str = "Critical", **options: t.Any) -> Task:
        event = {"title_rule": f"Title of {alert_key}", "event_status": status}
        more = {
            "alert_key": alert_key,
            "retries": 0,
            "queue_on_failure": True,
            **options,
        }
        return playground.task("alert_event", **key, **event, **more)

    def change() -> Task:
        return playground.task(
            "change_event",
            push_url=flashduty.change_push_url,
            change_key="change",
            change_status="Done",
            title="A change",
            retries=0,
            queue_on_failure=True,
        )

    def info(**options: t.Any) -> Task:
        return playground.task("outbox_info", **options)

    def flush(**options: t.Any) -> Task:
        return playground.task("outbox_flush", **{**both, "wait": 20, **options})

    playground.write(
        "broken/outbox.sqlite3", "This is no database, but long enough to be one. " * 50
    )
    playground.write("file", "This is no folder.")
    return playground.perform(
        {
            "nothing there": info(),
            "flush nothing": flush(),
            "queue": send("plain", event_time=1795419427),
            "queue change": change(),
            "look": info(),
            "look with a limit": info(limit=1),
            "would flush": {**flush(), "check_mode": True},
            "flush": flush(),
            "flush again": flush(),
            "not queued": send("refused"),
            "not asked to": send("stuck", queue_on_failure=False),
            "failure": send("in-turn"),
            "recovery": send("in-turn", "Ok"),
            "look after recovery": info(),
            "queue bad": send("bad"),
            "flush bad": flush(),
            "look at bad": info(),
            "would retry": {**flush(retry_undeliverable=True), "check_mode": True},
            "retry bad in vain": flush(retry_undeliverable=True),
            "retry bad": flush(retry_undeliverable=True),
            "retry nothing": flush(retry_undeliverable=True),
            "queue stuck": send("stuck"),
            "flush stuck": flush(wait=0.8),
            "flush stuck for others": flush(
                push_url=None, change_push_url=flashduty.change_push_url
            ),
            "look at stuck": info(),
            "both": flush(retry_undeliverable=True, discard_undeliverable=True),
            "no key": playground.task("outbox_flush"),
            "another folder": info(state_path=str(playground.folder / "elsewhere")),
            "no folder": send("stuck", state_path=str(playground.folder / "file")),
            "damaged": info(state_path=str(playground.folder / "broken")),
            "send past a damaged one": send(
                "past", state_path=str(playground.folder / "broken")
            ),
            "flush a damaged one": flush(state_path=str(playground.folder / "broken")),
        },
    )


def delivered(flashduty: Emulator, alert_key: str) -> list[str]:
    return [
        e["event_status"] for e in flashduty.events() if e["alert_key"] == alert_key
    ]


def test_an_empty_outbox_is_not_made(answers: Answers, playground: Playground) -> None:
    for name in ("nothing there", "flush nothing"):
        assert answers[name]["changed"] is False
        assert answers[name]["state_path"] == str(
            playground.home / ".ansible" / "flashduty"
        )
    assert answers["nothing there"]["counts"] == dict.fromkeys(
        ("waiting", "undeliverable", "open_alerts"), 0
    )
    assert answers["nothing there"]["size"] == 0
    assert not (playground.folder / "elsewhere").exists()


def test_what_could_not_be_delivered_is_queued_with_a_warning(answers: Answers) -> None:
    result = answers["queue"]

    assert (result["changed"], result["queued"], result["failed"]) == (
        True,
        True,
        False,
    )
    assert result["error"]["code"] == "InternalError"
    assert result["request_id"] == result["error"]["request_id"]
    assert result["attempts"] == 1
    (warning,) = result["warnings"]
    assert "waits in" in warning and "InternalError" in warning
    assert answers["queue change"]["queued"] is True


def test_the_outbox_is_private(answers: Answers, playground: Playground) -> None:
    folder = playground.home / ".ansible" / "flashduty"

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_the_key_is_not_in_the_outbox(answers: Answers, playground: Playground) -> None:
    folder = playground.home / ".ansible" / "flashduty"
    content = b"".join(file.read_bytes() for file in folder.iterdir())

    assert b"Title of stuck" in content
    assert playground.flashduty.alert_key.encode() not in content
    assert playground.flashduty.change_key.encode() not in content


def test_what_waits_is_shown(answers: Answers) -> None:
    info = answers["look"]
    alert, change = info["waiting"]

    assert info["counts"] == {"waiting": 2, "undeliverable": 0, "open_alerts": 0}
    assert info["size"] > 0
    assert (alert["kind"], alert["key"], alert["attempts"]) == ("alert", "plain", 0)
    assert alert["event"] == answers["queue"]["event"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", alert["since"])
    assert (change["kind"], change["key"]) == ("change", "change")
    assert alert["integration"] != change["integration"]
    limited = answers["look with a limit"]
    assert (limited["waiting"], limited["counts"]) == ([alert], info["counts"])


def test_check_mode_says_what_flush_would_do(answers: Answers) -> None:
    result = answers["would flush"]

    assert (result["changed"], result["delivered"], result["waiting"]) == (True, 2, 0)
    assert answers["would retry"]["retried"] == 1
    assert answers["would retry"]["delivered"] == 1


def test_flush_delivers_alerts_and_changes(
    answers: Answers, started_flashduty: Emulator
) -> None:
    result = answers["flush"]

    assert (result["changed"], result["delivered"], result["waiting"]) == (True, 2, 0)
    assert "plain" in [event["alert_key"] for event in started_flashduty.events()]
    assert [event["change_key"] for event in started_flashduty.change_events()] == [
        "change"
    ]


def test_what_was_queued_keeps_its_time(
    answers: Answers, started_flashduty: Emulator
) -> None:
    (event,) = [e for e in started_flashduty.events() if e["alert_key"] == "plain"]

    assert event["event_time"] == 1795419427


def test_flush_without_anything_to_do_changes_nothing(answers: Answers) -> None:
    assert answers["flush again"]["changed"] is False
    assert answers["retry nothing"]["changed"] is False


def test_what_is_refused_is_not_queued(answers: Answers) -> None:
    result = answers["not queued"]

    assert (result["failed"], result["queued"]) == (True, False)
    assert result["error"]["code"] == "AccessDenied"


def test_nothing_is_queued_unless_asked_to(answers: Answers) -> None:
    assert (answers["not asked to"]["failed"], answers["not asked to"]["queued"]) == (
        True,
        False,
    )


def test_a_recovery_does_not_overtake_its_failure(
    answers: Answers, started_flashduty: Emulator
) -> None:
    assert answers["recovery"]["queued"] is False
    assert delivered(started_flashduty, "in-turn") == ["Critical", "Ok"]
    assert answers["look after recovery"]["counts"]["waiting"] == 0
    (alert,) = [a for a in started_flashduty.alerts() if a["alert_key"] == "in-turn"]
    assert alert["status"] == "recovered"


def test_what_flashduty_refuses_later_is_kept_aside(answers: Answers) -> None:
    result = answers["flush bad"]
    (event,) = answers["look at bad"]["undeliverable"]

    assert (result["failed"], result["changed"]) == (True, False)
    assert (result["undeliverable"], result["waiting"], result["delivered"]) == (
        1,
        0,
        0,
    )
    assert result["error"]["code"] == "AccessDenied"
    assert result["msg"].startswith("1 event was refused for good")
    assert event["key"] == "bad"
    assert event["error"]["code"] == "AccessDenied"
    assert event["error"]["request_id"]


def test_it_can_be_given_another_try(
    answers: Answers, started_flashduty: Emulator
) -> None:
    in_vain, result = answers["retry bad in vain"], answers["retry bad"]

    assert (in_vain["failed"], in_vain["changed"], in_vain["retried"]) == (
        True,
        True,
        1,
    )
    assert (result["failed"], result["delivered"], result["undeliverable"]) == (
        False,
        1,
        0,
    )
    assert delivered(started_flashduty, "bad") == ["Critical"]


def test_flush_fails_when_something_still_waits(answers: Answers) -> None:
    result = answers["flush stuck"]

    assert (result["failed"], result["changed"], result["waiting"]) == (True, False, 1)
    assert result["error"]["code"] == "InternalError"
    assert "1 event was not delivered within 0.8 seconds" in result["msg"]
    assert answers["look at stuck"]["waiting"][0]["attempts"] >= 1
    assert answers["look at stuck"]["waiting"][0]["error"]["code"] == "InternalError"


def test_flush_leaves_other_integrations_alone(answers: Answers) -> None:
    result = answers["flush stuck for others"]

    assert (result["failed"], result["waiting"], result["waiting_for_others"]) == (
        False,
        0,
        1,
    )


def test_contradicting_options_are_refused(answers: Answers) -> None:
    assert "mutually exclusive" in answers["both"]["msg"]


def test_flush_needs_a_key(answers: Answers) -> None:
    assert answers["no key"]["error"]["code"] == "InvalidConfiguration"
    assert "FLASHDUTY_INTEGRATION_KEY" in answers["no key"]["msg"]


def test_an_outbox_that_is_of_no_use_is_said_to_be(answers: Answers) -> None:
    for name in ("damaged", "flush a damaged one"):
        assert answers[name]["failed"] is True
        assert "damaged" in answers[name]["msg"]
        assert "state_path" in answers[name]["msg"]
    result = answers["no folder"]
    assert (result["failed"], result["queued"]) == (True, False)
    assert result["error"]["code"] == "InternalError"
    assert "could not be queued either" in result["msg"]


def test_a_damaged_outbox_does_not_stop_an_event(
    answers: Answers, started_flashduty: Emulator
) -> None:
    result = answers["send past a damaged one"]

    assert (result["changed"], result["queued"]) == (True, False)
    assert delivered(started_flashduty, "past") == ["Critical"]
    assert "damaged" in result["warnings"][0]


def test_the_key_stands_nowhere(answers: Answers, started_flashduty: Emulator) -> None:
    assert started_flashduty.alert_key not in answers.written
    assert started_flashduty.change_key not in answers.written


def test_what_was_refused_can_be_forgotten(
    playground: Playground, answers: Answers
) -> None:
    flashduty = playground.flashduty
    flashduty.behave()
    flashduty.misbehave(
        {**UNAVAILABLE, "match": {"alert_key": "forget"}},
        {**REFUSING, "match": {"alert_key": "forget"}},
    )
    event = {
        "title_rule": "x",
        "event_status": "Info",
        "alert_key": "forget",
        "retries": 0,
    }
    state = {"state_path": "state", "push_url": flashduty.push_url}

    def flush(**options: t.Any) -> Task:
        return playground.task("outbox_flush", **state, **options)

    results = playground.perform(
        {
            "queue": playground.task(
                "alert_event", queue_on_failure=True, **event, **state
            ),
            "refuse": flush(),
            "would": {**flush(discard_undeliverable=True), "check_mode": True},
            "discard": flush(discard_undeliverable=True),
            "look": playground.task("outbox_info", **state),
        }
    )

    assert results["refuse"]["undeliverable"] == 1
    assert (results["would"]["discarded"], results["would"]["undeliverable"]) == (1, 0)
    assert (results["discard"]["discarded"], results["discard"]["changed"]) == (1, True)
    assert results["look"]["counts"]["undeliverable"] == 0
    assert (playground.folder / "state" / "outbox.sqlite3").exists()


def test_what_belongs_to_another_key_is_said_adopted_or_discarded(
    playground: Playground,
) -> None:
    flashduty = playground.flashduty
    state = {"state_path": str(playground.folder / "moved")}
    old = flashduty.push_url.replace(flashduty.alert_key, "0" * 32)
    away = {"push_url": old.replace(flashduty.url, "http://127.0.0.1:1"), **state}
    new = {"push_url": flashduty.push_url, "wait": 20, **state}

    def queue(alert_key: str) -> Task:
        return playground.task(
            "alert_event",
            title_rule="Waits for the old key",
            event_status="Info",
            alert_key=alert_key,
            retries=0,
            queue_on_failure=True,
            **away,
        )

    answers = playground.perform(
        {
            "queue": queue("moved"),
            "look": playground.task(
                "outbox_info",
                push_url=flashduty.push_url,
                state_path=state["state_path"],
            ),
            "look with the old key": playground.task("outbox_info", **away),
            "left": playground.task("outbox_flush", **new),
            "would adopt": {
                **playground.task("outbox_flush", **new, adopt=True),
                "check_mode": True,
            },
            "adopted": playground.task("outbox_flush", **new, adopt=True),
            "queue another": queue("dropped"),
            "discarded": playground.task("outbox_flush", **new, discard_others=True),
            "both": playground.task(
                "outbox_flush", **new, adopt=True, discard_others=True
            ),
        }
    )

    (found,) = answers["look"]["integrations"]
    assert (found["kind"], found["server"]) == ("alert", "127.0.0.1:1")
    assert (found["in_force"], found["waiting"]) == (False, 1)
    (event,) = answers["look"]["waiting"]
    assert (event["server"], event["in_force"]) == ("127.0.0.1:1", False)
    (found,) = answers["look with the old key"]["integrations"]
    assert (found["in_force"], found["waiting"]) == (True, 1)
    (warning,) = answers["left"]["warnings"]
    assert "1 waiting events" in warning and "127.0.0.1:1" in warning
    assert (answers["left"]["delivered"], answers["left"]["failed"]) == (0, False)
    assert (answers["adopted"]["delivered"], answers["adopted"]["changed"]) == (1, True)
    assert answers["would adopt"]["delivered"] == 1
    assert answers["would adopt"]["changed"] is True
    assert "warnings" not in answers["would adopt"]
    assert "warnings" not in answers["adopted"]
    assert answers["discarded"]["changed"] is True
    assert answers["discarded"]["waiting_for_others"] == 0
    assert answers["both"]["failed"] is True
    assert {"moved"} <= {event["alert_key"] for event in flashduty.events()}
    assert "dropped" not in {event["alert_key"] for event in flashduty.events()}
