# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    close_alerts_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.durations import (
    parse_duration,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    AlertEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    may_have_data,
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
    is_named,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.causes import (
    causes_of,
    details_of,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.model import (
    name_digest,
)

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
        Connection,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
        Outbox,
    )
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
        OpenAlert,
    )

CRITERIA = ("alert_key", "host", "playbook", "older_than")


class ActionModule(ControllerAction):
    """Close open alerts by hand, and forget them."""

    def argument_spec(self) -> dict[str, t.Any]:
        return close_alerts_argument_spec()

    def perform(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        wanted = _Criteria.read(options)
        layers = self.layers(options)
        location = self.outbox_location(layers)
        max_in_flight = resolve_count(layers, "max_in_flight", default=32, at_least=1)
        rate_limit = resolve_count(layers, "rate_limit", default=900)
        wait = read_wait(options["wait"])
        connection = self.resolve(layers, kind="alert").connection
        result: Result = {
            **_describe([], [], []),
            "delivered": 0,
            "waiting": 0,
            "state_path": location.path,
        }
        if not may_have_data(location):
            return result
        with outbox_at(location) as outbox:
            ledger = outbox.ledger()
            now = outbox.now()
            matches = [
                _Match(fingerprint, alert, wanted.hosts_left(alert))
                for fingerprint, _server, alert in ledger
                if wanted.match(alert, now=now)
            ]
            mine = [one for one in matches if one.fingerprint == connection.fingerprint]
            closed = [one for one in mine if not one.hosts_left]
            reduced = [one for one in matches if one.hosts_left]
            forgotten = [
                one for one in matches if one not in mine and not one.hosts_left
            ]
            result.update(_describe(closed, forgotten, reduced))
            if self._play_context_diff():
                result["diff"] = _diff([a for _f, _s, a in ledger], closed + forgotten)
            if self._task.check_mode:
                return result
            _write(outbox, connection, closed, forgotten, reduced)
            if forgotten:
                self.warn(_say_forgotten(forgotten))
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

    def _play_context_diff(self) -> bool:
        return bool(self._task.diff)


@dataclasses.dataclass(frozen=True)
class _Match:
    """An open alert that was chosen.

    :param hosts_left: of an alert for several hosts, those that it goes on standing for.
    """

    fingerprint: str
    alert: OpenAlert
    hosts_left: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class _Criteria:
    """Which alerts are meant."""

    alert_key: frozenset[str] | None
    host: frozenset[str] | None
    playbook: frozenset[str] | None
    older_than: float | None

    @classmethod
    def read(cls, options: t.Mapping[str, t.Any]) -> _Criteria:
        """Read the options.

        :raises ConfigurationError: when none is given, or one is wrong.
        """
        given = {name: options[name] for name in CRITERIA if options[name]}
        if not given:
            raise ConfigurationError(
                f"No alert is selected: give one of {', '.join(CRITERIA)}.",
                option=CRITERIA[0],
                hint="To close all, give older_than: 1s.",
            )
        try:
            age = parse_duration(given["older_than"]) if "older_than" in given else None
        except ValueError as exc:
            raise ConfigurationError(
                f"older_than {exc}.", option="older_than"
            ) from None
        sets = {
            name: frozenset(given[name]) if name in given else None
            for name in ("alert_key", "host", "playbook")
        }
        return cls(older_than=age, **sets)

    def match(self, alert: OpenAlert, *, now: float) -> bool:
        """Say whether an alert meets all criteria."""
        labels = alert.details.get("labels", {})
        return (
            (self.alert_key is None or alert.alert_key in self.alert_key)
            and (self.host is None or bool(self.host & _hosts(alert)))
            and (
                self.playbook is None
                or is_named(self.playbook, alert.origin, labels.get("playbook", ""))
            )
            and (self.older_than is None or now - alert.opened_at >= self.older_than)
        )

    def hosts_left(self, alert: OpenAlert) -> tuple[str, ...]:
        """Return the hosts of an alert that were not chosen; none where all are meant."""
        return () if self.host is None else tuple(sorted(_hosts(alert) - self.host))


def _hosts(alert: OpenAlert) -> frozenset[str]:
    """Return the hosts that an alert stands for."""
    host = alert.details.get("labels", {}).get("host")
    return frozenset(
        {cause.host_name for cause in causes_of(alert) if cause.host_name}
        or ({host} if host else ())
    )


def _describe(
    closed: list[_Match], forgotten: list[_Match], reduced: list[_Match]
) -> Result:
    return {
        "changed": bool(closed or forgotten or reduced),
        "closed": [_describe_match(one) for one in closed],
        "forgotten": [_describe_match(one) for one in forgotten],
        "reduced": [_describe_match(one) for one in reduced],
    }


def _describe_match(one: _Match) -> Result:
    alert = one.alert
    return {
        "alert_key": alert.alert_key,
        "title": alert.title,
        "status": alert.status,
        "since": as_utc(alert.opened_at),
        "hosts": sorted(_hosts(alert) - set(one.hosts_left)),
        "playbook": alert.details.get("labels", {}).get("playbook", ""),
        "integration": one.fingerprint,
    }


def _diff(alerts: list[OpenAlert], gone: list[_Match]) -> Result:
    keys = {(one.alert.alert_key) for one in gone}
    return {
        "before_header": "open alerts",
        "after_header": "open alerts",
        "before": "".join(f"{alert.title}\n" for alert in alerts),
        "after": "".join(
            f"{alert.title}\n" for alert in alerts if alert.alert_key not in keys
        ),
    }


def _write(
    outbox: Outbox,
    connection: Connection,
    closed: list[_Match],
    forgotten: list[_Match],
    reduced: list[_Match],
) -> None:
    now = int(outbox.now())
    with outbox.transaction():
        for one in closed:
            event = AlertEvent.create(
                title_rule=one.alert.title,
                event_status="Ok",
                alert_key=one.alert.alert_key,
                event_time=now,
                description="Closed by hand.",
                labels=one.alert.details.get("labels"),
            )
            outbox.add(
                connection.fingerprint,
                [event],
                server=connection.server,
                closed=[one.alert.alert_key],
            )
        for one in forgotten:
            outbox.add(one.fingerprint, [], closed=[one.alert.alert_key])
        for one in reduced:
            left = set(map(name_digest, one.hosts_left))
            causes = [cause for cause in causes_of(one.alert) if cause.host in left]
            details = {**one.alert.details, **details_of(causes)}
            outbox.add(
                one.fingerprint,
                [],
                updated=[dataclasses.replace(one.alert, details=details)],
            )


def _say_forgotten(forgotten: list[_Match]) -> str:
    titles = ", ".join(sorted(one.alert.title for one in forgotten[:10]))
    more = f" and {len(forgotten) - 10} more" if len(forgotten) > 10 else ""
    several = len(forgotten) > 1
    return (
        f"{len(forgotten)} {'alerts belong' if several else 'alert belongs'} to an integration that is no longer in force,"
        f" and {'were' if several else 'was'} only forgotten here. Close {'them' if several else 'it'} in Flashduty:"
        f" {titles}{more}."
    )
