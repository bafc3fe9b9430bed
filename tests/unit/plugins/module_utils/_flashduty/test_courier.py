# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The courier as a process of its own, told what to do by its standard input, against a real server."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
import typing as t
from collections import defaultdict
from pathlib import Path

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty import (
    courier as module,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
    Connection,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    FlashdutyError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    AlertEvent,
    ChangeEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    FILE_NAME,
    OutboxError,
    OutboxLocation,
    open_outbox,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
    OpenAlert,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.answers import (
    ClaimedEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.queue import (
    Outbox,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.runs import (
    Run,
    RunAlert,
    RunLedger,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.sqlite import (
    SqliteDatabase,
    move_aside,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.processes import (
    process_name,
)

from tests.emulator.control import Emulator
from tests.tools.waiting import wait_until

from .conftest import connection_to

CORE = Path(module.__file__).parents[1]


def alert(key: str, title: str = "t", status: str = "Critical") -> AlertEvent:
    return AlertEvent.create(
        title_rule=title, event_status=status, alert_key=key, description="d" * 300
    )


class Courier:
    """A courier process, and the run that talks to it."""

    def __init__(
        self,
        folder: Path,
        *connections: Connection,
        max_in_flight: int = 8,
        rate_limit: int = 0,
        run_pid: int | None = None,
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "_flashduty.courier"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=CORE,
            start_new_session=True,
            text=True,
        )
        self.tell(
            start={
                "outbox": {"path": str(folder)},
                "run_pid": os.getpid() if run_pid is None else run_pid,
                "max_in_flight": max_in_flight,
                "rate_limit": rate_limit,
            }
        )
        for connection in connections:
            self.tell(connection=dataclasses.asdict(connection))

    def has_begun(self) -> bool:
        """Say whether it has opened the outbox, and read in it: before that, it would make another one."""
        with contextlib.suppress(OSError):
            files = Path(f"/proc/{self.process.pid}/fd").iterdir()
            return any(os.readlink(file).endswith(f"{FILE_NAME}-shm") for file in files)
        return False

    def tell(self, **message: t.Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def finish(
        self, seconds: float, *, patience: float = 30.0, retry: bool = True
    ) -> float:
        """Say that the run has ended well; return the seconds until the courier has ended."""
        started = time.monotonic()
        self.tell(finish=seconds, retry=retry)
        assert self.process.wait(patience) == 0
        return time.monotonic() - started

    def vanish(self) -> None:
        """End like a run that was killed."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def close(self) -> str:
        """End it whatever it does; return what it has complained of."""
        self.process.kill()
        with contextlib.suppress(ValueError, OSError):
            return self.process.communicate()[1]
        return ""


@pytest.fixture
def start(tmp_path: Path, flashduty: Emulator) -> t.Iterator[t.Callable[..., Courier]]:
    """Start a courier for the outbox in the test's folder."""
    started: list[Courier] = []

    def start(*connections: Connection, **options: t.Any) -> Courier:
        courier = Courier(
            tmp_path, *(connections or [connection_to(flashduty)]), **options
        )
        started.append(courier)
        return courier

    yield start
    flashduty.behave()
    for courier in started:
        courier.close()


@pytest.fixture
def outbox(tmp_path: Path) -> t.Iterator[Outbox]:
    with open_outbox(OutboxLocation(str(tmp_path))) as outbox:
        yield outbox


def add(outbox: Outbox, connection: Connection, *events: t.Any, **more: t.Any) -> None:
    outbox.add(connection.fingerprint, events, **more)


def delivered(flashduty: Emulator) -> list[str]:
    return [event["alert_key"] for event in flashduty.events()]


def in_this_process(outbox: Outbox, *connections: Connection) -> module.Courier:
    """Return a courier that delivers what is there, once it is run."""
    courier = module.Courier(outbox, rate_limit=0)
    for connection in connections:
        courier.post({"connection": dataclasses.asdict(connection)})
    courier.post({"finish": 30})
    return courier


# -- delivering


def test_what_waits_is_delivered_until_it_is_told_to_finish(
    start: t.Callable[..., Courier],
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
) -> None:
    events = [alert(str(number)) for number in range(40)]
    add(outbox, connection, *events)

    start().finish(20)

    assert sorted(delivered(flashduty)) == sorted(event.key for event in events)
    assert outbox.counts()["waiting"] == 0
    assert flashduty.events()[0]["event_time"] == events[0].event_time


def test_without_retry_a_failed_attempt_is_the_last_one(
    start: t.Callable[..., Courier],
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
) -> None:
    add(outbox, connection, alert("first"), alert("second"))
    flashduty.misbehave({"kind": "error", "code": "InternalError", "times": 0})

    # It ends by itself, long before the time is over.
    start().finish(600, retry=False)

    assert outbox.counts()["waiting"] == 2
    flashduty.behave()
    start().finish(600, retry=False)
    assert sorted(delivered(flashduty)) == ["first", "second"]


def test_what_comes_later_is_delivered_at_once(
    start: t.Callable[..., Courier],
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
) -> None:
    courier = start()
    wait_until(courier.has_begun)
    add(outbox, connection, alert("late"))
    courier.tell(wake=True)

    wait_until(lambda: delivered(flashduty) == ["late"])
    assert courier.process.poll() is None
    assert courier.finish(20) < 12


def test_what_comes_one_after_the_other_is_gathered(
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events = [alert(str(number)) for number in range(60)]
    claim, looks = outbox.claim, []

    def counted(*args: t.Any, **kwargs: t.Any) -> t.Any:
        looks.append(args)
        return claim(*args, **kwargs)

    monkeypatch.setattr(outbox, "claim", counted)
    courier = module.Courier(outbox, rate_limit=0)
    courier.post({"connection": dataclasses.asdict(connection)})

    def storm() -> None:
        with open_outbox(OutboxLocation(str(tmp_path))) as of_the_run:
            for event in events:
                add(of_the_run, connection, event)
                courier.post({"wake": True})
                time.sleep(0.02)
        courier.post({"finish": 30})

    run = threading.Thread(target=storm)
    run.start()
    courier.run()
    run.join()

    assert sorted(delivered(flashduty)) == sorted(event.key for event in events)
    assert len(looks) < len(events)


def test_an_empty_outbox_keeps_nobody_waiting(start: t.Callable[..., Courier]) -> None:
    assert start().finish(20) < 12


def test_each_key_keeps_its_order(
    start: t.Callable[..., Courier],
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
) -> None:
    flashduty.misbehave(
        {"kind": "latency", "seconds": 0.05, "times": 12},
        {"kind": "reset", "times": 2},
    )
    for number in range(60):
        add(outbox, connection, alert(f"key{number % 5}", f"{number:03}"))

    start().finish(30)

    titles = defaultdict(list)
    for event in flashduty.events():
        titles[event["alert_key"]].append(event["title_rule"])
    assert sum(map(len, titles.values())) == 60
    assert all(order == sorted(order) for order in titles.values())


def test_several_requests_are_on_their_way_at_a_time_and_no_more(
    start: t.Callable[..., Courier],
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
) -> None:
    flashduty.misbehave({"kind": "latency", "seconds": 0.1, "times": 0})
    add(outbox, connection, *(alert(str(number)) for number in range(20)))

    start(max_in_flight=4).finish(20)

    counts = flashduty.counts()
    assert counts["max_in_flight"] == 4
    # One connection each, and those of the questions.
    assert len(delivered(flashduty)) == 20


def test_two_integrations_are_served(
    start: t.Callable[..., Courier], outbox: Outbox, flashduty: Emulator
) -> None:
    alerts, changes = connection_to(flashduty), connection_to(flashduty, "change")
    add(outbox, alerts, alert("a"))
    add(
        outbox,
        changes,
        ChangeEvent.create(change_key="c", change_status="Done", title="t"),
    )

    start(alerts, changes).finish(20)

    assert delivered(flashduty) == ["a"]
    assert [event["change_key"] for event in flashduty.change_events()] == ["c"]


def test_nothing_is_sent_that_was_not_claimed_for_good(
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add(outbox, connection, *(alert(str(number)) for number in range(20)))
    transaction = outbox.transaction
    ends: list[int] = []

    @contextlib.contextmanager
    def transaction_that_fails_now_and_then() -> t.Iterator[None]:
        with transaction():
            yield
            ends.append(flashduty.counts()["requests"])
            if len(ends) in (1, 3):
                raise OutboxError("the disk is full")

    monkeypatch.setattr(outbox, "transaction", transaction_that_fails_now_and_then)
    courier = in_this_process(outbox, connection)

    courier.run()

    # Neither before the first transaction has failed, nor because of that.
    assert ends[:2] == [0, 0]
    assert len(ends) > 3
    assert sorted(delivered(flashduty), key=int) == [str(n) for n in range(20)]
    assert outbox.counts()["waiting"] == 0


def test_all_couriers_claim_for_their_integrations_in_one_order(
    outbox: Outbox, flashduty: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else two that share a database could wait for each other: each claim locks a rate limit until all are made."""
    alerts, changes = connection_to(flashduty), connection_to(flashduty, "change")
    claim = outbox.claim

    def order(*connections: Connection) -> list[str]:
        claimed = []

        def noted(fingerprint: str, *args: t.Any, **kwargs: t.Any) -> t.Any:
            claimed.append(fingerprint)
            return claim(fingerprint, *args, **kwargs)

        monkeypatch.setattr(outbox, "claim", noted)
        in_this_process(outbox, *connections).run()
        return claimed

    found = order(alerts, changes)

    assert found == order(changes, alerts)
    assert set(found) == {alerts.fingerprint, changes.fingerprint}


def test_what_belongs_to_another_integration_is_left_alone(
    start: t.Callable[..., Courier], outbox: Outbox, connection: Connection
) -> None:
    outbox.add("somebody else's", [alert("a")])

    assert start().finish(20) < 12
    assert outbox.counts()["waiting"] == 1


# -- trouble


def test_an_event_that_is_refused_is_kept_aside_and_holds_up_nothing(
    start: t.Callable[..., Courier],
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
) -> None:
    flashduty.misbehave(
        {"kind": "error", "code": "AccessDenied", "match": {"alert_key": "bad"}}
    )
    add(outbox, connection, alert("bad"), alert("good"))

    start().finish(20)

    assert delivered(flashduty) == ["good"]
    status = outbox.status([connection.fingerprint])
    assert status.waiting == 0
    assert [error["code"] for error in status.undeliverable] == ["AccessDenied"]


def test_a_redirect_refuses_nothing_for_good(
    start: t.Callable[..., Courier],
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
) -> None:
    flashduty.misbehave({"kind": "redirect"})
    add(outbox, connection, alert("a"))

    start().finish(20)

    assert delivered(flashduty) == ["a"]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "error"},
        {"kind": "html"},
        {"kind": "empty"},
        {"kind": "truncated"},
        {"kind": "reset"},
        {"kind": "drop"},
        {"kind": "rate_limit"},
    ],
    ids=lambda fault: fault["kind"],
)
def test_a_passing_trouble_costs_a_moment_and_no_event(
    start: t.Callable[..., Courier],
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
    fault: dict[str, t.Any],
) -> None:
    flashduty.misbehave({**fault, "times": 3})
    add(outbox, connection, *(alert(str(number)) for number in range(10)))

    start().finish(30)

    assert sorted(delivered(flashduty)) == [str(number) for number in range(10)]
    assert outbox.counts()["waiting"] == 0


def test_a_rate_limit_pauses_everybody_as_long_as_the_server_asks(
    start: t.Callable[..., Courier],
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
) -> None:
    flashduty.misbehave({"kind": "rate_limit", "retry_after": "2"})
    add(outbox, connection, *(alert(str(number)) for number in range(30)))

    start().finish(30)

    limited = next(r for r in flashduty.requests() if r["status"] == 429)
    early = [
        request
        for request in flashduty.requests()
        # It takes a moment until the limit is known, a longer one on a busy machine.
        if 1 < request["received_at"] - limited["received_at"] < 2
    ]
    assert early == []
    assert len(delivered(flashduty)) == 30


def test_one_attempt_at_a_time_finds_out_whether_a_service_is_back(
    start: t.Callable[..., Courier],
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
) -> None:
    flashduty.misbehave(
        {"kind": "latency", "seconds": 0.8, "times": 8}, {"kind": "error", "times": 0}
    )
    add(outbox, connection, *(alert(str(number)) for number in range(30)))
    courier = start()
    wait_until(lambda: len(flashduty.requests()) == 8)

    # The first wave is told of its failure after 0.8 seconds; then it is tried after one more, and after two more.
    time.sleep(5)
    probes = len(flashduty.requests()) - 8
    flashduty.behave()
    courier.finish(30)

    assert 1 <= probes <= 2
    assert len(delivered(flashduty)) == 30


def test_a_service_that_is_away_is_waited_for_until_the_deadline(
    start: t.Callable[..., Courier],
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
) -> None:
    flashduty.misbehave({"kind": "error", "times": 0})
    add(outbox, connection, *(alert(str(number)) for number in range(20)))

    assert start().finish(3) < 15

    status = outbox.status([connection.fingerprint])
    assert status.waiting == 20
    assert status.reason is not None and status.reason["code"] == "InternalError"
    claimed, _pause = outbox.claim(connection.fingerprint, "next", limit=99, lease=9)
    assert len(claimed) == 20, "its claims were given back"


def test_the_end_of_the_run_is_worth_one_more_attempt(
    start: t.Callable[..., Courier],
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
) -> None:
    flashduty.misbehave({"kind": "error", "times": 3})
    add(outbox, connection, alert("a"))
    courier = start()
    # It was tried three times, and would be again in four seconds.
    wait_until(lambda: len(flashduty.requests()) == 3)
    time.sleep(0.3)

    courier.finish(2)

    assert delivered(flashduty) == ["a"]


def test_an_outbox_that_cannot_be_used_does_not_keep_a_courier_alive(
    tmp_path: Path,
    outbox: Outbox,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "AFTER_KILL", 1.0)
    with Outbox(SqliteDatabase(str(tmp_path), busy_timeout=0.05)) as other:
        courier = module.Courier(other)
        courier.post({"connection": dataclasses.asdict(connection)})
        courier.post(None)
        with outbox.transaction(), pytest.raises(OutboxError, match="locked"):
            courier.run()


def test_nobody_waits_for_a_time_that_lies_behind_the_deadline(
    start: t.Callable[..., Courier],
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
) -> None:
    flashduty.misbehave({"kind": "rate_limit", "retry_after": "600", "times": 0})
    add(outbox, connection, alert("a"))
    courier = start()
    wait_until(flashduty.requests)
    time.sleep(0.3)

    assert courier.finish(20) < 12


def test_a_server_that_hangs_does_not_hold_up_the_end(
    start: t.Callable[..., Courier], outbox: Outbox, flashduty: Emulator
) -> None:
    flashduty.misbehave({"kind": "hang", "seconds": 60, "times": 0})
    connection = connection_to(flashduty, timeout=30)
    add(outbox, connection, *(alert(str(number)) for number in range(10)))
    courier = start(connection)
    wait_until(lambda: flashduty.counts()["in_flight"] == 8)

    assert courier.finish(0.5) < 12
    assert len(outbox.claim(connection.fingerprint, "n", limit=99, lease=9)[0]) == 10


def test_what_this_process_cannot_mend_is_told_and_not_tried_for_ever(
    start: t.Callable[..., Courier], outbox: Outbox, flashduty: Emulator
) -> None:
    connection = connection_to(flashduty, ca_path="/nowhere/ca.pem")
    add(outbox, connection, alert("a"))

    assert start(connection).finish(20) < 12

    status = outbox.status([connection.fingerprint])
    assert status.waiting == 1
    assert status.reason is not None and "/nowhere" in status.reason["message"]


def test_a_damaged_outbox_ends_the_courier(
    start: t.Callable[..., Courier], outbox: Outbox, tmp_path: Path
) -> None:
    courier = start()
    wait_until(courier.has_begun)
    move_aside(str(tmp_path))

    assert courier.process.wait(60) == 1
    assert "was replaced" in courier.close()


# -- a run that was killed


def killed_run(folder: Path, connection: Connection, **options: t.Any) -> int:
    """Let a run start a courier and be killed; return the courier's process id."""
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            """
import json, os, subprocess, sys
courier = subprocess.Popen(
    [sys.executable, "-m", "_flashduty.courier"],
    stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, text=True,
)
start, *others = json.loads(sys.argv[1])
for message in ({"start": {**start, "run_pid": os.getpid()}}, *others):
    print(json.dumps(message), file=courier.stdin, flush=True)
print(courier.pid, flush=True)
if sys.argv[2] == "worker":
    # A worker holds the pipe open, so the courier hears no end.
    if os.fork() == 0:
        import time
        os.close(1)
        time.sleep(8)
        os._exit(0)
os.kill(os.getpid(), 9)
""",
            json.dumps(
                [
                    {
                        "outbox": OutboxLocation(
                            str(folder),
                            is_temporary=options.get("is_temporary", False),
                        ).as_message(),
                        "max_in_flight": 8,
                        "rate_limit": 0,
                    },
                    {"connection": dataclasses.asdict(connection)},
                    *options.get("messages", ()),
                ]
            ),
            options.get("holding", "nobody"),
        ],
        cwd=CORE,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert run.returncode == -signal.SIGKILL
    return int(run.stdout)


def has_ended(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


@pytest.mark.parametrize("holding", ["nobody", "worker"])
def test_what_a_killed_run_has_left_is_delivered(
    tmp_path: Path,
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
    holding: str,
) -> None:
    add(outbox, connection, alert("a"), alert("b"))

    pid = killed_run(tmp_path, connection, holding=holding)

    wait_until(lambda: sorted(delivered(flashduty)) == ["a", "b"])
    wait_until(lambda: has_ended(pid), 5)


@pytest.mark.parametrize("is_temporary", [True, False])
def test_the_temporary_folder_of_a_killed_run_goes_when_all_is_delivered(
    tmp_path: Path, connection: Connection, flashduty: Emulator, is_temporary: bool
) -> None:
    folder = tmp_path / "folder"
    with open_outbox(OutboxLocation(str(folder))) as outbox:
        add(outbox, connection, alert("a"))

    pid = killed_run(folder, connection, is_temporary=is_temporary)

    wait_until(lambda: has_ended(pid), 60)
    assert delivered(flashduty) == ["a"]
    assert folder.exists() is not is_temporary


def remembered_run(outbox: Outbox, connection: Connection) -> dict[str, t.Any]:
    """Remember a run, and return the message that has it watched."""
    RunLedger(outbox).begin(
        Run(
            run_id="run-1",
            fingerprint=connection.fingerprint,
            server="",
            origin='["", "play"]',
            playbook="site.yml",
            controller="control1",
            process=process_name(),
            when_lost=RunAlert(
                {
                    "title_rule": "The run was killed",
                    "event_status": "Critical",
                    "alert_key": "run",
                },
                "play",
                {"scope": "run"},
            ),
        )
    )
    return {
        "run": {
            "run_id": "run-1",
            "controller": "control1",
            "started": time.monotonic(),
            "max_duration": None,
            "overlong": None,
        }
    }


def test_a_killed_run_can_raise_an_alert(
    tmp_path: Path, outbox: Outbox, connection: Connection, flashduty: Emulator
) -> None:
    watch = remembered_run(outbox, connection)

    pid = killed_run(tmp_path, connection, messages=[watch])

    wait_until(lambda: delivered(flashduty) == ["run"])
    wait_until(lambda: has_ended(pid), 5)
    (remembered,) = outbox.open_alerts()
    assert isinstance(remembered, OpenAlert)
    assert remembered.details == {"scope": "run"}
    assert abs(remembered.opened_at - time.time()) < 30


def test_a_run_that_ended_well_raises_no_alert(
    start: t.Callable[..., Courier],
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
) -> None:
    courier = start()
    courier.tell(**remembered_run(outbox, connection))
    courier.tell(finish=5)
    courier.vanish()

    assert courier.process.wait(60) == 0
    assert delivered(flashduty) == []


def test_after_a_kill_the_courier_tries_for_a_minute_at_most(
    start: t.Callable[..., Courier],
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert module.AFTER_KILL == 60
    # The same with less patience, in this process.
    monkeypatch.setattr(module, "AFTER_KILL", 2.0)
    flashduty.misbehave({"kind": "error", "times": 0})
    add(outbox, connection, alert("a"))
    courier = module.Courier(outbox)
    courier.post({"connection": dataclasses.asdict(connection)})
    courier.post(None)
    started = time.monotonic()

    courier.run()

    assert time.monotonic() - started < 15
    assert outbox.counts()["waiting"] == 1


# -- after the run

ALERT = {
    "kind": "alert",
    "fields": {
        "title_rule": "Deployment failed",
        "event_status": "Critical",
        "alert_key": "a",
    },
}
CHANGE = {
    "kind": "change",
    "fields": {"title": "Deploy", "change_status": "Canceled", "change_key": "c"},
}


def left_behind(
    folder: Path, content: t.Any, *connections: tuple[str, Connection]
) -> subprocess.Popen[str]:
    """End a run that leaves a file for after its end, and return the courier that waits for that."""
    file = folder / "left.json"
    file.write_text("{}")
    descriptor = os.open(file, os.O_RDONLY)
    with subprocess.Popen(["sleep", "60"]) as run:
        courier = subprocess.Popen(
            [sys.executable, "-m", "_flashduty.courier"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=CORE,
            pass_fds=[descriptor],
            text=True,
        )
        os.close(descriptor)
        assert courier.stdin is not None
        start = {
            "outbox": {"path": str(folder / "outbox")},
            "run_pid": run.pid,
            "max_in_flight": 8,
            "rate_limit": 0,
            "events_on_exit": {
                "file": descriptor,
                "fingerprints": {
                    kind: connection.fingerprint for kind, connection in connections
                },
            },
        }
        courier.stdin.write(json.dumps({"start": start}) + "\n")
        for _kind, connection in connections:
            message = {"connection": dataclasses.asdict(connection)}
            courier.stdin.write(json.dumps(message) + "\n")
        courier.stdin.close()
        # While the run lives, it waits without requests.
        wait_until(lambda: waits_for_a_process(courier.pid))
        assert "/requests/" not in Path(f"/proc/{courier.pid}/maps").read_text()
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        file.unlink()
        run.terminate()
        run.wait()
    return courier


def waits_for_a_process(pid: int) -> bool:
    with contextlib.suppress(OSError):
        files = Path(f"/proc/{pid}/fd").iterdir()
        return any("pidfd" in os.readlink(file) for file in files)
    return False


def both(flashduty: Emulator) -> list[tuple[str, Connection]]:
    return [(kind, connection_to(flashduty, kind)) for kind in ("alert", "change")]


def test_events_on_exit_are_sent_when_the_run_has_ended(
    tmp_path: Path, flashduty: Emulator
) -> None:
    left = {"events_on_exit": [ALERT, CHANGE]}

    assert left_behind(tmp_path, left, *both(flashduty)).wait(30) == 0

    assert [alert["title"] for alert in flashduty.alerts()] == ["Deployment failed"]
    assert [change["status"] for change in flashduty.changes()] == ["Canceled"]


def test_what_an_event_on_exit_opens_is_remembered(
    tmp_path: Path, flashduty: Emulator
) -> None:
    opened = OpenAlert("key", "deployment", "Deployment failed", "Critical")
    fields = {**t.cast("dict[str, t.Any]", ALERT["fields"]), "alert_key": "key"}
    event = {**ALERT, "fields": fields, "opened": dataclasses.asdict(opened)}

    left_behind(tmp_path, {"events_on_exit": [event]}, *both(flashduty)).wait(30)

    with open_outbox(OutboxLocation(str(tmp_path / "outbox"))) as outbox:
        (remembered,) = outbox.open_alerts()
    assert dataclasses.replace(remembered, opened_at=0.0) == opened


@pytest.mark.parametrize("content", [{}, {"events_on_exit": []}, "", "{", "[1]"])
def test_a_run_that_leaves_nothing_is_forgotten(
    tmp_path: Path, flashduty: Emulator, content: t.Any
) -> None:
    courier = left_behind(tmp_path, content, *both(flashduty))

    assert courier.wait(30) == 0
    assert flashduty.requests() == []
    assert not (tmp_path / "outbox").exists()


def test_events_of_a_kind_that_nobody_wants_are_not_sent(
    tmp_path: Path, flashduty: Emulator
) -> None:
    left = {"events_on_exit": [ALERT, CHANGE]}

    left_behind(tmp_path, left, both(flashduty)[1]).wait(30)

    assert flashduty.alerts() == []
    assert len(flashduty.changes()) == 1


def test_what_is_urgent_in_the_outbox_is_delivered_after_the_run(
    tmp_path: Path, flashduty: Emulator, connection: Connection
) -> None:
    with open_outbox(OutboxLocation(str(tmp_path / "outbox"))) as outbox:
        add(outbox, connection, alert("a"))

    left_behind(tmp_path, {"deliver_after_run": True}, ("alert", connection)).wait(30)

    assert delivered(flashduty) == ["a"]


def test_events_on_exit_go_out_even_if_the_outbox_is_of_no_use(
    tmp_path: Path, flashduty: Emulator
) -> None:
    (tmp_path / "outbox").write_text("no folder")

    left_behind(tmp_path, {"events_on_exit": [ALERT]}, *both(flashduty)).wait(30)

    assert delivered(flashduty) == ["a"]


# -- several couriers


def test_two_couriers_share_the_work(
    start: t.Callable[..., Courier],
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
) -> None:
    flashduty.misbehave({"kind": "latency", "seconds": 0.05, "times": 0})
    couriers = [start(max_in_flight=4), start(max_in_flight=4)]
    wait_until(lambda: all(courier.has_begun() for courier in couriers))
    for number in range(100):
        add(outbox, connection, alert(str(number)))
    for courier in couriers:
        courier.tell(wake=True)
    for courier in couriers:
        courier.finish(30)

    assert sorted(delivered(flashduty), key=int) == [str(n) for n in range(100)]
    assert flashduty.counts()["max_in_flight"] > 4


def test_what_a_dead_courier_had_claimed_is_delivered_by_another(
    start: t.Callable[..., Courier],
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
) -> None:
    flashduty.misbehave({"kind": "hang", "seconds": 60, "times": 8})
    add(outbox, connection, *(alert(str(number)) for number in range(8)))
    first = start()
    wait_until(lambda: flashduty.counts()["in_flight"] == 8)
    second = start()
    wait_until(second.has_begun)
    first.process.kill()
    first.process.wait()

    second.finish(15)

    assert sorted(delivered(flashduty)) == [str(number) for number in range(8)]


def test_the_claims_of_another_run_are_waited_for(
    start: t.Callable[..., Courier], outbox: Outbox, connection: Connection
) -> None:
    add(outbox, connection, alert("a"))
    claimed, _pause = outbox.claim(
        connection.fingerprint, process_name(), limit=1, lease=60
    )
    courier = start()
    courier.tell(finish=20)
    wait_until(courier.has_begun)
    time.sleep(0.5)
    assert courier.process.poll() is None

    outbox.settle(delivered=claimed)

    assert courier.process.wait(3) == 0


def test_two_couriers_together_keep_to_the_rate_limit(
    start: t.Callable[..., Courier],
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
) -> None:
    add(outbox, connection, *(alert(str(number)) for number in range(60)))

    couriers = [start(rate_limit=50), start(rate_limit=50)]
    for courier in couriers:
        courier.tell(finish=15)
    for courier in couriers:
        courier.process.wait(40)

    moments = sorted(request["received_at"] for request in flashduty.requests())
    in_a_second = max(
        sum(start <= moment < start + 1 for moment in moments) for start in moments
    )
    assert in_a_second <= 5
    assert 15 <= len(moments) <= 50, [round(m - moments[0], 2) for m in moments]


# -- what others can see of it


def test_the_key_is_in_nothing_that_others_can_read(
    start: t.Callable[..., Courier], outbox: Outbox, tmp_path: Path, flashduty: Emulator
) -> None:
    connection = connection_to(flashduty, integration_key="c" * 16 + "0123456789abcdef")
    flashduty.misbehave({"kind": "hang", "seconds": 60, "times": 2})
    add(outbox, connection, alert("a"), alert("b"))
    courier = start(connection)
    wait_until(lambda: flashduty.counts()["in_flight"] == 2)

    seen = b""
    for name in ("cmdline", "environ", "comm", "status"):
        seen += Path(f"/proc/{courier.process.pid}/{name}").read_bytes()
    flashduty.behave()
    courier.finish(5)
    for path in tmp_path.rglob("*"):
        seen += path.read_bytes()

    assert b"_flashduty.courier" in seen
    assert connection.fingerprint.encode() in seen
    assert connection.integration_key.encode() not in seen
    assert courier.close() == ""


def peak_memory(pid: int) -> int:
    """Return the largest memory that a process has had, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def test_memory_does_not_grow_with_what_waits(
    start: t.Callable[..., Courier],
    outbox: Outbox,
    connection: Connection,
    flashduty: Emulator,
) -> None:
    peaks = []
    for backlog in (50, 1500):
        add(outbox, connection, *(alert(f"{backlog}-{n}") for n in range(backlog)))
        courier = start()
        wait_until(lambda: outbox.counts()["waiting"] < 10, 120)
        peaks.append(peak_memory(courier.process.pid))
        courier.finish(20)

    assert peaks[1] - peaks[0] < 4096


def test_what_is_no_start_ends_it_quietly() -> None:
    for line in ("", "{}\n"):
        ended = subprocess.run(
            [sys.executable, "-m", "_flashduty.courier"],
            cwd=CORE,
            input=line,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (0, "")


def test_ctrl_c_is_for_the_run(
    start: t.Callable[..., Courier], outbox: Outbox, connection: Connection
) -> None:
    courier = start()

    assert os.getsid(courier.process.pid) == courier.process.pid != os.getsid(0)
    courier.finish(5)


# -- how many at a time


@pytest.mark.parametrize(
    ("latencies", "rate_limit", "ceiling", "wanted"),
    [
        # 90 a second, of which each takes 0.1 s: 9 at a time, half as many more, and 2.
        ([0.1], 900, 32, 16),
        ([0.3], 900, 64, 43),
        ([0.3], 900, 32, 32),
        ([0.005], 900, 32, 3),
        # The mean counts where the rate limit is in the way, the fastest where it is not.
        ([0.1, 0.3], 900, 64, 29),
        ([0.01, 0.3], 0, 32, 17),
        ([0.01], 0, 8, 8),
        # Until the first answer.
        ([], 900, 32, 8),
        ([], 900, 4, 4),
    ],
)
def test_so_many_requests_are_made_at_a_time(
    connection: Connection,
    latencies: list[float],
    rate_limit: int,
    ceiling: int,
    wanted: int,
) -> None:
    destination = module._Destination(connection)
    destination.latencies.extend(latencies)

    assert destination.wanted_in_flight(rate_limit, ceiling, 10.0) == wanted


def test_a_first_answer_that_takes_long_is_not_waited_for(
    connection: Connection,
) -> None:
    destination = module._Destination(connection)
    destination.first_sent_at = 10.0

    assert destination.wanted_in_flight(900, 32, 10.05) == 9
    assert destination.wanted_in_flight(900, 32, 10.2) == 29


@pytest.mark.parametrize(
    ("error", "age"),
    [
        (None, 2.1),
        (FlashdutyError("Refused.", code="x", hint="", http_status=400), 2.1),
        # How long it would have taken is not known.
        (FlashdutyError("No answer.", code="x", hint=""), 2.0),
    ],
)
def test_an_answered_request_leaves_the_rate_limit_before_its_end(
    connection: Connection, error: FlashdutyError | None, age: float
) -> None:
    destination = module._Destination(connection)
    for seconds in [0.3, 0.1] + [0.2] * 99:
        destination.take_latency(seconds)
    event = ClaimedEvent(1, connection.fingerprint, "alert", "a", "{}", 0, "me")
    job = module._Job(destination, event, epoch=0)

    assert module._Result(job, error, ended_at=8.0).age(10.0) == pytest.approx(age)


def test_a_few_answers_do_not_tell_how_long_the_way_takes_at_least(
    connection: Connection,
) -> None:
    destination = module._Destination(connection)
    for _number in range(63):
        # Each has waited: for a new connection, or for a processor.
        destination.take_latency(0.3)
        assert destination.least_latency == 0.0

    destination.take_latency(0.1)

    assert destination.least_latency == 0.1
