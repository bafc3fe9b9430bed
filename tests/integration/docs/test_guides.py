# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever README.md and the guides show is true: files are written, commands typed in, playbooks run."""

from __future__ import annotations

import ast
import configparser
import json
import os
import re
import subprocess
import sys
import typing as t
import urllib.request
from pathlib import Path

import jinja2
import pytest
import yaml
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.api_errors import (
    API_ERRORS,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    AlertEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OutboxLocation,
    check_database,
    open_outbox,
)

from tests.emulator.control import Emulator
from tests.postgres import PostgresServer, postgres
from tests.tools.cores import Core
from tests.tools.environments import ROOT

from .guides import GUIDES, LEFT_OUT, README, Block, Reader, normalised, read_guide

__all__ = ["postgres"]

PAGES = [README, *GUIDES]
BLOCKS = [block for page in PAGES for block in read_guide(page)]
by_name = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@pytest.fixture
def reader(
    cores: list[Core],
    flashduty: Emulator,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Reader:
    """Somebody who reads a page, with the newest ansible-core. A database is started when the page comes to one."""
    return Reader(
        tmp_path,
        cores[-1],
        flashduty,
        lambda: request.getfixturevalue("guides_database").users_url,
    )


class GuidesDatabase:
    """A database in which the statements of the guide are run, and taken back."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.users_url = server.url_in("flashduty", user="flashduty")
        self.administrators_url = server.url_in("flashduty")

    def run(self, caption: str) -> None:
        """Run the statements of a block."""
        for statement in named("guide_shared_state", caption).text.split(";"):
            if statement.strip():
                self._server.run(statement)

    def clear(self) -> None:
        """Take back what the guide has made."""
        self._server.run("DROP SCHEMA IF EXISTS flashduty CASCADE")
        self._server.run("DROP ROLE IF EXISTS flashduty")


@pytest.fixture
def guides_database(postgres: PostgresServer) -> t.Iterator[GuidesDatabase]:
    """With a user who owns a schema."""
    database = GuidesDatabase(postgres)
    database.run("owner.sql")
    yield database
    database.clear()


def named(page: str, caption: str) -> Block:
    return next(
        block
        for block in BLOCKS
        if block.page == f"{page}.rst" and block.caption == caption
    )


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_is_written_well(block: Block) -> None:
    assert block.text.strip()
    if block.language.startswith("yaml"):
        assert block.data
        assert block.text.startswith("---\n"), "no document start"
    elif block.language == "json":
        assert json.loads(block.text)
    elif block.language == "ini":
        configparser.ConfigParser(interpolation=None).read_string(block.text)
    elif block.language == "console":
        assert block.commands
    else:
        assert block.language in ("python", "sql", "text"), block.language


def test_nothing_is_left_out_that_could_be_run() -> None:
    commands = [
        command
        for block in BLOCKS
        if block.language == "console"
        for command, _output in block.commands
    ]

    left_out = {
        command.split()[0] for command in commands if command.startswith(LEFT_OUT)
    }

    assert not left_out & {"ansible-playbook", "ansible", "ansible-doc"}


def test_the_grants_of_the_guide_are_enough(
    guides_database: GuidesDatabase, tmp_path: Path
) -> None:
    """Without a right to make tables, the user can do all that the outbox does, once an administrator has made them."""
    guides_database.clear()
    guides_database.run("user.sql")
    users = OutboxLocation(str(tmp_path), guides_database.users_url)
    open_outbox(
        OutboxLocation(str(tmp_path), guides_database.administrators_url)
    ).close()
    before = check_database(users).problem
    guides_database.run("grants.sql")

    after = check_database(users)

    assert before
    assert (after.problem, after.schema) == (None, "flashduty")
    event = AlertEvent.create(title_rule="t", event_status="Critical", alert_key="k")
    with open_outbox(users) as outbox:
        outbox.add("integration", [event])
        assert outbox.counts()["waiting"] == 1
        outbox.discard_undeliverable()


def the_inventory_says_who_is_paged(reader: Reader, blocks: list[Block]) -> None:
    [shown] = [json.loads(block.text) for block in blocks if block.language == "json"]
    [labels] = [
        alert["labels"]
        for alert in reader.flashduty.alerts()
        if alert["labels"]["resource"] == "db1"
        and alert["labels"]["playbook"] == "check.yml"
    ]
    paged = {
        event["labels"].get("layer_person_reset_0_emails")
        for event in reader.flashduty.events()
    }

    assert shown.items() <= labels.items()
    assert paged == {None, "ana@example.com,bo@example.com"}


def the_alert_is_closed(reader: Reader, blocks: list[Block]) -> None:
    states = {
        alert["labels"]["check"]: alert["status"]
        for alert in reader.flashduty.alerts()
        if "check" in alert["labels"]
    }

    assert states["Look for the volume"] == "recovered"
    assert states["send_test_event"] == "recovered"


def the_shop_is_deployed(reader: Reader, blocks: list[Block]) -> None:
    [change] = reader.flashduty.changes()

    assert (change["title"], change["status"]) == ("Deploy shop-api 1.4.2", "Done")


def the_deployment_is_mended(reader: Reader, blocks: list[Block]) -> None:
    alerts = reader.flashduty.alerts()
    changes = reader.flashduty.changes()

    # The first release was mended; nothing was deployed after the one that was rolled back.
    assert {alert["title"] for alert in alerts} == {"Deployment of shop-api failed"}
    assert sorted(alert["status"] for alert in alerts) == ["open", "recovered"]
    assert [(change["title"], change["status"]) for change in changes] == [
        ("Deploy shop-api 1.4.2", "Canceled"),
        ("Deploy shop-api 1.4.2", "Done"),
        ("Deploy shop-api 1.4.3", "Canceled"),
        ("Kernel update of the database cluster", "Done"),
    ]


def nothing_is_silenced_any_more(reader: Reader, blocks: list[Block]) -> None:
    alerts = {
        (alert["labels"].get("resource"), alert["labels"].get("check")): alert
        for alert in reader.flashduty.alerts()
    }
    calls = [
        request["path"].rpartition("/")[2]
        for request in reader.flashduty.requests()
        if request["path"].startswith("/channel/silence/rule/")
    ]

    # The hosts of the test are this machine, which Ansible refuses to reboot.
    assert alerts["web1", "Fail after the silence"]["paged_at"]
    # Each database, the web server that did not come back, and the release.
    assert calls.count("create") == calls.count("delete") >= 3
    assert reader.flashduty.silences() == []


def the_state_is_in_the_database(reader: Reader, blocks: list[Block]) -> None:
    run = reader.run(["ansible-playbook", "where.yml"])

    assert "postgresql at " in run.stdout
    assert not (reader.folder / "home" / ".ansible" / "flashduty").exists()


# What has to hold when somebody has done all that a page shows.
AFTERWARDS: dict[str, t.Callable[[Reader, list[Block]], None]] = {
    "README": the_shop_is_deployed,
    "guide_deployments": the_deployment_is_mended,
    "guide_getting_started": the_alert_is_closed,
    "guide_maintenance": nothing_is_silenced_any_more,
    "guide_shared_state": the_state_is_in_the_database,
    "guide_routing": the_inventory_says_who_is_paged,
}


@by_name
@pytest.mark.thorough(
    "guide_callback",
    "guide_routing",
    "guide_missed_runs",
    "guide_deployments",
    "guide_maintenance",
    "guide_shared_state",
    "guide_security",
)
def test_what_a_page_shows_is_true(page: Path, reader: Reader) -> None:
    blocks = read_guide(page)

    reader.read(blocks)

    AFTERWARDS.get(page.stem, lambda _reader, _blocks: None)(reader, blocks)


def test_the_readme_shows_what_the_demo_prints() -> None:
    [shown] = [
        block.text
        for block in read_guide(README)
        if block.language == "text" and "●" in block.text
    ]

    demo = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "demo" / "run.py")],
        env={k: v for k, v in os.environ.items() if k not in ("PUSH_URL", "KEEP")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    # The newest ansible-core has words of its own.
    printed = normalised(demo.stdout)
    for line in normalised(shown).splitlines():
        assert line.strip() in printed


CALLBACK_FILE = ROOT / "plugins" / "callback" / "alert_on_failure.py"
[EXAMPLES] = [
    yaml.safe_load(ast.literal_eval(node.value))
    for node in ast.parse(CALLBACK_FILE.read_text(encoding="utf-8")).body
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXAMPLES"
]


@pytest.mark.thorough
def test_the_examples_of_the_callback_work(reader: Reader) -> None:
    (reader.folder / "site.yml").write_text("- hosts: localhost\n")

    blocks = [
        Block(title, 1, language_of(text), "", text) for title, text in EXAMPLES.items()
    ]

    reader.read(blocks)
    assert len(blocks) > 5


def language_of(text: str) -> str:
    if text.startswith("["):
        return "ini"
    return "yaml" if text.startswith("- ") else "console"


def test_awx_can_inject_the_credential() -> None:
    fields = named("guide_awx", "inputs.yml").data
    injectors = named("guide_awx", "injectors.yml").data
    secrets = {field["id"] for field in fields["fields"] if field["secret"]}

    # In the way of AWX: a field that is empty is not defined, and renders as nothing.
    environment = jinja2.Environment(autoescape=False)  # noqa: S701
    rendered = {
        name: environment.from_string(template).render(push_url="https://example.com")
        for name, template in injectors["env"].items()
    }

    assert secrets == {"push_url", "state_url", "change_push_url", "app_key"}
    assert set(fields["required"]) <= secrets
    assert set(injectors) == {"env"}
    # AWX refuses them.
    assert not [name for name in rendered if name.startswith("ANSIBLE_")]
    assert rendered == {
        "FLASHDUTY_PUSH_URL": "https://example.com",
        "FLASHDUTY_STATE_URL": "",
        "FLASHDUTY_CHANGE_PUSH_URL": "",
        "FLASHDUTY_APP_KEY": "",
    }


def test_an_empty_field_of_the_credential_counts_as_not_set(reader: Reader) -> None:
    reader.environment["FLASHDUTY_CHANGE_PUSH_URL"] = ""

    run = reader.run(["ansible-playbook", "flashcat.flashduty.send_test_event"])

    assert run.returncode == 0, run.stdout
    assert "no change integration is configured" in run.stdout


def test_the_test_of_the_testing_guide_passes(
    cores: list[Core], tmp_path: Path
) -> None:
    block = named("guide_testing", "test_backup.py")
    (tmp_path / block.caption).write_text(block.text, encoding="utf-8")

    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
        cwd=ROOT,
        env={
            **cores[-1].environment(tmp_path),
            "PYTHONPATH": str(ROOT),
            "FLASHDUTY_EMULATOR_PYTHON": os.environ.get(
                "FLASHDUTY_EMULATOR_PYTHON", sys.executable
            ),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr


def test_the_emulator_takes_the_faults_of_the_testing_guide(
    flashduty: Emulator,
) -> None:
    commands = [
        command
        for block in read_guide(next(p for p in GUIDES if p.stem == "guide_testing"))
        if block.language == "console"
        for command, _output in block.commands
        if command.startswith("curl ")
    ]

    for command in commands:
        body, url = re.fullmatch(
            r"curl -H 'Content-Type: application/json' -d '(.*)' (\S+)", command
        ).groups()  # type: ignore[union-attr]
        path = url.removeprefix("http://127.0.0.1:8787")
        assert post(flashduty.url + path, body) == 200

    assert len(commands) == 3


def post(url: str, body: str) -> int:
    request = urllib.request.Request(
        url, data=body.encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return int(answer.status)


def test_the_keys_of_the_testing_guide_are_those_of_the_emulator(
    flashduty: Emulator,
) -> None:
    content = (ROOT / "docs/docsite/rst/guide_testing.rst").read_text(encoding="utf-8")

    assert f"integration_key={flashduty.alert_key}'" in content
    assert f"integration_key={flashduty.change_key}'" in content


OWN_CODES = (
    "ConnectionFailed",
    "Timeout",
    "UnexpectedResponse",
    "SilenceDiffers",
    "InvalidEvent",
    "InvalidConfiguration",
    "InternalFailure",
    "UnknownError",
)


@pytest.mark.parametrize("code", [*API_ERRORS, *OWN_CODES])
def test_the_troubleshooting_guide_explains(code: str) -> None:
    content = (ROOT / "docs/docsite/rst/guide_troubleshooting.rst").read_text(
        encoding="utf-8"
    )

    assert f"    * - ``{code}``\n" in content
    if code in API_ERRORS:
        status = API_ERRORS[code].http_status
        assert f"    * - ``{code}``\n      - {status}\n" in content


def test_every_picture_is_there_and_small() -> None:
    pictures = {
        ROOT / "docs" / "docsite" / "rst" / found
        for page in GUIDES
        for found in re.findall(
            r"^\.\. image:: (\S+)", page.read_text(encoding="utf-8"), re.MULTILINE
        )
    }

    assert pictures
    for picture in pictures:
        assert picture.stat().st_size < 200_000, picture


def test_extra_docs_name_every_guide() -> None:
    sections = yaml.safe_load(
        (ROOT / "docs" / "docsite" / "extra-docs.yml").read_text(encoding="utf-8")
    )["sections"]
    listed: list[t.Any] = [name for section in sections for name in section["toctree"]]

    assert sorted(listed) == [page.stem for page in GUIDES]
