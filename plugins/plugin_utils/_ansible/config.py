# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What the controller is configured with: the environment, and the section [flashduty] of ansible.cfg.

They are read here for the callback, too, although Ansible would read its options: modules need the same options, the
place that has set one is named in messages, and "which place decides the key" needs to know them all.
"""

from __future__ import annotations

import configparser
import functools
import os
import typing as t

from ansible import constants as C
from ansible_collections.flashcat.flashduty.plugins.module_utils._layers import (
    Layer,
    base_url_layer,
    defaults_layer,
    environment_layer,
    ini_layer,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._options import (
    state_path_in,
)

SECTION = "flashduty"
CALLBACK = "flashcat.flashduty.alert_on_failure"


def configuration_file() -> str | None:
    """Return the path of the ansible.cfg that is in force, or None."""
    path = getattr(C, "CONFIG_FILE", None)
    return os.fspath(path) if path else None


def is_callback_enabled() -> bool:
    """Say whether ansible-core loads our callback."""
    return CALLBACK in (getattr(C, "CALLBACKS_ENABLED", None) or ())


def read_sections(path: str | None) -> t.Mapping[str, t.Mapping[str, str]]:
    """Return the raw values of all sections, read in the way Ansible reads its own."""
    try:
        facts = os.stat(path or os.devnull)
    except OSError:
        return {}
    return _read_sections(path or os.devnull, facts.st_mtime_ns, facts.st_size)


# Several ask for it in each task, in processes that are forks of one that has asked already.
@functools.lru_cache(maxsize=4)
def _read_sections(path: str, _modified: int, _size: int) -> dict[str, dict[str, str]]:
    # The same arguments as in ansible.config.manager: a semicolon begins a comment, a percent sign is nothing special.
    parser = configparser.ConfigParser(inline_comment_prefixes=(";",))
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
    except (OSError, UnicodeDecodeError, configparser.Error):
        # Ansible itself has read this file before, so this is the file's disappearance, at most.
        return {}
    return {name: dict(parser.items(name, raw=True)) for name in parser.sections()}


def configured_layers(
    *, environ: t.Mapping[str, str] | None = None, path: str | None = None
) -> list[Layer]:
    """Return the layers below the task's options.

    :param environ: the environment; that of this process where it is not given.
    :param path: the ansible.cfg; the one in force where it is not given.
    """
    path = path or configuration_file()
    section = read_sections(path).get(SECTION, {})
    return [
        environment_layer(os.environ if environ is None else environ),
        ini_layer(section.get, file=path or "ansible.cfg"),
        defaults_layer({"state_path": state_path_in(_ansible_home())}),
    ]


def open_api_layers() -> list[Layer]:
    """Return the layers below the options of a task on the Open API."""
    environment, *others = configured_layers()
    return [environment, base_url_layer(os.environ), *others]


def _ansible_home() -> str:
    """Return the folder that Ansible keeps its own things in: ``~/.ansible``, unless ANSIBLE_HOME says otherwise."""
    return str(C.config.get_config_value("ANSIBLE_HOME"))
