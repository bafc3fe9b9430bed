# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Encrypt with ansible-vault, as an author of playbooks does."""

from __future__ import annotations

import subprocess

from tests.tools.playbooks import Workspace


class Vault:
    """A vault whose password lies in the folder of a test."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.password_file = workspace.write("password", "the vault's own password\n")

    def encrypt(self, text: str) -> str:
        """Return a text as the content of a vaulted file or value."""
        return subprocess.run(
            [
                *(self._workspace.core.bin("ansible-vault"), "encrypt"),
                *("--output", "-", "--vault-password-file", str(self.password_file)),
            ],
            input=text,
            env=self._workspace.core.environment(self._workspace.home),
            cwd=self._workspace.folder,
            text=True,
            capture_output=True,
            check=True,
        ).stdout
