# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starting, stopping and asking an emulator process."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import typing as t
import urllib.request
from pathlib import Path

import pytest

from tests.emulator.control import Emulator, EmulatorError
from tests.emulator.keys import ALERT_KEY, CHANGE_KEY

from .conftest import Answer, Client

ROOT = Path(__file__).resolve().parents[3]


def is_running(pid: int) -> bool:
    try:
        # A process that has ended and was not waited for is a zombie: Z.
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def ends(pid: int, *, timeout: float = 10.0) -> bool:
    deadline = time.monotonic() + timeout
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_running(pid)


@pytest.fixture
def own() -> t.Iterator[Emulator]:
    """An emulator that a test may stop."""
    with Emulator() as emulator:
        yield emulator


def test_the_urls_are_those_of_the_console(own: Emulator) -> None:
    assert own.url == f"http://127.0.0.1:{own.port}"
    assert own.push_url == (
        f"{own.url}/event/push/alert/standard?integration_key={own.alert_key}"
    )
    assert own.change_push_url == (
        f"{own.url}/event/push/change/standard?integration_key={own.change_key}"
    )


def test_a_stopped_emulator_refuses_connections_and_still_tells_what_happened(
    own: Emulator,
) -> None:
    Client(own).push()

    own.stop()

    with pytest.raises(ConnectionRefusedError):
        Client(own).push()
    assert len(own.alerts()) == 1
    assert len(own.requests()) == 1


def test_after_a_restart_alerts_requests_and_faults_are_still_there(
    own: Emulator,
) -> None:
    port = own.port
    Client(own).push()
    own.misbehave({"kind": "error"})
    before = own.state("alerts", "events", "requests")

    own.restart()

    assert own.port == port
    after = own.state("alerts", "events", "requests")
    assert {**after, "version": 0} == {**before, "version": 0}
    assert Client(own).push().status == 500
    assert Client(own).push(event_status="Ok").status == 200
    assert own.alerts()[0]["status"] == "recovered"


def test_a_fresh_restart_knows_of_nothing(own: Emulator) -> None:
    Client(own).push()

    own.restart(fresh=True)

    assert own.alerts() == []
    assert own.requests() == []


def test_a_hanging_request_does_not_keep_it_from_stopping(own: Emulator) -> None:
    own.misbehave({"kind": "hang", "seconds": 60})
    client = Client(own, timeout=0.2)
    with pytest.raises(TimeoutError):
        client.push()
    started = time.monotonic()

    own.stop()

    assert time.monotonic() - started < 3


def test_stopping_twice_is_stopping(own: Emulator) -> None:
    own.stop()
    own.stop()

    assert not own.running


def test_closing_leaves_no_process_and_no_files() -> None:
    with Emulator(tls=True) as emulator:
        folder = emulator.ca_path.parent.parent
        pid = t.cast(int, emulator.pid)

    assert not is_running(pid)
    assert not folder.exists()


def test_two_emulators_do_not_share_anything(own: Emulator) -> None:
    with Emulator() as other:
        Client(other).push()

        assert own.alerts() == []
        assert own.port != other.port


def test_keys_can_be_chosen() -> None:
    keys = ["needs/quoting+1=", "second"]
    with Emulator(alert_keys=keys, change_keys=["third"]) as emulator:
        client = Client(emulator)

        assert client.push().status == 200
        second = f"{emulator.url}/event/push/alert/standard?integration_key=second"
        assert client.push(url=second).status == 200
        assert client.push_change().status == 200
        assert [event["integration"] for event in emulator.events()] == [0, 1]


def test_a_path_prefix_belongs_to_the_urls() -> None:
    with Emulator(path_prefix="/flashduty") as emulator:
        client = Client(emulator)

        assert "/flashduty/event/push/alert/standard?" in emulator.push_url
        assert client.push().status == 200
        assert (
            client.push(url=emulator.push_url.replace("/flashduty", "")).status == 404
        )


def test_limits_answer_429_and_say_when_to_come_again() -> None:
    with Emulator(limits=True) as emulator:
        client = Client(emulator)
        connection = client.connect()
        body = b'{"title_rule": "t", "event_status": "Info"}'
        answers: list[Answer] = []
        # A slow machine comes to the limit of a minute first.
        while len(answers) <= 1000 and (not answers or answers[-1].status == 200):
            answers.append(client.send(body=body, connection=connection))
        connection.close()

    assert len(answers) > 100
    assert answers[-1].status == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1


def test_the_older_protocol_can_be_asked_for() -> None:
    with Emulator(protocol="2024") as emulator:
        assert list(Client(emulator).push().json) == ["request_id"]


def test_without_a_record_only_counts_are_kept() -> None:
    with Emulator(record=False) as emulator:
        Client(emulator).push()

        assert emulator.counts()["accepted"] == 1
        assert emulator.counts()["requests"] == 1
        assert emulator.events() == emulator.requests() == emulator.alerts() == []


def test_a_latency_can_be_given_to_all_answers() -> None:
    with Emulator(latency=0.2) as emulator:
        started = time.monotonic()
        Client(emulator).push()

        assert time.monotonic() - started >= 0.2


