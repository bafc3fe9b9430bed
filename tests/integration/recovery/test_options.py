# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of the callback: from everywhere, wrong ones, the key out of a vault, and dry runs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.tools.playbooks import CALLBACK
from tests.tools.vault import Vault

from .conftest import Story, playbook_of

PLAYBOOK = playbook_of("First")
BROKEN = ["h1 broken=First", "h2"]


def words(text: str) -> str:
    """Warnings are wrapped at the width of the terminal."""
    return " ".join(text.split())


WRONG = {
    "alert_scope": ("hosts", "it must be one of host, task, playbook"),
    "failed_status": ("critical", "it must be one of Critical, Warning, Info"),
    "unreachable_status": ("Ok", "it must be one of Critical, Warning, Info"),
    "storm_threshold": ("many", "it must be a whole number, 0 or more"),
    "recovery": ("sometimes", "it must be one of auto, stateless, never"),
    "labels": ("team", "has the part 'team': it must be name=value pairs"),
    "redact_patterns": ("(", "has '(', which is not a regular expression"),
    "flush_timeout": ("-1", "is -1.0: it must be a number of seconds, 0 or more"),
    "max_in_flight": ("0", "is 0: it must be a whole number, 1 or more"),
    "rate_limit": ("-5", "is -5: it must be a whole number, 0 or more"),
}


def test_wrong_options_cost_a_warning_each_and_no_alert(story: Story) -> None:
    run = story.play(
        PLAYBOOK,
        hosts=BROKEN,
        options={option: value for option, (value, _warning) in WRONG.items()},
    )

    output = words(run.output)
    assert story.open == ["h1"], run.output
    assert output.count("The default is used.") == len(WRONG)
    for option, (_value, warning) in WRONG.items():
        said = output.partition(f"Flashduty: {option} ")[2]
        assert warning in said.partition("The default is used.")[0], output
    assert "1 alert raised" in output


def test_options_come_from_ansible_cfg(story: Story) -> None:
    key_file = story.write("key", f"{story.flashduty.alert_key}\n")
    run = story.run(
        PLAYBOOK,
        inventory="h1 ansible_connection=local broken=First\n",
        config=f"""
[defaults]
callbacks_enabled = {CALLBACK}
[flashduty]
integration_key_file = {key_file.name}
api_url = {story.flashduty.url}
failed_status = Warning
labels = team=edge, env=100%
label_vars = inventory_hostname
""",
    )

    assert "Flashduty: 1 alert raised.\n" in run.output
    alert = story.only_alert
    assert alert["severity"] == "Warning"
    assert alert["labels"]["team"] == "edge"
    assert alert["labels"]["env"] == "100%"
    assert alert["labels"]["inventory_hostname"] == "h1"


def test_what_is_misspelt_is_said_and_numbers_that_are_none_cost_no_alert(
    story: Story,
) -> None:
    run = story.run(
        PLAYBOOK,
        inventory="h1 ansible_connection=local broken=First flashduty_lables=x\n",
        config=f"""
[defaults]
callbacks_enabled = {CALLBACK}
[flashduty]
push_url = "{story.flashduty.push_url}"
state_url = elsewhere
retries = -1
timeout = 0
use_proxy = flase
enabled = ture
lables = team=edge
label_vars = [inventory_hostname, team]
""",
        environment={"FLASHDUTY_DRYRUN": "yes", "FLASHDUTY_DRY_RUN": ""},
    )

    # Older ansible-cores break lines at hyphens, too.
    output = "".join(run.output.split())
    assert story.open == ["h1"], output
    assert story.only_alert["labels"]["inventory_hostname"] == "h1"
    config = f"in section [flashduty] of {story.folder}/ansible.cfg"
    for warning in (
        f"Flashduty: lables is {config}, but there is no such option. Did you mean labels?",
        "Flashduty: FLASHDUTY_DRYRUN is in the environment, but there is no such option. Did you mean FLASHDUTY_DRY_RUN?",
        f"Flashduty: enabled (enabled {config}) is ture: it must be true or false. The default is used.",
        "Flashduty: dry_run (FLASHDUTY_DRY_RUN) is empty: it must be true or false. The default is used.",
        f"Flashduty: retries {config} is not a whole number that is allowed: it must be 0 or more. The default is used.",
        f"Flashduty: timeout {config} is not a number of seconds: it must be greater than 0. The default is used.",
        f"Flashduty: state_url {config} is not a libpq connection URI: it must be like"
        f" postgresql://user@db.example.com/automation. The outbox in {story.state} is used.",
        "Flashduty: The variable flashduty_lables is not read. Did you mean flashduty_labels?",
        f"Flashduty: use_proxy {config} is not a boolean: it must be true or false. The default is used.",
    ):
        assert output.count("".join(warning.split())) == 1, run.output


