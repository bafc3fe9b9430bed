# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
Show the collection at work, in about ten seconds: a playbook fails, alerts open; it is repaired, they close.

    make demo                     # with an emulator of Flashduty on this machine
    make demo KEEP=1              # … whose web page stays until Enter is pressed
    PUSH_URL='https://…' make demo    # with Flashduty itself: the push URL as copied from the console

Everything happens in a temporary folder. Nothing of the user's is read or changed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.emulator.control import Emulator  # noqa: E402
from tests.tools.cores import current_core  # noqa: E402
from tests.tools.environments import TREE  # noqa: E402
from tests.tools.progress import say  # noqa: E402

HERE = Path(__file__).resolve().parent
FILES = ("ansible.cfg", "hosts.ini", "site.yml", "settings")
PLAYBOOK_COMMAND = ("ansible-playbook", "site.yml")
# Labels that say the most; the web page and Flashduty show all of them.
SHOWN_LABELS = ("resource", "check", "status", "service", "team", "task_path")
# What the way to Flashduty itself may need.
PROXY_AND_AUTHORITIES = (
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
)

COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "cyan": "36"}


class Disappointment(Exception):
    """Something is not as this demo promises."""


def main() -> int:
    return perform(show)


def perform(demo: t.Callable[[Path], None]) -> int:
    """Run a demo in a temporary folder; return the exit code."""
    try:
        with tempfile.TemporaryDirectory(prefix="flashduty-demo-") as folder:
            demo(Path(folder))
    except Disappointment as exc:
        say(paint(f"\nThe demo did not go as promised: {exc}", "red"))
        return 1
    except KeyboardInterrupt:
        say("\nStopped.")
        return 130
    return 0


def show(folder: Path) -> None:
    """Run the demo against an emulator, or against Flashduty itself where its push URL is given."""
    stage = Stage(folder)
    push_url = os.environ.get("PUSH_URL")
    if push_url:
        show_with_flashduty(stage, push_url)
    else:
        show_with_emulator(stage)


def show_with_emulator(stage: Stage) -> None:
    """Run the demo against an emulator, and look into it."""
    with Emulator() as flashduty:
        say(
            f"An emulator of Flashduty runs at {paint(flashduty.url, 'cyan')} (a web page)."
        )

        headline("1. A playbook for three hosts: web2 fails, db1 is switched off")
        stage.play(flashduty.push_url, succeeds=False)
        headline("2. What Flashduty holds now")
        show_alerts(flashduty.alerts())
        must_hold(flashduty, {"web2": "open", "db1": "open"})

        headline(
            "3. web2's settings are repaired, db1 is switched on, and it runs again"
        )
        stage.repair()
        stage.play(flashduty.push_url, succeeds=True)
        headline("4. What Flashduty holds now")
        show_alerts(flashduty.alerts(), in_full=False)
        must_hold(flashduty, {"web2": "recovered", "db1": "recovered"})

        say(f"\nThe whole set-up is in {HERE.relative_to(ROOT) / 'ansible.cfg'}.")
        if os.environ.get("KEEP", "0") not in ("", "0"):
            keep_open(flashduty.url)
        else:
            say("To look at the web page meanwhile: make demo KEEP=1")


def show_with_flashduty(stage: Stage, push_url: str) -> None:
    """Run the demo against Flashduty itself, of which only the answers can be seen."""
    say("Events go to Flashduty itself, by the URL in PUSH_URL.")

    headline("1. A playbook for three hosts: web2 fails, db1 is switched off")
    stage.play(push_url, succeeds=False)
    must_be_delivered(stage, open_alerts=2)
    say("\nFlashduty has accepted both events. Its console shows two open alerts now:")
    say("  Check the settings failed on web2 (site.yml)")
    say("  db1 unreachable (site.yml)")
    say("in the channel that the integration belongs to, or that its routes choose.")

    headline("2. web2's settings are repaired, db1 is switched on, and it runs again")
    stage.repair()
    stage.play(push_url, succeeds=True)
    must_be_delivered(stage, open_alerts=0)
    say(
        "\nFlashduty has accepted the recovery of both. In the console they are closed."
    )


