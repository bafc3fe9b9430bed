# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must not matter to a deployment, and what must not be said."""

from __future__ import annotations

import json

import pytest

from tests.tools.playbooks import CALLBACK

from .conftest import Shop, site

WITH_CALLBACK = {"ANSIBLE_CALLBACKS_ENABLED": CALLBACK}
FLUSH = """
- name: Look after the outbox
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Deliver
      flashcat.flashduty.outbox_flush:
"""
ROLE = """
- name: Install
  ansible.builtin.raw: echo installed with the role
"""


@pytest.mark.any_core
def test_check_mode_sends_nothing(shop: Shop) -> None:
    run = shop.deploy(site(), "--check", broken=["web1"], hosts=["web1", "web2"])

    # Raw commands are not run in check mode, so nothing fails, either.
    assert run.rc == 0
    assert shop.flashduty.requests() == []


@pytest.mark.any_core
@pytest.mark.thorough
def test_the_key_of_the_alert_integration_is_enough(shop: Shop) -> None:
    run = shop.deploy(
        broken=["web1"], hosts=["web1"], environment={"FLASHDUTY_CHANGE_PUSH_URL": None}
    )

    assert run.rc == 2
    assert shop.alert_statuses() == ["Critical"]
    assert shop.change_statuses() == []
    assert "WARNING" not in run.output


@pytest.mark.any_core
def test_the_key_of_the_change_integration_is_enough(shop: Shop) -> None:
    run = shop.deploy(
        broken=["web1"], hosts=["web1"], environment={"FLASHDUTY_PUSH_URL": None}
    )

    assert run.rc == 2
    assert shop.change_statuses() == ["Processing", "Canceled"]
    assert shop.alert_statuses() == []
    assert "WARNING" not in run.output


@pytest.mark.any_core
def test_without_any_key_the_deployment_takes_place_with_one_warning(
    shop: Shop,
) -> None:
    run = shop.deploy(
        environment={"FLASHDUTY_PUSH_URL": None, "FLASHDUTY_CHANGE_PUSH_URL": None}
    )

    assert run.rc == 0
    words = " ".join(run.output.split())
    assert words.count("This deployment is not reported to Flashduty") == 1
    assert shop.flashduty.requests() == []


@pytest.mark.any_core
def test_a_refused_event_is_warned_of_and_nothing_else(shop: Shop) -> None:
    wrong = {
        "FLASHDUTY_PUSH_URL": shop.flashduty.push_url + "x",
        "FLASHDUTY_CHANGE_PUSH_URL": shop.flashduty.change_push_url + "x",
    }

    run = shop.deploy(hosts=["web1"], environment=wrong)

    assert run.rc == 0
    words = " ".join(run.output.split())
    for event in ("change event Processing", "change event Done", "alert event Ok"):
        assert f"The {event} could not be sent" in words
    assert "InvalidParameter" in words
    assert shop.flashduty.alert_key not in run.output
    assert not (shop.home / ".ansible" / "flashduty").exists()


@pytest.mark.any_core
def test_a_deployment_does_without_flashduty_and_events_arrive_later(
    shop: Shop,
) -> None:
    shop.flashduty.stop()
    try:
        run = shop.deploy(broken=["web1"], environment={"FLASHDUTY_RETRIES": "5"})
    finally:
        shop.flashduty.start()

    assert run.rc == 2
    words = " ".join(run.output.split())
    assert words.count("The event waits in") == 3
    # The page must not wait for the next run: the process beside the run is still trying.
    assert shop.flashduty.wait_for(lambda _emulator: shop.alert_statuses(), timeout=40)
    assert shop.flashduty.wait_for(lambda _emulator: len(shop.change_statuses()) == 2)
    assert shop.change_statuses() == ["Processing", "Canceled"]


@pytest.mark.any_core
def test_what_waits_is_delivered_by_the_next_run_or_by_a_task(shop: Shop) -> None:
    shop.flashduty.stop()
    try:
        run = shop.deploy(hosts=["web1"])
    finally:
        shop.flashduty.start()

    assert run.rc == 0
    assert not shop.flashduty.wait_for(
        lambda _emulator: shop.change_statuses(), timeout=1
    )

    assert shop.deploy(FLUSH).rc == 0
    assert shop.change_statuses() == ["Processing", "Done"]
    assert shop.the_change()["status"] == "Done"


