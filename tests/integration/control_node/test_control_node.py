# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A control node that is set up, used, and left as it was."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import typing as t
from pathlib import Path

import pytest

from tests.emulator.control import Emulator
from tests.tools.cores import Core, configured_cores
from tests.tools.playbooks import PlaybookRun, Workspace, inventory_of

KEY = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
CHANGE_KEY = "f9e8d7c6b5a4938271605f4e3d2c1b0a"
CONFIGURATION = """\
# Of the operations team
[defaults]
callbacks_enabled = ansible.builtin.junit ; reports
# As many as there are processors
forks = 4

[inventory]
# Do not go on without hosts
unparsed_is_failed = false
"""
OPTIONS = """
    flashduty_control_node_options:
      label_vars: [team, service]
      labels: {env: test}
      watch: false
"""
PLAYBOOK = """\
- name: Set up this control node
  hosts: localhost
  gather_facts: false
  vars:
    flashduty_control_node_ansible: "{ansible}"
    flashduty_control_node_config: "{config}"
    flashduty_control_node_state: "{{{{ state | default('present') }}}}"
    flashduty_control_node_integration_key: {key}
    flashduty_control_node_change_integration_key: {change_key}
    flashduty_control_node_verify: {verify}
{more}
  tasks:
    - name: Set up
      ansible.builtin.include_role:
        name: flashcat.flashduty.control_node
"""
WRITTEN = """
[flashduty]
integration_key_file = ~/.config/flashduty/integration_key
change_integration_key_file = ~/.config/flashduty/change_integration_key
label_vars = team, service
labels = {"env": "test"}
watch = false
"""


class ControlNode(Workspace):
    """A user's home folder on a control node."""

    def __init__(self, folder: Path, core: Core) -> None:
        super().__init__(folder, core)
        (self.home / ".ansible").mkdir(mode=0o700)
        self.config = self.home / "ansible.cfg"
        self.key = self.home / ".config" / "flashduty" / "integration_key"
        self.change_key = self.key.with_name("change_integration_key")
        self.state = self.home / ".ansible" / "flashduty"

    def set_up(
        self, *arguments: str, more: str = OPTIONS, **values: str
    ) -> PlaybookRun:
        facts = {
            "ansible": self.core.bin("ansible"),
            "config": str(self.config),
            "key": KEY,
            "change_key": CHANGE_KEY,
            # It takes as long as all the rest.
            "verify": "false",
            **values,
        }
        # The configuration is not in force in these runs themselves.
        return self.run(
            PLAYBOOK.format(more=more, **facts),
            *arguments,
            environment={"ANSIBLE_PIPELINING": "1"},
        )

    def files(self) -> dict[str, tuple[int, bytes | None]]:
        """Return what is in the home folder, but for Ansible's own."""
        return {
            str(path.relative_to(self.home)): (
                stat.S_IMODE(path.stat().st_mode),
                path.read_bytes() if path.is_file() else None,
            )
            for path in sorted(self.home.rglob("*"))
            if not {"tmp", "debug", ".ansible_async"}
            & set(path.relative_to(self.home).parts)
        }


@pytest.fixture
def node(tmp_path: Path, core: Core) -> t.Iterator[ControlNode]:
    """With every ansible-core."""
    node = ControlNode(tmp_path, core)
    yield node
    node.close()


@pytest.fixture
def one_node(tmp_path: Path) -> t.Iterator[ControlNode]:
    """With the newest ansible-core only."""
    node = ControlNode(tmp_path, configured_cores()[-1])
    yield node
    node.close()


def changed(run: PlaybookRun) -> int:
    assert run.rc == 0, run.output
    return run.recap["localhost"]["changed"]


