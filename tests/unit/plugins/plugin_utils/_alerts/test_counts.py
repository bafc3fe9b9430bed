# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In how many runs in a row something failed."""

from __future__ import annotations

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
    OpenAlert,
    PendingAlert,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.counts import (
    FailureCounts,
    good_run,
)
from hypothesis import given
from hypothesis import strategies as st

WEB = "integration-1"
KEY = "ansible:v2:web1"


def pending(failures: int, needed: int) -> PendingAlert:
    return PendingAlert(
        OpenAlert(KEY, "origin", "Title", "Critical", 0.0, {"causes": []}),
        failures,
        needed,
    )


# What one run sees of a key: failures (each with the number that is needed), that it works, or nothing.
RUNS = st.lists(
    st.one_of(
        st.lists(st.integers(1, 5), min_size=1, max_size=3),
        st.sampled_from(["works", "not reached"]),
    ),
    max_size=20,
)


@given(RUNS)
def test_an_alert_is_raised_when_it_failed_in_so_many_runs_in_a_row(
    runs: list[list[int] | str],
) -> None:
    """The ledger is played by two variables: what is pending, and whether the alert is open."""
    remembered: PendingAlert | None = None
    is_open = False
    in_a_row = 0
    for run in runs:
        if run == "works":
            remembered, is_open, in_a_row = None, False, 0
            continue
        if run == "not reached":
            continue
        in_a_row += 1
        counts = FailureCounts()
        counts.load(WEB, [remembered] if remembered else [])
        for needed in run:
            if is_open or counts.is_enough(WEB, KEY, int(needed)):
                is_open = True
                counts.raised(WEB, KEY)
            else:
                counts.count(WEB, pending(counts.failures(WEB, KEY), int(needed)))
            assert is_open or in_a_row < int(needed)
        kept = counts.of(WEB)
        remembered = kept[0] if kept else None
        assert is_open or (remembered is not None and remembered.failures == in_a_row)
        assert not (is_open and remembered)


def test_keys_and_integrations_are_counted_apart() -> None:
    counts = FailureCounts()
    counts.load(WEB, [pending(2, 3)])

    assert counts.failures(WEB, KEY) == 3
    assert counts.failures("integration-2", KEY) == 1
    assert counts.failures(WEB, "ansible:v2:web2") == 1
    assert counts.keys_of_this_run(WEB) == set()


def test_what_was_raised_in_this_run_is_not_counted_again() -> None:
    counts = FailureCounts()

    counts.raised(WEB, KEY)

    assert counts.is_enough(WEB, KEY, 100)


@pytest.mark.parametrize("needed", [1, 2, 3])
def test_an_alert_closes_after_so_many_good_runs(needed: int) -> None:
    alert: OpenAlert | None = OpenAlert(
        KEY, "origin", "Title", "Critical", 0.0, {"recover_after": needed}
    )
    runs = 0
    while alert is not None:
        alert = good_run(alert)
        runs += 1

    assert runs == needed
