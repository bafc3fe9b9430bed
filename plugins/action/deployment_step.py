# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._argspec import (
    deployment_step_argument_spec,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    InvalidEvent,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._actions.base import (
    ControllerAction,
    Result,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible.action_secrets import (
    refuse_what_a_fact_runs,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ansible.misspelt import (
    misspelt_role_variables,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._deployment.steps import (
    take_step,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._deployment.surroundings import (
    surroundings_of,
)


class ActionModule(ControllerAction):
    """Take one step of a deployment for one host, and tell Flashduty what there is to tell."""

    event_options = frozenset(("name", "version", "labels"))

    def argument_spec(self) -> dict[str, t.Any]:
        return deployment_step_argument_spec()

    def perform(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        refuse_what_a_fact_runs(task_vars, self.variables)
        if not options["name"].strip():
            raise InvalidEvent("name is empty: it must be a text.", option="name")
        if options["step"] == "begin":
            for text in misspelt_role_variables("deployment", task_vars):
                self.warn(text)
        around = surroundings_of(self, options, task_vars, task=self._task)
        return take_step(options, around)
