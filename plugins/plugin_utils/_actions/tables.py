# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""What people, and the node exporter of Prometheus, read of alerts and runs. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.texts import (
    clean_text,
    cut_end,
)

# Characters of one cell.
_CELL_LIMIT = 60


def table(headings: t.Sequence[str], rows: t.Sequence[t.Sequence[str]]) -> list[str]:
    """Return the lines of a table; none where it has no rows."""
    if not rows:
        return []
    cells = [
        list(headings),
        *([_cell(text) for text in row] for row in rows),
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip()
        for row in cells
    ]


def metric(
    name: str,
    help_text: str,
    values: t.Iterable[tuple[t.Mapping[str, str], float]],
) -> str:
    """Return a gauge in the text format of Prometheus, or nothing where it has no value.

    :param values: each with its labels.
    """
    lines = [f"{name}{_labels(labels)} {int(value)}" for labels, value in values]
    if not lines:
        return ""
    return "\n".join([f"# HELP {name} {help_text}", f"# TYPE {name} gauge", *lines, ""])


def _cell(text: str) -> str:
    # What is no character to be seen could do anything to a terminal.
    printable = "".join(sign if sign.isprintable() else " " for sign in text)
    return cut_end(" ".join(printable.split()), _CELL_LIMIT) or "-"


def _labels(labels: t.Mapping[str, str]) -> str:
    if not labels:
        return ""
    # See https://prometheus.io/docs/instrumenting/exposition_formats/: these three are escaped, and nothing else.
    escaped = (
        (
            name,
            clean_text(text)
            .replace("\\", "\\\\")
            .replace('"', '\\"')
            .replace("\n", "\\n"),
        )
        for name, text in labels.items()
    )
    return "{" + ",".join(f'{name}="{text}"' for name, text in escaped) + "}"
