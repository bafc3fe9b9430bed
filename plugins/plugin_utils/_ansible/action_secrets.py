# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What an action plugin knows: the variables of its host without facts, and what is secret among them."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
    Redactor,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.secret_patterns import (
    compile_all,
)

from .._alerts.settings import read_patterns
from .config import configured_layers
from .module_defaults import defaults_of
from .run_secrets import (
    hidden_results,
    names_in_inventory,
    private_prompts,
    registered_by_hidden_tasks,
    secrets_of_variables,
    vaulted_values,
)
from .secrets import new_redactor
from .tasks import play_of
from .trust import TrustBoundary
from .variables import Variables

if t.TYPE_CHECKING:
    from ansible.playbook.task import Task

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
# Files and roles that are run because a variable names them.
_WHAT_RUNS = (
    "flashduty_deployment_tasks",
    "flashduty_deployment_role",
    "_flashduty_deployment_files",
    "_flashduty_deployment_folders",
    "_flashduty_deployment_role_path",
)
_NOT_WRITTEN = frozenset(("vars", "hostvars", "ansible_facts", "environment", "groups"))

# Now, where this is read before the workers are forked, and not in each of them.
compile_all()


def variables_of_action(
    task: Task, task_vars: t.Mapping[str, t.Any], warn: t.Callable[[str], None]
) -> Variables | None:
    """Return the variables of the host that a task runs for, without facts; None outside of a play.

    :param warn: told of each variable of ours that the host has tried to set.
    """
    play = play_of(task)
    if play is None:
        return None
    inventory = play.get_variable_manager()._inventory
    return Variables(
        play,
        host=inventory.get_host(str(task_vars.get("inventory_hostname", ""))),
        task=task,
        boundary=TrustBoundary((), warn),
        warn=lambda _variables, text: warn(text),
    )


def redactor_of_action(
    task: Task,
    task_vars: t.Mapping[str, t.Any],
    variables: Variables | None,
    *,
    keys: t.Iterable[str] = (),
) -> Redactor:
    """Return the one way out for the texts of a task of ours.

    :param variables: those of :func:`variables_of_action`.
    :param keys: integration keys that the task itself has named.
    """
    patterns, _problem = configured_patterns()
    redactor = new_redactor(patterns, keys=keys)
    play = play_of(task)
    if play is None or variables is None:
        return redactor
    for values in secrets_of_variables(variables, names_in_inventory(play)):
        redactor.add(values)
    redactor.add(vaulted_values(play, [play]))
    redactor.add(private_prompts(play, variables.all))
    redactor.add(hidden_results(task_vars, registered_by_hidden_tasks(play)))
    return redactor


def refuse_what_a_fact_runs(
    task_vars: t.Mapping[str, t.Any], variables: Variables | None
) -> None:
    """Check that no fact has named the tasks or the role that the role ``deployment`` runs.

    :raises ConfigurationError: when one has.
    """
    if variables is None:
        return
    for name in _WHAT_RUNS:
        if name in variables.facts_of_ours and task_vars.get(name) != variables.all.get(
            name
        ):
            raise ConfigurationError(
                f"{name} is a fact of {task_vars.get('inventory_hostname')}: what a managed machine says decides nothing.",
                option=name,
                hint="Find out why this machine says so, or set the variable where the role is used.",
            )


def trusted_arguments(task: Task, variables: Variables | None) -> t.Mapping[str, t.Any]:
    """Return the arguments of a task, without what the host itself has set as facts.

    ansible-core has rendered them with facts. Where some of them have names of ours, they are rendered again without.
    """
    if variables is None or not variables.facts_of_ours:
        return task.args
    written = _arguments_as_written(task)
    if written is None:
        return task.args
    omit = variables.all.get("omit")
    defaults = defaults_of(task)
    written = {**defaults.of_group, **defaults.of_module, **written}
    # All at once: from ansible-core 2.19 on, what is omitted can only be left out of something.
    rendered = variables.render(written)
    return {
        name: value
        for name, value in rendered.items()
        if value is not omit and value != omit and type(value).__name__ != "Omit"
    }


def _arguments_as_written(task: Task) -> dict[str, t.Any] | None:
    written = getattr(task, "_ds", None)
    if not isinstance(written, dict):
        return None
    action = str(task.action).rpartition(".")[2]
    for keyword, value in written.items():
        if str(keyword).rpartition(".")[2] == action and isinstance(value, dict):
            return dict(value)
    return None


def written_by_author(task: Task, variables: Variables | None) -> str:
    """Return what an author has written: the task in its file, its defaults, and the variables that it names."""
    text = f"{getattr(task, '_ds', None)} {task.module_defaults}"
    if variables is None:
        return text
    known: set[str] = set()
    for _level in range(3):
        names = set(_IDENTIFIER.findall(text)) - known
        known |= names
        text += "".join(
            f" {variables.all[name]}"
            for name in sorted(names & variables.all.keys())
            if name not in variables.set_at_runtime and name not in _NOT_WRITTEN
        )
    return text


def configured_patterns() -> tuple[tuple[str, ...], str]:
    """Return the user's own patterns, from the environment or ansible.cfg, and what is wrong with them."""
    values = (layer.get("redact_patterns") for layer in configured_layers())
    value = next((value for value in values if value), None)
    if value is None:
        return (), ""
    try:
        return tuple(read_patterns(value)), ""
    except (ValueError, re.error) as exc:
        return (), str(exc)
