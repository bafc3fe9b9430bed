# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an alert says: title, description, labels. Texts of the run stay texts."""

from __future__ import annotations

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.texts import (
    WORD_JOINER,
)

from .conftest import Story, playbook_of, rename_controller

pytestmark = pytest.mark.each_core

PLAYBOOK = playbook_of("First")
BROKEN = ["h1 broken=First", "h2"]


def test_an_alert_says_what_a_person_needs_to_act(story: Story) -> None:
    story.write(
        "roles/web/tasks/main.yml",
        """
        - name: Check {{ inventory_hostname }}
          ansible.builtin.shell: "echo to stdout; echo to stderr >&2; exit 3"
        """,
    )
    playbook = (
        "- name: Web servers\n  hosts: web\n  gather_facts: false\n  roles: [web]\n"
    )
    inventory = (
        "[web]\nh1\nh2\n[prod:children]\nweb\n[all:vars]\nansible_connection=local\n"
    )

    story.play(playbook, "--limit", "h1", "--skip-tags", "x", inventory=inventory)

    alert = story.only_alert
    assert alert["title"] == "Check h1 failed on h1 (playbook.yml)"
    assert alert["severity"] == "Critical"
    message, *others = alert["description"].splitlines()
    assert "non-zero return code" in message
    assert message.endswith(" (rc 3)")
    assert others == [
        "",
        "stderr:",
        "to stderr",
        "",
        "stdout:",
        "to stdout",
        "",
        "Task: Check h1 (roles/web/tasks/main.yml:2)",
    ]
    labels = alert["labels"]
    assert labels.pop("run_id") and labels.pop("controller") and labels.pop("user")
    assert labels == {
        "source": "ansible",
        "resource": "h1",
        "host": "h1",
        "check": "Check h1",
        "status": "failed",
        "playbook": "playbook.yml",
        "play": "Web servers",
        "role": "web",
        "module": "ansible.builtin.shell",
        "task_path": "roles/web/tasks/main.yml:2",
        "groups": "prod,web",
        "limit": "h1",
        "skip_tags": "x",
    }


@pytest.mark.parametrize("no_log", [False, True])
def test_the_cause_behind_a_short_message_is_said(story: Story, no_log: bool) -> None:
    story.play(
        f"""
        - hosts: all
          gather_facts: false
          tasks:
            - name: Back up
              ansible.builtin.command: /no/such/backup --key of-the-safe
              no_log: {no_log}
        """,
        hosts=["h1"],
    )

    description = story.only_alert["description"]
    assert ("No such file or directory" in description) is not no_log
    assert ("/no/such/backup" in description) is not no_log
    assert "of-the-safe" not in description


@pytest.mark.any_core
def test_flashdutys_own_variables_in_title_rule_are_satisfied(story: Story) -> None:
    story.play(
        PLAYBOOK,
        hosts=["h1 broken=First cluster=nj"],
        options={"title_rule": "$cluster::$resource::$check", "label_vars": "cluster"},
    )

    assert story.only_alert["title"] == "nj::h1::First"


@pytest.mark.any_core
def test_title_rule_takes_texts_of_the_run(story: Story) -> None:
    story.play(
        PLAYBOOK,
        hosts=["h1 broken=First"],
        options={"title_rule": "{status}: {host} {task} {playbook} {other} {{x}}"},
    )

    assert story.only_alert["title"] == "failed: h1 First playbook.yml {other} {{x}}"


@pytest.mark.any_core
@pytest.mark.parametrize("scope", ["host", "task"])
def test_texts_of_the_run_become_no_templates(story: Story, scope: str) -> None:
    evil = "[TPL]{{.Labels.host}} $host ${host} layer_person_reset_0_emails"
    story.play(
        f"""
        - hosts: all
          gather_facts: false
          vars:
            evil: !unsafe '{evil}'
          tasks:
            - name: "{{{{ evil }}}}"
              ansible.builtin.fail:
                msg: "{{{{ evil }}}}"
        """,
        hosts=["h1"],
        options={"alert_scope": scope},
    )

    alert = story.only_alert
    assert "{{" not in alert["title"]
    assert alert["title"].count("h1") == 1
    # It looks the same, and nothing of it is a template.
    assert evil in alert["description"].replace(WORD_JOINER, "")
    assert not any(mark in alert["description"] for mark in ("[TPL]", "{{", "$host"))
    assert alert["routing"] == {}


