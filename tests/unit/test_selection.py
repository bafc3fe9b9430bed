# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``make test`` leaves to ``make test-all``."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from tests.conftest import half_of, is_thorough


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


def test_half_of_each_file_runs_and_over_time_all_of_it() -> None:
    items = [
        Mock(spec_set=["path", "nodeid"], path=Path(file), nodeid=f"{file}::{number}")
        for file, tests in (("one", 1), ("three", 3), ("ten", 10))
        for number in range(tests)
    ]

    halves = [half_of(items, str(seed)) for seed in range(20)]

    for half in halves:
        files = [item.path.name for item in half]
        # In the order that they had.
        assert files == ["one", *["three"] * 2, *["ten"] * 5]
    assert half_of(items, "7") == halves[7] != halves[8]
    assert {item.nodeid for half in halves for item in half} == {
        item.nodeid for item in items
    }
