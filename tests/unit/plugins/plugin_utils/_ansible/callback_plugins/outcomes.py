# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
A callback for tests only: writes down what outcomes and rescue make of a run, a line of JSON for each result.

Task results and blocks can only come from ansible-core, so these files are tested inside of real runs.
"""

from __future__ import annotations

import dataclasses
import json
import os
import typing as t
from collections.abc import Mapping

from ansible.plugins.callback import CallbackBase
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible import (
    machines,
    outcomes,
    places,
    rescue,
    results,
    task_references,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible import (
    play as plays,
)

DOCUMENTATION = """
name: outcomes
type: notification
short_description: For tests
description: For tests.
author: Flashcat
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "outcomes"
    CALLBACK_NEEDS_ENABLED = True

    _play: t.Any = None

    def __init__(self) -> None:
        super().__init__()
        self.wants_implicit_tasks = True

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        self._look_for_lost()
        self._play = play
        self._rescues = rescue.Rescues()
        self._lost = plays.MissingRoleDetector(play)

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        self._look_for_lost()
        self._rescues.task_started(task)
        self._write(
            "start",
            task=task_references.reference(task),
            place=places.place_of(task, os.path.dirname(os.environ["OUTCOMES"])),
        )

    def v2_playbook_on_handler_task_start(self, task: t.Any) -> None:
        self._look_for_lost()
        self._rescues.task_started(task)

    def v2_playbook_on_notify(self, handler: t.Any, host: t.Any) -> None:
        self._rescues.handler_notified(host.name)

    def v2_runner_on_ok(self, result: t.Any) -> None:
        self._lost.ok(result)
        self._write(
            "ok",
            host=results.host_name(result),
            task=task_references.reference(results.task_of(result)),
            answered=bool(
                machines.answering_machines(result, lambda text, _more: text)
                & {results.host_name(result)}
            ),
        )
        self._reported(result)

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        self._lost.reported(results.host_name(result))
        self._reported(result)

    def v2_runner_on_failed(
        self, result: t.Any, ignore_errors: bool | None = False
    ) -> None:
        outcome = outcomes.failed_outcome(result, ignore_errors)
        rescued = self._rescues.will_rescue(outcome.host, results.task_of(result))
        self._write("outcome", outcome=outcome, rescued=rescued)
        self._lost.reported(outcome.host)
        self._reported(result)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        outcome = outcomes.unreachable_outcome(result)
        self._write("outcome", outcome=outcome, rescued=False)
        self._lost.reported(outcome.host)
        self._reported(result)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        self._look_for_lost()
        self._write("stopped", hosts=sorted(plays.stopped_hosts(self._play)))

    def _reported(self, result: t.Any) -> None:
        self._rescues.task_reported(results.host_name(result), results.task_of(result))

    def _look_for_lost(self) -> None:
        if self._play is not None:
            for result, outcome in self._lost.missing():
                task = results.task_of(result)
                rescued = self._rescues.will_rescue(outcome.host, task)
                self._write("outcome", outcome=outcome, rescued=rescued, lost=True)

    def _write(self, kind: str, **facts: object) -> None:
        with open(os.environ["OUTCOMES"], "a", encoding="utf-8") as file:
            print(json.dumps({"kind": kind, **_as_data(facts)}, default=str), file=file)


def _as_data(value: t.Any) -> t.Any:
    """Return records as mappings, also those that JSON takes for lists."""
    if isinstance(value, frozenset):
        return sorted(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _as_data(
            {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
        )
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _as_data(value._asdict())
    if isinstance(value, Mapping):
        return {name: _as_data(one) for name, one in value.items()}
    return (
        [_as_data(one) for one in value] if isinstance(value, (list, tuple)) else value
    )
