# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A job as AWX runs it: a private data directory, ansible-runner with its own callbacks, and the environment of a job."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from tests.emulator.control import Emulator
from tests.tools.cores import Core
from tests.tools.playbooks import inventory_of

PLAYBOOK = """
- name: Converge
  hosts: all
  gather_facts: false
  tasks:
    - name: Restart the shop
      ansible.builtin.command: "{{ command }}"
      changed_when: true
- name: Tidy up here
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Publish the report
      ansible.builtin.command: "{{ command }}"
      changed_when: true
"""


class Job:
    """What AWX lays out for one job, and how it starts it."""

    def __init__(self, folder: Path, core: Core, flashduty: Emulator) -> None:
        self._folder = folder
        self._core = core
        self._flashduty = flashduty

    def run(self, number: int, command: str) -> list[str]:
        """Run the job to its end in a container's place: with nothing that an earlier job has left."""
        # In each new container, the project is at the same place.
        data = self._folder / "runner"
        shutil.rmtree(data, ignore_errors=True)
        for name in ("project", "inventory", "env"):
            (data / name).mkdir(parents=True)
        (data / "project" / "site.yml").write_text(PLAYBOOK, encoding="utf-8")
        (data / "inventory" / "hosts").write_text(
            inventory_of("web1", "web2"), encoding="utf-8"
        )
        job = {
            "ANSIBLE_CALLBACKS_ENABLED": "flashcat.flashduty.alert_on_failure",
            # As a custom credential type would inject it.
            "FLASHDUTY_PUSH_URL": self._flashduty.push_url,
            "FLASHDUTY_RECOVERY": "stateless",
            "FLASHDUTY_STATE_PATH": str(data / "state"),
            "JOB_ID": str(number),
            "AWX_HOST": "https://awx.example.com",
        }
        (data / "env" / "envvars").write_text(json.dumps(job), encoding="utf-8")
        extra = {
            "command": command,
            "awx_job_id": number,
            "awx_job_template_name": "Converge the shop",
            "awx_user_name": "jane",
        }
        (data / "env" / "extravars").write_text(json.dumps(extra), encoding="utf-8")
        home = data / "home"
        home.mkdir()
        subprocess.run(
            [
                str(Path(sys.executable).parent / "ansible-runner"),
                "run",
                str(data),
                "-p",
                "site.yml",
                "-i",
                "1",
            ],
            env=self._core.environment(home),
            stdout=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )
        shutil.rmtree(home)
        events = sorted(
            (data / "artifacts" / "1" / "job_events").glob("*.json"),
            key=lambda path: int(path.name.partition("-")[0]),
        )
        return [
            str(json.loads(path.read_text(encoding="utf-8"))["event"])
            for path in events
        ]


def labels_of(alert: t.Mapping[str, t.Any]) -> dict[str, str]:
    return dict(alert["labels"])


def test_a_job_pages_and_the_next_good_job_closes_it_in_another_container(
    core: Core, flashduty: Emulator, tmp_path: Path
) -> None:
    job = Job(tmp_path, core, flashduty)

    events = job.run(71, "false")

    # What AWX shows of the job is whole.
    assert events[0] == "playbook_on_start"
    assert "playbook_on_stats" in events
    alerts = {labels_of(alert)["host"]: alert for alert in flashduty.alerts()}
    assert set(alerts) == {"web1", "web2"}
    labels = labels_of(alerts["web1"])
    assert labels["job_id"] == "71"
    assert labels["job_url"] == "https://awx.example.com/#/jobs/playbook/71"
    assert labels["job_template"] == "Converge the shop"
    assert labels["user"] == "jane"

    job.run(72, "true")

    assert {alert["status"] for alert in flashduty.alerts()} == {"recovered"}


@pytest.mark.thorough
def test_localhost_is_known_by_the_job_template_since_containers_have_random_names(
    core: Core, flashduty: Emulator, tmp_path: Path
) -> None:
    job = Job(tmp_path, core, flashduty)

    # Fails on localhost alone.
    job.run(81, "{{ 'false' if inventory_hostname == 'localhost' else 'true' }}")

    (alert,) = [alert for alert in flashduty.alerts() if alert["status"] == "open"]
    assert labels_of(alert)["host"] == "localhost"
    assert labels_of(alert)["resource"] == "Converge the shop"
    assert "Converge the shop" in alert["title"]
