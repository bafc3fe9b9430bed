# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Flashduty's Open API, as far as silences and lists of alerts go. No HTTP here.

Source: Flashduty Open API documentation. As the service does, this takes conditions whose key does not exist: with IN
they never match, with NOTIN always.

The documentation says that silences are matched while an event is delivered, and that they keep an incident from being
made. It does not say whether an alert that was silenced gets its incident from a later event. Here, it does.
"""

from __future__ import annotations

import base64
import fnmatch
import ipaddress
import json
import os
import re
import time
import typing as t
from dataclasses import dataclass, field

from .service import Held, RateLimit, Refusal

if t.TYPE_CHECKING:
    from .service import Alert, AlertEvent, Service

Payload = dict[str, t.Any]

LIMITS = ((1.0, 50), (60.0, 1000))
MAX_SILENCE_NAME = 39
MAX_SILENCE_DESCRIPTION = 500
MAX_ALERT_WINDOW = 31 * 86400
MAX_PAGE = 100
FIRST_CHANNEL_ID = 1001
#: The newest alerts that a list shows without a limit.
DEFAULT_PAGE = 20
_RULE_ID = re.compile(r"[0-9a-f]{24}\Z")
_NUMBER = re.compile(r"num:(gt|ge|lt|le):(.+)\Z")
_SEVERITIES = ("Critical", "Warning", "Info", "Ok")


@dataclass
class Silence:
    """One silence rule of a channel."""

    rule_id: str
    channel_id: int
    rule_name: str
    start_time: int
    end_time: int
    filters: list[list[Payload]]
    description: str = ""
    priority: int = 0
    discards: bool = False
    deletes_itself: bool = False
    enabled: bool = True
    created_at: int = 0
    updated_at: int = 0
    time_filters: list[Payload] = field(default_factory=list)

    def is_effective(self, now: float) -> bool:
        """Say whether it silences now. Windows that repeat are kept, and never come here."""
        return self.enabled and self.start_time <= now < self.end_time

    def as_item(self, now: float) -> Payload:
        """Return the silence as the list call has it."""
        return {
            "account_id": 1,
            "channel_id": self.channel_id,
            "rule_id": self.rule_id,
            "rule_name": self.rule_name,
            "description": self.description,
            "priority": self.priority,
            "time_filter": {"start_time": self.start_time, "end_time": self.end_time},
            "time_filters": self.time_filters,
            "filters": self.filters,
            "is_directly_discard": self.discards,
            "is_auto_delete": self.deletes_itself,
            "status": "enabled" if self.enabled else "disabled",
            "is_effective": self.is_effective(now),
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "updated_by": 1,
        }


class OpenApi:
    """What the Open API knows beside alerts: channels and silences. The service asks it who is silenced."""

    def __init__(
        self,
        service: Service,
        *,
        channels: t.Sequence[str],
        clock: t.Callable[[], float] = time.time,
    ) -> None:
        self._service = service
        self._clock = clock
        self.channels = {
            FIRST_CHANNEL_ID + index: name for index, name in enumerate(channels)
        }
        self.reset()
        service.silence_for = self.silence_for
        self._calls: dict[str, t.Callable[[Payload], t.Any]] = {
            "/alert/list": self._list_alerts,
            "/channel/list": self._list_channels,
            "/channel/info": self._show_channel,
            "/channel/silence/rule/create": self._create_silence,
            "/channel/silence/rule/list": self._list_silences,
            "/channel/silence/rule/update": self._update_silence,
            "/channel/silence/rule/delete": self._delete_silence,
            "/channel/silence/rule/enable": self._enable_silence,
            "/channel/silence/rule/disable": self._disable_silence,
        }

    def reset(self) -> None:
        self._silences: dict[str, Silence] = {}
        self.limit = RateLimit(LIMITS)

    def call(self, path: str, payload: Payload) -> t.Any:
        """Answer one call: return ``data``, or raise Refusal."""
        return self._calls[path](payload)

    def channel_of(self, integration: int) -> int:
        """Return the channel that an integration belongs to."""
        ids = list(self.channels)
        return ids[min(integration, len(ids) - 1)]

    # --- silences ---

    def silence_for(self, event: AlertEvent, integration: int) -> Held | None:
        """Return the silence that holds an event back, if there is one."""
        fields = {
            "severity": event.status,
            "status": event.status,
            "title": event.title,
            "title_rule": event.title_rule,
            "description": event.description,
            "alert_key": event.alert_key,
            "integration_id": str(integration),
            **{f"labels.{name}": value for name, value in event.labels.items()},
        }
        channel, now = self.channel_of(integration), self._clock()
        for silence in sorted(self._current(), key=lambda one: one.priority):
            if (
                silence.channel_id == channel
                and silence.is_effective(now)
                and matches(silence.filters, fields)
            ):
                return Held(silence.rule_name, silence.discards)
        return None

    def silences(self) -> list[Payload]:
        """Return all silences that there are, the oldest first."""
        now = self._clock()
        return [silence.as_item(now) for silence in self._current()]

    def dump(self) -> list[Payload]:
        return self.silences()

    def load(self, items: list[Payload]) -> None:
        for item in items:
            unused = "time_filter" if item["time_filters"] else "time_filters"
            self._silences[item["rule_id"]] = Silence(
                rule_id=item["rule_id"],
                created_at=item["created_at"],
                enabled=item["status"] == "enabled",
                updated_at=item["updated_at"],
                **self._read_silence({**item, unused: None}),
            )

    def _current(self) -> list[Silence]:
        """Forget silences that delete themselves at their end, and return the others."""
        now = self._clock()
        self._silences = {
            rule_id: silence
            for rule_id, silence in self._silences.items()
            if not (silence.deletes_itself and silence.end_time <= now)
        }
        return list(self._silences.values())

    def _create_silence(self, payload: Payload) -> Payload:
        fields = self._read_silence(payload)
        now = int(self._clock())
        silence = Silence(
            rule_id=os.urandom(12).hex(), created_at=now, updated_at=now, **fields
        )
        self._silences[silence.rule_id] = silence
        self._service.version += 1
        return {"rule_id": silence.rule_id, "rule_name": silence.rule_name}

    def _list_silences(self, payload: Payload) -> Payload:
        channel = self._channel_id(payload)
        now = self._clock()
        return {
            "items": [
                silence.as_item(now)
                for silence in self._current()
                if silence.channel_id == channel
            ]
        }

    def _update_silence(self, payload: Payload) -> None:
        silence = self._silence(payload)
        for name, value in self._read_silence(payload).items():
            setattr(silence, name, value)
        silence.updated_at = int(self._clock())
        self._service.version += 1

    def _delete_silence(self, payload: Payload) -> None:
        rule_id = self._silence(payload).rule_id
        del self._silences[rule_id]
        self._service.version += 1

    def _enable_silence(self, payload: Payload) -> None:
        self._silence(payload).enabled = True
        self._service.version += 1

    def _disable_silence(self, payload: Payload) -> None:
        self._silence(payload).enabled = False
        self._service.version += 1

    def _silence(self, payload: Payload) -> Silence:
        channel = self._channel_id(payload)
        rule_id = _text(payload, "rule_id", required=True)
        if not _RULE_ID.match(rule_id):
            raise Refusal("InvalidParameter", "rule_id is not a valid one")
        self._current()
        silence = self._silences.get(rule_id)
        if silence is None or silence.channel_id != channel:
            raise Refusal("InvalidParameter", "the rule does not exist")
        return silence

    def _read_silence(self, payload: Payload) -> Payload:
        channel = self._channel_id(payload)
        repeating = _list(payload, "time_filters")
        window = payload.get("time_filter")
        if bool(repeating) == bool(window):
            raise Refusal(
                "InvalidParameter",
                "exactly one of time_filter and time_filters is required",
            )
        start = end = 0
        if window:
            if not isinstance(window, dict):
                raise Refusal("InvalidParameter", "time_filter must be an object")
            start = _integer(window, "start_time", required=True)
            end = _integer(window, "end_time", required=True)
            if not 0 < start < end:
                raise Refusal(
                    "InvalidParameter", "start_time must be less than end_time"
                )
        return {
            "channel_id": channel,
            "rule_name": _text(
                payload, "rule_name", required=True, limit=MAX_SILENCE_NAME
            ),
            "description": _text(payload, "description", limit=MAX_SILENCE_DESCRIPTION),
            "priority": _integer(payload, "priority"),
            "start_time": start,
            "end_time": end,
            "time_filters": repeating,
            "filters": _filters(payload),
            "discards": _boolean(payload, "is_directly_discard"),
            "deletes_itself": _boolean(payload, "is_auto_delete"),
        }

    # --- channels ---

    def _channel_id(self, payload: Payload) -> int:
        channel = _integer(payload, "channel_id", required=True)
        if channel not in self.channels:
            raise Refusal("InvalidParameter", "the channel does not exist")
        return channel

    def _list_channels(self, payload: Payload) -> Payload:
        wanted = _text(payload, "channel_name")
        found = [
            _channel(number, name)
            for number, name in self.channels.items()
            if wanted in ("", name)
        ]
        page = max(1, _integer(payload, "p") or 1)
        limit = _page_size(payload, MAX_PAGE)
        start = (page - 1) * limit
        return {
            "items": found[start : start + limit],
            "total": len(found),
            "has_next_page": start + limit < len(found),
        }

    def _show_channel(self, payload: Payload) -> Payload:
        channel = self._channel_id(payload)
        return _channel(channel, self.channels[channel])

    # --- alerts ---

    def _list_alerts(self, payload: Payload) -> Payload:
        start = _integer(payload, "start_time", required=True)
        end = _integer(payload, "end_time", required=True)
        if start > end:
            raise Refusal("InvalidParameter", "start_time must be less than end_time")
        if end - start > MAX_ALERT_WINDOW:
            raise Refusal(
                "InvalidParameter", "the time range must be at most 31 days long"
            )
        severities = [
            part for part in _text(payload, "alert_severity").split(",") if part
        ]
        if set(severities) - set(_SEVERITIES):
            raise Refusal("InvalidParameter", "alert_severity is not a valid one")
        order = _text(payload, "orderby") or "created_at"
        if order not in ("created_at", "updated_at"):
            raise Refusal(
                "InvalidParameter", "orderby must be created_at or updated_at"
            )
        limit = _page_size(payload, DEFAULT_PAGE)
        keys = _list(payload, "alert_keys")
        channels = _list(payload, "channel_ids")
        integrations = _list(payload, "integration_ids")
        by_update = _boolean(payload, "by_updated_at")
        active = payload.get("is_active")

        def is_asked_for(alert: Alert) -> bool:
            moment = alert.last_time if by_update else alert.opened_at
            return (
                start <= moment <= end
                and (active is None or alert.is_open == active)
                and (not severities or alert.severity in severities)
                and (not keys or alert.alert_key in keys)
                and (not channels or self.channel_of(alert.integration) in channels)
                and (not integrations or alert.integration in integrations)
            )

        found = sorted(
            filter(is_asked_for, self._service.all_alerts()),
            key=lambda alert: (
                alert.last_time if order == "updated_at" else alert.opened_at,
                alert.number,
            ),
            reverse=not _boolean(payload, "asc"),
        )
        at = _read_cursor(_text(payload, "search_after_ctx"))
        if not at:
            at = (max(1, _integer(payload, "p") or 1) - 1) * limit
        rest = len(found) > at + limit
        return {
            "items": [self._alert(alert) for alert in found[at : at + limit]],
            "total": len(found),
            "has_next_page": rest,
            "search_after_ctx": _cursor(at + limit) if rest else "",
        }

    def _alert(self, alert: Alert) -> Payload:
        channel = self.channel_of(alert.integration)
        item: Payload = {
            "alert_id": f"{alert.number:024x}",
            "alert_key": alert.alert_key,
            "title": alert.title,
            "description": alert.description,
            "alert_severity": alert.severity,
            "alert_status": alert.severity if alert.is_open else "Ok",
            "start_time": alert.opened_at,
            "last_time": alert.last_time,
            "end_time": alert.recovered_at or 0,
            "labels": dict(alert.labels),
            "ever_muted": alert.ever_silenced,
            "event_cnt": len(alert.events),
            "channel_id": channel,
            "channel_name": self.channels[channel],
            "integration_id": alert.integration,
            "integration_name": f"Standard alert event {alert.integration + 1}",
            "created_at": alert.opened_at,
            "updated_at": alert.last_time,
        }
        if alert.paged_at is not None:
            item["incident"] = {
                "incident_id": f"{0xF0000 + alert.number:024x}",
                "title": alert.title,
                "progress": "Triggered" if alert.is_open else "Closed",
            }
        return item


def _channel(number: int, name: str) -> Payload:
    return {"channel_id": number, "channel_name": name, "status": "enabled"}


# --- conditions ---


def matches(filters: list[list[Payload]], fields: t.Mapping[str, str]) -> bool:
    """Say whether all conditions of any group hold."""
    return any(all(_holds(one, fields) for one in group) for group in filters)


def _holds(condition: Payload, fields: t.Mapping[str, str]) -> bool:
    text = fields.get(condition["key"])
    found = text is not None and any(_fits(text, value) for value in condition["vals"])
    return found if condition["oper"] == "IN" else not found


def _fits(text: str, value: str) -> bool:
    """Say whether a text is what a value of a condition describes."""
    if len(value) > 1 and value.startswith("/") and value.endswith("/"):
        return re.search(value[1:-1], text) is not None
    if value.startswith("cidr:"):
        try:
            network = ipaddress.ip_network(value[5:], strict=False)
            return ipaddress.ip_address(text) in network
        except ValueError:
            return False
    number = _NUMBER.match(value)
    if number:
        try:
            one, other = float(text), float(number[2])
        except ValueError:
            return False
        return {
            "gt": one > other,
            "ge": one >= other,
            "lt": one < other,
            "le": one <= other,
        }[number[1]]
    if "*" in value or "?" in value:
        return fnmatch.fnmatchcase(text, value.replace("[", "[[]"))
    return text == value


def _filters(payload: Payload) -> list[list[Payload]]:
    groups = _list(payload, "filters")
    if not groups:
        raise Refusal("InvalidParameter", "filters must not be empty")
    for group in groups:
        if not isinstance(group, list) or not group:
            raise Refusal(
                "InvalidParameter", "filters must be a list of lists of conditions"
            )
        for condition in group:
            if not isinstance(condition, dict):
                raise Refusal("InvalidParameter", "a condition must be an object")
            _text(condition, "key", required=True)
            if condition.get("oper") not in ("IN", "NOTIN"):
                raise Refusal("InvalidParameter", "oper must be IN or NOTIN")
            values = _list(condition, "vals")
            if not values or not all(isinstance(one, str) for one in values):
                raise Refusal("InvalidParameter", "vals must be a list of strings")
    return groups


# --- reading ---


def _text(
    payload: Payload, name: str, *, required: bool = False, limit: int | None = None
) -> str:
    value = payload.get(name)
    if value is None or value == "":
        if required:
            raise Refusal("InvalidParameter", f"{name} is required")
        return ""
    if not isinstance(value, str):
        raise Refusal("InvalidParameter", f"{name} must be a string")
    if limit is not None and len(value) > limit:
        raise Refusal("InvalidParameter", f"{name} must be at most {limit} characters")
    return value


def _integer(payload: Payload, name: str, *, required: bool = False) -> int:
    value = payload.get(name)
    if value is None and not required:
        return 0
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refusal("InvalidParameter", f"{name} must be an integer")
    return value


def _boolean(payload: Payload, name: str) -> bool:
    value = payload.get(name, False)
    if not isinstance(value, bool):
        raise Refusal("InvalidParameter", f"{name} must be a boolean")
    return value


def _list(payload: Payload, name: str) -> list[t.Any]:
    value = payload.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Refusal("InvalidParameter", f"{name} must be a list")
    return value


def _page_size(payload: Payload, default: int) -> int:
    limit = _integer(payload, "limit") or default
    if not 0 < limit <= MAX_PAGE:
        raise Refusal("InvalidParameter", f"limit must be at most {MAX_PAGE}")
    return limit


def _cursor(position: int) -> str:
    return base64.b64encode(json.dumps(position).encode()).decode()


def _read_cursor(text: str) -> int:
    try:
        return int(json.loads(base64.b64decode(text))) if text else 0
    except ValueError:
        raise Refusal(
            "InvalidParameter", "search_after_ctx is not a valid one"
        ) from None