@pytest.mark.any_core
def test_above_fifty_labels_the_least_important_go_with_one_warning(
    story: Story,
) -> None:
    many = {f"label_{n:02}": n for n in range(60)}

    run = story.play(
        PLAYBOOK, hosts=["h1 broken=First", "h2 broken=First"], options={"labels": many}
    )

    for alert in story.alerts("open"):
        labels = alert["labels"]
        assert len(labels) == 50
        assert {"source", "resource", "host", "check", "status", "playbook"} <= set(
            labels
        )
        assert "label_00" in labels
        assert "label_59" not in labels
    assert " ".join(run.output.split()).count("Flashduty takes 50") == 1


@pytest.mark.any_core
def test_labels_that_cannot_be_do_not_cost_the_alert(story: Story) -> None:
    same = "x" * 128
    labels = {f"{same}1": "a", f"{same}2": "b"}

    run = story.play(PLAYBOOK, hosts=["h1 broken=First"], options={"labels": labels})

    assert story.open == ["h1"]
    assert "Labels that were added to an alert are left out" in " ".join(
        run.output.split()
    )


def test_no_log_hides_result_and_rendered_name(story: Story) -> None:
    playbook = """
    - hosts: all
      gather_facts: false
      vars:
        hidden_thing: blackbird
      tasks:
        - name: Use {{ hidden_thing }}
          ansible.builtin.shell: "echo {{ hidden_thing }}; exit 1"
          no_log: true
          when: inventory_hostname == 'h1'
        - name: Loop
          ansible.builtin.shell: "echo {{ item }}; exit 1"
          loop: ["{{ hidden_thing }}"]
          no_log: "{{ true }}"
    """
    story.play(playbook, hosts=["h1", "h2"])

    assert story.open == ["h1", "h2"]
    assert "blackbird" not in str(story.flashduty.requests())
    titles = {alert["labels"]["host"]: alert["title"] for alert in story.alerts("open")}
    assert titles["h1"] == "Use {{ hidden_thing }} failed on h1 (playbook.yml)"
    assert "no_log" in story.alerts("open")[0]["description"]


@pytest.mark.any_core
@pytest.mark.thorough
def test_another_localhost_is_another_machine(story: Story) -> None:
    one = rename_controller(story.folder, "one")
    two = rename_controller(story.folder, "two")
    broken = ["localhost broken=First"]
    story.play(PLAYBOOK, hosts=broken, environment=one)
    story.play(PLAYBOOK, hosts=broken, environment=two)
    story.play(PLAYBOOK, hosts=broken, environment=one)
    assert story.open == ["one", "two"]
    assert {a["labels"]["host"] for a in story.alerts("open")} == {"localhost"}
    assert story.alerts("open")[0]["title"] == "First failed on one (playbook.yml)"

    story.play(PLAYBOOK, hosts=["localhost"], environment=two)
    assert story.open == ["one"]


@pytest.mark.any_core
def test_in_awx_localhost_is_the_job_template(story: Story) -> None:
    """Its containers have random names."""
    awx = {
        "awx_job_id": 7,
        "awx_job_template_name": "Nightly",
        "awx_user_name": "ann",
        "tower_job_id": 7,
    }
    facts = story.write("awx.json", str(awx).replace("'", '"'))
    for name in ("awx-job-7-abc", "awx-job-8-def"):
        story.move_to_another_controller()
        story.play(
            PLAYBOOK,
            "-e",
            f"@{facts}",
            hosts=["localhost broken=First"],
            environment={
                **rename_controller(story.folder, name),
                "AWX_HOST": "https://awx.example.com",
                "JOB_ID": "7",
            },
        )

    labels = story.only_alert["labels"]
    assert labels["resource"] == "Nightly"
    assert labels["job_template"] == "Nightly"
    assert labels["job_id"] == "7"
    assert labels["job_url"] == "https://awx.example.com/#/jobs/playbook/7"
    assert labels["user"] == "ann"
