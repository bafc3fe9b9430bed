# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What is known of the run: its playbook, its controller, whether it is complete, and the system that started it."""

from __future__ import annotations

import getpass
import json
import os
import socket
import typing as t
import urllib.parse
import uuid

from .model import NOTHING
from .project import checkout_of, identify_playbook, is_file

# The names that Ansible gives to the machine it runs on.
LOCALHOST = ("localhost", "127.0.0.1", "::1")
AD_HOC = "__adhoc_playbook__"


class RunContext(t.NamedTuple):
    """One playbook in one run of Ansible.

    :param playbook: the playbook's name for people.
    :param playbook_id: what identifies it on every control node.
    :param namespace: keeps apart installations that use the same names.
    :param project: the folder of the playbook: its Git directory, or else the one it is in.
    :param controller: the name of this machine.
    :param local_name: what stands for localhost in alerts: in AWX the job template, in a CI system the job, else the controller.
    :param check: a run with ``--check``.
    :param limited: a run with ``--limit``.
    :param is_known_again: the playbook can be told from others: it is a file, or has a ``playbook_id``.
    :param system: labels of the surrounding system: job, URL, user, tags, limit.
    :param is_ad_hoc: a command of a person, not a playbook.
    """

    run_id: str
    playbook: str
    playbook_id: str
    namespace: str
    project: str
    controller: str
    local_name: str
    check: bool
    limited: bool
    system: t.Mapping[str, str] = NOTHING
    is_known_again: bool = True
    is_ad_hoc: bool = False

    @property
    def origin(self) -> str:
        """What open alerts are remembered under. The namespace is remembered with each, since hosts have their own."""
        return self.playbook_id

    @property
    def identity(self) -> str:
        """What its runs are remembered under: the playbook, in its namespace."""
        return json.dumps([self.namespace, self.playbook_id])

    def resource(self, host: str) -> str:
        """Return what is affected when a host of the inventory is: localhost is another machine everywhere."""
        return self.local_name if host in LOCALHOST else host


def collect_run_context(
    *,
    playbook_path: str,
    ad_hoc_action: str,
    cli: t.Mapping[str, t.Any],
    environ: t.Mapping[str, str],
    extra_vars: t.Mapping[str, t.Any],
    playbook_id: str,
    namespace: str,
) -> RunContext:
    """Collect what is known when the first play starts.

    Of environment and extra variables only well-known names are read, those of AWX, of CI systems and of ARA.

    :param playbook_path: the path as ansible-core has it.
    :param ad_hoc_action: the module of an ad-hoc run; empty for a playbook.
    :param cli: the options of the command line.
    :param playbook_id: the option of that name; empty to derive it from the path.
    """
    controller = socket.gethostname() or "localhost"
    system = _ci_labels(environ, extra_vars)
    tags = [tag for tag in cli.get("tags") or () if tag != "all"]
    skipped_tags = list(cli.get("skip_tags") or ())
    limit = cli.get("subset") or ""
    for name, text in (
        ("tags", ",".join(tags)),
        ("skip_tags", ",".join(skipped_tags)),
        ("limit", str(limit)),
        ("user", system.get("user") or _user()),
    ):
        if text:
            system[name] = text
    path = os.path.abspath(playbook_path)
    if report := _ara_reports(environ, path, controller):
        system["report_url"] = report
    if ad_hoc_action:
        name = f"ad-hoc {ad_hoc_action}"
        identity = f"ad-hoc:{ad_hoc_action}"
    else:
        name = os.path.basename(playbook_path)
        identity = identify_playbook(playbook_path)
    return RunContext(
        run_id=uuid.uuid4().hex,
        playbook=name,
        playbook_id=playbook_id or identity,
        namespace=namespace,
        project=checkout_of(path) or os.path.dirname(path),
        controller=controller,
        local_name=system.get("job_template") or job_name(environ) or controller,
        check=bool(cli.get("check")),
        limited=bool(limit),
        system=system,
        is_known_again=bool(playbook_id or ad_hoc_action) or is_file(path),
        is_ad_hoc=bool(ad_hoc_action),
    )


def is_partial(cli: t.Mapping[str, t.Any]) -> bool:
    """Say whether the command line asks for a part of the playbook only, or for no changes."""
    tags = set(cli.get("tags") or ()) - {"all"}
    return bool(
        tags
        or any(
            cli.get(name) for name in ("skip_tags", "start_at_task", "step", "check")
        )
    )


