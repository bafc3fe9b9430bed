# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    runs_check_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    may_have_data,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.runs import (
    RunLedger,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._options import (
    read_wait,
    resolve_count,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.base import (
    ControllerAction,
    Result,
    as_utc,
    outbox_at,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.delivering import (
    deliver,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.playbooks import (
    describe_expected,
    describe_playbook,
    is_named,
    playbook_id_of,
)

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
        Connection,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.runs import (
        ExpectedPlaybook,
        RunReport,
    )


class ActionModule(ControllerAction):
    """Raise an alert for each run that is missed or lost."""

    def argument_spec(self) -> dict[str, t.Any]:
        return runs_check_argument_spec()

    def perform(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        layers = self.layers(options)
        location = self.outbox_location(layers)
        max_in_flight = resolve_count(layers, "max_in_flight", default=32, at_least=1)
        rate_limit = resolve_count(layers, "rate_limit", default=900)
        wait = read_wait(options["wait"])
        connection = self.resolve(layers, kind="alert").connection
        result: Result = {
            "changed": False,
            "missed": [],
            "lost": [],
            "forgotten": [],
            "raised": 0,
            "expected": 0,
            "delivered": 0,
            "waiting": 0,
            "state_path": location.path,
        }
        if not may_have_data(location):
            return result
        with outbox_at(location) as outbox:
            ledger = RunLedger(outbox)
            if self._task.check_mode:
                return {**result, **_prediction(ledger, options["forget"])}
            result.update(self._check(ledger, options["forget"], connection))
            result.update(
                deliver(
                    outbox,
                    connection,
                    wait=wait,
                    max_in_flight=max_in_flight,
                    rate_limit=rate_limit,
                )
            )
        return result

    def _check(
        self, ledger: RunLedger, forget: list[str], connection: Connection
    ) -> Result:
        ledger.mend_clock()
        lost = ledger.take_lost()
        forgotten = [
            one
            for one in ledger.expected()
            if is_named(forget, playbook_id_of(one.origin), one.playbook)
        ]
        ledger.forget(one.origin for one in forgotten)
        expected = ledger.expected()
        missed = [one for one in expected if one.missed]
        raised = ledger.raise_missed(self._in_force(one, connection) for one in missed)
        return {
            "changed": bool(raised or lost or forgotten),
            "missed": [describe_expected(one) for one in missed],
            "lost": [_describe_lost(run) for run in lost],
            "forgotten": [playbook_id_of(one.origin) for one in forgotten],
            "raised": len(raised) + len(lost),
            "expected": len(expected),
        }

    def _in_force(
        self, one: ExpectedPlaybook, connection: Connection
    ) -> ExpectedPlaybook:
        """Return the playbook with an integration by which somebody hears of it now."""
        if one.fingerprint == connection.fingerprint:
            return one
        self.warn(
            f"{one.playbook} ran with another integration than the one that is in force here, which gets the alert now."
        )
        return dataclasses.replace(
            one, fingerprint=connection.fingerprint, server=connection.server
        )


def _prediction(ledger: RunLedger, forget: list[str]) -> Result:
    """Return what would come out."""
    expected = ledger.expected()
    forgotten = [
        one
        for one in expected
        if is_named(forget, playbook_id_of(one.origin), one.playbook)
    ]
    left = [one for one in expected if one not in forgotten]
    missed = [one for one in left if one.missed]
    lost = ledger.lost()
    raised = sum(one.is_due for one in missed) + len(lost)
    return {
        "changed": bool(raised or forgotten),
        "missed": [describe_expected(one) for one in missed],
        "lost": [_describe_lost(run) for run in lost],
        "forgotten": [playbook_id_of(one.origin) for one in forgotten],
        "raised": raised,
        "expected": len(left),
    }


def _describe_lost(run: RunReport) -> Result:
    return {
        **describe_playbook(run.origin, run.playbook),
        "run_id": run.run_id,
        "controller": run.controller,
        "started": as_utc(run.started_at),
        "last_seen": as_utc(run.ended_at or run.started_at),
    }
