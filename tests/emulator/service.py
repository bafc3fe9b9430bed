# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Flashduty does with an event: checks, limits, merging. No HTTP here.

Source: Flashduty Alert Event API documentation. Where it leaves something open, the stricter reading is
built, so that a client which passes here passes there.
"""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import time
import typing as t
from collections import Counter, deque
from dataclasses import dataclass, field

Payload = dict[str, t.Any]
Kind = t.Literal["alert", "change"]
Protocol = t.Literal["2024", "2026"]

ALERT_STATUSES = ("Critical", "Warning", "Info", "Ok")
CHANGE_STATUSES = ("Planned", "Ready", "Processing", "Canceled", "Done")

#: Code of an error: its HTTP status and a message to show with it.
ERRORS: dict[str, tuple[int, str]] = {
    "InvalidParameter": (400, "parameter error"),
    "InvalidContentType": (400, "Content-Type is not supported"),
    "MethodNotAllowed": (400, "HTTP method is not supported"),
    "Unauthorized": (401, "authentication failed"),
    "AccessDenied": (403, "authorization failed"),
    "RequestTooFrequently": (429, "too many requests"),
    "RouteNotFound": (404, "method and path are not matched"),
    "ResourceNotFound": (400, "the account has not bought the resource"),
    "NoLicense": (400, "the subscription has too few licenses"),
    "InternalError": (500, "internal or unknown error"),
}

MAX_TITLE = 512
MAX_KEY = 255
MAX_DESCRIPTION = 2048
MAX_LABELS = 50
MAX_LABEL_NAME = 128
MAX_LABEL_VALUE = 2048
MAX_IMAGE_URL = 256
MAX_IMAGE_ALT = 128
LIMITS = ((1.0, 100), (60.0, 1000))

#: Seconds that are this large (the year 5138) are milliseconds.
FIRST_MILLISECONDS = 100_000_000_000

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_ROUTING_LABEL = re.compile(
    r"layer_(?:person_reset_\d+_(?:emails|team_names)"
    r"|webhook_reset_\d+_(?:feishus|dingtalks|wecoms))\Z"
)
_PLAIN_VARIABLE = re.compile(r"\$([a-zA-Z_][a-zA-Z0-9_]*)")
_TEMPLATE_VARIABLE = re.compile(
    r"\$\{\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*\}"
    r"|\{\{\s*\.Labels\.([a-zA-Z_][a-zA-Z0-9_]*)\s*\}\}"
)
_TEMPLATE_MARK = "[TPL]"
_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

_ALERT_FIELDS = frozenset(
    (
        "title_rule",
        "event_status",
        "alert_key",
        "event_time",
        "description",
        "labels",
        "images",
    )
)
_CHANGE_FIELDS = frozenset(
    (
        "change_key",
        "change_status",
        "title",
        "event_time",
        "description",
        "link",
        "labels",
    )
)


class Refusal(Exception):
    """The service does not take the request."""

    def __init__(
        self, code: str, message: str | None = None, *, retry_after: int | None = None
    ) -> None:
        self.code = code
        self.http, default = ERRORS[code]
        self.message = default if message is None else message
        self.retry_after = retry_after
        super().__init__(f"{code}: {self.message}")


def new_request_id() -> str:
    return os.urandom(16).hex()


def new_alert_key() -> str:
    return "".join(secrets.choice(_ALPHABET) for _index in range(22))


def expand_title(rule: str, labels: t.Mapping[str, str]) -> str:
    """Put labels into a title rule: ``$check``, or after ``[TPL]`` ``${check}`` and ``{{.Labels.check}}``."""
    if rule.startswith(_TEMPLATE_MARK):
        return _TEMPLATE_VARIABLE.sub(
            lambda found: labels.get(found[1] or found[2], "<no value>"),
            rule[len(_TEMPLATE_MARK) :],
        )
    if "$" not in rule:
        return rule
    return _PLAIN_VARIABLE.sub(lambda found: labels.get(found[1], "<no value>"), rule)


# --- reading what was sent -------------------------------------------------------------------


@dataclass
class Reader:
    """Takes checked fields out of a payload, and notes what had to be changed about them."""

    payload: Payload
    notes: list[str] = field(default_factory=list)

    def text(
        self,
        name: str,
        *,
        required: bool = False,
        cut: int | None = None,
        limit: int | None = None,
    ) -> str:
        value = self.payload.get(name)
        if value is None or value == "":
            if required:
                raise Refusal("InvalidParameter", f"{name} is required")
            return ""
        if not isinstance(value, str):
            raise Refusal("InvalidParameter", f"{name} must be a string")
        if limit is not None and len(value) > limit:
            raise Refusal(
                "InvalidParameter", f"{name} must be at most {limit} characters"
            )
        if cut is not None and len(value) > cut:
            self.notes.append(f"{name} truncated")
            return value[:cut]
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, required=True)
        if value not in choices:
            raise Refusal(
                "InvalidParameter", f"{name} must be one of {', '.join(choices)}"
            )
        return value

    def seconds(self, name: str, *, now: float) -> int:
        value = self.payload.get(name)
        if value is None or value == 0 and not isinstance(value, bool):
            return int(now)
        if not isinstance(value, int) or isinstance(value, bool):
            raise Refusal("InvalidParameter", f"{name} must be an integer")
        if not 0 < value < FIRST_MILLISECONDS:
            raise Refusal(
                "InvalidParameter", f"{name} must be in seconds since the epoch"
            )
        return value

    def labels(self) -> dict[str, str]:
        value = self.payload.get("labels")
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise Refusal("InvalidParameter", "labels must be a map of strings")
        if len(value) > MAX_LABELS:
            raise Refusal("InvalidParameter", f"labels must be at most {MAX_LABELS}")
        labels: dict[str, str] = {}
        for name, text in value.items():
            if not isinstance(text, str):
                raise Refusal("InvalidParameter", f"labels.{name} must be a string")
            if not name:
                raise Refusal("InvalidParameter", "labels must not have an empty name")
            if len(name) > MAX_LABEL_NAME:
                name = name[:MAX_LABEL_NAME]
                self.notes.append(f"name of labels.{name} truncated")
            if not _LABEL_NAME.match(name):
                self.notes.append(f"labels.{name} is not named like a Prometheus label")
            if len(text) > MAX_LABEL_VALUE:
                text = text[:MAX_LABEL_VALUE]
                self.notes.append(f"labels.{name} truncated")
            labels[name] = text
        return labels

    def images(self) -> list[dict[str, str]]:
        value = self.payload.get("images")
        if value is None:
            return []
        if not isinstance(value, list):
            raise Refusal("InvalidParameter", "images must be a list")
        by_alt: dict[str, dict[str, str]] = {}
        for image in value:
            if not isinstance(image, dict):
                raise Refusal("InvalidParameter", "images must be a list of objects")
            reader = Reader(image)
            read = {
                "src": reader.text("src", required=True, limit=MAX_IMAGE_URL),
                "alt": reader.text("alt", limit=MAX_IMAGE_ALT),
                "href": reader.text("href", limit=MAX_IMAGE_URL),
            }
            if read["alt"] in by_alt:
                self.notes.append("images with the same alt: one is kept")
            by_alt[read["alt"]] = {name: text for name, text in read.items() if text}
        return list(by_alt.values())

    def note_unknown(self, known: frozenset[str]) -> None:
        for name in self.payload.keys() - known:
            self.notes.append(f"{name} is not a known field")


@dataclass(frozen=True)
class AlertEvent:
    """An alert event as the service understood it."""

    alert_key: str
    status: str
    title_rule: str
    title: str
    description: str
    labels: dict[str, str]
    images: list[dict[str, str]]
    event_time: int
    notes: list[str]

    @classmethod
    def read(cls, payload: Payload, *, now: float, protocol: Protocol) -> AlertEvent:
        reader = Reader(payload)
        title_rule = reader.text("title_rule", required=True, cut=MAX_TITLE)
        status = reader.choice("event_status", ALERT_STATUSES)
        key_required = protocol == "2024" or status == "Ok"
        alert_key = reader.text("alert_key", required=key_required, limit=MAX_KEY)
        event_time = reader.seconds("event_time", now=now)
        description = reader.text("description", cut=MAX_DESCRIPTION)
        labels = reader.labels()
        images = [] if protocol == "2024" else reader.images()
        reader.note_unknown(_ALERT_FIELDS)
        return cls(
            alert_key=alert_key or new_alert_key(),
            status=status,
            title_rule=title_rule,
            title=expand_title(title_rule, labels),
            description=description,
            labels=labels,
            images=images,
            event_time=event_time,
            notes=reader.notes,
        )


@dataclass(frozen=True)
class ChangeEvent:
    """A change event as the service understood it."""

    change_key: str
    status: str
    title: str
    description: str
    link: str
    labels: dict[str, str]
    event_time: int
    notes: list[str]

    @classmethod
    def read(cls, payload: Payload, *, now: float) -> ChangeEvent:
        reader = Reader(payload)
        change_key = reader.text("change_key", required=True, limit=MAX_KEY)
        status = reader.choice("change_status", CHANGE_STATUSES)
        title = reader.text("title", required=True, cut=MAX_TITLE)
        event_time = reader.seconds("event_time", now=now)
        description = reader.text("description", cut=MAX_DESCRIPTION)
        link = reader.text("link")
        labels = reader.labels()
        reader.note_unknown(_CHANGE_FIELDS)
        return cls(
            change_key,
            status,
            title,
            description,
            link,
            labels,
            event_time,
            reader.notes,
        )


# --- what events become ----------------------------------------------------------------------


@dataclass
class Alert:
    """One alert: what the events of one key are merged into, from its opening to its recovery."""

    number: int
    integration: int
    alert_key: str
    severity: str
    title: str
    description: str
    opened_at: int
    recovered_at: int | None = None
    closed_by_hand: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    routing: dict[str, str] = field(default_factory=dict)
    images: list[dict[str, str]] = field(default_factory=list)
    events: list[dict[str, t.Any]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    last: tuple[str, str, str] = ("", "", "")
    last_time: int = 0
    #: The name of the silence that held back the last event.
    silenced_by: str | None = None
    ever_silenced: bool = False
    #: When somebody was paged: the alert became an incident.
    paged_at: int | None = None

    @property
    def is_open(self) -> bool:
        return self.recovered_at is None

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "number": self.number,
            "alert_key": self.alert_key,
            "integration": self.integration,
            "title": self.title,
            "status": "open" if self.is_open else "recovered",
            "severity": self.severity,
            "description": self.description,
            "labels": dict(self.labels),
            "routing": dict(self.routing),
            "images": list(self.images),
            "opened_at": self.opened_at,
            "recovered_at": self.recovered_at,
            "closed_by_hand": self.closed_by_hand,
            "silenced_by": self.silenced_by,
            "ever_silenced": self.ever_silenced,
            "paged_at": self.paged_at,
            "events": list(self.events),
        }


@dataclass
class Change:
    """One change: what the events of one key are merged into."""

    number: int
    integration: int
    change_key: str
    status: str
    title: str
    description: str
    link: str
    started_at: int
    updated_at: int
    labels: dict[str, str] = field(default_factory=dict)
    events: list[dict[str, t.Any]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "number": self.number,
            "change_key": self.change_key,
            "integration": self.integration,
            "title": self.title,
            "status": self.status,
            "description": self.description,
            "link": self.link,
            "labels": dict(self.labels),
            "started_at": self.started_at,
            "updated_at": self.updated_at,
            "events": list(self.events),
        }


class Held(t.NamedTuple):
    """A silence that holds an event back.

    :param discards: whether the event is dropped instead of kept and marked.
    """

    rule_name: str
    discards: bool


@dataclass(frozen=True)
class Accepted:
    """One event that the service took, in the order of arrival. The state can be built again from these."""

    kind: Kind
    integration: int
    payload: Payload
    received_at: float
    request_id: str
    outcome: str
    notes: list[str]
    silence: Held | None = None

    def as_dict(self) -> dict[str, t.Any]:
        return {
            **self.payload,
            "integration": self.integration,
            "received_at": self.received_at,
            "request_id": self.request_id,
            "outcome": self.outcome,
            "silenced_by": self.silence and self.silence.rule_name,
            "notes": list(self.notes),
        }


class RateLimit:
    """The documented limits of one integration, as sliding windows."""

    def __init__(self, limits: t.Iterable[tuple[float, int]] = LIMITS) -> None:
        self._windows: list[tuple[float, int, deque[float]]] = [
            (seconds, count, deque()) for seconds, count in limits
        ]

    def admit(self, now: float) -> float:
        """Return 0.0 and count the request, or return the seconds until there is room for it."""
        for seconds, count, times in self._windows:
            while times and times[0] <= now - seconds:
                times.popleft()
            if len(times) >= count:
                return times[0] + seconds - now
        for _seconds, _count, times in self._windows:
            times.append(now)
        return 0.0


class Service:
    """The state of one Flashduty account: integrations, events, alerts, changes."""

    def __init__(
        self,
        *,
        alert_keys: t.Sequence[str],
        change_keys: t.Sequence[str],
        protocol: Protocol = "2026",
        limits: bool = False,
        record: bool = True,
        clock: t.Callable[[], float] = time.time,
        monotonic: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys: dict[Kind, dict[str, int]] = {
            "alert": {key: index for index, key in enumerate(alert_keys)},
            "change": {key: index for index, key in enumerate(change_keys)},
        }
        self._protocol: Protocol = protocol
        self.limited = limits
        self._record = record
        self._clock = clock
        self._monotonic = monotonic
        #: Returns the silence that holds an event of an integration back; the Open API knows them.
        self.silence_for: t.Callable[[AlertEvent, int], Held | None] = (
            lambda _event, _integration: None
        )
        #: Grows with whatever can be seen from outside.
        self.version = 0
        self.reset()

    def reset(self) -> None:
        """Forget all events, alerts, changes and counts."""
        self.counts: Counter[str] = Counter()
        self.log: list[Accepted] = []
        self._alerts: list[Alert] = []
        self._open: dict[tuple[int, str], Alert] = {}
        self._recovered: list[Alert] = []
        self._changes: dict[tuple[int, str], Change] = {}
        self._limits: dict[tuple[Kind, int], RateLimit] = {}
        self._closings: list[tuple[int, str, int, int]] = []
        self.version += 1

    # --- pushing ---

    def integration(self, kind: Kind, key: str | None) -> int | None:
        """Return the number of the integration that has this key, or None."""
        return None if key is None else self._keys[kind].get(key)

    def push(
        self, kind: Kind, key: str | None, content_type: str | None, body: bytes
    ) -> tuple[str, dict[str, t.Any] | None]:
        """Take one event. Return the request id and the ``data`` of the answer, or raise Refusal."""
        integration = self.integration(kind, key)
        if integration is None:
            raise Refusal("InvalidParameter", "integration_key is not a valid one")
        if self.limited:
            self._admit(kind, integration)
        payload = read_body(content_type, body)
        now = self._clock()
        request_id = new_request_id()
        data: dict[str, t.Any] | None = None
        if kind == "alert":
            alert_key = self._take_alert(integration, payload, now, request_id)
            if self._protocol != "2024":
                data = {"alert_key": alert_key}
        else:
            self._take_change(integration, payload, now, request_id)
        self.counts["accepted"] += 1
        return request_id, data

    def close_by_hand(self, alert_key: str) -> int:
        """Close the open alerts of a key as a person would; return how many there were."""
        found = [place for place in self._open if place[1] == alert_key]
        for integration, key in found:
            self._close_by_hand(integration, key, int(self._clock()))
        return len(found)

    def _admit(self, kind: Kind, integration: int) -> None:
        limit = self._limits.setdefault((kind, integration), RateLimit())
        wait = limit.admit(self._monotonic())
        if wait > 0:
            raise Refusal("RequestTooFrequently", retry_after=math.ceil(wait))

    def _take_alert(
        self, integration: int, payload: Payload, now: float, request_id: str
    ) -> str:
        event = AlertEvent.read(payload, now=now, protocol=self._protocol)
        # A recovery is never held back.
        silence = None if event.status == "Ok" else self.silence_for(event, integration)
        self._record_alert(integration, payload, event, silence, now, request_id)
        return event.alert_key

    def _record_alert(
        self,
        integration: int,
        payload: Payload,
        event: AlertEvent,
        silence: Held | None,
        now: float,
        request_id: str,
    ) -> None:
        if self._record:
            # A key that the service made belongs to the event from here on.
            payload = {**payload, "alert_key": event.alert_key}
            outcome = (
                "discarded"
                if silence and silence.discards
                else self._merge_alert(
                    integration, event, payload, silence, now, request_id
                )
            )
            self._accept(
                Accepted(
                    kind="alert",
                    integration=integration,
                    payload=payload,
                    received_at=now,
                    request_id=request_id,
                    outcome=outcome,
                    notes=event.notes,
                    silence=silence,
                )
            )

    def _take_change(
        self, integration: int, payload: Payload, now: float, request_id: str
    ) -> None:
        event = ChangeEvent.read(payload, now=now)
        if self._record:
            outcome = self._merge_change(integration, event, payload, now, request_id)
            self._accept(
                Accepted(
                    kind="change",
                    integration=integration,
                    payload=payload,
                    received_at=now,
                    request_id=request_id,
                    outcome=outcome,
                    notes=event.notes,
                )
            )

    def _accept(self, event: Accepted) -> None:
        self.log.append(event)
        self.counts[event.outcome] += 1
        self.version += 1

    def _merge_alert(
        self,
        integration: int,
        event: AlertEvent,
        payload: Payload,
        silence: Held | None,
        now: float,
        request_id: str,
    ) -> str:
        place = (integration, event.alert_key)
        alert = self._open.get(place)
        if alert is None:
            if event.status == "Ok":
                return "stray"
            alert = Alert(
                number=len(self._alerts) + 1,
                integration=integration,
                alert_key=event.alert_key,
                severity=event.status,
                title=event.title,
                description=event.description,
                opened_at=event.event_time,
            )
            self._alerts.append(alert)
            self._open[place] = alert
            outcome = "opened"
        else:
            outcome = self._outcome_for_open(alert, event, payload)
        if outcome != "dropped":
            self._apply(alert, event)
            self._page(alert, event, silence, now)
            alert.seen.add(json.dumps(payload, sort_keys=True))
            alert.last = (event.status, event.title, event.description)
        if event.status == "Ok":
            self._recover(place, at=event.event_time)
        alert.events.append(_remembered(event, now, request_id, outcome))
        return outcome

    def _page(
        self, alert: Alert, event: AlertEvent, silence: Held | None, now: float
    ) -> None:
        """Make an incident of an alert that has none yet, unless its event is held back."""
        alert.last_time = event.event_time
        if event.status == "Ok":
            return
        alert.silenced_by = silence.rule_name if silence else None
        if silence:
            alert.ever_silenced = True
            self.counts["silenced"] += 1
        elif alert.paged_at is None:
            alert.paged_at = int(now)
            self.counts["paged"] += 1

    @staticmethod
    def _outcome_for_open(alert: Alert, event: AlertEvent, payload: Payload) -> str:
        if event.status == "Ok":
            return "closed"
        if json.dumps(payload, sort_keys=True) in alert.seen:
            return "dropped"
        if alert.last == (event.status, event.title, event.description):
            return "updated"
        return "merged"

    @staticmethod
    def _apply(alert: Alert, event: AlertEvent) -> None:
        labels = {}
        for name, value in event.labels.items():
            if _ROUTING_LABEL.match(name):
                alert.routing.setdefault(name, value)
            else:
                labels[name] = value
        if event.status == "Ok":
            alert.labels = {**labels, **alert.labels}
            return
        alert.labels.update(labels)
        alert.title = event.title
        alert.description = event.description
        alert.images = event.images or alert.images

    def _merge_change(
        self,
        integration: int,
        event: ChangeEvent,
        payload: Payload,
        now: float,
        request_id: str,
    ) -> str:
        place = (integration, event.change_key)
        change = self._changes.get(place)
        content = json.dumps(payload, sort_keys=True)
        if change is None:
            outcome = "started"
            change = Change(
                number=len(self._changes) + 1,
                integration=integration,
                change_key=event.change_key,
                status=event.status,
                title=event.title,
                description=event.description,
                link=event.link,
                started_at=event.event_time,
                updated_at=event.event_time,
            )
            self._changes[place] = change
        else:
            outcome = "dropped" if content in change.seen else "merged"
        if outcome != "dropped":
            change.seen.add(content)
            change.status = event.status
            change.title = event.title
            change.description = event.description or change.description
            change.link = event.link or change.link
            change.labels.update(event.labels)
            change.updated_at = event.event_time
        change.events.append(_remembered(event, now, request_id, outcome))
        return outcome

    def _recover(self, place: tuple[int, str], *, at: int) -> Alert:
        alert = self._open.pop(place)
        alert.recovered_at = at
        self._recovered.append(alert)
        return alert

    def _close_by_hand(self, integration: int, alert_key: str, at: int) -> None:
        self._recover((integration, alert_key), at=at).closed_by_hand = True
        self._closings.append((integration, alert_key, len(self.log), at))
        self.version += 1

    # --- keeping ---

    def dump(self) -> dict[str, t.Any]:
        """Return what is needed to build this state again, as JSON data without any key."""
        return {
            "counts": dict(self.counts),
            "closings": [list(closing) for closing in self._closings],
            "log": [
                [
                    event.kind,
                    event.integration,
                    event.payload,
                    event.received_at,
                    event.request_id,
                    event.silence,
                ]
                for event in self.log
            ],
        }

    def load(self, dumped: dict[str, t.Any]) -> None:
        """Build the state again by merging all events once more."""
        self.reset()
        closings = deque(dumped["closings"])
        for kind, integration, payload, received_at, request_id, silence in dumped[
            "log"
        ]:
            self._close_until(len(self.log), closings)
            self._replay(
                kind,
                integration,
                payload,
                Held(*silence) if silence else None,
                received_at,
                request_id,
            )
        self._close_until(len(self.log), closings)
        self.counts = Counter(dumped["counts"])

    def _close_until(self, position: int, closings: deque[list[t.Any]]) -> None:
        while closings and closings[0][2] <= position:
            integration, alert_key, _position, at = closings.popleft()
            self._close_by_hand(integration, alert_key, at)

    def _replay(
        self,
        kind: Kind,
        integration: int,
        payload: Payload,
        silence: Held | None,
        received_at: float,
        request_id: str,
    ) -> None:
        if kind == "change":
            self._take_change(integration, payload, received_at, request_id)
            return
        event = AlertEvent.read(payload, now=received_at, protocol=self._protocol)
        self._record_alert(
            integration, payload, event, silence, received_at, request_id
        )

    # --- looking ---

    @property
    def alert_count(self) -> int:
        return len(self._alerts)

    def all_alerts(self) -> t.Iterator[Alert]:
        """Return all alerts in the order they opened."""
        return iter(self._alerts)

    def open_alerts(self) -> t.Iterator[Alert]:
        """Return the open alerts in the order they opened."""
        return iter(self._open.values())

    def recovered_alerts(self, limit: int) -> list[Alert]:
        """Return the alerts that recovered last, the latest last."""
        return self._recovered[-limit:]

    def all_changes(self) -> t.Iterator[Change]:
        return iter(self._changes.values())

    def alerts(self) -> list[dict[str, t.Any]]:
        return [alert.as_dict() for alert in self._alerts]

    def changes(self) -> list[dict[str, t.Any]]:
        return [change.as_dict() for change in self._changes.values()]

    def events(self, kind: Kind) -> list[dict[str, t.Any]]:
        return [event.as_dict() for event in self.log if event.kind == kind]


def _remembered(
    event: AlertEvent | ChangeEvent, now: float, request_id: str, outcome: str
) -> dict[str, t.Any]:
    """Return what an alert or a change remembers of one of its events."""
    return {
        "status": event.status,
        "title": event.title,
        "description": event.description,
        "labels": event.labels,
        "event_time": event.event_time,
        "received_at": now,
        "request_id": request_id,
        "outcome": outcome,
    }


def read_body(content_type: str | None, body: bytes) -> Payload:
    """Return what was sent as application/json, or raise Refusal."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Refusal("InvalidContentType")
    return read_json(body)


def read_json(body: bytes) -> Payload:
    """Return the JSON object in a body, or raise Refusal."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal("InvalidParameter", "the body is not valid JSON") from None
    if not isinstance(payload, dict):
        raise Refusal("InvalidParameter", "the body must be a JSON object")
    return payload