def test_proxies_in_the_environment_are_not_for_the_control(
    own: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert own.alerts() == []


def test_an_interpreter_without_aiohttp_is_reported(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    python.chmod(0o755)

    with pytest.raises(EmulatorError, match="did not start"):
        Emulator(python=str(python)).start()


def test_the_control_needs_the_standard_library_only() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "import tests.emulator.control;"
        "assert 'aiohttp' not in sys.modules"
    )

    subprocess.run([sys.executable, "-I", "-S", "-c", code, str(ROOT)], check=True)


# --- TLS ---


def test_tls_works_with_the_ca_and_only_with_it() -> None:
    with Emulator(tls=True) as emulator:
        assert emulator.url.startswith("https://")
        context = ssl.create_default_context(cafile=str(emulator.ca_path))
        for host in ("127.0.0.1", "localhost"):
            url = f"https://{host}:{emulator.port}/_emulator/state"
            with urllib.request.urlopen(url, context=context, timeout=10) as answer:
                assert answer.status == 200
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(emulator.url, timeout=10)


def test_a_client_certificate_can_be_demanded() -> None:
    with Emulator(client_certificate=True) as emulator:
        context = ssl.create_default_context(cafile=str(emulator.ca_path))
        with pytest.raises(OSError):
            urllib.request.urlopen(emulator.url, context=context, timeout=10)
        context.load_cert_chain(emulator.client_cert, emulator.client_key)

        with urllib.request.urlopen(
            emulator.url, context=context, timeout=10
        ) as answer:
            assert answer.status == 200
        assert emulator.alerts() == []


@pytest.mark.parametrize("kind", ["drop", "reset", "truncated"])
def test_connections_break_over_tls_too(kind: str) -> None:
    with Emulator(tls=True) as emulator:
        emulator.misbehave({"kind": kind})
        context = ssl.create_default_context(cafile=str(emulator.ca_path))

        with pytest.raises(
            (OSError, http.client.HTTPException)
        ), urllib.request.urlopen(
            emulator.push_url, b"{}", context=context, timeout=10
        ) as answer:
            json.loads(answer.read())

        assert emulator.counts()["requests"] == 1


def test_the_certificates_stay_the_same_over_a_restart() -> None:
    with Emulator(tls=True) as emulator:
        ca = emulator.ca_path.read_bytes()

        emulator.restart()

        assert emulator.ca_path.read_bytes() == ca
        assert emulator.alerts() == []


# --- by hand ---


def start_by_hand(*arguments: str) -> tuple[subprocess.Popen[str], dict[str, t.Any]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.emulator", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def test_by_hand_it_says_where_it_is_and_nothing_else() -> None:
    process, ready = start_by_hand("--quiet")
    with process, urllib.request.urlopen(ready["url"], timeout=10) as answer:
        assert answer.status == 200
        process.send_signal(signal.SIGINT)

        assert process.wait(timeout=10) == 0
        assert t.cast(t.TextIO, process.stdout).read() == ""
    assert ready == {"url": ready["url"], "pid": process.pid}


def test_by_hand_it_takes_certificates_of_somebody_else(tmp_path: Path) -> None:
    tls = pytest.importorskip("tests.emulator.tls")
    tls.make(tmp_path)
    process, ready = start_by_hand(
        f"--tls-cert={tmp_path}/server.pem",
        f"--tls-key={tmp_path}/server.key",
        f"--tls-client-ca={tmp_path}/ca.pem",
    )
    context = ssl.create_default_context(cafile=f"{tmp_path}/ca.pem")
    context.load_cert_chain(tmp_path / "client.pem", tmp_path / "client.key")

    with process:
        with urllib.request.urlopen(ready["url"], context=context, timeout=10) as one:
            status = one.status
        process.terminate()

    assert ready["url"].startswith("https://")
    assert status == 200


def start_as_grandchild(*arguments: str) -> int:
    """Start an emulator from a process that ends at once."""
    code = (
        "import subprocess, sys;"
        "p = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE,"
        " stderr=subprocess.DEVNULL, text=True);"
        "print(p.stdout.readline())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, sys.executable, "-m", "tests.emulator"]
        + list(arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return int(json.loads(done.stdout)["pid"])


def test_it_ends_with_its_parent() -> None:
    assert ends(start_as_grandchild())


def test_it_stays_without_its_parent_if_told_to() -> None:
    pid = start_as_grandchild("--keep")

    assert not ends(pid, timeout=1.5)
    os.kill(pid, signal.SIGTERM)
    assert ends(pid)


def start_as_make_does(port: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.emulator", f"--port={port}", "--show-settings"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_person_is_told_what_to_export() -> None:
    with start_as_make_does(0) as process:
        assert process.stdout is not None
        ready, *lines = (process.stdout.readline() for _number in range(3))
        process.terminate()

    assert lines == [
        f"export {name}='{json.loads(ready)['url']}/event/push/{kind}/standard?integration_key={key}'\n"
        for name, kind, key in (
            ("FLASHDUTY_PUSH_URL", "alert", ALERT_KEY),
            ("FLASHDUTY_CHANGE_PUSH_URL", "change", CHANGE_KEY),
        )
    ]


def test_a_port_in_use_is_said_in_a_sentence(own: Emulator) -> None:
    with start_as_make_does(own.port) as process:
        _stdout, stderr = process.communicate(timeout=300)

    assert process.returncode == 1
    assert stderr == (
        f"Cannot listen on 127.0.0.1, port {own.port}: Address already in use."
        " Take another one, such as: make emulator PORT=9000\n"
    )
