# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import sys
import time
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    alert_info_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.alert_lists import (
    Query,
    console_of,
    describe,
    find,
    read_labels,
    read_since,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.open_api import (
    OpenApiClient,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.silencing import (
    check_channel,
    check_channel_exists,
    find_channel,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.base import (
    ControllerAction,
    Result,
)

_NOTHING: Result = {
    "changed": False,
    "alerts": [],
    "truncated": False,
    "request_id": None,
}


class ActionModule(ControllerAction):
    """Ask which alerts Flashduty holds."""

    mutually_exclusive = [["channel", "channel_id"]]

    def argument_spec(self) -> dict[str, t.Any]:
        return alert_info_argument_spec()

    def perform(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        now = time.time()
        limit = options["limit"]
        if limit < 0:
            raise ConfigurationError(
                "limit is less than 0: it must be a whole number, and 0 is all.",
                option="limit",
            )
        check_channel(options["channel"], options["channel_id"])
        connection = self.resolve_open_api(options)
        if options["keys"] == []:
            # No key matches no alert; the service would take it for all of them.
            return {**_NOTHING}
        since = read_since(options["since"], now=now)
        labels = read_labels(options["labels"])
        request_ids: list[str] = []
        with OpenApiClient(connection) as client:

            def ask(payload: dict[str, t.Any]) -> dict[str, t.Any]:
                answer = client.call("/alert/list", payload)
                request_ids.append(answer.request_id)
                return answer.data

            channel_id = options["channel_id"]
            if options["channel"]:
                channel_id = find_channel(client, options["channel"])
            query = Query(
                since,
                only_open=options["open"],
                keys=tuple(dict.fromkeys(options["keys"] or ())),
                severities=tuple(dict.fromkeys(options["severity"] or ())),
                channel_id=channel_id,
                labels=labels,
            )
            # One more tells whether there are more.
            items = list(
                itertools.islice(
                    find(query, ask, now=now),
                    # It takes no larger number.
                    min(limit + 1, sys.maxsize) if limit else None,
                )
            )
            if options["channel_id"] is not None and not items:
                check_channel_exists(client, options["channel_id"])
        shown = items[:limit] if limit else items
        shown.sort(key=lambda item: item.get("last_time") or 0, reverse=True)
        console = console_of(connection.url)
        return {
            "changed": False,
            "alerts": [describe(item, console=console) for item in shown],
            "truncated": len(items) > len(shown),
            "request_id": request_ids[-1],
        }