@pytest.mark.any_core
def test_it_can_be_switched_off(story: Story) -> None:
    run = story.play(PLAYBOOK, hosts=BROKEN, options={"enabled": False})

    assert "Flashduty" not in run.output
    assert story.flashduty.requests() == []
    assert not story.state.exists()


@pytest.mark.any_core
def test_without_a_key_it_says_so_once_and_the_run_is_what_it_was(story: Story) -> None:
    two_plays = PLAYBOOK + PLAYBOOK.replace("Play", "Again")
    run = story.play(two_plays, hosts=BROKEN, environment={"FLASHDUTY_PUSH_URL": ""})

    assert run.rc == 2
    assert words(run.output).count("[WARNING]: Flashduty:") == 1
    assert "integration key" in words(run.output)
    assert not story.state.exists()


# -- the key in Ansible Vault


def with_vault(story: Story) -> dict[str, str]:
    """Return an environment with the vault's password, and without a key."""
    return {
        "ANSIBLE_VAULT_PASSWORD_FILE": str(story.folder / "password"),
        "FLASHDUTY_PUSH_URL": "",
        "FLASHDUTY_API_URL": story.flashduty.url,
    }


@pytest.mark.parametrize(
    "place",
    ["play", "group_vars", pytest.param("vars_files", marks=pytest.mark.any_core)],
)
def test_the_key_may_live_in_a_vault(story: Story, place: str) -> None:
    vault = Vault(story)
    key = vault.encrypt(story.flashduty.alert_key)
    indented = "".join(f"        {line}\n" for line in key.splitlines())
    playbook = PLAYBOOK
    if place == "play":
        variables = f"  vars:\n    flashduty_integration_key: !vault |\n{indented}"
        playbook = PLAYBOOK.replace("  tasks:", f"{variables}  tasks:")
    else:
        file = vault.encrypt(f"flashduty_push_url: {story.flashduty.push_url}\n")
        name = {"vars_files": "secrets.yml", "group_vars": "group_vars/all/vault.yml"}
        story.write(name[place], file)
    if place == "vars_files":
        playbook = PLAYBOOK.replace("  tasks:", "  vars_files: [secrets.yml]\n  tasks:")

    run = story.play(playbook, "-vvvv", hosts=BROKEN, environment=with_vault(story))
    assert story.open == ["h1"], run.output
    assert story.flashduty.alert_key not in run.output


@pytest.mark.any_core
def test_a_play_without_the_key_does_not_keep_another_from_recovering(
    story: Story,
) -> None:
    story.write("with.yml", f"flashduty_integration_key: {story.flashduty.alert_key}\n")
    first = PLAYBOOK.replace("  tasks:", "  vars_files: [with.yml]\n  tasks:")
    playbook = first + PLAYBOOK.replace("name: Play", "name: Keyless")
    story.write("password", "-")

    story.play(playbook, hosts=BROKEN, environment=with_vault(story))
    assert story.open == ["h1"]

    story.play(playbook, hosts=["h1", "h2"], environment=with_vault(story))
    assert story.open == []


# -- dry runs


