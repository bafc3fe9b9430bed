# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Alert events and change events: what the service takes, checked and cut before anything is sent.

Limits: Flashduty Alert Event API documentation. Lengths are in Unicode characters, not in bytes.
"""

from __future__ import annotations

import datetime
import math
import re
import time
import typing as t
import uuid
from dataclasses import dataclass, field

from .errors import InvalidEvent
from .texts import cut_end

ALERT_STATUSES = ("Critical", "Warning", "Info", "Ok")
CHANGE_STATUSES = ("Planned", "Ready", "Processing", "Canceled", "Done")

TITLE_LIMIT = 512
KEY_LIMIT = 255
DESCRIPTION_LIMIT = 2048
LABELS_LIMIT = 50
LABEL_KEY_LIMIT = 128
LABEL_VALUE_LIMIT = 2048
IMAGE_LIMITS = {"src": 256, "alt": 128, "href": 256}

# The fields of an event that can be chosen, by its kind.
FIELDS = {
    "alert": (
        "title_rule",
        "event_status",
        "alert_key",
        "event_time",
        "description",
        "labels",
        "images",
    ),
    "change": (
        "change_key",
        "change_status",
        "title",
        "event_time",
        "description",
        "link",
        "labels",
    ),
}

# Far beyond any date that is meant (the year 5138), and far below today in milliseconds.
_LATEST_EVENT_TIME = 10**11
_LONE_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class AlertEvent:
    """One alert event. Made by :meth:`create`, which checks and cuts; the fields can be relied on."""

    kind: t.ClassVar[str] = "alert"

    title_rule: str
    event_status: str
    alert_key: str
    event_time: int
    description: str | None = None
    labels: t.Mapping[str, str] = field(default_factory=dict)
    images: tuple[t.Mapping[str, str], ...] = ()
    truncated: tuple[str, ...] = ()

    @classmethod
    def create(
        cls,
        *,
        title_rule: t.Any,
        event_status: t.Any,
        alert_key: t.Any = None,
        event_time: t.Any = None,
        description: t.Any = None,
        labels: t.Mapping[t.Any, t.Any] | None = None,
        images: t.Sequence[t.Mapping[str, t.Any]] | None = None,
        now: t.Callable[[], float] = time.time,
    ) -> AlertEvent:
        """Check the fields against the service's rules, cut what it would cut, and fill in what is missing.

        :param alert_key: when missing, a unique one is made; ``Ok`` must name the alert that it closes.
        :param event_time: seconds since the epoch; now when missing.
        :param labels: values may be any scalar.
        :param now: where the current time comes from, in seconds since the epoch.
        :raises InvalidEvent: when a rule is broken that cutting cannot mend.
        """
        truncated: list[str] = []
        status = _one_of(event_status, "event_status", ALERT_STATUSES)
        key = _key(alert_key, "alert_key")
        if not key:
            if status == "Ok":
                raise InvalidEvent(
                    "alert_key is missing: event_status Ok must name the alert that it closes.",
                    option="alert_key",
                    hint="Give the alert_key that the failing event returned.",
                )
            key = uuid.uuid4().hex
        return cls(
            title_rule=_cut(
                _required(title_rule, "title_rule"),
                TITLE_LIMIT,
                "title_rule",
                truncated,
            ),
            event_status=status,
            alert_key=key,
            event_time=_seconds(event_time, now),
            description=_description(description, truncated),
            labels=_labels(labels, truncated),
            images=_images(images),
            truncated=tuple(truncated),
        )

    @property
    def key(self) -> str:
        """What ties together the events of one alert."""
        return self.alert_key

    @property
    def is_recovery(self) -> bool:
        """Whether it closes an alert."""
        return self.event_status == "Ok"

    def payload(self) -> dict[str, t.Any]:
        """Return the body of the request."""
        body: dict[str, t.Any] = {
            "title_rule": self.title_rule,
            "event_status": self.event_status,
            "alert_key": self.alert_key,
            "event_time": self.event_time,
        }
        if self.description is not None:
            body["description"] = self.description
        if self.labels:
            body["labels"] = dict(self.labels)
        if self.images:
            body["images"] = [dict(image) for image in self.images]
        return body


@dataclass(frozen=True)
class ChangeEvent:
    """One change event. Made by :meth:`create`, which checks and cuts; the fields can be relied on."""

    kind: t.ClassVar[str] = "change"

    change_key: str
    change_status: str
    title: str
    event_time: int
    description: str | None = None
    link: str | None = None
    labels: t.Mapping[str, str] = field(default_factory=dict)
    truncated: tuple[str, ...] = ()

    @classmethod
    def create(
        cls,
        *,
        change_key: t.Any,
        change_status: t.Any,
        title: t.Any,
        event_time: t.Any = None,
        description: t.Any = None,
        link: t.Any = None,
        labels: t.Mapping[t.Any, t.Any] | None = None,
        now: t.Callable[[], float] = time.time,
    ) -> ChangeEvent:
        """Check the fields against the service's rules, cut what it would cut, and fill in what is missing.

        :param event_time: seconds since the epoch; now when missing. It may lie in the future.
        :raises InvalidEvent: when a rule is broken that cutting cannot mend.
        """
        truncated: list[str] = []
        return cls(
            change_key=_key(_required(change_key, "change_key"), "change_key"),
            change_status=_one_of(change_status, "change_status", CHANGE_STATUSES),
            # The documentation names no limit for a change's title; an alert's is safe for both.
            title=_cut(_required(title, "title"), TITLE_LIMIT, "title", truncated),
            event_time=_seconds(event_time, now),
            description=_description(description, truncated),
            link=_text(link, "link") if link not in (None, "") else None,
            labels=_labels(labels, truncated),
            truncated=tuple(truncated),
        )

    @property
    def key(self) -> str:
        """What ties together the events of one change."""
        return self.change_key

    @property
    def is_recovery(self) -> bool:
        """Whether it closes an alert: no change does."""
        return False

    def payload(self) -> dict[str, t.Any]:
        """Return the body of the request."""
        body: dict[str, t.Any] = {
            "change_key": self.change_key,
            "change_status": self.change_status,
            "title": self.title,
            "event_time": self.event_time,
        }
        if self.description is not None:
            body["description"] = self.description
        if self.link is not None:
            body["link"] = self.link
        if self.labels:
            body["labels"] = dict(self.labels)
        return body


Event = t.Union[AlertEvent, ChangeEvent]


def create(kind: str, fields: t.Mapping[str, t.Any]) -> Event:
    """Return the event that has these fields.

    :param kind: ``alert`` or ``change``.
    :param fields: the arguments of ``create`` of :class:`AlertEvent` or :class:`ChangeEvent`.
    :raises InvalidEvent: when a rule of the service is broken that cutting cannot mend.
    """
    event_class = AlertEvent if kind == "alert" else ChangeEvent
    return event_class.create(**fields)


def encodable(text: str) -> str:
    """Return the text without what cannot be sent as Unicode: lone surrogates become U+FFFD, NUL goes."""
    text = str(text)
    if text.isascii() and "\0" not in text:
        # Most are, and the answer is known without a look at each character.
        return text
    return _LONE_SURROGATES.sub("\ufffd", text).replace("\0", "")


def label_text(value: t.Any) -> str | None:
    """Return a scalar as YAML writes it (``true``, ``3``, ``null``), or None when it is no scalar."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat(*([" "] if isinstance(value, datetime.datetime) else []))
    return None


