# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The law of recovery: what closes an alert, and what never does."""

from __future__ import annotations

import json
import signal
import time
import typing as t

import pytest

from .conftest import Story
from .test_stateless import rename_controller

# What fails is the search, where the host's variable ``broken`` says so. The variable ``apps`` says what is worked on: a run
# may be narrowed by it, and the inventory may retire the search.
WORK = """
- name: Work
  ansible.builtin.raw: "{{ 'exit 1' if app == 'search' and broken | default(false) else 'true' }}"
"""
WHEN = "\"app == 'shop' or 'search' in apps\""
WAYS = {
    "include_in_loop": """
    - ansible.builtin.include_tasks: work.yml
      loop: "{{ apps }}"
      loop_control: {loop_var: app}
""",
    "role_in_loop": """
    - ansible.builtin.include_role: {name: work}
      loop: "{{ apps }}"
      loop_control: {loop_var: app}
""",
    "include_with_parameters": f"""
    - ansible.builtin.include_tasks: work.yml
      vars: {{app: shop}}
      when: {WHEN}
    - ansible.builtin.include_tasks: work.yml
      vars: {{app: search}}
      when: {WHEN}
""",
    "import_twice": f"""
    - ansible.builtin.import_tasks: work.yml
      vars: {{app: shop}}
      when: {WHEN}
    - ansible.builtin.import_tasks: work.yml
      vars: {{app: search}}
      when: {WHEN}
""",
    "role_twice": f"""
  roles:
    - {{role: work, app: shop, when: {WHEN}}}
    - {{role: work, app: search, when: {WHEN}}}
""",
    "items": """
    - name: Items
      ansible.builtin.raw: "{{ 'exit 1' if item == 'search' and broken | default(false) else 'true' }}"
      loop: "{{ apps }}"
""",
    "hidden_items": """
    - name: Hidden
      ansible.builtin.raw: "{{ 'exit 1' if item == 'search' and broken | default(false) else 'true' }}"
      loop: "{{ apps }}"
      no_log: true
""",
    "indirect": """
    - name: Indirect
      ansible.builtin.raw: "{{ 'exit 1' if broken | default(false) else 'true' }}"
      when: searches
""",
    "by_set_fact": """
    - ansible.builtin.set_fact: {chosen: "{{ 'search' in apps }}"}
    - name: By a fact
      ansible.builtin.raw: "{{ 'exit 1' if broken | default(false) else 'true' }}"
      when: chosen | bool
""",
    "by_register": """
    - ansible.builtin.raw: "echo {{ 'search' in apps }}"
      register: answer
    - name: By a result
      ansible.builtin.raw: "{{ 'exit 1' if broken | default(false) else 'true' }}"
      when: "'True' in answer.stdout"
""",
    "block": """
    - when: "'search' in apps"
      block:
        - name: In a block
          ansible.builtin.raw: "{{ 'exit 1' if broken | default(false) else 'true' }}"
""",
    "fail_when": """
    - name: The most common check
      ansible.builtin.fail: {msg: The search is down.}
      when: "'search' in apps and broken | default(false)"
""",
}
PLAY = """
- {name}hosts: {hosts}
  gather_facts: false
  vars:
    apps: "{{{{ ['shop'] if retired | default(false) else ['shop', 'search'] }}}}"
    searches: "{{{{ 'search' in apps }}}}"
"""


def play_of(host: str, tasks: str) -> str:
    head = PLAY.format(name=f"name: Play of {host}\n  ", hosts=f"{host},healthy")
    return head + (tasks if tasks.lstrip().startswith("roles") else f"  tasks:{tasks}")


NAMELESS = "".join(
    PLAY.format(name="", hosts="nameless,healthy")
    + "  tasks:\n    - name: Work of a play\n      ansible.builtin.raw: \"{{ 'exit 1' if "
    + f"'{app}' == 'search' and broken | default(false) else 'true' }}}}\"\n"
    + f"      when: \"'{app}' in apps\"\n"
    for app in ("shop", "search")
)
EVERY_WAY = (
    "".join(play_of(host, tasks) for host, tasks in WAYS.items()).replace("\n\n", "\n")
    + NAMELESS
)
EVERY_HOST = [*WAYS, "nameless"]
SHOP_ONLY = ("-e", '{"apps": ["shop"]}')


