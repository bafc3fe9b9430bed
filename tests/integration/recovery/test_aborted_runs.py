# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs that end without their recap: no silent end, and no alert for a person who pressed Ctrl-C."""

from __future__ import annotations

import signal
import time
import typing as t

import pytest

from tests.tools.playbooks import PlaybookRun, RunningPlaybook

from .conftest import SLOW, SLOW_HOSTS, Story, begin_slow, playbook_of


def finish(story: Story, running: RunningPlaybook) -> PlaybookRun:
    run = running.wait()
    # Workers of a run that was killed go on until then.
    (story.folder / "go").touch()
    return run


def run_to_its_end(story: Story, *arguments: str, **others: t.Any) -> PlaybookRun:
    (story.folder / "go").touch()
    return story.play(SLOW, *arguments, hosts=SLOW_HOSTS, **others)


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.any_core)],
)
@pytest.mark.thorough("1")
def test_a_terminated_run_raises_an_alert_that_the_next_complete_run_closes(
    story: Story, number: signal.Signals
) -> None:
    running = begin_slow(story)
    running.signal(number)
    run = finish(story, running)

    assert run.rc == -number
    assert story.only_alert["status"] == "open"
    assert story.only_alert["title"] == "playbook.yml was aborted"
    labels = story.only_alert["labels"]
    assert (labels["status"], labels["resource"]) == ("aborted", "playbook.yml")

    run_to_its_end(story, "--skip-tags", "nothing")
    assert story.open == ["playbook.yml"]

    run = run_to_its_end(story)
    assert story.open == []
    assert "Flashduty: 1 alert recovered.\n" in run.output
    assert story.outcomes == {"opened": 1, "closed": 1}


def test_a_terminated_run_still_delivers_its_failures(story: Story) -> None:
    running = begin_slow(story, "-e", "{fails: true}")
    running.signal(signal.SIGTERM, group=True)
    finish(story, running)

    assert story.flashduty.wait_for(lambda _: len(story.open) == 2)
    assert story.open == ["h1", "playbook.yml"]

    # The run is complete, and so the first alert closes; h1 did not work in it.
    run_to_its_end(story, "-e", "{fails: true}")
    assert story.open == ["h1"]

    run_to_its_end(story)
    assert story.open == []


def test_ctrl_c_raises_nothing_of_its_own(story: Story) -> None:
    running = begin_slow(story, "-e", "{fails: true}")
    running.signal(signal.SIGINT, group=True)
    run = finish(story, running)

    assert run.rc == 99
    assert story.flashduty.wait_for(lambda _: story.open == ["h1"])
    time.sleep(0.2)
    assert story.open == ["h1"]


BREAKS_OFF = {
    "an include that does not parse": """
    - name: Include
      ansible.builtin.include_tasks: broken.yml
""",
    "an unknown handler": """
    - name: Notify
      ansible.builtin.raw: "true"
      notify: Nobody
""",
}


@pytest.mark.parametrize("way", BREAKS_OFF)
@pytest.mark.thorough("an unknown handler")
def test_an_exception_raises_an_alert(story: Story, way: str) -> None:
    story.write("broken.yml", "- name: [unclosed\n")
    playbook = playbook_of("First")

    run = story.play(playbook + BREAKS_OFF[way], hosts=SLOW_HOSTS)
    assert run.rc not in (0, 2)
    assert "PLAY RECAP" not in run.output
    assert "Flashduty: 1 alert raised.\n" in run.output
    assert story.open == ["playbook.yml"]

    story.play(playbook, hosts=["h1 broken=First", "h2"])
    assert story.open == ["h1"]


@pytest.mark.any_core
def test_report_aborted_turns_it_off(story: Story) -> None:
    running = begin_slow(story, options={"report_aborted": False, "watch": True})
    running.signal(signal.SIGTERM)
    finish(story, running)

    time.sleep(0.3)
    assert story.outcomes == {}


