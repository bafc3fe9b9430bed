# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    outbox_flush_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.client import (
    Client,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
    Connection,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.courier import (
    Courier,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    TimeoutReached,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    may_have_data,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._options import (
    has_integration_key,
    read_wait,
    resolve_count,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.base import (
    ControllerAction,
    Result,
    outbox_at,
)

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        Outbox,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.answers import (
        IntegrationStatus,
    )


class ActionModule(ControllerAction):
    """Deliver what waits in the outbox of the controller."""

    mutually_exclusive = [
        ["retry_undeliverable", "discard_undeliverable"],
        ["adopt", "discard_others"],
    ]

    def argument_spec(self) -> dict[str, t.Any]:
        return outbox_flush_argument_spec()

    def perform(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        layers = self.layers(options)
        location = self.outbox_location(layers)
        max_in_flight = resolve_count(layers, "max_in_flight", default=32, at_least=1)
        rate_limit = resolve_count(layers, "rate_limit", default=900)
        wait = read_wait(options["wait"])
        connections = self._connections(options)
        if not may_have_data(location):
            return {**_result(), "state_path": location.path}
        with outbox_at(location, warn=self.warn) as outbox:
            if self._task.check_mode:
                result = _prediction(outbox, connections, options)
                settled = _settled(_others(outbox, connections), connections, options)
            else:
                settled = []
                changed = _settle_others(outbox, connections, options)
                result = _flush(
                    outbox, connections, options, wait, max_in_flight, rate_limit
                )
                result["changed"] = result["changed"] or changed
            left = [one for one in _others(outbox, connections) if one not in settled]
            self._warn_of_what_stays(result, left)
        return {**result, "state_path": location.path}

    def _warn_of_what_stays(
        self, result: Result, others: t.Sequence[IntegrationStatus]
    ) -> None:
        """Say what this task leaves behind, with the way out."""
        if result["undeliverable"] and not result.get("failed"):
            self.warn(
                f"{_events(result['undeliverable'])} refused by Flashduty at some time, and kept. Mend the cause and set"
                " retry_undeliverable, or set discard_undeliverable."
            )
        waiting = sum(one.waiting for one in others)
        alerts = sum(one.open_alerts for one in others)
        pending = sum(one.pending for one in others)
        if waiting or alerts or pending:
            servers = ", ".join(sorted({one.server for one in others if one.server}))
            self.warn(
                f"The outbox holds {waiting} waiting events, {alerts} open alerts and {pending} counted failures of"
                f" integration keys that are not in force{f' (for {servers})' if servers else ''}. Set adopt to send them with the keys in force, or"
                " discard_others."
            )

    def _connections(self, options: dict[str, t.Any]) -> dict[str, Connection]:
        """Return the connections that are configured, by kind."""
        layers = self.layers(options)
        # Without any key, what is said about the alert integration is the clearest.
        configured = [
            kind
            for kind in ("alert", "change")
            if has_integration_key(layers, kind=kind)
        ] or ["alert"]
        return {kind: self.resolve(layers, kind=kind).connection for kind in configured}


def _others(
    outbox: Outbox, connections: t.Mapping[str, Connection]
) -> list[IntegrationStatus]:
    """Return what the outbox holds for integrations that are not in force."""
    mine = {connection.fingerprint for connection in connections.values()}
    return [one for one in outbox.integrations() if one.fingerprint not in mine]


def _settled(
    others: t.Sequence[IntegrationStatus],
    connections: t.Mapping[str, Connection],
    options: t.Mapping[str, t.Any],
) -> list[IntegrationStatus]:
    """Return those of the other integrations that are to be adopted or discarded."""
    if options["discard_others"]:
        return list(others)
    return [one for one in others if options["adopt"] and one.kind in connections]


def _settle_others(
    outbox: Outbox,
    connections: t.Mapping[str, Connection],
    options: t.Mapping[str, t.Any],
) -> bool:
    """Adopt or discard what belongs to other keys, where that is asked for; return whether there was any."""
    settled = _settled(_others(outbox, connections), connections, options)
    if options["discard_others"]:
        return outbox.discard(one.fingerprint for one in settled) > 0
    return bool(
        sum(
            outbox.adopt(
                kind,
                connection.fingerprint,
                server=connection.server,
                others=[one.fingerprint for one in settled if one.kind == kind],
            )
            for kind, connection in connections.items()
        )
    )


@dataclasses.dataclass(frozen=True)
class _Snapshot:
    """How many events there are, and the latest reasons."""

    waiting: int
    waiting_for_others: int
    refused: list[dict[str, t.Any]]
    reason: dict[str, t.Any] | None

    @classmethod
    def of(cls, outbox: Outbox, connections: t.Mapping[str, Connection]) -> _Snapshot:
        status = outbox.status([c.fingerprint for c in connections.values()])
        others = outbox.counts()["waiting"] - status.waiting
        return cls(
            status.waiting, others, outbox.events(undeliverable=True), status.reason
        )


def _result(**counts: int) -> Result:
    names = (
        "delivered",
        "waiting",
        "waiting_for_others",
        "undeliverable",
        "retried",
        "discarded",
    )
    result = {name: counts.get(name, 0) for name in names}
    return {
        **result,
        "changed": bool(
            result["delivered"] or result["retried"] or result["discarded"]
        ),
    }


def _prediction(
    outbox: Outbox,
    connections: t.Mapping[str, Connection],
    options: t.Mapping[str, t.Any],
) -> Result:
    """Return what would come out if every event was accepted."""
    now = _Snapshot.of(outbox, connections)
    settled = _settled(_others(outbox, connections), connections, options)
    waiting = sum(one.waiting for one in settled)
    gone = {one.fingerprint for one in settled} if options["discard_others"] else set()
    refused = [row for row in now.refused if row["fingerprint"] not in gone]
    retried = (
        sum(row["kind"] in connections for row in refused)
        if options["retry_undeliverable"]
        else 0
    )
    discarded = len(refused) if options["discard_undeliverable"] else 0
    result = _result(
        delivered=now.waiting + retried + (waiting if options["adopt"] else 0),
        waiting_for_others=now.waiting_for_others - waiting,
        undeliverable=len(refused) - retried - discarded,
        retried=retried,
        discarded=discarded,
    )
    return {**result, "changed": result["changed"] or bool(settled)}


def _flush(
    outbox: Outbox,
    connections: t.Mapping[str, Connection],
    options: t.Mapping[str, t.Any],
    wait: float,
    max_in_flight: int,
    rate_limit: int,
) -> Result:
    discarded = (
        outbox.discard_undeliverable() if options["discard_undeliverable"] else 0
    )
    retried = 0
    if options["retry_undeliverable"]:
        retried = sum(
            outbox.retry_undeliverable(kind, c.fingerprint, server=c.server)
            for kind, c in connections.items()
        )
    before = _Snapshot.of(outbox, connections)
    if before.waiting:
        courier = Courier(outbox, max_in_flight=max_in_flight, rate_limit=rate_limit)
        for connection in connections.values():
            # What is missing here, such as requests, is said at once and not after the wait.
            Client(connection).close()
            courier.post({"connection": dataclasses.asdict(connection)})
        courier.post({"finish": wait})
        courier.run()
    after = _Snapshot.of(outbox, connections)
    refused = max(0, len(after.refused) - len(before.refused))
    result = _result(
        delivered=max(0, before.waiting - after.waiting - refused),
        waiting=after.waiting,
        waiting_for_others=after.waiting_for_others,
        undeliverable=len(after.refused),
        retried=retried,
        discarded=discarded,
    )
    if refused:
        # The task says so by failing: the next run with the callback needs not say it again.
        outbox.mark_reported(
            [connection.fingerprint for connection in connections.values()]
        )
    complaint = _complaint(after, refused, wait)
    return {**result, **complaint} if complaint else result


def _complaint(after: _Snapshot, refused: int, wait: float) -> Result | None:
    """Return why the task fails, or None."""
    if after.waiting:
        what = f"{_events(after.waiting)} not delivered within {wait:g} seconds, and will be tried again."
        error = (
            after.reason
            or TimeoutReached(
                "There was too little time.", hint="Raise wait."
            ).as_dict()
        )
    elif refused:
        what = f"{_events(refused)} refused for good, and kept as undeliverable."
        error = after.refused[-1]["error"]
    else:
        return None
    return {
        "failed": True,
        "msg": f"{what} {error['message']} {error['hint']}",
        "error": error,
    }


def _events(count: int) -> str:
    return f"{count} {'event was' if count == 1 else 'events were'}"