def _text(value: t.Any, option: str) -> str:
    text = label_text(value)
    if text is None:
        raise InvalidEvent(
            f"{option} is a {_type_name(value)}: it must be a text.", option=option
        )
    return text


def _required(value: t.Any, option: str) -> str:
    text = "" if value is None else _text(value, option)
    if not text.strip():
        raise InvalidEvent(f"{option} is empty: it must be a text.", option=option)
    return text


def _one_of(value: t.Any, option: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise InvalidEvent(
            f"{option} is {value!r}: it must be one of {', '.join(allowed)} (case-sensitive).",
            option=option,
        )
    return str(value)


def _key(value: t.Any, option: str) -> str:
    text = "" if value is None else _text(value, option)
    if not text.strip():
        return ""
    if len(text) > KEY_LIMIT:
        raise InvalidEvent(
            f"{option} has {len(text)} characters: at most {KEY_LIMIT} are allowed.",
            option=option,
        )
    return text


def _seconds(value: t.Any, now: t.Callable[[], float]) -> int:
    if value is None:
        return int(now())
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidEvent(
            f"event_time is {value!r}: it must be a whole number of seconds since 1970-01-01 UTC.",
            option="event_time",
        )
    if not 0 < value < _LATEST_EVENT_TIME:
        problem = "looks like milliseconds" if value > 0 else "is not positive"
        raise InvalidEvent(
            f"event_time {value} {problem}: it must be in seconds since 1970-01-01 UTC.",
            option="event_time",
        )
    return int(value)


def _cut(text: str, limit: int, name: str, truncated: list[str]) -> str:
    shorter = cut_end(text, limit)
    if shorter != text:
        truncated.append(name)
    return shorter


def _description(value: t.Any, truncated: list[str]) -> str | None:
    if value is None:
        return None
    return _cut(
        _text(value, "description"), DESCRIPTION_LIMIT, "description", truncated
    )


def _labels(
    labels: t.Mapping[t.Any, t.Any] | None, truncated: list[str]
) -> dict[str, str]:
    if labels is None:
        return {}
    if not isinstance(labels, t.Mapping):
        raise InvalidEvent(
            f"labels is a {_type_name(labels)}: it must be a dictionary.",
            option="labels",
        )
    if len(labels) > LABELS_LIMIT:
        raise InvalidEvent(
            f"labels has {len(labels)} entries: at most {LABELS_LIMIT} are allowed.",
            option="labels",
        )
    result: dict[str, str] = {}
    for key, value in labels.items():
        whole_name = label_text(key) or ""
        if not whole_name.strip():
            raise InvalidEvent(
                "labels has a label with an empty name.", option="labels"
            )
        name = whole_name[:LABEL_KEY_LIMIT]
        if name in result:
            raise InvalidEvent(
                f"labels has two labels that are both named {name!r} once cut to {LABEL_KEY_LIMIT} characters.",
                option="labels",
            )
        text = label_text(value)
        if text is None:
            raise InvalidEvent(
                f"labels: the value of {name!r} is a {_type_name(value)}: it must be a text, a number or a boolean.",
                option="labels",
            )
        result[name] = cut_end(text, LABEL_VALUE_LIMIT)
        if name != whole_name or result[name] != text:
            truncated.append(f"labels.{name}")
    return result


def _images(
    images: t.Sequence[t.Mapping[str, t.Any]] | None,
) -> tuple[dict[str, str], ...]:
    if images is None:
        return ()
    if not isinstance(images, (list, tuple)):
        raise InvalidEvent(
            f"images is a {_type_name(images)}: it must be a list.", option="images"
        )
    result = []
    for number, image in enumerate(images, start=1):
        where = f"images, number {number}"
        if not isinstance(image, t.Mapping):
            raise InvalidEvent(
                f"{where} is a {_type_name(image)}: it must be a dictionary.",
                option="images",
            )
        unknown = sorted(set(image) - set(IMAGE_LIMITS))
        if unknown:
            raise InvalidEvent(
                f"{where} has the unknown key {unknown[0]!r}: allowed are {', '.join(IMAGE_LIMITS)}.",
                option="images",
            )
        texts = {
            name: _text(value, f"{where}: {name}")
            for name, value in image.items()
            if value not in (None, "")
        }
        if "src" not in texts:
            raise InvalidEvent(
                f"{where} has no src: it must be an http or https URL, or an image_key.",
                option="images",
            )
        for name, text in texts.items():
            if len(text) > IMAGE_LIMITS[name]:
                raise InvalidEvent(
                    f"{where}: {name} has {len(text)} characters: at most {IMAGE_LIMITS[name]} are allowed.",
                    option="images",
                )
        for name in ("src", "href"):
            if "://" in texts.get(name, "") and not texts[name].startswith(
                ("http://", "https://")
            ):
                raise InvalidEvent(
                    f"{where}: {name} must be an http or https URL.", option="images"
                )
        result.append(texts)
    return tuple(result)


def _type_name(value: t.Any) -> str:
    if isinstance(value, t.Mapping):
        return "dictionary"
    if isinstance(value, (list, tuple, set)):
        return "list"
    return type(value).__name__
