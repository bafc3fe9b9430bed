# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of a run."""

from __future__ import annotations

import os
import socket
import typing as t
from pathlib import Path

import pytest
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.project import (
    identify_playbook,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.run_context import (
    RunContext,
    collect_run_context,
    is_partial,
)


def describe(path: str | Path = "/srv/site.yml", **changes: t.Any) -> RunContext:
    facts: dict[str, t.Any] = {
        "playbook_path": str(path),
        "ad_hoc_action": "",
        "cli": {},
        "environ": {},
        "extra_vars": {},
        "playbook_id": "",
        "namespace": "",
    }
    return collect_run_context(**{**facts, **changes})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, False),
        ({"tags": ["all"], "skip_tags": [], "subset": "web"}, False),
        (
            {"tags": ("all",), "check": False, "step": None, "start_at_task": None},
            False,
        ),
        ({"tags": ["web"]}, True),
        ({"tags": ["all", "never"]}, True),
        ({"skip_tags": ["slow"]}, True),
        ({"start_at_task": "Deploy"}, True),
        ({"step": True}, True),
        ({"check": True}, True),
    ],
)
def test_a_run_of_a_part(options: dict[str, t.Any], expected: bool) -> None:
    assert is_partial(options) is expected


@pytest.mark.parametrize(
    ("path", "identity"),
    [
        ("/x/ansible_collections/ns/name/playbooks/site.yml", "ns.name.site"),
        ("/x/ansible_collections/ns/name/playbooks/web/site.yaml", "ns.name.web.site"),
        ("/playbooks/ansible_collections/ns/name/playbooks/site.yml", "ns.name.site"),
        ("/playbooks/ansible_collections/ns/name/tests/site.yml", None),
        ("/ansible_collections/playbooks/site.yml", None),
        ("/ansible_collections", None),
    ],
)
def test_a_playbook_of_a_collection_is_known_by_its_full_name(
    path: str, identity: str | None
) -> None:
    assert identify_playbook(path) == (identity or path)


def test_the_option_comes_before_the_path() -> None:
    assert describe(playbook_id="nightly").playbook_id == "nightly"


def test_an_ad_hoc_command_is_known_by_its_module() -> None:
    run = describe("__adhoc_playbook__", ad_hoc_action="ping")

    assert run.is_ad_hoc and not describe().is_ad_hoc

    assert (run.playbook, run.playbook_id) == ("ad-hoc ping", "ad-hoc:ping")


def test_localhost_is_this_machine() -> None:
    run = describe()

    assert run.resource("web1") == "web1"
    for name in ("localhost", "127.0.0.1", "::1"):
        assert run.resource(name) == run.controller


def test_what_was_asked_for_becomes_labels() -> None:
    run = describe(
        cli={
            "tags": ["a", "b"],
            "skip_tags": ["c"],
            "subset": "web:!web1",
            "check": True,
        }
    )

    assert run.system["tags"] == "a,b"
    assert run.system["skip_tags"] == "c"
    assert run.system["limit"] == "web:!web1"
    assert run.limited and run.check
    assert run.system["user"]


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)

    assert describe().system["user"] == "54321"


@pytest.mark.parametrize(
    ("environ", "report"),
    [
        (
            {
                "ARA_API_CLIENT": "http",
                "ARA_API_SERVER": "https://me:hush@ara.example.com/a/",
            },
            "https://ara.example.com/a/?path=%2Fsrv%2Fsite.yml&controller=control1",
        ),
        ({"ARA_API_CLIENT": "offline", "ARA_API_SERVER": "https://ara.x"}, None),
        ({"ARA_API_CLIENT": "http", "ARA_API_SERVER": "javascript:alert(1)"}, None),
        ({"ARA_API_SERVER": "https://ara.example.com"}, None),
    ],
)
def test_what_ara_has_recorded_is_linked(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], report: str | None
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "control1")

    assert describe(environ=environ).system.get("report_url") == report


SYSTEMS: dict[str, tuple[dict[str, str], dict[str, t.Any], dict[str, str]]] = {
    "awx": (
        {"AWX_HOST": "https://awx.example.com/", "JOB_ID": "7"},
        {"awx_job_id": 7, "awx_job_template_name": "Nightly", "awx_user_name": "ann"},
        {
            "system": "awx",
            "job_id": "7",
            "job_url": "https://awx.example.com/#/jobs/playbook/7",
            "job_template": "Nightly",
            "user": "ann",
        },
    ),
    "tower": (
        {},
        {"tower_job_id": "7", "tower_job_template_name": "Nightly"},
        {"system": "awx", "job_id": "7", "job_template": "Nightly"},
    ),
    "gitlab": (
        {
            "GITLAB_CI": "true",
            "CI_JOB_ID": "9",
            "CI_JOB_URL": "https://gitlab.example.com/g/p/-/jobs/9",
            "GITLAB_USER_LOGIN": "ben",
        },
        {},
        {
            "system": "gitlab",
            "job_id": "9",
            "job_url": "https://gitlab.example.com/g/p/-/jobs/9",
            "user": "ben",
        },
    ),
    "github": (
        {
            "GITHUB_ACTIONS": "true",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_RUN_ID": "11",
            "GITHUB_ACTOR": "cy",
        },
        {},
        {
            "system": "github",
            "job_id": "11",
            "job_url": "https://github.com/o/r/actions/runs/11",
            "user": "cy",
        },
    ),
    "jenkins": (
        {
            "JENKINS_URL": "https://ci.example.com/",
            "BUILD_TAG": "jenkins-x-4",
            "BUILD_URL": "https://ci.example.com/job/x/4/",
        },
        {},
        {
            "system": "jenkins",
            "job_id": "jenkins-x-4",
            "job_url": "https://ci.example.com/job/x/4/",
        },
    ),
    "none": ({"JOB_ID": "5", "CI": "true"}, {"awx_job_id": ["x"]}, {}),
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_surrounding_system_becomes_labels(system: str) -> None:
    environ, extra_vars, labels = SYSTEMS[system]

    run = describe(environ=environ, extra_vars=extra_vars)

    user = {} if "user" in labels else {"user": run.system["user"]}
    assert run.system == {**labels, **user}


def test_in_awx_localhost_is_the_job_template() -> None:
    run = describe(extra_vars={"awx_job_id": 1, "awx_job_template_name": "Nightly"})

    assert run.resource("localhost") == "Nightly"


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        (
            {"GITLAB_CI": "true", "CI_PROJECT_PATH": "g/p", "CI_JOB_NAME": "nightly"},
            "g/p/nightly",
        ),
        (
            {
                "GITHUB_ACTIONS": "true",
                "GITHUB_REPOSITORY": "o/r",
                "GITHUB_WORKFLOW": "CI",
                "GITHUB_JOB": "deploy",
            },
            "o/r/CI/deploy",
        ),
        ({"JENKINS_URL": "https://ci", "JOB_NAME": "folder/nightly"}, "folder/nightly"),
        ({"BUILDKITE": "true", "BUILDKITE_PIPELINE_SLUG": "p"}, "p"),
    ],
)
def test_where_machines_are_made_anew_localhost_is_the_job(
    environ: dict[str, str], name: str
) -> None:
    assert describe(environ=environ).resource("localhost") == name
    assert describe(environ=environ).resource("web1") == "web1"


def test_a_playbook_from_a_pipe_cannot_be_known_again() -> None:
    assert not describe("/dev/null").is_known_again
    assert describe("/dev/null", playbook_id="nightly").is_known_again
