# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t

import yaml
from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    silence_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.open_api import (
    OpenApiClient,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.silences import (
    Silence,
    only_excludes,
    read_comment,
    read_end,
    read_filters,
    read_name,
    slack_of,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.silencing import (
    Outcome,
    check_channel,
    find_channel,
    remove_silence,
    set_silence,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.base import (
    ControllerAction,
    Result,
    as_utc,
)

# What a person compares: not who has changed it when.
_SHOWN = (
    "rule_name",
    "description",
    "time_filter",
    "filters",
    "is_directly_discard",
    "status",
)


class ActionModule(ControllerAction):
    """Set or remove a silence of a channel."""

    mutually_exclusive = [["channel", "channel_id"], ["for", "until"]]

    def argument_spec(self) -> dict[str, t.Any]:
        return silence_argument_spec()

    def perform(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        now = time.time()
        check_channel(options["channel"], options["channel_id"])
        if not options["channel"] and not options["channel_id"]:
            raise ConfigurationError(
                "A silence needs exactly one of channel and channel_id.",
                option="channel",
            )
        connection = self.resolve_open_api(options)
        wanted = _wanted(options, now)
        if wanted and only_excludes(wanted.filters):
            self.warn(
                "A group of conditions of the silence has nothing but NOTIN, so it matches every alert of the channel"
                " but those that are named, also alerts that do not have such a label at all."
            )
        dry = bool(self._task.check_mode)
        with OpenApiClient(connection) as client:
            channel_id = options["channel_id"] or find_channel(
                client, options["channel"]
            )
            if wanted is None:
                name = read_name(options["name"])
                outcome = remove_silence(client, channel_id, name, dry=dry)
            else:
                outcome = set_silence(
                    client,
                    wanted.in_channel(channel_id),
                    now=now,
                    slack=slack_of(options["for"]),
                    dry=dry,
                )
        result = _result(outcome)
        if self._task.diff and outcome.changed:
            result["diff"] = _difference(outcome)
        if wanted and not result["effective"]:
            self.warn(
                "The silence is not in effect: compare the clock of this machine with that of Flashduty."
            )
        return result


def _wanted(options: dict[str, t.Any], now: float) -> Silence | None:
    """Return the silence that a task describes, of no channel yet; None when there is to be none."""
    if options["state"] == "absent":
        return None
    return Silence(
        channel_id=0,
        name=read_name(options["name"]),
        start=int(now),
        end=read_end(options["for"], options["until"], now=now),
        filters=read_filters(options["labels"], options["filters"]),
        comment=read_comment(options["comment"]),
        discard=options["discard"],
    )


def _result(outcome: Outcome) -> Result:
    silence = outcome.after
    end = silence["time_filter"]["end_time"] if silence else None
    return {
        "changed": outcome.changed,
        "rule_id": (silence or outcome.before or {}).get("rule_id"),
        "silence": silence,
        "effective": bool(silence and silence.get("is_effective")),
        "until": as_utc(end) if end else None,
        "request_id": outcome.request_id,
    }


def _difference(outcome: Outcome) -> Result:
    return {
        "before_header": "silence",
        "after_header": "silence",
        "before": _as_yaml(outcome.before),
        "after": _as_yaml(outcome.after),
    }


def _as_yaml(silence: dict[str, t.Any] | None) -> str:
    if silence is None:
        return ""
    shown = {name: silence.get(name) for name in _SHOWN}
    shown["time_filter"] = {
        name: as_utc(seconds)
        for name, seconds in (silence.get("time_filter") or {}).items()
    }
    return str(yaml.safe_dump(shown, allow_unicode=True, sort_keys=False, width=1000))
