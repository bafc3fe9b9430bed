# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the emulator may misbehave: a queue of faults, each for a number of requests.

A fault is a JSON object with a ``kind`` and its options (``KINDS`` lists them). Every fault takes

- ``times``: for how many requests, default 1; 0 means until told otherwise,
- ``match``: only requests whose payload has these values; ``kind`` stands for alert, change or open_api,
- ``accept``: whether the event counts as received although the answer goes wrong. ``latency`` and
  ``dribble`` always accept it.

Faults are used up in order. ``latency`` comes on top of the fault that follows it.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .service import ERRORS

Options = dict[str, t.Any]

#: Kind of a fault: its options and their defaults.
KINDS: dict[str, Options] = {
    # An error as documented; with http 200, too. http None: the documented status of the code.
    "error": {"code": "InternalError", "http": None, "message": None},
    # 429. retry_after: the header's text, or None for no header.
    "rate_limit": {"retry_after": None},
    # A proxy's page instead of an answer.
    "html": {"http": 502},
    # No body at all.
    "empty": {"http": 200},
    # A Content-Length larger than the body, then the end of the connection.
    "truncated": {"http": 200},
    # The connection closes without an answer, before or after the body was read.
    "drop": {"when": "after"},
    # The connection is reset (RST).
    "reset": {},
    # Nothing happens for so long, then the connection closes.
    "hang": {"seconds": 30.0},
    # The answer is right, and late.
    "latency": {"seconds": 0.1},
    # location: default is a path on the same host.
    "redirect": {"http": 302, "location": "/elsewhere"},
    # A proxy's page that shows the full URL, and so the key.
    "echo_url": {"http": 502},
    # The answer is right, and comes in pieces of so many bytes, with a pause after each.
    "dribble": {"seconds": 0.2, "bytes": 1},
    # A body of so many bytes.
    "flood": {"http": 200, "bytes": 10_000_000},
    # Exactly this answer.
    "answer": {
        "http": 200,
        "body": "",
        "content_type": "application/json",
        "headers": {},
    },
}

#: Their answer is the service's own.
_ACCEPTING = frozenset(("latency", "dribble"))
_COMMON = frozenset(("kind", "times", "match", "accept"))
_Check = t.Callable[[t.Any], bool]
_OPTION_RULES: dict[str, tuple[_Check, str]] = {
    "http": (lambda value: _is_int(value) and 200 <= value <= 599, "from 200 to 599"),
    "seconds": (lambda value: _is_number(value) and value >= 0, "0 or more"),
    "bytes": (lambda value: _is_int(value) and value >= 1, "1 or more"),
    "code": (lambda value: value in ERRORS, f"one of {', '.join(ERRORS)}"),
    "message": (lambda value: isinstance(value, str), "a string"),
    "retry_after": (lambda value: isinstance(value, (str, int)), "a string"),
    "when": (lambda value: value in ("before", "after"), "before or after"),
    "location": (lambda value: isinstance(value, str), "a string"),
    "body": (lambda value: isinstance(value, str), "a string"),
    "content_type": (lambda value: isinstance(value, str), "a string"),
    "headers": (lambda value: isinstance(value, dict), "an object"),
}


class FaultError(ValueError):
    """A fault is not written as it should be."""


@dataclass
class Fault:
    """One way to misbehave, for a number of requests."""

    kind: str
    options: Options = field(default_factory=dict)
    times: int = 1
    match: dict[str, t.Any] = field(default_factory=dict)
    accept: bool = False

    @classmethod
    def read(cls, source: t.Any) -> Fault:
        """Make a fault of its JSON form, or raise FaultError."""
        if not isinstance(source, dict):
            raise FaultError("A fault must be an object.")
        kind = source.get("kind")
        if kind not in KINDS:
            raise FaultError(f"The kind of a fault must be one of {', '.join(KINDS)}.")
        defaults = KINDS[kind]
        unknown = source.keys() - defaults.keys() - _COMMON
        if unknown:
            raise FaultError(f"A {kind} fault has no option {sorted(unknown)[0]}.")
        options = {name: source.get(name, value) for name, value in defaults.items()}
        for name, value in options.items():
            accepts, rule = _OPTION_RULES[name]
            if not accepts(value) and (value is not None or defaults[name] is not None):
                raise FaultError(f"The {name} of a {kind} fault must be {rule}.")
        times = source.get("times", 1)
        if not _is_int(times) or times < 0:
            raise FaultError("The times of a fault must be 0 or more.")
        match = source.get("match") or {}
        if not isinstance(match, dict):
            raise FaultError("The match of a fault must be an object.")
        accept = source.get("accept", False)
        if not isinstance(accept, bool):
            raise FaultError("The accept of a fault must be true or false.")
        return cls(kind, options, times, match, accept or kind in _ACCEPTING)

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "kind": self.kind,
            **self.options,
            "times": self.times,
            "match": self.match,
            "accept": self.accept,
        }

    @property
    def reads_payload(self) -> bool:
        return bool(self.match.keys() - {"kind"})

    def matches(self, kind: str, payload: t.Mapping[str, t.Any]) -> bool:
        return all(
            value == (kind if name == "kind" else payload.get(name))
            for name, value in self.match.items()
        )


def _is_int(value: t.Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: t.Any) -> bool:
    return _is_int(value) or isinstance(value, float)


class FaultQueue:
    """Faults that wait for their requests."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def reads_payload(self) -> bool:
        """Whether the payload of a request must be known to choose its fault."""
        return any(fault.reads_payload for fault in self._waiting)

    def add(self, faults: t.Iterable[Fault]) -> None:
        self._waiting.extend(faults)

    def clear(self) -> None:
        self._waiting.clear()

    def as_list(self) -> list[dict[str, t.Any]]:
        return [fault.as_dict() for fault in self._waiting]

    def take(self, kind: str, payload: t.Mapping[str, t.Any]) -> list[Fault]:
        """Use up what is meant for this request: latencies, and at most one other fault after them."""
        taken: list[Fault] = []
        for fault in self._waiting:
            if not fault.matches(kind, payload):
                continue
            if fault.kind == "latency" and any(one.kind == "latency" for one in taken):
                continue
            taken.append(fault)
            if fault.kind != "latency":
                break
        for fault in taken:
            self._use_up(fault)
        return taken

    def _use_up(self, fault: Fault) -> None:
        if fault.times == 1:
            self._waiting.remove(fault)
        elif fault.times > 1:
            fault.times -= 1
