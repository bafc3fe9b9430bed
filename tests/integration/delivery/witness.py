# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: witness
type: notification
short_description: Writes down which failures callbacks were told of
description:
  - It comes after the callback that is tested, so what it writes down that callback has heard in full.
"""

import os
import typing as t

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "test.delivery.witness"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        host = getattr(result, "host", None) or result._host
        file = os.open(
            os.environ["WITNESS_FILE"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )
        os.write(file, f"{host.get_name()}\n".encode())
        os.close(file)
