# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    runs_info_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.durations import (
    describe_duration,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    may_have_data,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.runs import (
    LOST,
    OK,
    RunLedger,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.base import (
    ControllerAction,
    Result,
    outbox_at,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.open_alerts import (
    describe_pending,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.playbooks import (
    describe_expected,
    describe_playbook,
    describe_run,
    is_named,
    playbook_id_of,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.tables import (
    metric,
    table,
)

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        Outbox,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.runs import (
        RunReport,
    )

_HEADINGS = ("PLAYBOOK", "STARTED (UTC)", "TOOK", "STATUS", "HOSTS", "CONTROLLER")


class ActionModule(ControllerAction):
    """Show which playbooks ran, when, and how they ended."""

    def argument_spec(self) -> dict[str, t.Any]:
        return runs_info_argument_spec()

    def perform(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        location = self.outbox_location(self.layers(options))
        state = {"kind": location.kind, "location": str(location)}
        found: Result = {
            "runs": [],
            "expected": [],
            "pending": [],
            "table": [],
            "metrics": _metrics(
                [], {"waiting": 0, "undeliverable": 0, "open_alerts": 0}
            ),
        }
        if may_have_data(location):
            with outbox_at(location, warn=self.warn) as outbox:
                found = _read(outbox, options["playbook"], options["limit"])
                state = {"kind": outbox.kind, "location": outbox.place}
        return {**found, "state": state, "state_path": location.path}


def _read(outbox: Outbox, names: list[str], limit: int) -> Result:
    def is_wanted(origin: str, playbook: str) -> bool:
        return not names or is_named(names, playbook_id_of(origin), playbook)

    ledger = RunLedger(outbox)
    now = ledger.now()
    every_run = ledger.reports()
    reports = [run for run in every_run if is_wanted(run.origin, run.playbook)]
    runs = [describe_run(run, now=now) for run in reports[: limit or None]]
    return {
        "runs": runs,
        "expected": [
            describe_expected(one)
            for one in ledger.expected()
            if is_wanted(one.origin, one.playbook)
        ],
        "pending": [
            describe_pending(one)
            for one in outbox.pending_alerts()
            if not names
            or is_named(
                names,
                one.alert.origin,
                one.alert.details["labels"].get("playbook", ""),
            )
        ],
        "table": table(_HEADINGS, [_row(run) for run in runs]),
        "metrics": _metrics(every_run, outbox.counts()),
    }


def _row(run: Result) -> list[str]:
    hosts = ", ".join(
        f"{count} {what}" for what, count in run["hosts"].items() if count
    )
    narrowed = run["status"] in (OK, "failed") and not run["complete"]
    return [
        run["playbook"],
        run["started"].rstrip("Z").replace("T", " "),
        "?" if run["status"] == LOST else describe_duration(run["duration"]),
        run["status"] + (" (a part)" if narrowed else ""),
        hosts,
        run["controller"],
    ]


def _metrics(runs: list[RunReport], counts: t.Mapping[str, int]) -> str:
    """Return numbers for Prometheus.

    :param runs: the latest first.
    """
    last: dict[str, RunReport] = {}
    last_good: dict[str, RunReport] = {}
    for run in runs:
        last.setdefault(run.origin, run)
        if run.status == OK:
            last_good.setdefault(run.origin, run)
    return "".join(
        [
            metric(
                "flashduty_last_run_timestamp_seconds",
                "When the playbook started last.",
                [(_labels(run), run.started_at) for run in last.values()],
            ),
            metric(
                "flashduty_last_good_run_timestamp_seconds",
                "When the last run of the playbook ended in which no host failed.",
                [
                    (_labels(run), run.ended_at or run.started_at)
                    for run in last_good.values()
                ],
            ),
            metric(
                "flashduty_open_alerts",
                "Alerts that were raised and not closed yet.",
                [({}, counts["open_alerts"])],
            ),
            metric(
                "flashduty_waiting_events",
                "Events that are not delivered yet.",
                [({}, counts["waiting"])],
            ),
            metric(
                "flashduty_undeliverable_events",
                "Events that Flashduty has refused.",
                [({}, counts["undeliverable"])],
            ),
        ]
    )


def _labels(run: RunReport) -> dict[str, str]:
    playbook = describe_playbook(run.origin, run.playbook)
    return {name: str(text) for name, text in playbook.items()}
