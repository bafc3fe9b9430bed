# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
Playbooks that nobody would write: blocks in blocks, handlers, includes and keywords, put together by chance.

Each task fails on the hosts whose variable ``fails`` names it, and does not reach those whose variable ``gone`` does.
"""

from __future__ import annotations

import json
import random
import typing as t
from pathlib import Path

HOSTS = [f"h{number}" for number in range(8)]
_DEEPEST = 2

Data = dict[str, t.Any]


class RandomPlaybook:
    """A playbook with its included files and its inventory, the same for the same chance.

    :param strategy: keywords that only make sense in lockstep are left out for others than "linear".
    """

    def __init__(self, chance: random.Random, strategy: str) -> None:
        self._chance = chance
        self._strategy = strategy
        self._lockstep = strategy == "linear"
        self._tasks = 0
        self._files: dict[str, list[Data]] = {}
        self._plays = [self._play() for _number in range(chance.choice([1, 1, 2]))]

    def write(self, folder: Path) -> Path:
        """Write the files, and return the playbook."""
        for name, content in {**self._files, "site.yml": self._plays}.items():
            # Every JSON is YAML.
            (folder / name).write_text(json.dumps(content, indent=1), encoding="utf-8")
        return folder / "site.yml"

    def inventory(self) -> list[str]:
        """Return a line of an inventory for each host, with what fails there."""
        return [self._host(name) for name in HOSTS]

    def _host(self, name: str) -> str:
        names = [f"T{number}" for number in range(self._tasks)]
        fails = [task for task in names if self._likely(0.12)]
        gone = [task for task in names if self._likely(0.02)]
        return f"{name} fails='{json.dumps(fails)}' gone='{json.dumps(gone)}'"

    def _likely(self, probability: float) -> bool:
        return self._chance.random() < probability

    # -- plays

    def _play(self) -> Data:
        play: Data = {
            "hosts": ":".join(HOSTS),
            "gather_facts": False,
            "strategy": f"truthful_{self._strategy}",
        }
        if self._lockstep and self._likely(0.3):
            play["serial"] = self._chance.choice([2, 3, 5, "50%"])
        if self._lockstep and self._likely(0.15):
            play["any_errors_fatal"] = True
        elif self._lockstep and self._likely(0.15):
            play["max_fail_percentage"] = self._chance.choice([0, 30, 60])
        if self._likely(0.3):
            play["force_handlers"] = True
        if self._likely(0.1):
            play["ignore_unreachable"] = True
        for section in ("pre_tasks", "tasks", "post_tasks"):
            if section == "tasks" or self._likely(0.2):
                play[section] = self._list(0)
        play["handlers"] = [
            {**self._check(), "name": name} for name in ("restart", "reload")
        ]
        if self._likely(0.4):
            play["handlers"][0].update(self._notify())
        return play

    def _list(self, depth: int) -> list[Data]:
        return [self._item(depth) for _number in range(self._chance.randint(1, 3))]

    def _item(self, depth: int) -> Data:
        if depth < _DEEPEST and self._likely(0.4):
            return self._block(depth)
        kinds = [self._check] * 5 + [self._loop, self._notifying, self._meta]
        if depth < _DEEPEST:
            kinds += [lambda: self._include(depth), lambda: self._missing(depth)]
        return self._chance.choice(kinds)()

    def _block(self, depth: int) -> Data:
        block: Data = {"block": self._list(depth + 1)}
        if self._likely(0.6):
            block["rescue"] = self._list(depth + 1)
            if self._may_miss_a_file(block["block"]):
                # Else both other sources may be off for one host: see the test.
                block["rescue"].insert(0, self._check())
        if self._likely(0.4):
            block["always"] = self._list(depth + 1)
        if self._likely(0.1):
            block["ignore_errors"] = True
        if self._lockstep and self._likely(0.1):
            block["any_errors_fatal"] = True
        if self._likely(0.1):
            block["when"] = f"inventory_hostname != '{self._chance.choice(HOSTS)}'"
        return block

    def _may_miss_a_file(self, tasks: list[Data]) -> bool:
        text = json.dumps(tasks)
        return "missing.yml" in text or any(
            name in text and self._may_miss_a_file(content)
            for name, content in self._files.items()
        )

    # -- tasks

    def _name(self) -> str:
        self._tasks += 1
        return f"T{self._tasks - 1}"

    def _check(self) -> Data:
        name = self._name()
        task: Data = {
            "name": name,
            "ansible.builtin.raw": f"{{{{ 'exit 1' if '{name}' in fails else 'true' }}}}",
            "vars": {
                "ansible_connection": f"{{{{ 'gone' if '{name}' in gone else 'local' }}}}"
            },
            "changed_when": False,
        }
        return {**task, **self._keywords()}

    def _keywords(self) -> Data:
        keywords: Data = {}
        if self._likely(0.15):
            keywords["ignore_errors"] = self._chance.choice(
                [True, "{{ inventory_hostname in ['h1', 'h4'] }}"]
            )
        if self._likely(0.1):
            keywords["ignore_unreachable"] = True
        if self._lockstep and self._likely(0.08):
            keywords["run_once"] = True
        if self._lockstep and self._likely(0.05):
            keywords["any_errors_fatal"] = True
        if self._likely(0.08):
            keywords["delegate_to"] = self._chance.choice(HOSTS)
        if self._likely(0.08):
            keywords.update(
                {"until": "tried is success", "register": "tried", "retries": 1}
            )
            keywords["delay"] = 0
        if self._likely(0.08):
            keywords["when"] = f"inventory_hostname != '{self._chance.choice(HOSTS)}'"
        if self._likely(0.05):
            keywords["failed_when"] = "inventory_hostname == 'h2'"
        return keywords

    def _loop(self) -> Data:
        name = self._name()
        command = f"{{{{ 'exit 1' if '{name}' in fails and item == 2 else 'true' }}}}"
        return {"name": name, "ansible.builtin.raw": command, "loop": [1, 2, 3]}

    def _notify(self) -> Data:
        return {"changed_when": True, "notify": "reload"}

    def _notifying(self) -> Data:
        handler = self._chance.choice(["restart", "reload"])
        return {**self._check(), "changed_when": True, "notify": handler}

    def _meta(self) -> Data:
        names = ["flush_handlers"] * 4 + ["noop", "clear_host_errors", "end_host"]
        if self._lockstep:
            names += ["end_batch", "end_play"]
        name = self._chance.choice(names)
        task: Data = {"ansible.builtin.meta": name}
        if name.startswith("end_"):
            task["when"] = f"inventory_hostname == '{self._chance.choice(HOSTS)}'"
        return task

    def _include(self, depth: int) -> Data:
        file = f"tasks{len(self._files)}.yml"
        self._files[file] = []
        self._files[file] = self._list(depth + 1)
        module = self._chance.choice(["include_tasks", "import_tasks"])
        return {"name": f"Take {file}", f"ansible.builtin.{module}": file}

    def _missing(self, depth: int) -> Data:
        task = self._include(depth)
        file = task.pop("ansible.builtin.include_tasks", None)
        file = file or task.pop("ansible.builtin.import_tasks")
        name = self._name()
        path = f"{{{{ 'missing.yml' if '{name}' in fails else '{file}' }}}}"
        return {**task, "ansible.builtin.include_tasks": path}