def write_work(story: Story) -> None:
    story.write("work.yml", WORK)
    story.write("roles/work/tasks/main.yml", WORK)


def texts(story: Story) -> set[str]:
    return {
        event["description"]
        for event in story.flashduty.events()
        if event["event_status"] == "Ok"
    }


def test_what_a_run_leaves_out_it_does_not_close(story: Story) -> None:
    """Deploying the shop does not mend the search; but when nobody wants the search any more, that is that."""
    write_work(story)
    broken = [f"{host} broken=true" for host in EVERY_HOST]
    run = story.play(EVERY_WAY, hosts=[*broken, "healthy"])
    assert story.open == sorted(EVERY_HOST), run.output

    for narrowed in (SHOP_ONLY, ("--limit", "healthy"), ("--tags", "never")):
        run = story.play(EVERY_WAY, *narrowed, hosts=[*broken, "healthy"])
        assert story.recovered == [], run.output

    retired = [f"{host} broken=true retired=true" for host in EVERY_HOST]
    run = story.play(EVERY_WAY, hosts=[*retired, "healthy"])
    assert story.open == [], run.output
    assert texts(story) == {
        "The host passed a complete run, in which the task was skipped.",
        "The host passed a complete run, in which the loop had no such item.",
        # Of a hidden loop nobody knows its items; it worked as a whole.
        "The task works again.",
    }


def test_it_closes_when_it_works_again(story: Story) -> None:
    write_work(story)
    broken = [f"{host} broken=true" for host in EVERY_HOST]
    story.play(EVERY_WAY, hosts=[*broken, "healthy"])
    assert story.open == sorted(EVERY_HOST)

    run = story.play(EVERY_WAY, hosts=[*EVERY_HOST, "healthy"])

    assert story.open == [], run.output
    assert texts(story) == {
        "The task works again.",
        "The host passed a complete run, in which the task was skipped.",
    }


HANDLER = """
- name: Play
  hosts: all
  gather_facts: false
  tasks:
    - name: Configure
      ansible.builtin.raw: "true"
      changed_when: changes | default(false) | bool
      notify: Restart shop
  handlers:
    - name: Restart shop
      ansible.builtin.raw: "{{ 'exit 1' if broken | default(false) else 'true' }}"
"""


def test_a_handler_that_failed_is_owed(story: Story) -> None:
    story.play(HANDLER, hosts=["web1 changes=true broken=true"])
    assert story.outcomes == {"opened": 1}

    run = story.play(HANDLER, hosts=["web1"])
    assert story.open == ["web1"]
    assert (
        'Flashduty: 1 alert stays open: the handler "Restart shop" has not run again on web1.\n'
        in run.output
    )

    story.play(HANDLER, hosts=["web1 changes=true"])
    assert story.open == []


CHECK = """
- name: Play
  hosts: all
  gather_facts: false
  tasks:
    - name: Write
      ansible.builtin.command: "{{ 'false' if broken | default(false) else 'true' }}"
      check_mode: "{{ dry | default(false) }}"
"""


@pytest.mark.any_core
def test_a_task_that_only_pretends_proves_nothing(story: Story) -> None:
    story.play(CHECK, hosts=["web1 broken=true"])
    assert story.outcomes == {"opened": 1}

    story.play(CHECK, "-e", "{dry: true}", hosts=["web1"])
    assert story.open == ["web1"]

    story.play(CHECK, hosts=["web1"])
    assert story.open == []


DELEGATED = """
- name: Play
  hosts: web1
  gather_facts: false
  tasks:
    - name: Push
      ansible.builtin.raw: "{{ 'exit 1' if broken else 'true' }}"
      delegate_to: "{{ helper }}"
      ignore_errors: "{{ lax }}"
      tags: push
"""


@pytest.mark.any_core
@pytest.mark.thorough
def test_a_machine_that_a_template_chooses_is_part_of_the_place(story: Story) -> None:
    def play(*arguments: str, **variables: t.Any) -> None:
        variables = {"broken": False, "lax": False, "helper": "db1", **variables}
        line = " ".join(f"{name}={value}" for name, value in variables.items())
        story.play(DELEGATED, *arguments, hosts=[f"web1 {line}", "db1", "db2"])

    play(broken=True)
    play(broken=True, lax=True)
    play("--tags", "push", helper="db2")
    assert story.open == ["web1"]

    play("--tags", "push")
    assert story.open == []
    assert texts(story) == {"The task works again."}


