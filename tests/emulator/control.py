# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start, ask, disturb and stop the emulator from Python.

Only the standard library is imported, so that any environment can use this. The emulator itself needs
aiohttp: it runs with the interpreter in FLASHDUTY_EMULATOR_PYTHON, or with the current one.

    with Emulator() as flashduty:
        run_playbook(env={"FLASHDUTY_PUSH_URL": flashduty.push_url})
        assert [alert["status"] for alert in flashduty.alerts()] == ["open"]
"""

from __future__ import annotations

import json
import os
import select
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from .keys import ALERT_KEY, APP_KEY, CHANGE_KEY

_TESTS = Path(__file__).resolve().parents[1]
_ALERT_PATH = "/event/push/alert/standard"
_CHANGE_PATH = "/event/push/change/standard"

Item = dict[str, t.Any]


class EmulatorError(Exception):
    """The emulator did not start, or did not do as it was told."""


class Emulator:
    """An emulator process. As a context manager it starts at once and leaves nothing behind."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        alert_keys: t.Sequence[str] = (ALERT_KEY,),
        change_keys: t.Sequence[str] = (CHANGE_KEY,),
        app_keys: t.Sequence[str] = (APP_KEY,),
        channels: t.Sequence[str] = (),
        path_prefix: str = "",
        protocol: str = "2026",
        limits: bool = False,
        latency: float = 0.0,
        record: bool = True,
        tls: bool = False,
        client_certificate: bool = False,
        keep: bool = False,
        python: str | None = None,
        start_timeout: float = 30.0,
    ) -> None:
        self.host = host
        self.port = port
        self.alert_keys = tuple(alert_keys)
        self.change_keys = tuple(change_keys)
        self.app_keys = tuple(app_keys)
        self.pid: int | None = None
        self._prefix = path_prefix.rstrip("/")
        self._tls = tls or client_certificate
        self._client_certificate = client_certificate
        self._python = (
            python or os.environ.get("FLASHDUTY_EMULATOR_PYTHON") or sys.executable
        )
        self._start_timeout = start_timeout
        self._process: subprocess.Popen[str] | None = None
        self._folder: Path | None = None
        self._options = [
            *(f"--alert-key={key}" for key in alert_keys),
            *(f"--change-key={key}" for key in change_keys),
            *(f"--app-key={key}" for key in app_keys),
            *(f"--channel={name}" for name in channels),
            f"--path-prefix={path_prefix}",
            f"--protocol={protocol}",
            f"--latency={latency}",
            *(["--limits"] if limits else []),
            *([] if record else ["--no-record"]),
            *(["--tls-client"] if client_certificate else []),
            *(["--keep"] if keep else []),
        ]

    # --- where it is ---

    @property
    def alert_key(self) -> str:
        return self.alert_keys[0]

    @property
    def change_key(self) -> str:
        return self.change_keys[0]

    @property
    def app_key(self) -> str:
        return self.app_keys[0]

    @property
    def url(self) -> str:
        """The address without a path, as for the option api_url."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    @property
    def push_url(self) -> str:
        """The URL for alert events as the console shows it, with its key."""
        return self._push_url(_ALERT_PATH, self.alert_key)

    @property
    def change_push_url(self) -> str:
        """The URL for change events as the console shows it, with its key."""
        return self._push_url(_CHANGE_PATH, self.change_key)

    @property
    def ca_path(self) -> Path:
        """The certificate of the authority that signed the server's, with tls."""
        return self._tls_file("ca.pem")

    @property
    def client_cert(self) -> Path:
        return self._tls_file("client.pem")

    @property
    def client_key(self) -> Path:
        return self._tls_file("client.key")

    # --- its life ---

    def __enter__(self) -> Emulator:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start, on the port of last time if there was one, with the state of last time."""
        if self.running:
            return
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="flashduty-emulator-"))
        with open(self._folder / "stderr", "a", encoding="utf-8") as stderr:
            self._process = subprocess.Popen(
                self._command(),
                cwd=_TESTS,
                env={**os.environ, "PYTHONPATH": self._python_path()},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                # Ctrl-C is for the tests, which still want to ask something then.
                start_new_session=True,
            )
        try:
            ready = self._read_ready_line(self._process)
        except BaseException:
            self.stop()
            raise
        self.pid = ready["pid"]
        self.port = int(ready["url"].rpartition(":")[2])

    def stop(self) -> None:
        """Stop: connections are refused from now on. What happened can still be asked."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def restart(self, *, fresh: bool = False) -> None:
        """Stop and start on the same port; fresh forgets everything that happened."""
        self.stop()
        if fresh:
            self._state_file.unlink(missing_ok=True)
        self.start()

    def close(self) -> None:
        """Stop for good and remove the files."""
        self.stop()
        if self._folder is not None:
            # Where the emulator itself went wrong, the test that saw it should say so.
            sys.stderr.write(self._stderr())
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    # --- what happened ---

    def alerts(self) -> list[Item]:
        """Alerts in the order they opened; a key that opened anew is in it twice."""
        return self._items("alerts")

    def changes(self) -> list[Item]:
        return self._items("changes")

    def events(self) -> list[Item]:
        """Alert events that were accepted, in order."""
        return self._items("events")

    def change_events(self) -> list[Item]:
        """Change events that were accepted, in order."""
        return self._items("change_events")

    def silences(self) -> list[Item]:
        """The silences that there are now, as the Open API lists them."""
        return self._items("silences")

    def requests(self) -> list[Item]:
        """All requests to the push API, the Open API and to unknown paths, in order, without keys."""
        return self._items("requests")

    def counts(self) -> dict[str, int]:
        """How many requests, connections, accepted events, …"""
        return t.cast("dict[str, int]", self.state("counts")["counts"])

    def state(self, *parts: str) -> Item:
        """Everything, or these parts of everything. When it is stopped: as it was then."""
        if not self.running:
            if not self._state_file.exists():
                raise EmulatorError("The emulator is not running.")
            content = json.loads(self._state_file.read_text(encoding="utf-8"))
            return t.cast(Item, content["state"])
        query = f"?parts={','.join(parts)}" if parts else ""
        return self._ask(f"/_emulator/state{query}")

    def wait_for(
        self, condition: t.Callable[[Emulator], object], *, timeout: float = 10.0
    ) -> bool:
        """Wait until a condition holds; return whether it does."""
        deadline = time.monotonic() + timeout
        while not condition(self):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    # --- what shall happen ---

    def misbehave(self, *faults: Item) -> None:
        """Queue up faults for the next requests; faults.py describes them."""
        self._ask("/_emulator/faults", list(faults))

    def behave(self) -> None:
        """Forget the faults that are left, and let go of requests that hang."""
        self._ask("/_emulator/behave", {})

    def reset(self) -> None:
        """Forget everything that happened, and the faults. A stopped one starts."""
        self.start()
        self._ask("/_emulator/reset", {})

    def close_by_hand(self, alert_key: str) -> int:
        """Close the open alerts of a key, as a person does in the console; return how many."""
        return int(self._ask("/_emulator/close", {"alert_key": alert_key})["closed"])

    # --- private ---

    def _push_url(self, path: str, key: str) -> str:
        quoted = urllib.parse.quote(key, safe="")
        return f"{self.url}{self._prefix}{path}?integration_key={quoted}"

    @property
    def _state_file(self) -> Path:
        if self._folder is None:
            raise EmulatorError("The emulator was not started.")
        return self._folder / "state.json"

    def _tls_file(self, name: str) -> Path:
        if not self._tls or self._folder is None:
            raise EmulatorError("The emulator was not started with tls=True.")
        return self._folder / "tls" / name

    def _command(self) -> list[str]:
        folder = t.cast(Path, self._folder)
        return [
            self._python,
            "-m",
            Path(__file__).parent.name,
            f"--host={self.host}",
            f"--port={self.port}",
            f"--state={folder / 'state.json'}",
            *([f"--tls-make={folder / 'tls'}"] if self._tls else []),
            *self._options,
        ]

    @staticmethod
    def _python_path() -> str:
        return os.pathsep.join(
            part for part in (str(_TESTS), os.environ.get("PYTHONPATH")) if part
        )

    def _read_ready_line(self, process: subprocess.Popen[str]) -> Item:
        assert process.stdout is not None
        readable, _writable, _failed = select.select(
            [process.stdout], [], [], self._start_timeout
        )
        line = process.stdout.readline() if readable else ""
        if not line:
            process.kill()
            raise EmulatorError(f"The emulator did not start: {self._stderr()}")
        return t.cast(Item, json.loads(line))

    def _stderr(self) -> str:
        return (t.cast(Path, self._folder) / "stderr").read_text(encoding="utf-8")

    def _items(self, part: str) -> list[Item]:
        return t.cast("list[Item]", self.state(part)[part])

    def _ask(self, path: str, content: t.Any = None) -> Item:
        request = urllib.request.Request(
            self.url + path,
            data=None if content is None else json.dumps(content).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            # The tests set proxies in the environment: they are not for this.
            with self._opener().open(request, timeout=30) as answer:
                return t.cast(Item, json.load(answer))
        except urllib.error.HTTPError as error:
            with error:
                raise EmulatorError(json.load(error).get("problem", "")) from error

    def _opener(self) -> urllib.request.OpenerDirector:
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self._tls:
            context = ssl.create_default_context(cafile=str(self.ca_path))
            if self._client_certificate:
                context.load_cert_chain(self.client_cert, self.client_key)
            handlers.append(urllib.request.HTTPSHandler(context=context))
        return urllib.request.build_opener(*handlers)