@pytest.mark.thorough
def test_a_service_that_hangs_costs_no_more_than_its_timeouts(one_shop: Shop) -> None:
    usual = one_shop.deploy(hosts=["web1"])
    one_shop.flashduty.misbehave({"kind": "hang", "seconds": 60, "times": 0})
    try:
        run = one_shop.deploy(
            site(
                more="flashduty_deployment_timeout: 0.5\nflashduty_deployment_retries: 0"
            ),
            hosts=["web1"],
        )
    finally:
        one_shop.flashduty.behave()

    assert run.rc == 0
    # Two steps with something to tell, each of which waits once.
    assert run.duration < usual.duration * 2 + 2 * 0.5 + 10


def test_what_no_log_hides_is_hidden(shop: Shop) -> None:
    shop.write(
        "deploy.yml",
        """
        - name: Log in as {{ user }}
          ansible.builtin.raw: echo {{ user }} swordfish; echo sword{{ 'fish' }} >&2; exit 1
          no_log: true
          vars:
            user: swordfish
        """,
    )

    # From -vvv on, ansible-core itself shows the command.
    run = shop.deploy(site(), "-vv", hosts=["web1"])

    assert run.rc == 2
    alert = shop.the_alert()
    assert "The output has been hidden" in alert["description"]
    assert alert["labels"]["check"] == "a task with the module ansible.builtin.raw"
    assert "swordfish" not in json.dumps(shop.flashduty.state())
    shown = [line for line in run.output.splitlines() if not line.startswith("TASK [")]
    assert [line for line in shown if "swordfish" in line] == []


def test_what_looks_like_a_secret_is_masked(one_shop: Shop) -> None:
    one_shop.write(
        "deploy.yml",
        """
        - name: Log in
          ansible.builtin.raw: echo "password=opensesame and {{ api_token }}"; exit 1
        """,
    )

    one_shop.deploy(hosts=["web1"], api_token="tr0ub4dor")

    description = one_shop.the_alert()["description"]
    assert "password=[hidden] and [hidden]" in description


@pytest.mark.any_core
def test_neither_rights_nor_python_nor_a_connection_are_needed(shop: Shop) -> None:
    shop.write("deploy.yml", "- name: Nothing\n  ansible.builtin.debug:\n")
    shop.write(
        "deploy.yml", "- name: Nothing\n  ansible.builtin.debug:\n    msg: nothing\n"
    )
    run = shop.deploy(
        site(play="become: true\nconnection: gone"),
        hosts=["web1", "web2"],
        ansible_connection="gone",
        ansible_become_exe="/bin/false",
        ansible_python_interpreter="/not/there",
    )

    assert run.rc == 0
    assert shop.change_statuses() == ["Processing", "Done"]


@pytest.mark.thorough
def test_a_failure_on_a_delegated_host_is_that_of_the_deployed_one(
    one_shop: Shop,
) -> None:
    one_shop.write(
        "deploy.yml",
        """
        - name: Drain
          ansible.builtin.raw: exit 1
          delegate_to: web2
        """,
    )

    run = one_shop.deploy(hosts=["web1", "web2"])

    assert run.hosts_with("failed") == {"web1", "web2"}
    assert "web1, web2" in one_shop.the_alert()["description"]


def test_failed_items_of_a_loop_are_named(shop: Shop) -> None:
    shop.write(
        "deploy.yml",
        """
        - name: Copy
          ansible.builtin.raw: "test {{ item }} = one || { echo no {{ item }}; exit 1; }"
          loop: [one, two, three]
        """,
    )

    run = shop.deploy(hosts=["web1"])

    assert run.rc == 2
    description = shop.the_alert()["description"]
    assert "two" in description and "three" in description
    assert "Copy" in description


def test_the_callback_does_not_page_for_the_same_failure(shop: Shop) -> None:
    run = shop.deploy(broken=["web1"], gone=["web2"], environment=WITH_CALLBACK)

    assert run.hosts_with("failed") == {"web1"}
    assert run.hosts_with("unreachable") == {"web2"}
    assert shop.the_alert()["title"] == "Deployment of shop-api failed"


@pytest.mark.any_core
def test_the_callback_pages_for_what_the_role_does_not(shop: Shop) -> None:
    run = shop.deploy(
        site(more="flashduty_deployment_alert: false"),
        broken=["web1"],
        gone=["web2"],
        environment=WITH_CALLBACK,
    )

    assert run.hosts_with("failed") == {"web1"}
    alerts = shop.flashduty.alerts()
    assert sorted(alert["labels"]["host"] for alert in alerts) == ["web1", "web2"]
    assert shop.change_statuses() == ["Processing", "Canceled"]