@pytest.mark.any_core
@pytest.mark.parametrize(
    "arguments",
    [["--check"], ["-e", "flashduty_enabled=false"]],
    ids=["--check", "flashduty_enabled"],
)
def test_where_alerts_are_off_an_abort_raises_none(
    story: Story, arguments: list[str]
) -> None:
    playbook = (
        playbook_of("First")
        + "    - name: Pause\n      ansible.builtin.pause:\n        seconds: 5\n"
    )
    running = story.begin(
        playbook, *arguments, hosts=SLOW_HOSTS, options={"watch": True}
    )
    deadline = time.monotonic() + 60
    while "TASK [Pause]" not in running.stdout:
        assert running.process.poll() is None, running.stdout + running.stderr
        assert time.monotonic() < deadline
        time.sleep(0.02)

    running.kill()

    time.sleep(1.2)
    assert story.outcomes == {}


def test_a_killed_run_that_is_watched_raises_an_alert(story: Story) -> None:
    options = {"watch": True}
    running = begin_slow(story, "-e", "{fails: true}", options=options)
    running.signal(signal.SIGKILL)
    finish(story, running)

    assert story.flashduty.wait_for(lambda _: len(story.open) == 2)
    assert story.open == ["h1", "playbook.yml"]

    run_to_its_end(story, options=options)
    assert story.open == []


@pytest.mark.any_core
def test_a_run_is_watched_even_if_something_waits_from_earlier(story: Story) -> None:
    story.flashduty.stop()
    story.play(
        playbook_of("First"),
        hosts=["h3 broken=First"],
        options={"flush_timeout": 0, "alert_namespace": "earlier"},
    )
    story.flashduty.start()

    running = begin_slow(story, options={"watch": True})
    running.signal(signal.SIGKILL)
    finish(story, running)

    assert story.flashduty.wait_for(lambda _: story.open == ["h3", "playbook.yml"])


@pytest.mark.any_core
def test_a_watched_run_that_ends_well_says_nothing(story: Story) -> None:
    run = run_to_its_end(story, options={"watch": True})

    assert "Flashduty" not in run.output
    assert story.flashduty.requests() == []


@pytest.mark.any_core
def test_a_killed_run_loses_no_failure(story: Story) -> None:
    story.flashduty.stop()
    running = begin_slow(story, "-e", "{fails: true}")
    running.kill()
    finish(story, running)
    story.flashduty.start()

    story.play(
        playbook_of("First"), hosts=["h9"], options={"alert_namespace": "elsewhere"}
    )

    assert story.flashduty.wait_for(lambda _: story.open == ["h1"])


@pytest.mark.any_core
def test_a_second_playbook_that_is_aborted_leaves_the_first_alone(story: Story) -> None:
    first = story.write("first.yml", playbook_of("First"))
    (story.folder / "started").unlink(missing_ok=True)
    running = begin_slow(story, str(first))
    running.signal(signal.SIGTERM)
    finish(story, running)
    assert [a["title"] for a in story.alerts("open")] == ["playbook.yml was aborted"]

    story.play(first, hosts=SLOW_HOSTS)
    assert len(story.alerts("open")) == 1


# What is registered first comes first after a fork: before ansible-core gives back the locks that it takes for it.
TERMINATES_ITSELF = """\
import os
import signal

run = os.getpid()
forks = 0


def terminate():
    global forks
    forks += 1
    if os.getpid() == run and forks == 3:
        os.kill(run, signal.SIGTERM)


os.register_at_fork(after_in_parent=terminate)
"""


@pytest.mark.each_core
def test_a_run_that_is_terminated_while_it_forks_does_not_hang(story: Story) -> None:
    story.write("early/sitecustomize.py", TERMINATES_ITSELF)
    early = {"PYTHONPATH": str(story.folder / "early")}

    running = story.begin(
        playbook_of("First", "Second"), hosts=SLOW_HOSTS, environment=early
    )
    run = running.wait(60)

    assert run.rc == -signal.SIGTERM
    assert story.open == ["playbook.yml"], run.output
