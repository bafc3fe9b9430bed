# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The integration key stands in no output, log, argument list, environment or file of ours, in no form."""

from __future__ import annotations

import html
import json
import re
import time
import typing as t
import urllib.parse
from pathlib import Path

import pytest

from tests.emulator.control import Emulator
from tests.tools.cores import Core
from tests.tools.playbooks import CALLBACK, inventory_of

from .conftest import Leaks, processes_of

# With characters that are written in another way in a URL, in JSON and in HTML.
KEY = 'Kx+7/pQ==zz&%41"0123456789abcdef'
FORMS = {
    KEY,
    urllib.parse.quote(KEY, safe=""),
    urllib.parse.quote(KEY),
    urllib.parse.quote_plus(KEY),
    json.dumps(KEY)[1:-1],
    html.escape(KEY),
    urllib.parse.quote(urllib.parse.quote(KEY, safe=""), safe=""),
}
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Fail
      ansible.builtin.raw: "{{ command | default('exit 1') }}"
"""
INVENTORY = inventory_of("h1")


@pytest.fixture
def keeper(tmp_path: Path, core: Core) -> t.Iterator[Leaks]:
    """Runs against a Flashduty of its own, whose key is this one."""
    with Emulator(alert_keys=(KEY,)) as flashduty:
        keeper = Leaks(tmp_path, core, flashduty)
        yield keeper
        keeper.close()


def environment_with_log(keeper: Leaks) -> dict[str, str]:
    return {
        "ANSIBLE_LOG_PATH": str(keeper.folder / "ansible.log"),
        "ANSIBLE_DISPLAY_TRACEBACK": "always",
        "FLASHDUTY_FLUSH_TIMEOUT": "2",
    }


def assert_unseen(keeper: Leaks, *texts: str | bytes) -> None:
    everything = [*texts, keeper.stored(), (keeper.folder / "ansible.log").read_bytes()]
    for text in everything:
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        assert [form for form in FORMS if form.lower() in text.lower()] == []
        # Nor a good part of it.
        assert KEY[-12:] not in text


def stop(flashduty: Emulator) -> None:
    flashduty.stop()


def misbehave(*faults: dict[str, t.Any]) -> t.Callable[[Emulator], None]:
    return lambda flashduty: flashduty.misbehave(*faults)


TROUBLES: dict[str, t.Callable[[Emulator], None]] = {
    "none": lambda _flashduty: None,
    "connection refused": stop,
    "URL echoed": misbehave({"kind": "echo_url", "times": 0}),
    "URL in a redirect": misbehave(
        {"kind": "redirect", "location": f"http://127.0.0.1:9/?{FORMS}", "times": 0}
    ),
    "refused with a message": misbehave(
        {
            "kind": "error",
            "code": "InvalidParameter",
            "message": f"integration_key {KEY} is not valid",
            "times": 0,
        }
    ),
    "cut off": misbehave({"kind": "truncated", "times": 0}),
    "reset": misbehave({"kind": "reset", "times": 0}),
}


@pytest.mark.any_core
@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.thorough("URL in a redirect", "cut off", "refused with a message", "reset")
def test_the_key_is_not_seen_when_there_is(keeper: Leaks, trouble: str) -> None:
    TROUBLES[trouble](keeper.flashduty)

    run = keeper.play(
        PLAYBOOK, "-vvvv", inventory=INVENTORY, environment=environment_with_log(keeper)
    )

    assert "Flashduty: 1 " in run.output
    assert_unseen(keeper, run.output)


def key_in_ini(keeper: Leaks) -> dict[str, str]:
    value = KEY.replace(";", "")
    keeper.write(
        "ansible.cfg",
        f"[flashduty]\nintegration_key = {value}\napi_url = {keeper.flashduty.url}\n",
    )
    return {"FLASHDUTY_PUSH_URL": ""}


def key_in_file(keeper: Leaks) -> dict[str, str]:
    path = keeper.write("key", KEY + "\n")
    return {
        "FLASHDUTY_PUSH_URL": "",
        "FLASHDUTY_INTEGRATION_KEY_FILE": str(path),
        "FLASHDUTY_API_URL": keeper.flashduty.url,
    }


def key_in_variables(keeper: Leaks) -> dict[str, str]:
    keeper.write(
        "group_vars/all.yml",
        keeper.vault.encrypt(
            json.dumps({"flashduty_push_url": keeper.flashduty.push_url})
        ),
    )
    return {"FLASHDUTY_PUSH_URL": ""}


def wrong_url_with_key(keeper: Leaks) -> dict[str, str]:
    return {"FLASHDUTY_PUSH_URL": f"ftp://127.0.0.1:99999/x?integration_key={KEY}"}


def key_as_url(keeper: Leaks) -> dict[str, str]:
    return {"FLASHDUTY_PUSH_URL": KEY}


def key_as_timeout(keeper: Leaks) -> dict[str, str]:
    return {"FLASHDUTY_TIMEOUT": KEY}


PLACES = (
    *(key_in_ini, key_in_file, key_in_variables),
    *(wrong_url_with_key, key_as_url, key_as_timeout),
)


@pytest.mark.any_core
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_the_key_is_not_seen_wherever_it_comes_from(
    keeper: Leaks, place: t.Callable[[Leaks], dict[str, str]]
) -> None:
    environment = {**environment_with_log(keeper), **place(keeper)}

    run = keeper.play(PLAYBOOK, "-vvvv", inventory=INVENTORY, environment=environment)

    assert "Flashduty: " in run.output
    assert run.rc == 2
    assert_unseen(keeper, run.output)


@pytest.mark.any_core
def test_a_task_that_prints_the_key_sends_none(keeper: Leaks) -> None:
    run = keeper.play(
        PLAYBOOK,
        *("-e", json.dumps({"command": 'printf \'%s\\n\' "$KEY" "$QUOTED"; exit 1'})),
        inventory=INVENTORY,
        environment={
            **environment_with_log(keeper),
            "KEY": KEY,
            "QUOTED": urllib.parse.quote(KEY, safe=""),
        },
    )

    assert KEY in run.output.encode().decode("unicode_escape")
    (request,) = keeper.flashduty.requests()
    body = json.dumps(request["body"], ensure_ascii=False)
    assert body.count("[hidden]") == 2
    assert KEY[-12:] not in body


@pytest.mark.any_core
def test_the_courier_has_the_key_neither_in_its_arguments_nor_in_its_environment(
    keeper: Leaks,
) -> None:
    keeper.flashduty.misbehave({"kind": "hang", "seconds": 20, "times": 0})
    running = keeper.start(
        PLAYBOOK,
        inventory=inventory_of("h1", "h2 command='sleep 5'"),
        environment={
            **environment_with_log(keeper),
            "ANSIBLE_CALLBACKS_ENABLED": CALLBACK,
            "FLASHDUTY_PUSH_URL": keeper.flashduty.push_url,
            "FLASHDUTY_INTEGRATION_KEY": KEY,
            "SOMETHING_ELSE": f"with {KEY} in it",
        },
    )
    deadline = time.monotonic() + 30
    while not keeper.flashduty.requests():
        assert time.monotonic() < deadline
        time.sleep(0.05)

    couriers = processes_of(keeper.home)
    [courier] = list(couriers.values())
    files = [
        path.read_bytes()
        for pid in couriers
        for path in (Path(f"/proc/{pid}/fd")).iterdir()
        if path.is_file()
    ]
    limits = [Path(f"/proc/{pid}/limits").read_text() for pid in couriers]
    running.kill()
    keeper.flashduty.behave()

    assert_unseen(keeper, *courier, *files, running.stdout, running.stderr)
    assert b"FLASHDUTY" not in courier[1]
    # Nor would it be in a core file.
    assert re.search(r"Max core file size +0 +0 ", limits[0])
