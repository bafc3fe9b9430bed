# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The code blocks of README.md and of the guides, and a reader who does what they show."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import subprocess
import textwrap
import typing as t
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.emulator.control import Emulator
from tests.tools.cores import Core
from tests.tools.environments import ROOT
from tests.tools.forked_commands import run_command
from tests.tools.playbooks import CALLBACK

README = ROOT / "README.md"
GUIDES = sorted((ROOT / "docs" / "docsite" / "rst").glob("guide_*.rst"))

_RST_BLOCK = re.compile(
    r"^(?P<margin> *)\.\. code-block:: (?P<language>\S+)\n"
    r"(?P<options>(?:(?P=margin) +:.*\n)*)\n"
    r"(?P<text>(?:(?P=margin) +.*\n|\n)+)",
    re.MULTILINE,
)
_CAPTION = re.compile(r":caption: (\S+)")
# A caption in Markdown: the line before the block, such as **ansible.cfg**:
_MARKDOWN_BLOCK = re.compile(
    r"(?:^\*\*(?P<caption>[\w./-]+)\*\*:?\n\n)?^```(?P<language>[\w+]+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)

# Commands that a test cannot run: they need the web, a container engine, or never end.
LEFT_OUT = (
    "ansible-builder ",
    "ansible-galaxy collection install ",
    "ansible-vault ",
    "cd ",
    "curl ",
    "git clone ",
    "make ",
    "pip install ",
    "python3 -m pip install ",
)
COLLECTION = "flashcat.flashduty."
SERVICES = re.compile(
    r"https://(?:api\.flashcat\.cloud|flashduty\.example\.com)|http://127\.0\.0\.1:8787"
)
# The database that pages name.
DATABASE = re.compile(
    r"postgresql://flashduty@db\.example\.com/automation\?sslmode=verify-full"
)
CONTROLLER = "control1"


@dataclass(frozen=True)
class Block:
    """One code block.

    :param caption: the name of the file that it shows, or nothing.
    """

    page: str
    line: int
    language: str
    caption: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def data(self) -> t.Any:
        """What a YAML block holds."""
        return yaml.load(self.text, _Loader)

    @property
    def is_playbook(self) -> bool:
        return any(
            "hosts" in item or "ansible.builtin.import_playbook" in item
            for item in self._items()
        )

    @property
    def uses_roles(self) -> bool:
        return any("roles" in item for item in self._items())

    @property
    def is_task_list(self) -> bool:
        return bool(self._items()) and not self.is_playbook

    def _items(self) -> list[dict[str, t.Any]]:
        if not self.language.startswith("yaml") or not isinstance(self.data, list):
            return []
        return self.data

    @property
    def commands(self) -> list[tuple[str, list[str]]]:
        """The commands of a console block, each with the lines that it prints."""
        commands: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith(("$ ", "export ", "FLASHDUTY_")):
                commands.append((line.removeprefix("$ "), []))
            elif line.strip():
                assert commands, f"{self}: output without a command"
                commands[-1][1].append(line)
        return commands


class _Loader(yaml.SafeLoader):
    """Reads what Ansible reads."""


_Loader.add_constructor(
    "!unsafe",
    lambda loader, node: loader.construct_scalar(t.cast(yaml.ScalarNode, node)),
)


def read_guide(path: Path) -> list[Block]:
    """Return the blocks of a page, in their order."""
    content = path.read_text(encoding="utf-8")
    pattern = _MARKDOWN_BLOCK if path.suffix == ".md" else _RST_BLOCK
    blocks = []
    for match in pattern.finditer(content):
        facts = match.groupdict()
        found = _CAPTION.search(facts.get("options") or "")
        caption = found[1] if found else facts.get("caption") or ""
        line = content.count("\n", 0, match.start()) + 1
        text = textwrap.dedent(facts["text"]).strip("\n") + "\n"
        blocks.append(Block(path.name, line, facts["language"], caption, text))
    return blocks


class Reader:
    """Does what a page shows, in a folder of its own, against an emulator.

    What the page calls Flashduty is the emulator here, and its key is the emulator's.

    :param database: returns the URL of the database that pages name.
    """

    def __init__(
        self,
        folder: Path,
        core: Core,
        flashduty: Emulator,
        database: t.Callable[[], str] = str,
    ) -> None:
        self.folder = folder
        self._core = core
        self._database = database
        # The pages leave out what a deployment or an upgrade does.
        for left_out in ("deploy.yml", "upgrade.yml"):
            (folder / left_out).write_text("- ansible.builtin.debug:\n")
        self.flashduty = flashduty
        self.must_succeed = {f"{COLLECTION}send_test_event"}
        self.environment = core.environment(
            self._home(folder), FLASHDUTY_CHANGE_PUSH_URL=flashduty.change_push_url
        )

    def _home(self, folder: Path) -> Path:
        home = folder / "home"
        key_file = home / ".config" / "flashduty" / "integration_key"
        key_file.parent.mkdir(parents=True)
        key_file.write_text(self.flashduty.alert_key + "\n", encoding="utf-8")
        return home

    def read(self, blocks: t.Sequence[Block]) -> None:
        """Do what the blocks show, in their order."""
        later = " ".join(block.text for block in blocks if block.language == "console")
        for block in blocks:
            if block.caption:
                self.write(block)
            if block.language == "console":
                self.type_in(block)
            elif block.language == "ini":
                self.configure(block)
            elif block.is_playbook and block.caption not in later.split():
                self.run_playbook(block)
            elif block.is_task_list and not block.caption:
                self.run_tasks(block)
            elif block.language == "text":
                self.compare_alert(block)

    def localised(self, text: str) -> str:
        """Return a text of the page as it has to be here."""
        # Files of Ansible Vault are not encrypted here.
        text = SERVICES.sub(self.flashduty.url, text).replace(" --ask-vault-pass", "")
        text = DATABASE.sub(lambda _match: self._database(), text)
        text = text.replace(
            "FLASHDUTY_APP_KEY=…", f"FLASHDUTY_APP_KEY={self.flashduty.app_key}"
        )
        return re.sub(
            r"(?i)(integration_key(?:=|: ))…",
            rf"\g<1>{self.flashduty.alert_key}",
            text,
        )

    def write(self, block: Block) -> None:
        """Make the file that a block shows."""
        if block.uses_roles:
            self.must_succeed.add(block.caption)
        path = self.folder / block.caption
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.localised(block.text), encoding="utf-8")

    def type_in(self, block: Block) -> None:
        """Type in the commands of a console block, and compare what they print."""
        for command, expected in block.commands:
            if command.startswith(LEFT_OUT):
                continue
            if command.startswith("export "):
                for word in shlex.split(self.localised(command))[1:]:
                    name, _equals, value = word.partition("=")
                    self.environment[name] = value
                continue
            run = self.run(["sh", "-c", self.localised(command)])
            if "ansible-playbook" in command:
                assert "PLAY RECAP" in run.stdout, f"{block}: {run.stderr}"
            if command.split()[-1] in self.must_succeed:
                assert run.returncode == 0, f"{block}: {run.stdout}{run.stderr}"
            for line in expected:
                assert is_in(
                    line, run.stdout
                ), f"{block}: {command} does not print\n  {line}\nbut\n{run.stdout}{run.stderr}"

    def configure(self, block: Block) -> None:
        """Let something fail with the configuration that a block shows: an alert must arrive, and no complaint."""
        probe = self.folder / "probe"
        probe.mkdir(exist_ok=True)
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(self.localised(self.with_files_of_ours(block.text)))
        if not parser.has_section("defaults"):
            parser.add_section("defaults")
        parser["defaults"].setdefault("callbacks_enabled", CALLBACK)
        parser["defaults"].pop("inventory", None)
        with (probe / "ansible.cfg").open("w", encoding="utf-8") as file:
            parser.write(file)
        (probe / "probe.yml").write_text(
            "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - ansible.builtin.fail:\n",
            encoding="utf-8",
        )
        before = len(self.flashduty.events())
        run = self.run(["ansible-playbook", "probe.yml"], cwd=probe)
        if not parser.getboolean("flashduty", "enabled", fallback=True):
            return
        assert re.search(
            "1 alert (raised|still open)", run.stdout
        ), f"{block}: {run.stdout}"
        assert len(self.flashduty.events()) > before, str(block)

    def with_files_of_ours(self, text: str) -> str:
        """Return a configuration with the name of a file that exists for each absolute path."""
        empty = self.folder / "empty.pem"
        empty.touch()
        return re.sub(r"(?m)(?<== )/\S+$", str(empty), text)

    def run_playbook(self, block: Block) -> None:
        """Run a playbook as it stands, on hosts that are all this machine."""
        tasks = [task for play in block.data for task in play.get("tasks", ())]
        self._play(block, block.text, tasks)

    def run_tasks(self, block: Block) -> None:
        """Run tasks in a play for this machine."""
        play = [{"hosts": "web1", "gather_facts": False, "tasks": block.data}]
        self._play(block, yaml.safe_dump(play, sort_keys=False), block.data)

    def _play(self, block: Block, text: str, tasks: list[dict[str, t.Any]]) -> None:
        """Run a playbook. Tasks of the collection must succeed; what others do is what the page is about."""
        name = block.caption or f"playbook{block.line}.yml"
        (self.folder / name).write_text(self.localised(text), encoding="utf-8")
        run = self.run(["ansible-playbook", *self.inventory(block), name])
        ours = [key for task in tasks for key in task if key.startswith(COLLECTION)]
        assert "PLAY RECAP" in run.stdout, f"{block}: {run.stdout}{run.stderr}"
        assert run.returncode == 0 or not ours, f"{block}: {run.stdout}{run.stderr}"

    def inventory(self, block: Block) -> list[str]:
        """Return options that make all hosts of a playbook this machine, if the page has no inventory of its own."""
        local = ["-e", "ansible_connection=local"]
        if (self.folder / "hosts.yml").exists():
            return local
        hosts = {"web1", "web2", "db1"}
        for play in block.data:
            names = str(play.get("hosts", "")).split(":")
            hosts |= {name for name in names if re.fullmatch(r"[a-z]+\d", name)}
        text = "\n".join(
            [*sorted(hosts - {"db1"}), "[db]", "db1", "[web]", "web1", "web2", ""]
        )
        (self.folder / "inventory.ini").write_text(text, encoding="utf-8")
        return ["-i", "inventory.ini", *local]

    def compare_alert(self, block: Block) -> None:
        """Look for an alert that a page shows: its title, an empty line, its description."""
        if "\nTask: " not in block.text:
            return
        shown = normalised(block.text)
        there = [
            normalised(f"{alert['title']}\n\n{alert['description']}")
            for alert in self.flashduty.alerts()
        ]
        assert any(shown in alert for alert in there), f"{block}: there is only {there}"

    def run(
        self, command: t.Sequence[str], cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command, with a key and the callback if nothing else brings them."""
        config = (cwd or self.folder) / "ansible.cfg"
        environment = dict(self.environment)
        configured = config.read_text(encoding="utf-8") if config.exists() else ""
        if "callbacks_enabled" not in configured:
            environment.setdefault("ANSIBLE_CALLBACKS_ENABLED", CALLBACK)
        if "integration_key" not in configured and "push_url" not in configured:
            environment.setdefault("FLASHDUTY_PUSH_URL", self.flashduty.push_url)
        else:
            environment.setdefault("FLASHDUTY_API_URL", self.flashduty.url)
        if command[0] == "ansible-playbook":
            run = run_command(
                self._core,
                [self._core.bin(command[0]), *command[1:]],
                folder=cwd or self.folder,
                environment=environment,
            )
        else:
            run = subprocess.run(
                command,
                cwd=cwd or self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
        output = run.stdout + run.stderr
        assert "[WARNING]: Flashduty: " not in output, output
        return run


def is_in(line: str, output: str) -> bool:
    """Say whether a line was printed; … in it stands for anything."""
    if line.strip() == "…":
        return True
    pattern = ".*".join(re.escape(part) for part in line.rstrip().split("…"))
    return re.search(rf"(?m)^{pattern}\s*$", output) is not None


def normalised(text: str) -> str:
    """Return the text of an alert without what differs between machines and versions of ansible-core."""
    text = text.replace(os.uname().nodename, CONTROLLER).strip()
    return text.replace(
        "The command exited with a non-zero return code.", "non-zero return code"
    )