# What a job is called, where machines are made anew for each of them: the first variable says which system it is.
_JOB_NAMES = (
    ("GITLAB_CI", ("CI_PROJECT_PATH", "CI_JOB_NAME")),
    ("GITHUB_ACTIONS", ("GITHUB_REPOSITORY", "GITHUB_WORKFLOW", "GITHUB_JOB")),
    ("JENKINS_URL", ("JOB_NAME",)),
    ("BUILDKITE", ("BUILDKITE_PIPELINE_SLUG", "BUILDKITE_LABEL")),
    ("CIRCLECI", ("CIRCLE_PROJECT_USERNAME", "CIRCLE_PROJECT_REPONAME", "CIRCLE_JOB")),
    ("TF_BUILD", ("SYSTEM_TEAMPROJECT", "BUILD_DEFINITIONNAME", "SYSTEM_JOBNAME")),
    ("BITBUCKET_BUILD_NUMBER", ("BITBUCKET_REPO_FULL_NAME",)),
    ("TRAVIS", ("TRAVIS_REPO_SLUG",)),
    ("DRONE", ("DRONE_REPO", "DRONE_STAGE_NAME")),
    ("TEAMCITY_VERSION", ("TEAMCITY_PROJECT_NAME", "TEAMCITY_BUILDCONF_NAME")),
    ("RD_JOB_PROJECT", ("RD_JOB_PROJECT", "RD_JOB_NAME")),
)


def job_name(environ: t.Mapping[str, str]) -> str:
    """Return what the job of a CI system is called in every run of it; empty outside of one."""
    for system, parts in _JOB_NAMES:
        if environ.get(system):
            return "/".join(filter(None, (environ.get(part) for part in parts)))
    return ""


def _ara_reports(environ: t.Mapping[str, str], path: str, controller: str) -> str:
    """
    Return the address of what ARA has recorded of a playbook, or an empty text.

    The number of a record is known to ARA's callback only, so this is a search:
    https://ara.readthedocs.io/en/latest/ara-configuration.html
    """
    server = urllib.parse.urlsplit(environ.get("ARA_API_SERVER", ""))
    if environ.get("ARA_API_CLIENT") != "http" or server.scheme not in (
        "http",
        "https",
    ):
        return ""
    # Without the name and password that it may hold.
    host = server.netloc.rpartition("@")[2]
    query = urllib.parse.urlencode({"path": path, "controller": controller})
    return f"{server.scheme}://{host}{server.path.rstrip('/')}/?{query}"


def _ci_labels(
    environ: t.Mapping[str, str], extra_vars: t.Mapping[str, t.Any]
) -> dict[str, str]:
    """Return the labels of what has started the run, as far as it says so."""

    def awx(name: str) -> str:
        # Old versions say tower, new ones awx; both set both for now.
        value = extra_vars.get(f"awx_{name}") or extra_vars.get(f"tower_{name}")
        return str(value) if isinstance(value, (str, int)) else ""

    job_id = awx("job_id") or (
        environ.get("JOB_ID", "") if "AWX_HOST" in environ else ""
    )
    if job_id:
        address = environ.get("AWX_HOST") or environ.get("TOWER_HOST") or ""
        labels = {
            "system": "awx",
            "job_id": job_id,
            "job_url": (
                f"{address.rstrip('/')}/#/jobs/playbook/{job_id}" if address else ""
            ),
            "job_template": awx("job_template_name"),
            "user": awx("user_name"),
        }
    elif environ.get("GITLAB_CI"):
        labels = {
            "system": "gitlab",
            "job_id": environ.get("CI_JOB_ID", ""),
            "job_url": environ.get("CI_JOB_URL", ""),
            "user": environ.get("GITLAB_USER_LOGIN", ""),
        }
    elif environ.get("GITHUB_ACTIONS"):
        repository = environ.get("GITHUB_REPOSITORY", "")
        run = environ.get("GITHUB_RUN_ID", "")
        server = environ.get("GITHUB_SERVER_URL", "")
        labels = {
            "system": "github",
            "job_id": run,
            "job_url": (
                f"{server}/{repository}/actions/runs/{run}"
                if server and repository and run
                else ""
            ),
            "user": environ.get("GITHUB_ACTOR", ""),
        }
    elif environ.get("JENKINS_URL"):
        labels = {
            "system": "jenkins",
            "job_id": environ.get("BUILD_TAG") or environ.get("BUILD_ID", ""),
            "job_url": environ.get("BUILD_URL", ""),
            "user": environ.get("BUILD_USER_ID", ""),
        }
    else:
        labels = {}
    return {name: text for name, text in labels.items() if text}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        # A container may run as a number that has no name.
        return str(os.getuid())