ONCE = """
- name: Play
  hosts: all
  gather_facts: false
  tasks:
    - name: Migrate
      ansible.builtin.raw: "{{ 'exit 1' if broken | default(false) else 'true' }}"
      run_once: true
"""


def test_what_runs_once_is_proven_by_whichever_host_runs_it(story: Story) -> None:
    story.play(ONCE, hosts=["h1 broken=true", "h2"])
    assert story.open == ["h1"]

    story.play(ONCE, hosts=["h2", "h1 broken=true"])
    assert story.open == []


# --- Machines that do not answer


def unreachable_play(head: str, task: str = 'ansible.builtin.raw: "true"') -> str:
    return f"- name: Play\n  hosts: all\n  gather_facts: false\n{head}  tasks:\n    - name: Push\n      {task}\n"


@pytest.mark.parametrize(
    "playbook",
    [
        unreachable_play("  connection: local\n  vars: {ansible_connection: local}\n"),
        unreachable_play("", 'raw: "true"\n      vars: {ansible_connection: local}'),
        unreachable_play("", "ansible.builtin.set_fact: {x: 1}"),
        unreachable_play(
            "", "ansible.builtin.command: echo\n      delegate_to: localhost"
        ),
    ],
    ids=["by play", "by variable", "without connection", "delegated"],
)
@pytest.mark.any_core
@pytest.mark.thorough("by play", "without connection", "by variable")
def test_the_controller_does_not_answer_for_a_host(story: Story, playbook: str) -> None:
    story.play(unreachable_play(""), hosts=["sw1 gone"])
    assert story.outcomes == {"opened": 1}

    run = story.play(playbook, hosts=["sw1 gone"])
    assert run.rc == 0, run.output
    assert story.open == ["sw1"]
    assert "sw1 has not answered over its own connection." in run.output

    story.play(unreachable_play(""), hosts=["sw1"])
    assert story.open == []
    assert texts(story) == {"The host answered."}


BALANCERS = """
- name: Play
  hosts: web1
  gather_facts: false
  vars:
    balancers: [lb1, lb2]
  tasks:
    - name: Drain
      ansible.builtin.raw: "true"
      delegate_to: "{{ item }}"
      loop: "{{ balancers }}"
"""


def test_a_delegate_that_did_not_answer_has_to_answer_itself(story: Story) -> None:
    story.play(BALANCERS, hosts=["web1", "lb1", "lb2 gone"])
    assert story.open == ["web1"]

    story.play(
        BALANCERS, "-e", '{"balancers": ["lb1"]}', hosts=["web1", "lb1", "lb2 gone"]
    )
    assert story.open == ["web1"]

    story.play(BALANCERS, hosts=["web1", "lb1", "lb2"])
    assert story.open == []


# --- Whole runs: for whom they were


TARGET = """
- name: Play
  hosts: "{{ target | default('db') }}"
  gather_facts: false
  tasks:
    - name: End it
      ansible.builtin.meta: end_play
      when: freeze | default(false) | bool
    - name: Wait for it
      ansible.builtin.raw: touch '{{ playbook_dir }}/started'; sleep {{ wait | default(0) }}
    - name: Work
      ansible.builtin.raw: "{{ 'exit 1' if broken | default(false) else 'true' }}"
      when: do_it | default(true) | bool
"""
GROUP = "\n[db]\ndb1 {0}\ndb2 {0}\n[all:vars]\nansible_connection=local\n"
NARROWED: dict[str, list[str]] = {
    "target=nobody": ["-e", "target=nobody"],
    "target=db2": ["-e", "target=db2"],
    "limit": ["--limit", "db2"],
    "end_play": ["-e", "freeze=true"],
    "condition": ["-e", "do_it=false"],
}


