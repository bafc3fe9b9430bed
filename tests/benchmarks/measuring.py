# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Contenders that take turns, so that a busy moment of the machine hits all of them."""

from __future__ import annotations

import statistics
import typing as t
from dataclasses import dataclass, field

from tests.tools.progress import say


@dataclass
class Contender:
    """One way to do a piece of work.

    :param take: does it once and returns what it cost.
    """

    name: str
    take: t.Callable[[], float]
    samples: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def spread(self) -> str:
        return f"{min(self.samples):.3g} to {max(self.samples):.3g}"


@dataclass
class Figure:
    """One line of the table: what we cost, against what we promise.

    :param value: our figure, as the demand counts it.
    :param demanded: what it may be at most, or at least where more is better; None where nothing is promised.
    :param others: the figures of peers and floors, counted alike.
    """

    what: str
    unit: str
    value: float
    demanded: float | None
    others: dict[str, float] = field(default_factory=dict)
    at_least: bool = False
    note: str = ""

    @property
    def holds(self) -> bool:
        # What is printed counts: nobody reads a third decimal.
        value = round(self.value, 3)
        if self.demanded is None:
            return True
        return value >= self.demanded if self.at_least else value <= self.demanded

    def say_value(self, value: float) -> str:
        if self.unit == "×":
            return f"{value:.3f} ×" if value < 2 else f"{value:.1f} ×"
        return f"{value:.2f} {self.unit}"

    @property
    def promise(self) -> str:
        if self.demanded is None:
            return "-"
        return f"{'at least' if self.at_least else 'at most'} {self.demanded:g} {self.unit}"


def take_turns(contenders: t.Sequence[Contender], rounds: int, *, unit: str) -> None:
    """Let all contenders do their work, round by round, each round in another order."""
    for number in range(rounds):
        shift = number % len(contenders)
        for contender in [*contenders[shift:], *contenders[:shift]]:
            contender.samples.append(contender.take())
    for contender in contenders:
        say(f"    {contender.name}: {contender.median:.4g} {unit} ({contender.spread})")