# Molecule does the same with every make test.
@pytest.mark.thorough
def test_a_control_node_is_set_up_once_and_undone(node: ControlNode) -> None:
    node.config.write_text(CONFIGURATION)
    node.config.chmod(0o640)
    before = node.files()

    predicted = node.set_up("--check", "--diff")
    assert node.files() == before

    done = node.set_up("--diff", "-vvvv", verify="true")
    assert changed(done) == changed(predicted) > 0
    assert node.key.read_text() == KEY + "\n"
    assert node.change_key.read_text() == CHANGE_KEY + "\n"
    modes = {name: mode for name, (mode, _content) in node.files().items()}
    assert modes[".config/flashduty"] == modes[".ansible/flashduty"] == 0o700
    assert modes[".config/flashduty/integration_key"] == 0o600
    assert modes["ansible.cfg"] == 0o640
    assert node.config.read_text() == (
        CONFIGURATION.replace("junit ;", "junit, flashcat.flashduty.alert_on_failure ;")
        + WRITTEN
    )

    for run in (predicted, done):
        assert "+label_vars = team, service" in run.stdout
        assert KEY not in run.output
        assert CHANGE_KEY not in run.output

    assert changed(node.set_up()) == 0

    undo = ("--extra-vars", "state=absent")
    predicted = node.set_up("--check", *undo)
    assert changed(node.set_up(*undo)) == changed(predicted) > 0
    # Folders above ours may be used by others.
    (node.home / ".config").rmdir()
    assert node.files() == before
    assert changed(node.set_up(*undo)) == 0


@pytest.mark.thorough
def test_a_configuration_that_was_not_there_is_made_and_removed(
    one_node: ControlNode,
) -> None:
    one_node.set_up(config=str(one_node.home / "etc" / "ansible.cfg"))
    made = one_node.home / "etc" / "ansible.cfg"
    assert made.read_text() == (
        "[defaults]\ncallbacks_enabled = flashcat.flashduty.alert_on_failure\n"
        + WRITTEN
    )

    one_node.set_up("--extra-vars", "state=absent", config=str(made))

    assert not made.exists()


@pytest.mark.any_core
@pytest.mark.thorough
def test_what_others_have_written_stays(node: ControlNode) -> None:
    node.config.write_text(
        CONFIGURATION + "\n[flashduty]\n# By hand\nrecovery = never\n"
    )
    node.set_up()
    node.state.joinpath("outbox.sqlite3").write_text("")
    node.key.with_name("other").write_text("")

    node.set_up("--extra-vars", "state=absent")

    assert (
        node.config.read_text()
        == CONFIGURATION + "\n[flashduty]\n# By hand\nrecovery = never\n"
    )
    assert node.state.joinpath("outbox.sqlite3").exists()
    assert node.key.with_name("other").exists()
    assert not node.key.exists()

    node.set_up("--extra-vars", "state=absent flashduty_control_node_purge=true")

    assert not node.state.exists()


def test_a_key_in_the_configuration_gives_way_and_is_not_shown(
    one_node: ControlNode,
) -> None:
    old = "99aabbccddeeff00112233445566778899"[:32]
    one_node.config.write_text(
        f"[flashduty]\nintegration_key = {old}\npush_url = https://e.example/?integration_key={old}\n"
    )

    run = one_node.set_up("--diff", "-vvv")

    assert changed(run) > 0
    assert old not in one_node.config.read_text()
    assert old not in run.output
    assert KEY not in run.output


@pytest.mark.thorough
def test_a_folder_that_is_there_keeps_its_rights(one_node: ControlNode) -> None:
    shared = one_node.home / "shared"
    shared.mkdir(mode=0o755)

    one_node.set_up(
        more=f"    flashduty_control_node_integration_key_file: {shared}/key"
    )

    assert stat.S_IMODE(shared.stat().st_mode) == 0o755
    assert stat.S_IMODE((shared / "key").stat().st_mode) == 0o600


@pytest.mark.thorough
def test_a_playbook_that_fails_there_pages(
    node: ControlNode, flashduty: Emulator
) -> None:
    node.set_up(
        more=f"    flashduty_control_node_options: {{api_url: {flashduty.url}}}",
        key=flashduty.alert_key,
    )

    run = node.run(
        "- name: Fail\n  hosts: all\n  gather_facts: false\n  tasks:\n    - name: Fail\n      ansible.builtin.fail:\n",
        inventory="web1",
        environment={"ANSIBLE_CONFIG": str(node.config)},
    )

    assert run.rc == 2
    assert [alert["labels"]["host"] for alert in flashduty.alerts()] == ["web1"]


PROBE = """\
#!/bin/sh
if [ "$1" = -c ]; then
  echo '{{"versions": {{"requests": "{requests}", "psycopg": "{psycopg}"}},
    "packages": {{"requests": "python3-requests", "psycopg": "python3-psycopg"}},
    "uid": 0, "home": "'"$HOME"'", "is_system": {is_system}}}'
else
  exec {python} "$@"
fi
"""
RECORDER = """\
#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule({"name": {"type": "list"}, "state": {}})
module.exit_json(changed=True, msg="installs %s, %s" % (" ".join(module.params["name"]), module.params["state"]))
"""


