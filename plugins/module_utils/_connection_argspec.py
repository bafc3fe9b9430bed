# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The options that say how to reach Flashduty, which all modules have. Read at each start of Ansible, for their names."""

from __future__ import annotations

import typing as t


def connection_argument_spec() -> dict[str, t.Any]:
    """Return a fresh argument spec of the options that say how to reach Flashduty, and where the state is.

    There are no defaults: an option that the task does not set may be set elsewhere.
    """
    return {
        "integration_key": {"type": "str", "no_log": True},
        "integration_key_file": {"type": "path", "no_log": False},
        "push_url": {"type": "str", "no_log": True},
        "api_url": {"type": "str"},
        "validate_certs": {"type": "bool"},
        "ca_path": {"type": "path"},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path", "no_log": False},
        "use_proxy": {"type": "bool"},
        "timeout": {"type": "float"},
        "retries": {"type": "int"},
        "state_path": {"type": "path"},
        "state_url": {"type": "str", "no_log": True},
        "state_url_file": {"type": "path", "no_log": False},
        # All modules take what follows, so that one module_defaults serves all: the key for changes, and the Open API's.
        "change_integration_key": {"type": "str", "no_log": True},
        "change_integration_key_file": {"type": "path", "no_log": False},
        "change_push_url": {"type": "str", "no_log": True},
        "app_key": {"type": "str", "no_log": True},
        "app_key_file": {"type": "path", "no_log": False},
    }


def configurable_options() -> set[str]:
    """Return the options of modules that the environment and ansible.cfg may hold, too."""
    return {*connection_argument_spec(), "max_in_flight", "rate_limit"}
