# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many tasks in one real playbook run, and their results as Python data."""

from __future__ import annotations

import base64
import json
import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.emulator.control import Emulator
from tests.tools.cores import Core
from tests.tools.playbooks import PlaybookRun, Workspace

Task = dict[str, t.Any]
Result = dict[str, t.Any]

LOG = "ansible.log"


@dataclass(frozen=True)
class Answers:
    """What came of a run: the result of each task by its name, and all that was written."""

    results: dict[str, Result]
    run: PlaybookRun
    log: str

    def __getitem__(self, name: str) -> Result:
        return self.results[name]

    @property
    def written(self) -> str:
        """Everything that a person may read later: output, log file and results."""
        return self.run.output + self.log + json.dumps(self.results)


class Playground(Workspace):
    """Runs lists of named tasks."""

    def __init__(self, folder: Path, core: Core, flashduty: Emulator) -> None:
        super().__init__(folder, core)
        self.flashduty = flashduty

    def task(self, module: str, **options: t.Any) -> Task:
        """Return a task that sends to the emulator, unless its options say something else."""
        return {f"flashcat.flashduty.{module}": options}

    def perform(
        self,
        tasks: t.Mapping[str, Task],
        *arguments: str,
        play: Task | None = None,
        environment: t.Mapping[str, str] | None = None,
        config: str | None = None,
        verbosity: str = "-vvvv",
        inventory: str = "localhost",
    ) -> Answers:
        """Run tasks in their order, failing ones, too, and return their results."""
        # Tests share the folder, in any order: nothing is left of the one before.
        for name in (LOG, "ansible.cfg"):
            (self.folder / name).unlink(missing_ok=True)
        named = [
            {
                "name": name,
                **task,
                "register": f"result_{number}",
                "ignore_errors": True,
            }
            for number, (name, task) in enumerate(tasks.items())
        ]
        entries = ", ".join(
            f"{json.dumps(name)}: result_{number} | default({{}})"
            for number, name in enumerate(tasks)
        )
        # Printed, not written to a file: that would need one more module.
        keep = {
            "name": "Show the results",
            "ansible.builtin.debug": {
                "msg": "<results>{{ {"
                + entries
                + "} | to_json | b64encode }}</results>"
            },
            "run_once": True,
        }
        content = {
            "hosts": "all",
            "gather_facts": False,
            **(play or {}),
            "tasks": [*named, keep],
        }
        run = self.run(
            yaml.dump(
                [content], Dumper=_PlaybookDumper, sort_keys=False, allow_unicode=True
            ),
            *([verbosity] if verbosity else []),
            *arguments,
            inventory=inventory,
            config=config,
            environment={
                "ANSIBLE_LOG_PATH": str(self.folder / LOG),
                **(environment or {}),
            },
        )
        found = re.search("<results>(.*)</results>", run.stdout)
        assert found, run.output
        results = json.loads(base64.b64decode(found[1]))
        log = (self.folder / LOG).read_text(encoding="utf-8")
        return Answers(results, run, log)


class Tagged:
    """A value with a YAML tag."""

    def __init__(self, tag: str, text: str) -> None:
        self.tag = tag
        self.text = text


class _PlaybookDumper(yaml.SafeDumper):
    """Writes playbooks."""

    def ignore_aliases(self, data: t.Any) -> bool:
        return True


def _represent_tagged(dumper: yaml.SafeDumper, value: Tagged) -> yaml.ScalarNode:
    style = "|" if "\n" in value.text else None
    return dumper.represent_scalar(value.tag, value.text, style=style)


_PlaybookDumper.add_representer(Tagged, _represent_tagged)


@pytest.fixture(scope="module")
def playground(
    core: Core, started_flashduty: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> t.Iterator[Playground]:
    """A folder to run tasks in, for all tests of a file with one ansible-core; they tell their events apart by the keys."""
    started_flashduty.reset()
    folder = tmp_path_factory.mktemp("playground")
    playground = Playground(folder, core, started_flashduty)
    yield playground
    playground.close()
