# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The argument specs of all modules, which their action plugins use, too."""

from __future__ import annotations

import typing as t

from ._connection_argspec import connection_argument_spec
from ._flashduty.events import ALERT_STATUSES, CHANGE_STATUSES


def _channel_argument_spec() -> dict[str, t.Any]:
    return {"channel": {"type": "str"}, "channel_id": {"type": "int"}}


def silence_argument_spec() -> dict[str, t.Any]:
    """Return a fresh argument spec, shared by the module and the action plugin."""
    return {
        **connection_argument_spec(),
        **_channel_argument_spec(),
        "state": {
            "type": "str",
            "choices": ["present", "absent"],
            "default": "present",
        },
        "name": {"type": "str", "required": True},
        "labels": {"type": "dict"},
        "filters": {"type": "list", "elements": "raw"},
        "for": {"type": "raw"},
        "until": {"type": "raw"},
        "comment": {"type": "str"},
        "discard": {"type": "bool", "default": False},
    }


def alert_info_argument_spec() -> dict[str, t.Any]:
    """Return a fresh argument spec, shared by the module and the action plugin."""
    return {
        **connection_argument_spec(),
        **_channel_argument_spec(),
        "keys": {"type": "list", "elements": "str", "no_log": False},
        "open": {"type": "bool", "default": True},
        "severity": {
            "type": "list",
            "elements": "str",
            "choices": ["Critical", "Warning", "Info"],
        },
        "labels": {"type": "dict"},
        "since": {"type": "raw"},
        "limit": {"type": "int", "default": 100},
    }


def _sending_argument_spec() -> dict[str, t.Any]:
    return {
        "queue_on_failure": {"type": "bool", "default": False},
        "send_from": {
            "type": "str",
            "choices": ["controller", "target"],
            "default": "controller",
        },
    }


def alert_event_argument_spec() -> dict[str, t.Any]:
    """Return a fresh argument spec, shared by the module and the action plugin."""
    return {
        **connection_argument_spec(),
        **_sending_argument_spec(),
        "title_rule": {"type": "str", "required": True, "aliases": ["title"]},
        "event_status": {
            "type": "str",
            "required": True,
            "choices": list(ALERT_STATUSES),
        },
        "alert_key": {"type": "str", "no_log": False},
        "event_time": {"type": "int"},
        "description": {"type": "str"},
        "labels": {"type": "dict"},
        "images": {
            "type": "list",
            "elements": "dict",
            "options": {
                "src": {"type": "str", "required": True},
                "alt": {"type": "str"},
                "href": {"type": "str"},
            },
        },
    }


def change_event_argument_spec() -> dict[str, t.Any]:
    """Return a fresh argument spec, shared by the module and the action plugin."""
    return {
        **connection_argument_spec(),
        **_sending_argument_spec(),
        "change_key": {"type": "str", "required": True, "no_log": False},
        "change_status": {
            "type": "str",
            "required": True,
            "choices": list(CHANGE_STATUSES),
        },
        "title": {"type": "str", "required": True},
        "event_time": {"type": "int"},
        "description": {"type": "str"},
        "link": {"type": "str"},
        "labels": {"type": "dict"},
    }


def outbox_info_argument_spec() -> dict[str, t.Any]:
    """Return a fresh argument spec, shared by the module and the action plugin."""
    return {
        **connection_argument_spec(),
        "limit": {"type": "int", "default": 100},
    }


def connection_info_argument_spec() -> dict[str, t.Any]:
    """Return a fresh argument spec, shared by the module and the action plugin."""
    return {
        **connection_argument_spec(),
        "show": {"type": "bool", "default": False},
    }


def _delivering_argument_spec() -> dict[str, t.Any]:
    return {
        "wait": {"type": "float", "default": 60.0},
        "max_in_flight": {"type": "int"},
        "rate_limit": {"type": "int"},
    }


def outbox_flush_argument_spec() -> dict[str, t.Any]:
    """Return a fresh argument spec, shared by the module and the action plugin."""
    return {
        **connection_argument_spec(),
        **_delivering_argument_spec(),
        "retry_undeliverable": {"type": "bool", "default": False},
        "discard_undeliverable": {"type": "bool", "default": False},
        "adopt": {"type": "bool", "default": False},
        "discard_others": {"type": "bool", "default": False},
    }


def runs_info_argument_spec() -> dict[str, t.Any]:
    """Return a fresh argument spec, shared by the module and the action plugin."""
    return {
        **connection_argument_spec(),
        "playbook": {"type": "list", "elements": "str", "default": []},
        "limit": {"type": "int", "default": 100},
    }


def runs_check_argument_spec() -> dict[str, t.Any]:
    """Return a fresh argument spec, shared by the module and the action plugin."""
    return {
        **connection_argument_spec(),
        **_delivering_argument_spec(),
        "forget": {"type": "list", "elements": "str", "default": []},
    }


def close_alerts_argument_spec() -> dict[str, t.Any]:
    """Return a fresh argument spec, shared by the module and the action plugin."""
    return {
        **connection_argument_spec(),
        **_delivering_argument_spec(),
        "alert_key": {"type": "list", "elements": "str", "no_log": False},
        "host": {"type": "list", "elements": "str"},
        "playbook": {"type": "list", "elements": "str"},
        "older_than": {"type": "str"},
    }


def deployment_step_argument_spec() -> dict[str, t.Any]:
    """Return a fresh argument spec, shared by the module and the action plugin."""
    return {
        **connection_argument_spec(),
        "step": {
            "type": "str",
            "choices": ["begin", "passed", "failed", "report"],
            "required": True,
        },
        "name": {"type": "str", "required": True},
        "version": {"type": "str", "default": ""},
        "description": {"type": "str", "default": ""},
        "link": {"type": "str", "default": ""},
        "labels": {"type": "dict", "default": {}},
        "hosts": {"type": "list", "elements": "str", "default": []},
        "alert": {"type": "bool", "default": True},
        "alert_status": {
            "type": "str",
            "choices": [status for status in ALERT_STATUSES if status != "Ok"],
            "default": "Critical",
        },
        "callback": {"type": "bool", "default": False},
        "watch": {"type": "bool", "default": True},
        "silence": {"type": "dict", "default": {}},
    }