def test_a_dry_run_prints_and_neither_sends_nor_stores(story: Story) -> None:
    options = {"dry_run": True}
    run = story.play(PLAYBOOK, hosts=[*BROKEN, "h3 gone"], options=options)

    assert "Flashduty (dry run): 2 events would be sent.\n" in run.output
    assert "  Critical: First failed on h1 (playbook.yml) [ansible:v2:" in run.output
    assert "  Critical: h3 unreachable (playbook.yml) [ansible:v2:" in run.output
    assert '"event_status"' not in run.output
    assert story.flashduty.requests() == []
    assert not story.state.exists()


@pytest.mark.any_core
@pytest.mark.thorough
def test_a_dry_run_shows_recoveries_and_leaves_them_to_a_real_run(story: Story) -> None:
    story.play(PLAYBOOK, hosts=BROKEN)
    before = (story.state / "outbox.sqlite3").read_bytes()

    run = story.play(PLAYBOOK, "-v", hosts=["h1", "h2"], options={"dry_run": True})

    (start,) = (
        number
        for number, line in enumerate(run.stdout.splitlines())
        if line.startswith("Flashduty (dry run): 1 event would be sent.")
    )
    event = json.loads("\n".join(run.stdout.splitlines()[start + 2 :]))
    assert event["event_status"] == "Ok"
    assert event["alert_key"] == story.only_alert["alert_key"]
    assert story.outcomes == {"opened": 1}
    assert (story.state / "outbox.sqlite3").read_bytes() == before

    story.play(PLAYBOOK, hosts=["h1", "h2"])
    assert story.open == []


@pytest.mark.any_core
def test_a_dry_run_needs_no_key(story: Story) -> None:
    run = story.play(
        PLAYBOOK,
        hosts=BROKEN,
        options={"dry_run": True, "recovery": "stateless"},
        environment={"FLASHDUTY_PUSH_URL": ""},
    )

    assert "WARNING" not in run.output
    # One failure, and what the host that passed may have open.
    assert "  Critical: First failed on h1" in run.output
    assert "  Ok: h2 passed" in run.output


# -- several playbooks on one command line


@pytest.mark.any_core
@pytest.mark.thorough
def test_several_playbooks_on_one_command_line(story: Story) -> None:
    one = story.write("one.yml", playbook_of("First"))
    two = story.write("two.yml", playbook_of("Second"))

    def run(*hosts: str) -> str:
        return story.play(one, str(two), hosts=hosts).output

    # The second is not started when the first fails.
    assert "Flashduty: 1 alert raised.\n" in run("h1 broken=First", "h2 broken=Second")
    # It is the alert of the host.
    assert "Flashduty: 1 alert still open.\n" in run("h1 gone", "h2 broken=Second")
    assert story.open == ["h1"]

    # What works in one playbook says nothing about the other.
    output = run("h1", "h2 broken=Second", "h3")
    assert "Flashduty: 1 alert recovered.\n" in output
    assert "Flashduty: 1 alert raised.\n" in output
    assert story.open == ["h2"]
    assert story.alerts("open")[0]["labels"]["playbook"] == "two.yml"

    run("h1", "h2", "h3")
    assert story.open == []
    assert "stray" not in story.outcomes


@pytest.mark.any_core
def test_ad_hoc_commands_are_playbooks_of_their_own(
    story: Story, tmp_path: Path
) -> None:
    inventory = story.write(
        "hosts.ini", "h1 n=1\nh2 n=0\n[all:vars]\nansible_connection=local\n"
    )

    def ad_hoc(arguments: str) -> None:
        environment = {
            **story._with_callback({}, {}),
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
        }
        subprocess.run(
            [
                story.core.bin("ansible"),
                "all",
                "-i",
                str(inventory),
                "-m",
                "raw",
                "-a",
                arguments,
            ],
            env=story.core.environment(story.home, **environment),
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )

    ad_hoc("exit {{ n }}")
    assert story.only_alert["title"] == "raw failed on h1 (ad-hoc raw)"

    ad_hoc("true")
    assert story.open == []