@pytest.mark.thorough
def test_a_callback_that_is_silenced_stays_silent(one_shop: Shop) -> None:
    run = one_shop.deploy(
        site(
            play="vars:\n  flashduty_enabled: false",
            more="flashduty_deployment_alert: false",
        ),
        broken=["web1"],
        gone=["web2"],
        environment=WITH_CALLBACK,
    )

    assert run.hosts_with("failed") == {"web1"}
    assert run.hosts_with("unreachable") == {"web2"}
    assert one_shop.change_statuses() == ["Processing", "Canceled"]
    assert one_shop.flashduty.alerts() == []


@pytest.mark.thorough
def test_after_the_deployment_the_callback_pages_again(one_shop: Shop) -> None:
    playbook = site().replace(
        "    - name: Afterwards in the same play\n      ansible.builtin.debug:\n        msg:",
        "    - name: Afterwards in the same play\n      ansible.builtin.fail:\n        msg:",
    )

    one_shop.deploy(playbook, hosts=["web1"], environment=WITH_CALLBACK)

    assert one_shop.the_alert()["labels"]["check"] == "Afterwards in the same play"


def test_labels_are_those_of_the_host_that_failed(one_shop: Shop) -> None:
    owner = 'flashduty_labels=\'{"layer_person_reset_0_emails": "%s@example.com", "team": "%s"}\''
    run = one_shop.deploy(
        site(more="flashduty_deployment_name: shop"),
        broken=["web2"],
        hosts=[f"{host} {owner % (host, host)}" for host in ("web1", "web2")],
    )

    assert run.rc == 2
    labels = one_shop.flashduty.events()[0]["labels"]
    assert labels["layer_person_reset_0_emails"] == "web2@example.com"
    assert labels["team"] == "web2"


@pytest.mark.thorough
def test_a_role_can_be_deployed_also_one_that_is_called_deployment(shop: Shop) -> None:
    for name in ("shop_api", "deployment"):
        shop.write(f"roles/{name}/tasks/main.yml", ROLE)
    role = "flashduty_deployment_tasks: deploy.yml\n", "flashduty_deployment_role: {}\n"
    first, second = (
        site()
        .replace(role[0], role[1].format(name))
        .partition("    - name: Afterwards")[0]
        for name in ("shop_api", "deployment")
    )

    run = shop.deploy(first + second.replace("shop-api", "shop-web"), hosts=["web1"])

    assert run.rc == 0
    assert run.stdout.count(" : Install]") == 2
    assert shop.change_statuses() == ["Processing", "Done"] * 2


def test_tasks_are_found_beside_those_of_the_calling_role(shop: Shop) -> None:
    role = site().partition("  tasks:")[2].partition("    - name: Afterwards")[0]
    shop.write("roles/shop/tasks/main.yml", role.replace("deploy.yml", "rollout.yml"))
    shop.write(
        "roles/shop/tasks/rollout.yml",
        "- name: Go on\n  ansible.builtin.include_tasks: further.yml\n",
    )
    shop.write("roles/shop/tasks/further.yml", ROLE)

    run = shop.deploy(
        "- hosts: all\n  gather_facts: false\n  roles: [shop]\n", hosts=["web1"]
    )

    assert run.rc == 0
    assert ": Install]" in run.stdout
    assert shop.change_statuses() == ["Processing", "Done"]


def test_what_cannot_be_deployed_is_said_before_anything_is_sent(
    one_shop: Shop,
) -> None:
    missing = one_shop.deploy(
        site(more="flashduty_deployment_tasks: other.yml"), hosts=["web1"]
    )
    both = one_shop.deploy(site(more="flashduty_deployment_role: shop"), hosts=["web1"])
    nameless = one_shop.deploy(
        site().replace("flashduty_deployment_name", "other"), hosts=["web1"]
    )

    assert [run.rc for run in (missing, both, nameless)] == [2, 2, 2]
    assert "There is no file other.yml in" in missing.output
    assert (
        "Set either flashduty_deployment_tasks or flashduty_deployment_role"
        in both.output
    )
    assert "flashduty_deployment_name" in nameless.output
    assert one_shop.flashduty.requests() == []


def test_a_label_that_cannot_be_sent_is_left_out(one_shop: Shop) -> None:
    run = one_shop.deploy(
        site(
            more="flashduty_deployment_labels: {owners: [ann, bob], since: 2026-11-23, team: shop}"
        ),
        hosts=["web1"],
    )

    assert run.rc == 0
    assert "The label 'owners' is left out" in " ".join(run.output.split())
    labels = one_shop.the_change()["labels"]
    assert (labels["team"], labels["since"]) == ("shop", "2026-11-23")


