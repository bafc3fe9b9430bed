# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run of many hosts in which nothing but our callback works: results come ready-made, without any worker.

python -m tests.benchmarks.rehearsal PLAYBOOK INVENTORY FAILING

The last task fails on the first so many hosts. Prints, as JSON, what the callback has cost: seconds of this process's
processor at the start of the run, in all hooks for results together, and at the end; and the largest memory in KiB.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import typing as t

from ansible.cli.playbook import PlaybookCLI
from ansible.plugins.loader import callback_loader, init_plugin_loader

if t.TYPE_CHECKING:
    from ansible.inventory.host import Host
    from ansible.playbook.task import Task


class Result:
    """What a callback is told of a task on a host, by all the names that an ansible-core has for it."""

    exception = None

    def __init__(self, host: Host, task: Task, result: dict[str, t.Any]) -> None:
        self.host = self._host = host
        self.task = self._task = task
        self.result = self._result = result


class Costs:
    """Seconds of the processor, by what they were spent for."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def call(self, what: str, function: t.Callable[..., t.Any], *args: t.Any) -> None:
        started = time.process_time()
        function(*args)
        ended = time.process_time()
        self.seconds[what] = self.seconds.get(what, 0.0) + ended - started


def broken_results(task: Task, hosts: t.Sequence[Host]) -> list[Result]:
    # Each worker sends a copy of its own.
    return [
        Result(host, task.copy(), {"failed": True, "msg": f"Broken on {host.name}"})
        for host in hosts
    ]


def fail(callback: t.Any, play: t.Any, results: t.Sequence[Result]) -> None:
    for result in results:
        callback.v2_runner_on_failed(result, False)
        # As the strategies do.
        play._removed_hosts.append(result.host.name)


def succeed(callback: t.Any, results: t.Sequence[Result]) -> None:
    for result in results:
        callback.v2_runner_on_ok(result)


def rehearse(playbook_path: str, inventory_path: str, failing: int) -> dict[str, float]:
    cli = PlaybookCLI(["ansible-playbook", "-i", inventory_path, playbook_path])
    cli.parse()
    init_plugin_loader()
    from ansible.playbook import Playbook

    loader, inventory, variables = cli._play_prereqs()
    playbook = Playbook.load(playbook_path, variable_manager=variables, loader=loader)
    callback = callback_loader.get("flashcat.flashduty.alert_on_failure")
    callback.set_options()
    (play,) = playbook.get_plays()
    tasks = [
        task for block in play.compile() for task in block.block if not task.implicit
    ]
    hosts = inventory.get_hosts(play.hosts)

    costs = Costs()
    costs.call("start", callback.v2_playbook_on_start, playbook)
    costs.call("start", callback.v2_playbook_on_play_start, play)
    for task in tasks:
        costs.call("start", callback.v2_playbook_on_task_start, task, False)
        broken = hosts[:failing] if task is tasks[-1] else []
        costs.call("results", fail, callback, play, broken_results(task, broken))
        costs.call(
            "results",
            succeed,
            callback,
            [
                Result(host, task, {"changed": False, "msg": host.name})
                for host in hosts[len(broken) :]
            ],
        )
    costs.call("end", callback.v2_playbook_on_stats, None)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**costs.seconds, "memory": float(peak)}


if __name__ == "__main__":
    print(json.dumps(rehearse(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
