# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``make test`` leaves to ``make test-all``."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from tests.conftest import is_thorough, part_of


@pytest.mark.parametrize(
    ("marks", "parameters", "expected"),
    [
        ([], "core2.22", False),
        ([()], "core2.22", True),
        ([()], None, True),
        ([("free", "serial")], "core2.22-serial", True),
        ([("free", "serial")], "serial-core2.22", True),
        ([("free", "serial")], "core2.22-one fails", False),
        ([("free", "serial")], "core2.22-serial again", False),
        ([("--tags",)], "core2.22---tags", True),
        ([("free",), ()], "core2.22-serial", True),
    ],
)
def test_a_test_is_thorough_as_a_whole_or_with_some_parameters(
    marks: list[tuple[str, ...]], parameters: str | None, expected: bool
) -> None:
    item = Mock(spec_set=["iter_markers", "callspec"])
    item.iter_markers.return_value = [SimpleNamespace(args=args) for args in marks]
    item.callspec = SimpleNamespace(id=parameters) if parameters else None

    assert is_thorough(item) is expected


def test_a_third_of_each_file_runs_and_over_time_all_of_it() -> None:
    items = [
        Mock(spec_set=["path", "nodeid"], path=Path(file), nodeid=f"{file}::{number}")
        for file, tests in (("one", 1), ("four", 4), ("ten", 10))
        for number in range(tests)
    ]

    parts = [part_of(items, 3, str(seed)) for seed in range(30)]

    for part in parts:
        files = [item.path.name for item in part]
        # In the order that they had.
        assert files == ["one", *["four"] * 2, *["ten"] * 4]
    assert part_of(items, 3, "7") == parts[7] != parts[8]
    assert {item.nodeid for part in parts for item in part} == {
        item.nodeid for item in items
    }
    assert part_of(items, 1, "7") == items
