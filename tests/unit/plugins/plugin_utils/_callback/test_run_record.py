# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered of a run as such, and what is asked of the courier."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.runs import (
    Run,
    RunAlert,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.run_context import (
    RunContext,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.settings import (
    Settings,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._callback.run_record import (
    RunRecord,
)

NIGHTLY = RunContext(
    run_id="0123",
    playbook="nightly.yml",
    playbook_id="plays/nightly.yml",
    namespace="",
    project="/srv",
    controller="control",
    local_name="control",
    check=False,
    limited=False,
)


class Delivery:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.begun: list[tuple[Run, dict[str, t.Any] | None]] = []

    def begin_run(self, record: Run, watch: dict[str, t.Any] | None) -> None:
        self.begun.append((record, watch))


def begin(
    run: RunContext = NIGHTLY,
    *,
    variables: t.Sequence[t.Mapping[str, float]] = ({},),
    raises: bool = True,
    is_known_again: bool = True,
    **options: t.Any,
) -> list[tuple[Run, dict[str, t.Any] | None]]:
    """Begin a run, and return what is told of it.

    :param variables: for each play, what its variables say.
    """
    delivery = Delivery()
    record = RunRecord(Settings(**options), delivery)  # type: ignore[arg-type]
    for says in variables:
        record.begin(
            lambda: run,
            says.get,
            fingerprint="integration-1",
            server="api.example.com",
            alert=lambda scope: RunAlert({"scope": scope}, "plays/nightly.yml", {}),
            is_known_again=is_known_again,
            raises=raises,
            reports_abort=raises,
        )
    return delivery.begun


def test_a_run_without_an_option_is_not_remembered() -> None:
    assert begin() == []


@pytest.mark.parametrize(
    ("options", "missed", "overlong"),
    [
        ({"watch": True}, False, False),
        ({"expected_every": 60.0}, True, False),
        ({"max_duration": 60.0}, False, True),
    ],
    ids=str,
)
def test_each_option_has_the_run_remembered_and_watched(
    options: dict[str, t.Any], missed: bool, overlong: bool
) -> None:
    [(record, watch)] = begin(**options)

    assert record.when_lost is not None
    assert (record.when_missed is not None) is missed
    assert watch is not None
    assert (watch["overlong"] is not None) is overlong


def test_the_first_play_that_sets_a_variable_decides() -> None:
    begun = begin(
        variables=[
            {"max_duration": 5.0},
            {"max_duration": 9.0, "expected_every": 60.0},
            {"expected_every": 90.0},
        ],
        max_duration=1.0,
    )

    # The third play has nothing new to say.
    assert [(one.expected_every, one.max_duration) for one, _watch in begun] == [
        (None, 5.0),
        (60.0, 5.0),
    ]


def test_a_run_that_only_tries_out_promises_nothing_and_is_not_watched() -> None:
    [(record, watch)] = begin(raises=False, expected_every=60.0, max_duration=5.0)

    assert (record.expected_every, record.when_missed, watch) == (60.0, None, None)


@pytest.mark.parametrize(
    "case",
    [
        {"run": NIGHTLY._replace(is_ad_hoc=True)},
        {"is_known_again": False},
    ],
    ids=["a command that a person has typed", "a playbook that is no file"],
)
def test_what_does_not_come_again_is_not_expected(case: dict[str, t.Any]) -> None:
    assert begin(expected_every=60.0, **case) == []
    [(record, _watch)] = begin(expected_every=60.0, max_duration=5.0, **case)
    assert (record.expected_every, record.when_missed) == (None, None)
