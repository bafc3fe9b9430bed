# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection to hosts that never answer: quicker than ssh, and the same everywhere."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: gone
short_description: Never connects
description: Never connects.
author: Flashcat
options: {}
"""


class Connection(ConnectionBase):
    transport = "gone"
    has_pipelining = True

    def _connect(self) -> t.NoReturn:
        raise AnsibleConnectionFailure("Nobody answers.")

    def exec_command(self, *args: t.Any, **kwargs: t.Any) -> t.NoReturn:
        self._connect()

    def put_file(self, *args: t.Any, **kwargs: t.Any) -> t.NoReturn:
        self._connect()

    def fetch_file(self, *args: t.Any, **kwargs: t.Any) -> t.NoReturn:
        self._connect()

    def close(self) -> None:
        pass
