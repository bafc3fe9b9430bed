# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which options of a task come from the defaults of the action group."""

from __future__ import annotations

import types
import typing as t

from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible.module_defaults import (
    defaults_of,
    options_for_all,
)

GROUP = "group/flashcat.flashduty.flashduty"
MODULE = "flashcat.flashduty.change_event"


def a_task(*levels: dict[str, t.Any], **arguments: t.Any) -> t.Any:
    return types.SimpleNamespace(
        module_defaults=list(levels),
        resolved_action=MODULE,
        action=MODULE,
        args=arguments,
    )


class Shouting:
    """Stands for the variables of a host: templates become capitals."""

    def render(self, template: str) -> str:
        return template.upper()


def test_the_innermost_level_counts_and_other_modules_do_not() -> None:
    task = a_task(
        {GROUP: {"timeout": 1}, MODULE: {"retries": 1}},
        {GROUP: {"timeout": 2}, "flashcat.flashduty.alert_event": {"retries": 2}},
    )

    assert defaults_of(task) == ({"timeout": 2}, {"retries": 1})
    assert defaults_of(a_task()) == ({}, {})


def test_an_option_is_for_all_when_it_has_the_value_of_the_group() -> None:
    group = {GROUP: {"integration_key": "a", "push_url": "b", "timeout": 3}}
    task = a_task(group, integration_key="A", push_url="own", timeout=3, title="x")

    assert options_for_all(task, t.cast("t.Any", Shouting())) == {
        "integration_key",
        "timeout",
    }
    assert options_for_all(task, None) == {"timeout"}
