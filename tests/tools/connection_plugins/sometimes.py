# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection to hosts that do not answer while a file says so, and write down when they do."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as LocalConnection

DOCUMENTATION = """
name: sometimes
short_description: Connects to this machine, but for some time
description: While a file exists, the host does not answer. Else the file C(log) beside it is told of each connection.
author: Flashcat
extends_documentation_fragment: [connection_pipelining]
options:
  gone_file:
    description: The file, named after the host, with any extension.
    type: str
    required: true
    vars: [{name: gone_file}]
"""


class Connection(LocalConnection):
    transport = "sometimes"

    def _connect(self) -> t.Any:
        gone = Path(self.get_option("gone_file"))
        if gone.exists():
            raise AnsibleConnectionFailure("Nobody answers.")
        if not self._connected:
            with (gone.parent / "log").open("a") as log:
                log.write(f"connected {gone.stem}\n")
        return super()._connect()
