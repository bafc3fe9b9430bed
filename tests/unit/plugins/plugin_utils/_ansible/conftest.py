# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real runs, and what ``_ansible`` made of them: see ``callback_plugins/outcomes.py``."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass
from pathlib import Path

from tests.tools.cores import Core
from tests.tools.playbooks import PlaybookRun, Workspace

HERE = Path(__file__).resolve().parent

Fact = dict[str, t.Any]


@dataclass(frozen=True)
class Observed:
    """What the callback wrote down in one run."""

    facts: list[Fact]
    run: PlaybookRun

    @property
    def text(self) -> str:
        """All of it, to look for what must not be there."""
        return json.dumps(self.facts, ensure_ascii=False)

    def outcomes(self, name: str) -> list[Fact]:
        """Return the outcomes of the task that is written with this name."""
        return [
            fact["outcome"]
            for fact in self.facts
            if fact["kind"] == "outcome"
            and fact["outcome"]["task"]["identity"]["name"] == name
        ]

    def outcome(self, name: str) -> Fact:
        """Return the only outcome of a task."""
        (outcome,) = self.outcomes(name)
        return outcome

    def rescued(self, name: str) -> list[bool]:
        """Return for each failure of a task whether it was foreseen to be rescued."""
        return [
            fact["rescued"]
            for fact in self.facts
            if fact["kind"] == "outcome"
            and fact["outcome"]["task"]["identity"]["name"] == name
        ]

    def task(self, name: str) -> Fact:
        """Return the reference of a task when it started."""
        return next(
            fact["task"]
            for fact in self.facts
            if fact["kind"] == "start" and fact["task"]["identity"]["name"] == name
        )

    def answered(self, name: str) -> bool:
        """Return whether the success of a task showed that the host had answered."""
        return next(
            fact["answered"]
            for fact in self.facts
            if fact["kind"] == "ok" and fact["task"]["identity"]["name"] == name
        )


def observe(
    folder: Path, core: Core, playbook: str, *arguments: str, **environment: str
) -> Observed:
    """Run a playbook that lies in a folder."""
    workspace = Workspace(folder, core)
    written = folder / "outcomes.jsonl"
    written.unlink(missing_ok=True)
    run = workspace.run(
        folder / playbook,
        *arguments,
        inventory="web db away",
        environment={
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "outcomes",
            "ANSIBLE_GATHERING": "explicit",
            "OUTCOMES": str(written),
            **environment,
        },
    )
    assert written.exists(), run.output
    lines = written.read_text(encoding="utf-8").splitlines()
    return Observed([json.loads(line) for line in lines], run)