@pytest.mark.any_core
@pytest.mark.parametrize(
    "options", [{}, {"recovery": "stateless"}], ids=["auto", "stateless"]
)
@pytest.mark.thorough("stateless")
def test_one_alert_for_the_run_closes_when_all_of_it_works(
    story: Story, options: dict[str, t.Any]
) -> None:
    options = {"alert_scope": "playbook", **options}
    story.play(TARGET, inventory=GROUP.format("broken=true"), options=options)
    assert story.open == ["playbook.yml"]

    for way, arguments in NARROWED.items():
        story.play(TARGET, *arguments, inventory=GROUP.format(""), options=options)
        assert story.recovered == [], way
        if way == "target=db2" and not options.get("recovery"):
            # What is proven in part is remembered.
            story.play(
                TARGET, "--limit", "db1", inventory=GROUP.format(""), options=options
            )
            assert story.open == []
            story.play(TARGET, inventory=GROUP.format("broken=true"), options=options)
            story.flashduty.reset()
            story.play(TARGET, inventory=GROUP.format("broken=true"), options=options)
    story.play(TARGET, inventory="\n[db]\n", options=options)
    assert story.recovered == []

    story.play(TARGET, inventory=GROUP.format(""), options=options)
    assert story.open == []


@pytest.mark.any_core
@pytest.mark.parametrize(
    "options", [{}, {"recovery": "stateless"}], ids=["auto", "stateless"]
)
@pytest.mark.thorough("stateless")
def test_an_aborted_run_is_made_good_by_a_whole_one(
    story: Story, options: dict[str, t.Any]
) -> None:
    running = story.begin(
        TARGET.replace("{{ wait | default(0) }}", "30"),
        inventory=GROUP.format(""),
        options=options,
    )
    deadline = time.monotonic() + 60
    started = story.folder / "started"
    while not started.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    running.signal(signal.SIGTERM)
    running.wait()

    for way, arguments in NARROWED.items():
        run = story.play(
            TARGET, *arguments, inventory=GROUP.format(""), options=options
        )
        # On a busy machine, the first of them delivers it.
        statuses = [a["labels"]["status"] for a in story.alerts("open")]
        assert statuses == ["aborted"], (way, run.output)
    story.play(TARGET, inventory="\n[db]\n", options=options)
    assert story.recovered == []

    story.play(TARGET, inventory=GROUP.format(""), options=options)
    assert story.open == []


# --- Which playbook, and which machine


SITE = """
- name: Play
  hosts: all
  gather_facts: false
  tasks:
    - name: {name}
      ansible.builtin.raw: "{{{{ 'exit 1' if broken | default(false) else 'true' }}}}"
"""


@pytest.mark.any_core
def test_two_repositories_never_share_an_alert(story: Story) -> None:
    sites = {}
    for name in ("shop", "search"):
        sites[name] = story.write(f"{name}/site.yml", SITE.format(name=name))
        story.write(
            f"{name}/.git/config",
            f'[remote "origin"]\nurl = git@example.com:e/{name}.git\n',
        )
    for site in sites.values():
        story.play(site, hosts=["web1 broken=true"])
    assert len(story.alerts("open")) == 2

    story.play(sites["search"], hosts=["web1"])
    assert [a["labels"]["check"] for a in story.alerts("open")] == ["shop"]

    # Another checkout, by another protocol.
    other = story.write("elsewhere/site.yml", SITE.format(name="shop"))
    story.write("elsewhere/.git/config", '[remote "origin"]\nurl = https://x/e/shop\n')
    story.play(other, hosts=["web1"])
    assert story.open == []


@pytest.mark.any_core
@pytest.mark.thorough
def test_outside_of_git_a_playbook_is_the_same_from_wherever(story: Story) -> None:
    site = story.write("plays/site.yml", SITE.format(name="Work"))
    story.play(site, hosts=["web1 broken=true"])
    assert story.outcomes == {"opened": 1}

    story.play("plays/site.yml" and site.relative_to(story.folder), hosts=["web1"])

    assert story.open == []