STATE_URL = (
    "postgresql://flashduty:s3cret-word@db.example.com/automation?sslmode=verify-full"
)
WITH_STATE = f"\n    flashduty_control_node_state_url: {STATE_URL}"
INSTALLERS = {
    "true": "Install the packages of the distribution",
    "false": "Install the packages for the Python that runs Ansible",
}


@pytest.mark.parametrize(
    ("requests", "psycopg", "more", "is_system", "installed"),
    [
        ("2.25.1", "0", "", "true", None),
        ("2.19.0", "0", "", "true", "python3-requests"),
        ("2.19.0", "0", WITH_STATE, "true", "python3-requests python3-psycopg"),
        ("2.32.0", "2.9.9", WITH_STATE, "true", "python3-psycopg"),
        # pip finds that it is there.
        ("0", "3.1", WITH_STATE, "false", ""),
    ],
    ids=["nothing", "requests", "both", "psycopg", "by pip"],
)
@pytest.mark.thorough("nothing", "requests", "psycopg", "by pip")
@pytest.mark.any_core
def test_packages_are_installed_in_the_way_of_the_python_that_runs_ansible(
    one_node: ControlNode,
    requests: str,
    psycopg: str,
    more: str,
    is_system: str,
    installed: str | None,
) -> None:
    if one_node.core.version == "2.16":
        pytest.skip("ansible_package_use is newer: packages would be installed here")
    python = one_node.write(
        "python",
        PROBE.format(
            requests=requests,
            psycopg=psycopg,
            is_system=is_system,
            python=one_node.core.python,
        ),
    )
    python.chmod(0o755)
    one_node.write("library/recorder.py", RECORDER)

    run = one_node.set_up(
        "-v",
        more=f"    flashduty_control_node_python: {python}\n    ansible_package_use: ansible.legacy.recorder{more}",
    )

    assert run.rc == 0, run.output
    # A task that was skipped says so in the next line.
    ran = [
        name
        for name in INSTALLERS.values()
        if f": {name}]" in run.stdout
        and "skipping" not in run.stdout.split(f": {name}]")[1].split("\n")[1]
    ]
    assert ran == ([] if installed is None else [INSTALLERS[is_system]])
    assert (f"installs {installed}, present" in run.stdout) is bool(installed)


@pytest.mark.thorough
def test_the_url_of_the_database_is_a_secret_like_a_key(one_node: ControlNode) -> None:
    node = one_node
    node.config.write_text(f"[flashduty]\nstate_url = {STATE_URL}\n")
    file = node.key.with_name("state_url")

    run = node.set_up("--diff", "-vvv", more=OPTIONS + WITH_STATE)

    assert changed(run) > 0
    assert file.read_text() == STATE_URL + "\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "state_url_file = ~/.config/flashduty/state_url" in node.config.read_text()
    for text in (run.output, node.config.read_text()):
        assert "s3cret-word" not in text

    node.set_up("--extra-vars", "state=absent", more=OPTIONS + WITH_STATE)

    assert not file.exists()
    assert not node.config.exists()


@pytest.mark.thorough
def test_a_callback_that_ansible_does_not_find_is_a_failure(
    one_node: ControlNode,
) -> None:
    one_node.write(
        "bin/ansible", f"#!/bin/sh\nexec {one_node.core.bin('ansible')} \"$@\"\n"
    ).chmod(0o755)
    one_node.write("bin/ansible-doc", "#!/bin/sh\necho '{}'\n").chmod(0o755)

    run = one_node.set_up(
        ansible=str(one_node.folder / "bin" / "ansible"), verify="true"
    )

    assert run.rc == 2
    assert "Check that Ansible finds the callback" in run.stdout


@pytest.mark.parametrize(
    "option", ["push_url: 'https://e.example/'", f"state_url: '{STATE_URL}'"]
)
def test_a_key_among_the_options_is_refused(one_node: ControlNode, option: str) -> None:
    run = one_node.set_up(more=f"    flashduty_control_node_options: {{{option}}}")

    assert run.rc == 2
    assert "A key does not belong into flashduty_control_node_options" in " ".join(
        run.output.split()
    )
    assert not one_node.config.exists()


