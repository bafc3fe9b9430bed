# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Names that nobody reads: misspelt options in the environment, in ansible.cfg and in variables.

What is known is taken from the argument specs, from the settings of the callback and from the specs of the roles, so
that a new option is known as soon as it is there.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._connection_argspec import (
    configurable_options,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._layers import (
    BASE_URL_VARIABLE,
)

from .._alerts.settings import Settings
from .config import SECTION, configuration_file, read_sections

PREFIX = "FLASHDUTY_"

# The variables that are read wherever the callback is at work.
CALLBACK_VARIABLES = (
    "flashduty_alert_namespace",
    "flashduty_description",
    "flashduty_enabled",
    "flashduty_expected_every",
    "flashduty_failed_after",
    "flashduty_integration_key",
    "flashduty_labels",
    "flashduty_max_duration",
    "flashduty_push_url",
    "flashduty_recover_after",
    "flashduty_status",
    "flashduty_unreachable_after",
)
# How alike two names are before one is taken for the other. People have variables of their own, such as what a task
# has registered; and "enable" is meant to be "enabled".
_VERY_ALIKE = 0.8


def known_options() -> list[str]:
    """Return the names of all options that the environment and ansible.cfg may hold."""
    return sorted({*Settings._fields, *configurable_options()})


def misspelt_options(
    environ: t.Mapping[str, str] | None = None, path: str | None = None
) -> list[str]:
    """Return a sentence for each name in the environment and in ansible.cfg that nobody reads.

    :param environ: the environment; that of this process where it is not given.
    :param path: the ansible.cfg; the one in force where it is not given.
    """
    environ = os.environ if environ is None else environ
    path = path or configuration_file()
    sections = read_sections(path)
    known = known_options()
    problems = [
        f"{name} is in the environment, but there is no such option.{meant(name, variables)}"
        for variables in [
            [BASE_URL_VARIABLE, *(PREFIX + option.upper() for option in known)]
        ]
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in variables
    ]
    problems += [
        f"{name} is in section [{SECTION}] of {path}, but there is no such option.{meant(name, known)}"
        for name in sections.get(SECTION, {})
        if name not in known
    ]
    problems += [
        f"Section [{name}] of {path} is not read. Did you mean [{SECTION}]?"
        for name in sections
        if name != SECTION and _is_alike(name)
    ]
    return problems


def _is_alike(section: str) -> bool:
    """Say whether the name of a section may be meant to be ours; all others are Ansible's and its plugins'."""
    letters = "".join(filter(str.isalpha, section.lower()))
    return letters.startswith("flash") and bool(_nearest(letters, [SECTION], 0.8))


def misspelt_callback_variables(names: t.Iterable[str]) -> list[str]:
    """Return a sentence for each variable whose name is very much like one that the callback reads."""
    problems = []
    for name in names:
        if name.startswith("flashduty_") and name not in CALLBACK_VARIABLES:
            found = _nearest(name, CALLBACK_VARIABLES, _VERY_ALIKE)
            if found:
                problems.append(
                    f"The variable {name} is not read. Did you mean {found}?"
                )
    return problems


def misspelt_role_variables(role: str, names: t.Iterable[str]) -> list[str]:
    """Return a sentence for each variable that begins like those of a role, and that the role does not read."""
    prefix = f"flashduty_{role}_"
    known = _role_variables(role)
    return [
        f"The variable {name} is not read by the role flashcat.flashduty.{role}.{meant(name, known)}"
        for name in sorted(names)
        if name.startswith(prefix) and name not in known
    ]


def meant(name: str, known: t.Iterable[str]) -> str:
    """Return a question with the nearest real name, or nothing where none is near."""
    known = list(known)
    words = set(name.split("_"))
    # A name of which a word was left out is nearer than one that has other words.
    longer = [one for one in known if words < set(one.split("_"))]
    found = _nearest(name, longer, 0.6) or _nearest(name, known, 0.6)
    return f" Did you mean {found}?" if found else ""


def _nearest(name: str, known: t.Iterable[str], cutoff: float) -> str | None:
    """Compare what comes after the common beginning, or all names would be alike."""
    import difflib

    known = list(known)
    start = os.path.commonprefix(known) if len(known) > 1 else ""
    if not name.startswith(start):
        start = ""
    rests = {one[len(start) :]: one for one in known}
    found = difflib.get_close_matches(name[len(start) :], rests, 1, cutoff)
    return rests[found[0]] if found else None


def _role_variables(role: str) -> list[str]:
    """Return the options of a role, as its specification has them."""
    import yaml

    root = os.path.dirname(
        os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    )
    path = os.path.join(root, "roles", role, "meta", "argument_specs.yml")
    with open(path, encoding="utf-8") as file:
        specs = yaml.safe_load(file)
    return sorted(specs["argument_specs"]["main"]["options"])
