# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook that proves key, network and routing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.tools.playbooks import CALLBACK, PlaybookRun

from .conftest import Playground

PLAYBOOK = Path("flashcat.flashduty.send_test_event")


@pytest.fixture(scope="module")
def successful(playground: Playground) -> PlaybookRun:
    """A run with the key in a file of variables, as from Ansible Vault."""
    flashduty = playground.flashduty
    away = flashduty.push_url.replace(flashduty.alert_key, "0" * 32)
    playground.perform(
        {
            "for another key": playground.task(
                "alert_event",
                title_rule="Waits for another key",
                event_status="Info",
                push_url=away.replace(flashduty.url, "http://127.0.0.1:1"),
                retries=0,
                queue_on_failure=True,
            )
        }
    )
    variables = {
        "flashduty_push_url": flashduty.push_url,
        "flashduty_test_labels": {"team": "storage"},
        "flashduty_test_change": True,
    }
    file = playground.write("variables.json", json.dumps(variables))
    return playground.run(
        PLAYBOOK,
        "-e",
        f"@{file}",
        "-vvv",
        environment={
            "FLASHDUTY_CHANGE_PUSH_URL": flashduty.change_push_url,
            "FLASHDUTY_TIMEOUT": "9",
            "FLASHDUTY_LABEL_VARS": "[team]",
            "FLASHDUTY_DRYRUN": "yes",
            "ANSIBLE_CALLBACKS_ENABLED": CALLBACK,
        },
    )


def test_an_alert_is_raised_and_closed(
    successful: PlaybookRun, playground: Playground
) -> None:
    raised, closed = playground.flashduty.events()
    (alert,) = playground.flashduty.alerts()

    assert successful.rc == 0
    assert (raised["event_status"], closed["event_status"]) == ("Info", "Ok")
    assert raised["alert_key"] == closed["alert_key"]
    assert alert["status"] == "recovered"
    assert alert["labels"]["team"] == "storage"
    assert raised["request_id"] in successful.stdout
    assert closed["request_id"] in successful.stdout


def test_a_change_is_sent_when_asked_for(
    successful: PlaybookRun, playground: Playground
) -> None:
    (change,) = playground.flashduty.change_events()

    assert change["change_status"] == "Done"
    assert change["request_id"] in successful.stdout


def test_it_says_what_is_in_force(
    successful: PlaybookRun, playground: Playground
) -> None:
    for text in (
        "Option timeout: 9.0, from FLASHDUTY_TIMEOUT",
        "Option integration_key: from push_url",
        "1 waiting, 0 undeliverable, 0 open alerts, of which 1 waiting, 0 undeliverable, 0 open alerts belong to"
        " integration keys that are not in force (for 127.0.0.1:1)",
        'Option label_vars: ["team"], from FLASHDUTY_LABEL_VARS',
        'Option recovery: "auto", from default',
        "Callback: enabled (alert_on_failure)",
        f"Alerts go to: {playground.flashduty.push_url.partition('?')[0]}",
    ):
        assert text in re.sub(" +", " ", successful.stdout)
    # For people: no list in quotes.
    assert re.search("^Python: +/", successful.stdout, re.MULTILINE)
    assert "Did you mean FLASHDUTY_DRY_RUN?" in " ".join(successful.output.split())
    assert playground.flashduty.alert_key not in successful.output
    assert playground.flashduty.change_key not in successful.output


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "[defaults]\ncallbacks_enabled = flashcat.flashduty.alert_on_failure\n"),
        (
            {"ANSIBLE_CALLBACKS_ENABLED": CALLBACK, "FLASHDUTY_ENABLED": "off"},
            "The callback is switched off by FLASHDUTY_ENABLED",
        ),
    ],
    ids=["not enabled", "switched off"],
)
def test_it_ends_with_an_error_while_no_failure_would_raise_an_alert(
    playground: Playground, environment: dict[str, str], words: str
) -> None:
    playground.flashduty.reset()

    run = playground.run(
        PLAYBOOK,
        environment={
            "FLASHDUTY_PUSH_URL": playground.flashduty.push_url,
            **environment,
        },
    )

    assert run.rc == 2
    assert len(playground.flashduty.events()) == 2
    assert words in run.stdout
    assert "Stop when the callback does nothing" in run.stdout


def test_nothing_is_sent_in_check_mode(playground: Playground) -> None:
    playground.flashduty.reset()

    run = playground.run(
        PLAYBOOK,
        "--check",
        environment={"FLASHDUTY_PUSH_URL": playground.flashduty.push_url},
    )

    assert run.rc == 0
    assert playground.flashduty.events() == []
    assert "Nothing was sent in check mode." in run.stdout


def test_it_says_what_is_missing(playground: Playground) -> None:
    run = playground.run(PLAYBOOK)

    assert run.rc == 2
    assert "There is no integration key." in run.stdout
    assert "FLASHDUTY_INTEGRATION_KEY" in run.stdout


def test_it_says_what_flashduty_refuses(playground: Playground) -> None:
    environment = {
        "FLASHDUTY_INTEGRATION_KEY": "0123456789abcdef0123456789abcdef",
        "FLASHDUTY_API_URL": playground.flashduty.url,
    }

    run = playground.run(PLAYBOOK, environment=environment)

    assert run.rc == 2
    assert "InvalidParameter" in run.stdout
    assert "Flashduty console" in run.stdout
