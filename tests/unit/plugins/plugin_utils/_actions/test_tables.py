# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables for people, and numbers for Prometheus."""

from __future__ import annotations

from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.tables import (
    metric,
    table,
)


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    assert table(["A", "LONG HEADING"], [["text", "x"], ["y", ""]]) == [
        "A     LONG HEADING",
        "text  x",
        "y     -",
    ]


def test_a_table_without_rows_has_no_heading() -> None:
    assert table(["A"], []) == []


def test_what_others_have_named_cannot_break_a_line_or_fill_the_screen() -> None:
    [_heading, row] = table(["A"], [["a\n\x1b[31mb" + "c" * 1000]])

    assert "\n" not in row
    assert "\x1b" not in row
    assert len(row) <= 60


def test_a_metric_is_written_as_prometheus_reads_it() -> None:
    text = metric("runs", "Help.", [({"playbook": 'a"\\b'}, 1795482002.7), ({}, 3)])

    assert text == (
        "# HELP runs Help.\n# TYPE runs gauge\n"
        'runs{playbook="a\\"\\\\b"} 1795482002\nruns 3\n'
    )


def test_a_metric_without_values_is_left_out() -> None:
    assert metric("runs", "Help.", []) == ""
