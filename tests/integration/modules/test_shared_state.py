# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person finds out about a database for the state, and about the app key, before anything fails."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.emulator.control import Emulator
from tests.postgres import PostgresServer, postgres
from tests.tools.playbooks import CALLBACK

from .conftest import Playground

__all__ = ["postgres"]

pytestmark = pytest.mark.any_core

PASSWORD = "s3cret-word"
TASKS: dict[str, dict[str, object]] = {
    "outbox_info": {},
    "runs_info": {},
    "outbox_flush": {},
    "runs_check": {},
    "close_alerts": {"host": "web1"},
}
SEND_TEST_EVENT = Path("flashcat.flashduty.send_test_event")


@pytest.mark.thorough
def test_each_task_says_what_is_wrong_with_the_database(
    playground: Playground, postgres: PostgresServer
) -> None:
    schema = postgres.new_schema()
    url = postgres.url_of(schema, "postgres", PASSWORD)
    away = f"postgresql://me:{PASSWORD}@127.0.0.1:1/automation"
    playground.write("keys/url", f"{url}\n")

    def diagnose(**options: object) -> dict[str, object]:
        return playground.task(
            "connection_info", push_url=playground.flashduty.push_url, **options
        )

    answers = playground.perform(
        {
            "none": diagnose(),
            "in a file": diagnose(state_url_file="keys/url"),
            "away": diagnose(state_url=away, show=True),
            "two": diagnose(state_url=away, state_url_file="keys/url"),
            "no URL": diagnose(state_url=PASSWORD),
            **{
                module: playground.task(
                    module,
                    push_url=playground.flashduty.push_url,
                    state_url=away,
                    **options,
                )
                for module, options in TASKS.items()
            },
        }
    )

    assert answers["none"]["database"] is None
    assert answers["none"]["state"]["kind"] == "sqlite"
    found = answers["in a file"]
    assert (found["problems"], found["state_url_source"]) == ([], "state_url_file")
    assert found["state"] == {
        "kind": "postgresql",
        "location": re.search(r"host=([^&]+)", url)[1] + "/postgres",  # type: ignore[index]
    }
    assert found["database"]["has_tables"] is False
    assert found["database"]["server_version"]
    (problem,) = answers["away"]["problems"]
    assert problem.startswith("The database of the state is of no use: cannot use")
    assert "127.0.0.1:1/automation" in problem and "refused" in problem
    assert re.search("Database: +127.0.0.1:1/automation, not reach", answers.run.stdout)
    assert "name different connection URIs" in answers["two"]["problems"][0]
    assert "libpq connection URI" in answers["no URL"]["problems"][0]
    for module in ("outbox_info", "runs_info", "outbox_flush"):
        assert not answers[module].get("failed"), answers[module]
        assert "The local outbox in" in str(answers[module]["warnings"])
    assert answers["runs_info"]["state"]["kind"] == "sqlite"
    assert answers["outbox_info"]["state"] == answers["runs_info"]["state"]
    # What others know must not be taken for nothing.
    for module in ("runs_check", "close_alerts"):
        assert answers[module]["failed"], answers[module]
        assert re.search(
            "The database that state_url names is of no use: .*127.0.0.1:1/automation: .*refused.*"
            "Nothing is lost. Run the task again when the database is back",
            answers[module]["msg"],
        )
        assert "Traceback" not in str(answers[module])
    assert PASSWORD not in answers.written


def test_the_test_event_proves_app_key_and_database(
    playground: Playground, started_flashduty: Emulator, postgres: PostgresServer
) -> None:
    started_flashduty.reset()
    url = postgres.url_of(postgres.new_schema(), "postgres", PASSWORD)
    app_key = started_flashduty.app_key
    environment = {
        "ANSIBLE_CALLBACKS_ENABLED": CALLBACK,
        "FLASHDUTY_PUSH_URL": started_flashduty.push_url,
        "FLASHDUTY_APP_KEY": app_key,
        "FLASHDUTY_STATE_URL": url,
    }

    good = playground.run(SEND_TEST_EVENT, "-vvv", environment=environment)
    bad = playground.run(
        SEND_TEST_EVENT,
        environment={
            **environment,
            "FLASHDUTY_APP_KEY": "f00dfeedf00dfeedf00dfeed",
            "FLASHDUTY_STATE_URL": f"postgresql://me:{PASSWORD}@127.0.0.1:1/x",
        },
    )

    assert good.rc == 0, good.output
    assert "Option app_key: from FLASHDUTY_APP_KEY" in good.stdout
    assert "Option state_url: from FLASHDUTY_STATE_URL" in good.stdout
    assert re.search(
        "Database: .*, PostgreSQL [0-9.]+, as postgres, without TLS", good.stdout
    )
    assert bad.rc == 2
    assert "Check app_key" in bad.stdout
    assert "The database of the state is of no use" in bad.stdout
    for run in (good, bad):
        for secret in (app_key, PASSWORD, "f00dfeed"):
            assert secret not in run.output