def test_no_key_is_seen_anywhere(one_shop: Shop) -> None:
    keys = (one_shop.flashduty.alert_key, one_shop.flashduty.change_key)
    log = one_shop.folder / "ansible.log"
    run = one_shop.deploy(
        site(
            more="flashduty_deployment_integration_key: '{{ secret1 }}'\n"
            "flashduty_deployment_change_integration_key: '{{ secret2 }}'\n"
            f"flashduty_deployment_api_url: {one_shop.flashduty.url}"
        ),
        "-vvvv",
        # At this verbosity, ansible-core shows extra variables.
        hosts=[
            f"{host} secret1={keys[0]} secret2={keys[1]}" for host in ("web1", "web2")
        ],
        broken=["web2"],
        environment={
            "FLASHDUTY_PUSH_URL": None,
            "FLASHDUTY_CHANGE_PUSH_URL": None,
            "ANSIBLE_LOG_PATH": str(log),
            "ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "1",
        },
    )

    assert one_shop.change_statuses() == ["Processing", "Canceled"]
    assert one_shop.alert_statuses() == ["Critical"]
    seen = run.output + log.read_text(encoding="utf-8")
    assert [key for key in keys if key in seen] == []


ROLLBACK = """
- name: Shop
  hosts: all
  gather_facts: false
  tasks:
    - name: Deploy or roll back
      block:
        - name: Deploy
          ansible.builtin.include_role:
            name: flashcat.flashduty.deployment
          vars:
            flashduty_deployment_name: shop-api
            flashduty_deployment_version: 1.4.2
            flashduty_deployment_tasks: deploy.yml
      rescue:
        - name: Roll back
          ansible.builtin.raw: "{{ rollback }}"

        - name: Say that it failed
          ansible.builtin.fail:
            msg: Version 1.4.2 was rolled back.
"""


def test_after_a_rollback_there_is_one_alert(shop: Shop) -> None:
    run = shop.deploy(
        ROLLBACK,
        hosts=["web1", "web2"],
        broken=["web1"],
        environment=WITH_CALLBACK,
        rollback="true",
    )

    assert run.hosts_with("failed") == {"web1"}
    assert "Version 1.4.2 was rolled back" in run.output
    assert shop.change_statuses() == ["Processing", "Canceled"]
    assert shop.the_alert()["title"] == "Deployment of shop-api failed"
    # One line each of the role and of the callback, which has nothing to add here.
    lines = [line for line in run.stdout.splitlines() if line.startswith("Flashduty")]
    assert lines == [
        "Flashduty: deployment of shop-api 1.4.2 failed on 1 of 2 hosts: alert raised, change Canceled."
    ]


@pytest.mark.any_core
def test_a_rollback_that_fails_is_news(shop: Shop) -> None:
    shop.deploy(
        ROLLBACK,
        hosts=["web1"],
        broken=["web1"],
        environment=WITH_CALLBACK,
        rollback="false",
    )

    titles = sorted(alert["title"] for alert in shop.flashduty.alerts())
    assert titles[0] == "Deployment of shop-api failed"
    assert titles[1].startswith("Roll back failed on web1")


@pytest.mark.any_core
def test_a_misspelt_variable_is_said_once(shop: Shop) -> None:
    run = shop.deploy(
        site(more="flashduty_deployment_alert_stauts: Warning"),
        hosts=["web1", "web2"],
    )

    words = " ".join(run.output.split())
    assert words.count("flashduty_deployment_alert_stauts is not read") == 1
    assert "Did you mean flashduty_deployment_alert_status?" in words
    assert "Flashduty: shop-api 1.4.2 was deployed on 2 hosts: change Done." in words


@pytest.mark.thorough
def test_a_module_of_the_projects_own_library_is_found(shop: Shop) -> None:
    shop.write(
        "library/switch_over.py",
        "#!/usr/bin/python\nfrom ansible.module_utils.basic import AnsibleModule\n"
        "AnsibleModule(argument_spec={}).exit_json(changed=True, msg='switched over')\n",
    )
    shop.write("deploy.yml", "- name: Switch over\n  switch_over:\n")

    run = shop.deploy(site(), "-v", hosts=["web1"])

    assert run.rc == 0
    assert "switched over" in run.stdout
    assert shop.change_statuses() == ["Processing", "Done"]