@pytest.mark.thorough
def test_a_configuration_that_ansible_cannot_read_is_left_alone(
    one_node: ControlNode,
) -> None:
    one_node.config.write_text("[defaults]\nforks\n")

    run = one_node.set_up()

    assert run.rc == 2
    assert "no ini file" in run.output
    assert one_node.config.read_text() == "[defaults]\nforks\n"


SYSTEMCTL = """\
#!/bin/sh
echo "$*" >> "{log}"
case "$*" in
*is-enabled*) exit 1 ;;
*show*) printf 'LoadState=loaded\\nActiveState=inactive\\nUnitFileState=disabled\\n' ;;
esac
"""
TIMER = """
    flashduty_control_node_timer: {timer}
    flashduty_control_node_timer_every: {every}
"""


@pytest.mark.any_core
@pytest.mark.thorough
def test_a_timer_looks_after_runs_and_goes_again(
    one_node: ControlNode,
) -> None:
    """systemd itself is not here: what it would be asked to do is written down, and it checks the units."""
    node = one_node
    units = node.folder / "units"
    log = node.folder / "systemctl.log"
    tools = node.folder / "tools"
    tools.mkdir()
    (tools / "systemctl").write_text(SYSTEMCTL.format(log=log))
    (tools / "systemctl").chmod(0o755)
    (tools / "loginctl").symlink_to("systemctl")
    path = {"PATH": f"{tools}:{os.environ['PATH']}", "ANSIBLE_PIPELINING": "1"}

    def set_up(timer: str) -> PlaybookRun:
        facts = {
            "ansible": node.core.bin("ansible"),
            "config": str(node.config),
            "key": KEY,
            "change_key": CHANGE_KEY,
            "verify": "false",
        }
        more = TIMER.format(timer=timer, every="10min")
        # Nothing but an extra variable overrides what the role itself sets; this machine's own units stay alone.
        return node.run(
            PLAYBOOK.format(more=more, **facts),
            "--extra-vars",
            f"_flashduty_control_node_units={units}",
            environment=path,
        )

    there = set_up("true")
    service = (units / "flashduty-housekeeping.service").read_text()
    timer = (units / "flashduty-housekeeping.timer").read_text()
    asked = log.read_text()
    verified = subprocess.run(
        ["systemd-analyze", "verify", *map(str, units.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    gone = set_up("false")

    assert there.rc == 0, there.output
    assert (
        f'ExecStart="{node.core.bin("ansible-playbook")}" flashcat.flashduty.housekeeping'
        in service
    )
    assert f'Environment="ANSIBLE_CONFIG={node.config}"' in service
    assert "OnUnitActiveSec=10min" in timer
    assert "enable flashduty-housekeeping.timer" in asked
    assert "start flashduty-housekeeping.timer" in asked
    assert verified.stderr.count("flashduty-housekeeping") == 0, verified.stderr
    assert gone.rc == 0, gone.output
    assert list(units.iterdir()) == []


RUNNING_TIMER = """\
#!/bin/sh
echo "$*" >> "{log}"
case "$*" in
*show*) printf 'LoadState=loaded\\nActiveState=active\\nUnitFileState=enabled\\n' ;;
esac
"""
REMOVE_TIMER = """\
- name: Remove the timer
  hosts: all
  gather_facts: false
  tasks:
    - name: Remove the timer
      ansible.builtin.include_role:
        name: flashcat.flashduty.control_node
        tasks_from: no_timer.yml
"""


@pytest.mark.any_core
def test_a_timer_goes_whether_systemd_runs_or_not(one_node: ControlNode) -> None:
    node = one_node
    log = node.folder / "systemctl.log"
    systemctl = node.write("tools/systemctl", RUNNING_TIMER.format(log=log))
    systemctl.chmod(0o755)
    machines = {name: node.folder / name for name in ("machine", "container")}
    for folder in machines.values():
        wants = folder / "timers.target.wants"
        wants.mkdir(parents=True)
        for suffix in ("timer", "service"):
            folder.joinpath(f"flashduty-housekeeping.{suffix}").touch()
        wants.joinpath("flashduty-housekeeping.timer").symlink_to(
            folder / "flashduty-housekeeping.timer"
        )
    (node.folder / "booted-machine").mkdir()
    values = {
        "_flashduty_control_node_units": f"{node.folder}/{{{{ inventory_hostname }}}}",
        "_flashduty_control_node_booted": f"{node.folder}/booted-{{{{ inventory_hostname }}}}",
        "_flashduty_control_node_scope": "system",
        "_flashduty_control_node_session": {},
    }

    run = node.run(
        REMOVE_TIMER,
        "--extra-vars",
        json.dumps(values),
        inventory=inventory_of(*machines),
        environment={"PATH": f"{systemctl.parent}:{os.environ['PATH']}"},
    )

    assert run.rc == 0, run.output
    asked = log.read_text().splitlines()
    for what in ("stop ", "disable ", "daemon-reload"):
        assert sum(what in line for line in asked) == 1, asked
    for folder in machines.values():
        assert [path.name for path in folder.rglob("*")] == ["timers.target.wants"]


@pytest.mark.thorough
def test_a_key_that_comes_out_empty_leaves_the_file_alone(
    one_node: ControlNode,
) -> None:
    one_node.config.write_text(CONFIGURATION)
    one_node.set_up()
    before = one_node.files()

    empty = "\"{{ lookup('env', 'NO_SUCH_KEY') }}\""
    again = one_node.set_up(key=empty, change_key='""')

    assert changed(again) == 0
    assert one_node.files() == before


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"key": '"https://x.example/push?integration_key=abc"'}, "is a URL"),
        ({"change_key": '"0a1b 2c3d"'}, "it has a space"),
        (
            {"more": OPTIONS.replace("label_vars", "label_var")},
            "There is no option label_var. Did you mean label_vars?",
        ),
        (
            {"more": "    flashduty_control_node_state_url: db.x.example/automation"},
            "flashduty_control_node_state_url is not a libpq connection URI",
        ),
    ],
    ids=["URL", "space", "option", "state_url"],
)
def test_what_cannot_be_right_is_refused(
    one_node: ControlNode, values: dict[str, str], words: str
) -> None:
    before = one_node.files()

    run = one_node.set_up(**values)

    assert run.rc == 2
    assert words in " ".join(run.output.split())
    assert "x.example" not in run.output
    assert one_node.files() == before


