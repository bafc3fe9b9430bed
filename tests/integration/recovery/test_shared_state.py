# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controllers that share their memory of open alerts in a database, and one that cannot reach it now and then."""

from __future__ import annotations

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OutboxLocation,
    open_outbox,
)

from tests.postgres import PostgresServer, Wire, postgres

from .conftest import Story, playbook_of

__all__ = ["postgres"]

PLAYBOOK = playbook_of("First", "Second")


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """A database."""
    return postgres.new_schema()


def words(text: str) -> str:
    """Warnings are wrapped at the width of the terminal, by older ansible-cores at hyphens, too."""
    return "".join(text.split())


@pytest.mark.any_core
def test_what_one_controller_has_raised_another_one_closes(
    story: Story, url: str
) -> None:
    with Wire(url) as wire:
        options = {"state_url": wire.url}
        # Whoever comes first makes the tables.
        open_outbox(OutboxLocation("", wire.url)).close()
        wire.connections = wire.round_trips = 0
        idle = story.play(PLAYBOOK, hosts=["h1"], options=options)
        idle_costs = (wire.connections, wire.round_trips)
        failed = story.play(PLAYBOOK, hosts=["h1 broken=First"], options=options)
        raised = story.open
        story.move_to_another_controller()
        # The database is away: what happens now is remembered here.
        wire.refuses = True
        away = story.play(PLAYBOOK, hosts=["h1", "h2 broken=Second"], options=options)
        raised_meanwhile = sorted(story.open)
        wire.refuses = False
        mended = story.play(PLAYBOOK, hosts=["h1", "h2"], options=options)

    assert (idle.rc, idle.output.count("Flashduty")) == (0, 0)
    # A run with nothing to say connects, asks once, and starts no courier.
    assert idle_costs == (1, 2)
    assert raised == ["h1"], failed.output
    assert (away.rc, raised_meanwhile) == (2, ["h1", "h2"])
    assert away.output.count("[WARNING]") == 1
    assert words("The local outbox in") in words(away.output)
    assert "Flashduty: 1 alert raised." in away.output
    assert story.open == [], mended.output
    assert "Flashduty: 2 alerts recovered." in mended.output
    statuses = [event["event_status"] for event in story.flashduty.events()]
    assert statuses == ["Critical"] * 2 + ["Ok"] * 2
