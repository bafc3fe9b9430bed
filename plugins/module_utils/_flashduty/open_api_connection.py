# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""How to reach the Open API. Without the HTTP library, like the connection to an integration."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .connection import Connection, Wording

_OPEN_API = Wording(
    request="request",
    key="app key",
    url_options="api_url",
    hints={
        "InvalidParameter": "Check the options of the task.",
        "Unauthorized": "Check app_key or app_key_file: an integration key does not serve here."
        " App keys are made in the Flashduty console, under the account.",
        "AccessDenied": "The account that the app key belongs to may not do this: give it the right to manage the"
        " channel, or use the key of an account that has it.",
        "RequestTooFrequently": "Make fewer calls: an account may make 50 a second and 1,000 a minute.",
        "RouteNotFound": "The URL is wrong: check api_url (the default is https://api.flashcat.cloud).",
    },
)


@dataclass(frozen=True)
class OpenApiConnection(Connection):
    """How to reach the Open API.

    :param integration_key: the app key, which takes the place of an integration key.
    :param url: the address of the API, without the path of a call.
    """

    parameter: t.ClassVar[str] = "app_key"
    wording: t.ClassVar[Wording] = _OPEN_API
