# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.project import (
    checkout_of,
    identify_playbook,
)


def checkout(folder: Path, url: str = "") -> Path:
    """Return a checkout with a remote, as Git writes it."""
    (folder / ".git").mkdir(parents=True)
    remote = f'[remote "origin"]\n\turl = {url}\n\tfetch = +refs/heads/*\n'
    (folder / ".git" / "config").write_text(
        "[core]\n\tbare = false\n" + (remote if url else "")
    )
    return folder


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/example/shop.git",
        "https://github.com/example/shop",
        "https://github.com/example/shop/",
        "https://ann:token@git.example.com:8443/example/shop.git",
        "http://gitlab-ci-token:abc@gitlab.example.com/example/shop.git",
        "git@github.com:example/shop.git",
        "github.com:example/shop",
        "ssh://git@github.com:22/example/shop.git",
        "git://github.com/example/shop.git/",
        "git+ssh://git@github.com/example/shop.git",
        '"https://github.com/example/shop.git"',
        "https://dev.azure.com/example/_git/shop",
        "git@ssh.dev.azure.com:v3/example/shop",
    ],
)
def test_the_remote_names_the_project_whatever_the_protocol(
    tmp_path: Path, url: str
) -> None:
    folder = checkout(tmp_path / "anywhere", url)

    assert (
        identify_playbook(str(folder / "plays" / "site.yml"))
        == "example/shop:plays/site.yml"
    )


def test_without_a_remote_the_folder_does(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "shop")
    (folder / ".git" / "config").write_text(
        '[remote "upstream"]\n url = https://x/other/thing\n[branch "origin"]\n url = no\n'
    )

    assert identify_playbook(str(folder / "site.yml")) == "shop:site.yml"


def test_two_projects_never_share_an_identity(tmp_path: Path) -> None:
    shop = checkout(tmp_path / "a" / "x", "https://github.com/example/shop")
    search = checkout(tmp_path / "b" / "x", "https://github.com/example/search")

    assert identify_playbook(f"{shop}/site.yml") != identify_playbook(
        f"{search}/site.yml"
    )


def test_worktrees_and_submodules(tmp_path: Path) -> None:
    def git(folder: Path, *arguments: str) -> None:
        subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *arguments],
            cwd=folder,
            check=True,
            capture_output=True,
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(tmp_path),
                **{
                    f"GIT_{who}_{what}": "a@example.com"
                    for who in ("AUTHOR", "COMMITTER")
                    for what in ("NAME", "EMAIL")
                },
            },
        )

    for name in ("shop", "common"):
        (tmp_path / name).mkdir()
        git(tmp_path / name, "init", "-q")
        git(tmp_path / name, "commit", "-q", "--allow-empty", "-m", "x")
        git(
            tmp_path / name,
            *("remote", "add", "origin", f"git@github.com:example/{name}.git"),
        )
    git(tmp_path / "shop", "worktree", "add", "-q", "../tree", "-b", "branch")
    git(tmp_path / "shop", "submodule", "add", "-q", f"{tmp_path}/common", "sub")

    assert identify_playbook(f"{tmp_path}/tree/site.yml") == "example/shop:site.yml"
    # Its remote is what it was cloned from.
    assert identify_playbook(f"{tmp_path}/shop/sub/site.yml").endswith(
        "common:site.yml"
    )
    assert checkout_of(f"{tmp_path}/tree/plays/site.yml") == f"{tmp_path}/tree"


def test_a_copy_that_awx_makes_of_its_own_copy_tells_projects_apart(
    tmp_path: Path,
) -> None:
    """Source: AWX, which clones its own clone into each job, always into the same folder."""
    found = {
        identify_playbook(
            f"{checkout(tmp_path / name / 'project', f'file:///var/lib/awx/projects/{name}')}/site.yml"
        )
        for name in ("_8__shop", "_9__search")
    }

    assert found == {
        "var/lib/awx/projects/_8__shop:site.yml",
        "var/lib/awx/projects/_9__search:site.yml",
    }


def test_a_symbolic_link_to_the_checkout_does_not_matter(tmp_path: Path) -> None:
    checkout(tmp_path / "real", "https://github.com/example/shop")
    (tmp_path / "real" / "site.yml").touch()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "site.yml").symlink_to("real/site.yml")

    assert identify_playbook(f"{tmp_path}/link/site.yml") == "example/shop:site.yml"
    assert identify_playbook(f"{tmp_path}/site.yml") == "example/shop:site.yml"


def test_outside_of_git_it_is_the_path_from_wherever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site.yml").touch()
    monkeypatch.chdir(tmp_path)
    expected = str(tmp_path.resolve() / "site.yml")

    assert identify_playbook(str(tmp_path / "site.yml")) == expected
    assert identify_playbook("site.yml") == expected


def test_files_of_git_that_cannot_be_understood(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / ".git").write_text("no such thing")

    assert identify_playbook(f"{folder}/site.yml") == "shop:site.yml"


@pytest.mark.parametrize("file", ["config", "HEAD"])
def test_a_pipe_or_a_device_in_the_place_of_a_file_of_git_holds_nothing_up(
    tmp_path: Path, file: str
) -> None:
    git = checkout(tmp_path / "shop") / ".git"
    (git / file).unlink(missing_ok=True)
    os.mkfifo(git / file)
    endless = checkout(tmp_path / "search") / ".git" / file
    endless.unlink(missing_ok=True)
    endless.symlink_to("/dev/zero")

    assert identify_playbook(f"{tmp_path}/shop/site.yml") == "shop:site.yml"
    assert identify_playbook(f"{tmp_path}/search/site.yml") == "search:site.yml"
