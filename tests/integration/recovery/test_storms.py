# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The storm guard: many hosts failing at one task are not as many incidents."""

from __future__ import annotations

import pytest

from tests.emulator.control import Item

from .conftest import Story, playbook_of

pytestmark = pytest.mark.any_core

PLAYBOOK = playbook_of("First", "Second")
HOSTS = [f"h{n}" for n in range(1, 7)]
BROKEN = [f"{host} broken=First" for host in HOSTS]
OPTIONS = {"storm_threshold": 2}


def storm_of(story: Story) -> Item:
    (storm,) = (a for a in story.flashduty.alerts() if "hosts" in a["labels"])
    return storm


def test_a_storm_is_raised_at_once_brought_up_to_date_and_closes_at_last(
    story: Story,
) -> None:
    run = story.play(PLAYBOOK, hosts=BROKEN, options=OPTIONS)

    assert "Flashduty: 3 alerts raised.\n" in run.output
    storm = storm_of(story)
    own = sorted(
        a["labels"]["host"]
        for a in story.alerts("open")
        if a is not storm and "host" in a["labels"]
    )
    folded = storm["labels"]["hosts"].split(",")
    assert len(own) == 2
    assert sorted(own + folded) == HOSTS
    assert storm["title"] == "First failed on many hosts (playbook.yml)"
    assert storm["description"].startswith(f"4 hosts: {', '.join(folded)}\n\n")
    first, last = storm["events"]
    assert first["outcome"] == "opened"
    assert first["description"].startswith("On h")

    # Some work again.
    story.play(
        PLAYBOOK,
        hosts=[f"{h} broken=First" if h == folded[0] else h for h in HOSTS],
        options=OPTIONS,
    )
    assert story.open == ["playbook.yml"]

    story.play(PLAYBOOK, hosts=HOSTS, options=OPTIONS)
    assert story.open == []
    assert len(story.flashduty.alerts()) == 3


@pytest.mark.thorough
def test_a_storm_that_lasts_opens_nothing_new(story: Story) -> None:
    """Hosts fail in another order each time."""
    story.play(PLAYBOOK, hosts=BROKEN, options=OPTIONS)
    assert story.outcomes["opened"] == 3

    story.play(PLAYBOOK, hosts=BROKEN[::-1], options=OPTIONS)
    story.play(PLAYBOOK, hosts=[*BROKEN[3:], *BROKEN[:3]], options=OPTIONS)

    assert story.outcomes["opened"] == 3
    assert len(story.alerts("open")) == 3


def test_hosts_failing_at_different_tasks_are_no_storm(story: Story) -> None:
    story.play(
        PLAYBOOK,
        hosts=[
            *(f"{h} broken=First" for h in HOSTS[:2]),
            *(f"{h} broken=Second" for h in HOSTS[2:4]),
            "h5",
        ],
        options=OPTIONS,
    )

    assert story.open == HOSTS[:4]


@pytest.mark.thorough
def test_a_storm_of_unreachable_hosts(story: Story) -> None:
    story.play(PLAYBOOK, hosts=[*(f"{h} gone" for h in HOSTS), "h7"], options=OPTIONS)
    assert storm_of(story)["title"] == "many hosts unreachable at First (playbook.yml)"

    story.play(PLAYBOOK, hosts=HOSTS, options=OPTIONS)
    assert story.open == []


def test_the_guard_can_be_turned_off(story: Story) -> None:
    story.play(PLAYBOOK, hosts=BROKEN, options={"storm_threshold": 0})

    assert story.open == HOSTS


@pytest.mark.thorough
def test_a_storm_in_scope_task(story: Story) -> None:
    options = {**OPTIONS, "alert_scope": "task"}
    story.play(PLAYBOOK, hosts=BROKEN, options=options)
    assert len(story.alerts("open")) == 3

    story.play(PLAYBOOK, "--tags", "second", hosts=HOSTS, options=options)
    assert len(story.alerts("open")) == 3

    story.play(PLAYBOOK, "--tags", "first", hosts=HOSTS, options=options)
    assert story.open == []
