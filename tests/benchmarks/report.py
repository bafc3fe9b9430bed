# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Figures as a table for a terminal, as a table for the documentation, and as a picture."""

from __future__ import annotations

import html
import math
import typing as t

from tests.benchmarks.measuring import Figure

LICENCE = (
    "Copyright (c) 2026, Flashcat",
    "GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)",
    # In two parts, or tools take this line for the licence of this file.
    "SPDX-" + "License-Identifier: GPL-3.0-or-later",
)

PAGE = """..
  {licence}

.. Written by make bench.

.. _ansible_collections.flashcat.flashduty.docsite.guide_figures:

What it costs
=============

Measured by ``make bench``, which you can run yourself. Everything in one line was measured side by side, in turns, on one
machine, so look at how ours compares with the others, not at the seconds.

.. image:: images/figures.svg
    :alt: The figures of the table below as bars, ours in blue, others in grey, and what is promised as a red line.
    :width: 860

{table}

Medians of {rounds} rounds on {where}.

Where the forks of a run leave no processor free, a failing host costs about a third of what the run itself takes for it.
Nearly half of that is there even if nothing is done for a failure: ansible-core compiles the modules of collections anew at
each start, and each fork of a larger process takes longer. The rest goes into collecting the host's variables, which may
silence or change the alert, and which tell what is secret, into composing the event, and into writing it down; a third of
it is memory, which each fork of a worker makes the run copy again. To work failures off in a process beside the run was
tried, and made no difference: the same processors do it.

*One that posts each* is a small callback that waits for each answer before the run goes on, as most notification callbacks
do. *Bare sessions* are eight threads that do nothing but post one ready-made event again and again.

Where *PostgreSQL* is compared with *SQLite*, the database is on the same machine. A run that nothing in the database
concerns connects to it and asks it once; most of the price is that the driver is imported.

Where one of many hosts, alerts or results is compared with one of few, the question is whether cost grows faster than their
number. Those runs have no workers: the results come ready-made, and only what the callback does is counted, in seconds of
the processor.
"""


def row(figure: Figure) -> list[str]:
    others = "; ".join(
        f"{name} {figure.say_value(value)}" for name, value in figure.others.items()
    )
    return [
        figure.what,
        figure.say_value(figure.value),
        figure.promise + ("" if figure.holds else " (falls short)"),
        others or "-",
        figure.note or "-",
    ]


TITLES = ["What", "Ours", "Promised", "Others", "In numbers"]


def table(figures: t.Sequence[Figure]) -> str:
    rows = [TITLES, *(row(figure) for figure in figures)]
    widths = [max(len(line[column]) for line in rows) for column in range(len(TITLES))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
        for line in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def page(figures: t.Sequence[Figure], *, where: str, rounds: int) -> str:
    """Return the page of the documentation."""
    lines = [".. list-table::", "    :header-rows: 1", ""]
    for cells in [TITLES, *(row(figure) for figure in figures)]:
        for number, cell in enumerate(cells):
            lines.append(f"    {'*' if number == 0 else ' '} - {cell}")
    return PAGE.format(
        licence="\n  ".join(LICENCE),
        table="\n".join(lines),
        rounds=rounds,
        where=where,
    )


# -- the picture

WIDTH, LEFT, RIGHT, LINE, GAP = 860, 250, 90, 22, 26
COLOURS = {"ours": "#2563eb", "others": "#9ca3af", "bar": "#dc2626", "text": "#374151"}


def picture(figures: t.Sequence[Figure]) -> str:
    """Draw each figure as bars on a scale of its own, with the promise as a line across them."""
    parts: list[str] = []
    y = 20
    for figure in figures:
        bars = [("this collection", figure.value, True)]
        bars += [(name, value, False) for name, value in figure.others.items()]
        parts.append(_text(10, y + 4, figure.what, weight="bold"))
        y += 14
        scale = _scale(figure)
        for name, value, ours in bars:
            length = scale(value)
            colour = COLOURS["ours" if ours else "others"]
            parts.append(_text(LEFT - 8, y + 13, name, anchor="end"))
            parts.append(
                f'<rect x="{LEFT}" y="{y + 2}" width="{length:.1f}" height="{LINE - 6}" rx="2" fill="{colour}"/>'
            )
            parts.append(_text(LEFT + length + 6, y + 13, figure.say_value(value)))
            y += LINE
        if figure.demanded is None:
            y += GAP
            continue
        x = LEFT + scale(figure.demanded)
        parts.append(
            f'<line x1="{x:.1f}" y1="{y - LINE * len(bars) - 2}" x2="{x:.1f}" y2="{y}" stroke="{COLOURS["bar"]}"'
            ' stroke-width="1.5" stroke-dasharray="4 3"/>'
        )
        parts.append(
            _text(x, y + 12, figure.promise, anchor="middle", colour=COLOURS["bar"])
        )
        y += GAP + 12
    return (
        "<!--\n" + "\n".join(LICENCE) + "\n-->\n"
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}"'
        ' font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="Figures">\n'
        f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _scale(figure: Figure) -> t.Callable[[float], float]:
    room = WIDTH - LEFT - RIGHT
    promised = [] if figure.demanded is None else [figure.demanded]
    largest = max(figure.value, *promised, *figure.others.values(), 0.001)
    smallest = min(*promised, 1.0, largest)
    if largest / smallest <= 4:
        return lambda value: room * max(value, 0.0) / largest
    # So that what is many times as much leaves something to see of the rest.
    whole = math.log1p(largest / smallest)
    return lambda value: room * math.log1p(max(value, 0.0) / smallest) / whole


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    weight: str = "normal",
    colour: str = COLOURS["text"],
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}">'
        f"{html.escape(text)}</text>"
    )
