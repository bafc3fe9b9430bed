# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of a part of a playbook close nothing that they have not reached."""

from __future__ import annotations

import os
import pty
import subprocess
import typing as t

import pytest

from tests.emulator.control import Emulator
from tests.tools.cores import Core

from .conftest import Story, playbook_of

PLAYBOOK = playbook_of("First", "Second", "Third")
HEALTHY = ("h1", "h2")

# The task that failed is Second, on h1.
WITHOUT_THE_TASK = {
    "--limit": ["--limit", "!h1"],
    "--tags": ["--tags", "first,third"],
    "--skip-tags": ["--skip-tags", "second"],
    "--start-at-task": ["--start-at-task", "Third"],
    "--check": ["--check"],
}


class Started(t.NamedTuple):
    story: Story
    options: dict[str, t.Any]


def start(folder: t.Any, core: Core, scope: str) -> t.Iterator[Started]:
    """Raise an alert; runs that close nothing can then share it."""
    with Emulator() as flashduty:
        story = Story(folder, core, flashduty)
        options = {"alert_scope": scope}
        story.play(PLAYBOOK, hosts=["h1 broken=Second", "h2"], options=options)
        assert story.outcomes == {"opened": 1}
        yield Started(story, options)
        story.close()


@pytest.fixture(scope="module")
def host_alert(
    tmp_path_factory: pytest.TempPathFactory, core: Core
) -> t.Iterator[Started]:
    yield from start(tmp_path_factory.mktemp("host"), core, "host")


@pytest.fixture(scope="module", params=["task", "playbook"])
def other_alert(
    tmp_path_factory: pytest.TempPathFactory, core: Core, request: pytest.FixtureRequest
) -> t.Iterator[Started]:
    yield from start(tmp_path_factory.mktemp(request.param), core, request.param)


@pytest.mark.parametrize("arguments", WITHOUT_THE_TASK.values(), ids=WITHOUT_THE_TASK)
def test_nothing_closes_with(host_alert: Started, arguments: list[str]) -> None:
    story, options = host_alert

    run = story.play(PLAYBOOK, *arguments, hosts=HEALTHY, options=options)

    assert run.rc == 0, run.output
    assert story.outcomes == {"opened": 1}
    assert "Flashduty" not in run.output


@pytest.mark.any_core
@pytest.mark.parametrize("way", ["--limit", "--tags", "--check"])
def test_nothing_of_another_scope_closes_with(other_alert: Started, way: str) -> None:
    story, options = other_alert

    run = story.play(PLAYBOOK, *WITHOUT_THE_TASK[way], hosts=HEALTHY, options=options)

    assert run.rc == 0, run.output
    assert story.outcomes == {"opened": 1}


@pytest.mark.any_core
def test_nothing_closes_with_tags_from_the_configuration(host_alert: Started) -> None:
    story, options = host_alert

    story.play(
        PLAYBOOK,
        hosts=HEALTHY,
        options=options,
        config="[tags]\nrun = first,third\n",
    )
    (story.folder / "ansible.cfg").unlink()

    assert story.outcomes == {"opened": 1}


def test_nothing_closes_with_step(host_alert: Started) -> None:
    """--step asks at a terminal whether to run each task."""
    story, _options = host_alert
    terminal, other_end = pty.openpty()
    environment = story.core.environment(story.home, **story._with_callback({}, {}))
    command = [
        story.core.bin("ansible-playbook"),
        *("-i", str(story.folder / "inventory.ini")),
        *("--step", "--limit", "h1", str(story.folder / "playbook.yml")),
    ]
    story.write("playbook.yml", PLAYBOOK)
    with subprocess.Popen(
        command,
        cwd=story.folder,
        env=environment,
        stdin=other_end,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        os.write(terminal, b"y\nn\ny\n")
        process.wait(60)
    os.close(terminal)
    os.close(other_end)

    assert process.returncode == 0
    assert story.outcomes == {"opened": 1}


@pytest.mark.parametrize(
    "arguments",
    [["--tags", "second"], ["--limit", "h1"]],
    ids=["--tags", "--limit"],
)
@pytest.mark.any_core
@pytest.mark.thorough("--tags")
def test_a_run_that_reaches_the_task_closes(story: Story, arguments: list[str]) -> None:
    story.play(PLAYBOOK, hosts=["h1 broken=Second", "h2"])

    story.play(PLAYBOOK, *arguments, hosts=["h1", "h2"])

    assert story.outcomes == {"opened": 1, "closed": 1}


@pytest.mark.any_core
def test_an_answer_under_tags_closes_the_alert_for_an_unreachable_host(
    story: Story,
) -> None:
    story.play(PLAYBOOK, hosts=["h1 gone", "h2"])
    assert story.only_alert["title"] == "h1 unreachable (playbook.yml)"

    story.play(PLAYBOOK, "--tags", "third", hosts=["h1", "h2"])

    assert story.outcomes == {"opened": 1, "closed": 1}


UNREACHABLE = """
- name: Play
  hosts: all
  gather_facts: false
  tasks:
    - name: Ask
      ansible.builtin.raw: "true"
      tags: ask
    - name: Ask another machine
      ansible.builtin.raw: "true"
      delegate_to: h2
      tags: elsewhere
    - name: Only think
      ansible.builtin.debug:
      tags: think
"""


@pytest.mark.any_core
@pytest.mark.thorough
def test_without_its_answer_the_alert_for_an_unreachable_host_stays(
    story: Story,
) -> None:
    story.play(UNREACHABLE, hosts=["h1 gone", "h2"])

    for part in (["--tags", "think,elsewhere"], ["--limit", "h2"], ["--check"]):
        story.play(UNREACHABLE, *part, hosts=["h1", "h2"])
        assert story.outcomes == {"opened": 1}, part


@pytest.mark.any_core
def test_an_unreachable_delegate_has_to_answer_itself(story: Story) -> None:
    story.play(UNREACHABLE, hosts=["h1", "h2 gone"], options={})
    assert story.open == ["h1", "h2"]

    story.play(UNREACHABLE, "--tags", "ask", "--limit", "h1", hosts=["h1", "h2"])
    assert story.recovered == []

    story.play(UNREACHABLE, hosts=["h1", "h2"])
    assert story.open == []
