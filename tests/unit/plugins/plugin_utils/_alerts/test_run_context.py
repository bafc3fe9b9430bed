# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of a run."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.run_context import (
    RunContext,
    collect_run_context,
    identify_playbook,
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


def test_in_git_the_path_below_its_folder_identifies(tmp_path: Path) -> None:
    for checkout in ("one", "two/three"):
        (tmp_path / checkout / ".git").mkdir(parents=True)
        playbook = tmp_path / checkout / "plays" / "site.yml"

        assert identify_playbook(str(playbook)) == "plays/site.yml"


def test_a_worktree_has_a_file_named_git(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: elsewhere")

    assert identify_playbook(str(tmp_path / "site.yml")) == "site.yml"


def test_elsewhere_the_path_below_the_working_directory_identifies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert identify_playbook(str(tmp_path / "plays" / "site.yml")) == "plays/site.yml"
    assert identify_playbook("plays/site.yml") == "plays/site.yml"
    assert identify_playbook("./site.yml") == "site.yml"


def test_a_symbolic_link_to_the_working_directory_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / "real")

    assert identify_playbook(str(tmp_path / "link" / "site.yml")) == "site.yml"


def test_what_is_in_none_of_these_has_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    playbook = str(tmp_path / "site.yml")

    assert identify_playbook(playbook) == playbook


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
    expected = identity or os.path.relpath(path, os.getcwd())

    assert identify_playbook(path) in (expected, path)
    assert identity is None or identify_playbook(path) == identity


def test_the_option_comes_before_the_path() -> None:
    assert describe(playbook_id="nightly").playbook_id == "nightly"


def test_an_ad_hoc_command_is_known_by_its_module() -> None:
    run = describe("__adhoc_playbook__", ad_hoc_action="ping")

    assert (run.playbook, run.playbook_id) == ("ad-hoc ping", "ad-hoc:ping")


def test_playbook_and_namespace_are_the_origin() -> None:
    origins = {
        describe(playbook_id=name, namespace=namespace).origin
        for name in ("a", "b", "a b")
        for namespace in ("", "a", "b")
    }

    assert len(origins) == 9


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
