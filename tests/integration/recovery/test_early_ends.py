# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs that end before their first play begins, and runs that nothing can end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time

import pytest

from .conftest import SLOW, SLOW_HOSTS, Story, playbook_of

BAD_YAML = "key: [unclosed\n"
BAD_VAULT = "$ANSIBLE_VAULT;1.1;AES256\n6162\n"
PLAY = playbook_of("First")

# What breaks: the file that is written, its content, and what comes before the tasks.
BREAKS = {
    "undefined hosts": ("", "", PLAY.replace("hosts: all", 'hosts: "{{ nowhere }}"')),
    "undefined serial": (
        "",
        "",
        playbook_of("First", head='  serial: "{{ nothing }}"\n'),
    ),
    "vars_files that do not parse": (
        "bad.yml",
        BAD_YAML,
        playbook_of("First", head="  vars_files: [bad.yml]\n"),
    ),
    "vars_files in a vault": (
        "bad.yml",
        BAD_VAULT,
        playbook_of("First", head="  vars_files: [bad.yml]\n"),
    ),
    "group_vars that do not parse": ("group_vars/all.yml", BAD_YAML, PLAY),
    "group_vars in a vault": ("group_vars/all.yml", BAD_VAULT, PLAY),
    "host_vars of the first host": ("host_vars/h1.yml", BAD_YAML, PLAY),
    "host_vars of the second host": ("host_vars/h2.yml", BAD_VAULT, PLAY),
}


@pytest.mark.parametrize("reason", BREAKS)
@pytest.mark.thorough(
    "group_vars that do not parse",
    "host_vars of the first host",
    "host_vars of the second host",
    "vars_files in a vault",
    "vars_files that do not parse",
)
def test_a_run_that_dies_at_its_start_raises_one_alert(
    story: Story, reason: str
) -> None:
    name, content, playbook = BREAKS[reason]
    if name:
        story.write(name, content)

    run = story.play(playbook, hosts=["h1", "h2"])

    assert run.rc not in (0, 2), run.output
    assert story.open == ["playbook.yml"], run.output
    assert story.only_alert["labels"]["status"] == "aborted"
    assert "Flashduty: 1 alert raised.\n" in run.output
    # What is wrong is ansible-core's to say.
    assert "[WARNING]: Flashduty" not in run.output
    assert "ERROR" in run.output

    if name:
        (story.folder / name).unlink()
    story.play(PLAY, hosts=["h1", "h2"])
    assert story.open == []


@pytest.mark.any_core
@pytest.mark.parametrize("reason", ["undefined hosts", "vars_files in a vault"])
def test_so_does_one_that_dies_in_its_second_playbook(
    story: Story, reason: str
) -> None:
    name, content, playbook = BREAKS[reason]
    if name:
        story.write(name, content)
    second = story.write("second.yml", playbook)

    story.play(PLAY, str(second), hosts=["h1"])

    assert [alert["title"] for alert in story.alerts("open")] == [
        "second.yml was aborted"
    ]


@pytest.mark.any_core
def test_extra_variables_still_say_that_nothing_is_wanted(story: Story) -> None:
    story.write("group_vars/all.yml", BAD_YAML)

    story.play(PLAY, "-e", "flashduty_enabled=false", hosts=["h1"])

    assert story.outcomes == {}


def test_a_run_that_is_terminated_before_its_first_play_raises_one_alert(
    story: Story,
) -> None:
    wait = "{{ lookup('pipe', 'touch started; sleep 60') }}"
    running = story.begin(PLAY.replace("hosts: all", f'hosts: "{wait}"'), hosts=["h1"])
    deadline = time.monotonic() + 60
    while not (story.folder / "started").exists():
        assert running.process.poll() is None, running.stdout + running.stderr
        assert time.monotonic() < deadline
        time.sleep(0.02)

    running.signal(signal.SIGTERM, group=True)
    run = running.wait()

    assert run.rc != 0
    assert story.open == ["playbook.yml"], run.output


def test_the_first_process_of_a_container_goes_on(story: Story) -> None:
    """The kernel spares it from SIGTERM; newer ansible-cores end it by a handler of their own."""
    prefix = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"]
    unshare = shutil.which("unshare")
    if (
        not unshare
        or subprocess.run(
            [*prefix, "true"], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("PID namespaces are not allowed here")
    story.write("playbook.yml", SLOW)
    inventory = story.write(
        "inventory.ini", "h1\nh2\n[all:vars]\nansible_connection=local\n"
    )
    process = subprocess.Popen(
        [
            *prefix,
            story.core.bin("ansible-playbook"),
            *("-i", str(inventory), "playbook.yml", "-e", "{fails: true}"),
        ],
        cwd=story.folder,
        env=story.core.environment(story.home, **story._with_callback({}, {})),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not (story.folder / "started").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        (first,) = subprocess.run(
            ["pgrep", "-P", str(process.pid)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()

        os.kill(int(first), signal.SIGTERM)
        time.sleep(1)
        (story.folder / "go").touch()
        output, _nothing = process.communicate(timeout=300)
    finally:
        process.kill()

    if "PLAY RECAP" in output:
        assert story.open == ["h1"], output
        assert "aborted" not in output
    else:
        assert story.open == ["h1", "playbook.yml"], output


@pytest.mark.any_core
def test_several_playbooks_leave_one_handler(story: Story) -> None:
    """Each playbook of a command line watches over its own end."""
    first = story.write("first.yml", PLAY)
    running = story.begin(
        first, str(first), str(story.write("slow.yml", SLOW)), hosts=SLOW_HOSTS
    )
    deadline = time.monotonic() + 60
    while not (story.folder / "started").exists():
        assert running.process.poll() is None, running.stdout + running.stderr
        assert time.monotonic() < deadline
        time.sleep(0.02)

    running.signal(signal.SIGTERM)
    running.wait()
    (story.folder / "go").touch()

    assert [alert["title"] for alert in story.alerts("open")] == [
        "slow.yml was aborted"
    ]