class Stage:
    """The playbook and its hosts, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "shop"
        self.home = folder / "home"
        self.home.mkdir()
        self.folder.mkdir()
        for name in FILES:
            source = HERE / name
            copy: t.Callable[..., t.Any] = (
                shutil.copytree if source.is_dir() else shutil.copy
            )
            copy(source, self.folder / name)

    @property
    def state(self) -> Path:
        return self.home / ".ansible" / "flashduty"

    def play(
        self,
        push_url: str,
        *,
        succeeds: bool,
        command: t.Sequence[str] = PLAYBOOK_COMMAND,
        **environment: str,
    ) -> None:
        """Run a playbook as a user would, showing what it prints."""
        with self.start(push_url, command, **environment) as process:
            show_output(process)
        if (process.returncode == 0) is not succeeds:
            raise Disappointment(f"{command[0]} ended with {process.returncode}.")

    def start(
        self,
        push_url: str,
        command: t.Sequence[str] = PLAYBOOK_COMMAND,
        **environment: str,
    ) -> subprocess.Popen[str]:
        """Start a playbook as a user would."""
        core = current_core()
        inherited = {
            name: os.environ[name]
            for name in PROXY_AND_AUTHORITIES
            if name in os.environ
        }
        # The environment, not an argument: everybody can read arguments.
        environment = core.environment(
            self.home,
            **inherited,
            ANSIBLE_CALLBACK_RESULT_FORMAT="yaml",
            FLASHDUTY_PUSH_URL=push_url,
            **environment,
        )
        if is_terminal():
            del environment["ANSIBLE_NOCOLOR"]
            environment["ANSIBLE_FORCE_COLOR"] = "1"
        say(paint(f"$ {' '.join(command)}", "bold"))
        return subprocess.Popen(
            [core.bin(command[0]), *command[1:]],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )

    def repair(self) -> None:
        """Do what the person would do who was called."""
        settings = self.folder / "settings" / "web2.env"
        settings.write_text(settings.read_text(encoding="utf-8").rstrip() + '"\n')
        hosts = self.folder / "hosts.ini"
        lines = hosts.read_text(encoding="utf-8").splitlines()
        hosts.write_text(
            "".join(
                ("db1" if line.startswith("db1 ") else line) + "\n" for line in lines
            )
        )


def show_output(process: subprocess.Popen[str]) -> None:
    """Print what a process prints, until it ends."""
    for line in t.cast("t.IO[str]", process.stdout):
        if line.strip():
            say("  " + line.rstrip())


def show_alerts(alerts: t.Sequence[dict[str, t.Any]], *, in_full: bool = True) -> None:
    """Print alerts for people."""
    for alert in alerts:
        is_open = alert["status"] == "open"
        state = (
            paint("● open     ", "red") if is_open else paint("✓ recovered", "green")
        )
        say(f"  {state}  {alert['severity']:<8}  {paint(alert['title'], 'bold')}")
        if in_full:
            for line in alert["description"].splitlines():
                say(paint(f"      │ {line}".rstrip(), "dim"))
            labels = [
                f"{name}={alert['labels'][name]}"
                for name in SHOWN_LABELS
                if name in alert["labels"]
            ]
            say(f"      {' '.join(labels)}\n")


def must_hold(flashduty: Emulator, expected: t.Mapping[str, str]) -> None:
    """Check that these hosts have one alert each, and nobody else has."""
    alerts = flashduty.alerts()
    states = {alert["labels"].get("resource"): alert["status"] for alert in alerts}
    if states != expected or len(alerts) != len(expected):
        raise Disappointment(f"expected {expected}, but Flashduty holds {states}.")


def must_be_delivered(stage: Stage, *, open_alerts: int) -> None:
    """Check in the outbox that nothing waits, nothing was refused, and so many alerts are open."""
    sys.path.insert(0, str(TREE))
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        OutboxLocation,
        open_outbox,
    )

    if not (stage.state / "outbox.sqlite3").exists():
        raise Disappointment("no event was made.")
    with open_outbox(OutboxLocation(str(stage.state))) as outbox:
        waiting = outbox.events(undeliverable=False)
        refused = outbox.events(undeliverable=True)
        still_open = outbox.open_alerts()
    if waiting or refused:
        raise Disappointment(
            f"{len(waiting)} events are not delivered, and {len(refused)} were refused. Why stands above, in the line"
            " that begins with Flashduty."
        )
    if len(still_open) != open_alerts:
        raise Disappointment(f"{len(still_open)} alerts are open.")


def keep_open(url: str) -> None:
    with contextlib.suppress(EOFError):
        input(f"The web page stays at {url} until you press Enter. ")


def headline(text: str) -> None:
    say("\n" + paint(text, "bold"))


def paint(text: str, colour: str) -> str:
    return f"\033[{COLOURS[colour]}m{text}\033[0m" if is_terminal() else text


def is_terminal() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


if __name__ == "__main__":
    sys.exit(main())
