# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controllers that share their memory of open alerts in a database, and one that cannot reach it now and then."""

from __future__ import annotations

import time
import typing as t
from urllib.parse import urlsplit

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OutboxLocation,
    open_outbox,
)

from tests.postgres import PostgresServer, Wire, postgres
from tests.tools.playbooks import PlaybookRun, RunningPlaybook

from .conftest import TASK, Story, playbook_of

__all__ = ["postgres"]

PLAYBOOK = playbook_of("First", "Second")
# Between two tasks that may fail, it waits until the file "go" is there.
SLOW = f"""{playbook_of("First")}
    - name: Wait
      ansible.builtin.raw: |
        touch {{{{ playbook_dir }}}}/started
        n=0; while [ ! -e {{{{ playbook_dir }}}}/go ] && [ $((n+=1)) -lt 3000 ]; do sleep 0.1; done
{TASK.format(name="Second", tag="second")}"""
PASSWORD = "s3cret-word"


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


@pytest.mark.any_core
def test_a_server_that_is_killed_in_the_middle_of_a_run_loses_nothing(
    story: Story, url: str, postgres: PostgresServer
) -> None:
    options = {"state_url": url}
    hosts = ["h1 broken=First", "h2 broken=Second", "h3"]
    running = story.begin(SLOW, hosts=hosts, options=options)
    wait_until(lambda: (story.folder / "started").exists(), running)
    wait_until(lambda: story.open == ["h1"], running)
    # Else the next run has to wait until the claim of the courier is over, which is longer than it waits for its events.
    with open_outbox(OutboxLocation(str(story.state), url)) as outbox:
        wait_until(lambda: not outbox.events(undeliverable=False), running)
    postgres.kill()
    try:
        (story.folder / "go").touch()
        killed = running.wait()
        raised = story.open
    finally:
        postgres.start()
    mended = story.play(SLOW, hosts=["h1", "h2", "h3"], options=options)

    assert (killed.rc, raised) == (2, ["h1", "h2"]), killed.output
    assert killed.output.count("[WARNING]") == 1
    assert words("The local outbox in") in words(killed.output)
    assert (story.open, story.recovered) == ([], ["h1", "h2"]), mended.output
    assert "Flashduty: 2 alerts recovered." in mended.output
    assert "[WARNING]" not in mended.output
    with open_outbox(OutboxLocation(str(story.state), url)) as outbox:
        assert outbox.open_alerts() == []
        assert outbox.events(undeliverable=False) == []


@pytest.mark.any_core
def test_a_database_that_refuses_is_not_the_trouble_of_the_run(
    story: Story, url: str, postgres: PostgresServer
) -> None:
    url = postgres.new_user(url, PASSWORD)
    options = {"state_url": url}

    def play(*broken: str) -> PlaybookRun:
        hosts = [
            f"{name} broken={'First' if name in broken else ''}"
            for name in ("h1", "h2", "h3")
        ]
        return story.play(PLAYBOOK, hosts=hosts, options=options)

    play("h1")
    postgres.fill_disk(url)
    full = play("h2")
    after_full = story.open
    postgres.make_room(url)
    user = urlsplit(url).username
    postgres.run(f"ALTER ROLE {user} PASSWORD 'another'")
    rotated = play("h2", "h3")
    after_rotated = story.open
    postgres.run(f"ALTER ROLE {user} PASSWORD '{PASSWORD}'")
    mended = play()

    # What only the database knows stays open until a run reaches it.
    assert (full.rc, after_full) == (2, ["h1", "h2"]), full.output
    assert words("No space left on device. The local outbox in") in words(full.output)
    assert words("the database knows stay open until then") in words(full.output)
    assert "Flashduty: 1 alert raised." in full.output
    assert (rotated.rc, after_rotated) == (2, ["h1", "h2", "h3"]), rotated.output
    assert words("password authentication failed") in words(rotated.output)
    assert "Flashduty: 1 alert raised, 1 still open." in rotated.output
    for run in (full, rotated):
        assert run.output.count("[WARNING]") == 1, run.output
        assert PASSWORD not in run.output
    assert (mended.rc, story.open) == (0, []), mended.output
    assert "Flashduty: 3 alerts recovered." in mended.output
    # None was opened twice.
    assert story.recovered == ["h1", "h2", "h3"]
    with open_outbox(OutboxLocation(str(story.state), url)) as outbox:
        assert outbox.open_alerts() == []


def wait_until(condition: t.Callable[[], bool], running: RunningPlaybook) -> None:
    """Wait for something that happens while a run goes on."""
    deadline = time.monotonic() + 180
    while not condition():
        output = running.stdout + running.stderr
        assert time.monotonic() < deadline, output
        assert running.process.poll() is None, output
        time.sleep(0.05)