@pytest.mark.any_core
@pytest.mark.parametrize("scope", ["host", "playbook"])
@pytest.mark.thorough("playbook")
def test_the_same_name_in_another_inventory_is_another_machine(
    story: Story, scope: str
) -> None:
    options = {"alert_scope": scope}
    inventories = {
        name: story.write(
            f"{name}.ini", f"web1 ansible_connection=local {'broken=true' * broken}\n"
        )
        for name, broken in (("production", True), ("staging", False))
    }
    playbook = story.write("site.yml", SITE.format(name="Work"))
    story.play(playbook, inventory=inventories["production"], options=options)
    assert len(story.alerts("open")) == 1

    run = story.play(playbook, inventory=inventories["staging"], options=options)
    assert len(story.alerts("open")) == 1
    assert " ".join(run.output.split()).count("flashduty_alert_namespace") == 1

    story.write("production.ini", "web1 ansible_connection=local\n")
    story.play(playbook, inventory=inventories["production"], options=options)
    assert story.open == []


@pytest.mark.any_core
@pytest.mark.thorough
def test_a_namespace_keeps_hosts_of_one_name_apart(story: Story) -> None:
    def write(name: str, broken: str) -> t.Any:
        return story.write(
            f"{name}.ini",
            f"web1 ansible_connection=local stage={name} {broken}\n"
            "[all:vars]\nflashduty_alert_namespace='{{ stage }}'\n",
        )

    playbook = story.write("site.yml", SITE.format(name="Work"))
    for name in ("production", "staging"):
        story.play(playbook, inventory=write(name, "broken=true"))
    assert len(story.alerts("open")) == 2

    run = story.play(playbook, inventory=write("staging", ""))

    assert len(story.alerts("open")) == 1
    assert "flashduty_alert_namespace" not in run.output
    story.play(playbook, inventory=write("production", ""))
    assert story.open == []


LOCAL = """
- name: Play
  hosts: localhost
  gather_facts: false
  tasks:
    - name: {name}
      ansible.builtin.command: "{result}"
"""


@pytest.mark.any_core
@pytest.mark.parametrize("recovery", ["stateless", "auto"])
@pytest.mark.thorough("stateless")
def test_what_was_renamed_on_this_machine_closes(story: Story, recovery: str) -> None:
    """The localhost that nobody has written into an inventory."""
    empty = story.write("none.ini", "\n")
    options = {"recovery": recovery}
    story.play(
        LOCAL.format(name="Old", result="false"), inventory=empty, options=options
    )
    assert len(story.alerts("open")) == 1

    story.play(
        LOCAL.format(name="New", result="true"), inventory=empty, options=options
    )

    assert story.open == []


CI = {
    "gitlab": {"GITLAB_CI": "1", "CI_PROJECT_PATH": "g/p", "CI_JOB_NAME": "nightly"},
    "github": {
        "GITHUB_ACTIONS": "1",
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_WORKFLOW": "w",
        "GITHUB_JOB": "nightly",
    },
    "jenkins": {"JENKINS_URL": "https://ci", "JOB_NAME": "x/nightly"},
}


@pytest.mark.any_core
@pytest.mark.parametrize("system", CI)
@pytest.mark.thorough("jenkins", "github")
def test_in_a_new_container_for_each_job_localhost_is_the_job(
    story: Story, system: str, tmp_path: t.Any
) -> None:
    empty = story.write("none.ini", "\n")
    for name in ("one", "two"):
        environment = {**rename_controller(tmp_path, name), **CI[system]}
        story.play(
            LOCAL.format(name="Task", result="false"),
            inventory=empty,
            environment=environment,
        )
    assert story.only_alert["labels"]["resource"].endswith("nightly")

    environment = {**rename_controller(tmp_path, "three"), **CI[system]}
    story.play(
        LOCAL.format(name="Task", result="true"),
        inventory=empty,
        environment=environment,
    )
    assert story.open == []


@pytest.mark.any_core
def test_what_is_remembered_holds_no_secret(story: Story) -> None:
    secret = "Tr0ub4dor-and-3"
    playbook = f"""
    - name: Play
      hosts: all
      gather_facts: false
      vars: {{shop_password: {secret}}}
      tasks:
        - name: Log in with {secret}
          ansible.builtin.raw: exit 1
    """
    story.play(playbook, "-e", json.dumps({"other_token": secret}), hosts=["web1"])
    assert story.outcomes == {"opened": 1}

    for path in story.state.rglob("*"):
        assert path.is_dir() or secret.encode() not in path.read_bytes()
