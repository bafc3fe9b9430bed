# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A database beside the local outbox: what holds for one holds for the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OutboxLocation,
)

from tests.postgres import postgres

__all__ = ["location", "postgres"]


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> OutboxLocation:
    """A place for an outbox, of each kind."""
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_schema()
    return OutboxLocation(str(tmp_path / "state"), url)