@pytest.mark.thorough
def test_a_variable_that_is_not_read_is_said(one_node: ControlNode) -> None:
    run = one_node.set_up(
        "--check", more=OPTIONS + "    flashduty_control_node_stat: present\n"
    )

    assert run.rc == 0, run.output
    assert "Did you mean flashduty_control_node_state?" in " ".join(run.output.split())


def test_what_the_machine_says_decides_nothing(node: ControlNode) -> None:
    facts = {
        "flashduty_control_node_integration_key": "0" * 32,
        "flashduty_control_node_integration_key_file": str(node.folder / "elsewhere"),
        "flashduty_control_node_state": "absent",
        "flashduty_control_node_options": {"api_url": "http://127.0.0.1:9"},
        "flashduty_control_node_pip_extra_args": "--index-url http://127.0.0.1:9",
        "flashduty_control_node_python": "/bin/false",
        "_flashduty_control_node_probe": "raise SystemExit",
    }
    node.write("answer.json", json.dumps({"ansible_facts": facts}))
    node.write("library/look", f"#!/bin/sh\ncat {node.folder}/answer.json\n").chmod(
        0o755
    )
    node.write(
        "group_vars/all.yml",
        f"""\
        flashduty_control_node_options: {{labels: {{env: test}}}}
        flashduty_control_node_integration_key: {KEY}
        """,
    )

    run = node.run(
        f"""\
        - hosts: localhost
          gather_facts: false
          vars:
            flashduty_control_node_ansible: {node.core.bin("ansible")}
            flashduty_control_node_config: {node.config}
            flashduty_control_node_verify: false
          tasks:
            - look:
            - ansible.builtin.include_role:
                name: flashcat.flashduty.control_node
        """,
        inventory=inventory_of("localhost"),
    )

    assert run.rc == 0, run.output
    assert node.key.read_text() == KEY + "\n"
    assert not (node.folder / "elsewhere").exists()
    written = node.config.read_text()
    assert 'labels = {"env": "test"}' in written
    assert "127.0.0.1:9" not in written
    said = " ".join(run.output.split())
    for name in facts:
        if name.startswith("flashduty_"):
            assert said.count(f"localhost has set the variable {name} as a fact") == 1
