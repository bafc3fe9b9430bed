# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The variables of a run, play after play: what they say about its alerts, and what in them is secret.

This file is read at every start of Ansible, so it imports only what a run without failures needs.
"""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError

from .._alerts.model import AlertOverrides
from .._ansible import results
from .._ansible.misspelt import misspelt_callback_variables
from .._ansible.play import find_host, id_of
from .._ansible.trust import TrustBoundary
from .._ansible.variables import (
    DESCRIPTION,
    LABELS,
    WITH_WHAT_MACHINES_SAY,
    PlayHosts,
    Variables,
)

if t.TYPE_CHECKING:
    from ansible.executor.task_result import TaskResult
    from ansible.inventory.host import Host
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
        Redactor,
    )

    from .._alerts.builder import OwnRedactors
    from .._ansible.run_secrets import RunSecrets


class PlayVariables:
    """Collects variables for hosts and tasks of the current play, and of those before it.

    :param label_vars: the names of variables whose values become labels.
    :param warn: told, once each, what a person should know.
    :param redactor: returns the one way out for every text; it is made when it is asked for.
    """

    def __init__(
        self,
        label_vars: t.Sequence[str],
        *,
        warn: t.Callable[[str], None],
        redactor: t.Callable[[], Redactor],
    ) -> None:
        self._label_vars = label_vars
        self._warn = warn
        self._redactor = redactor
        self._boundary = TrustBoundary(label_vars, warn)
        self.play: Play | None = None
        self.play_hosts = PlayHosts([], [])
        # The plays so far, and their hosts.
        self.plays: list[tuple[Play, list[str]]] = []
        # Made once there is anything to hide. Until then, the variables that hold results of no_log.
        self._secrets: RunSecrets | None = None
        self._hidden_variables: set[str] = set()
        # Variables of which it is known whether their names are misspelt.
        self._names_looked_at: set[str] = set()

    def play_started(self, play: Play, hosts: PlayHosts) -> bool:
        """A play begins, or a further batch of it; return whether it is the play itself."""
        is_batch = bool(self.plays) and id_of(self.plays[-1][0]) == id_of(play)
        if is_batch and self.plays[-1][1] == hosts.everybody:
            # There may be as many batches as hosts: they share one list.
            hosts = PlayHosts(self.plays[-1][1], hosts.batch)
        self.play = play
        self.play_hosts = hosts
        self.plays.append((play, hosts.everybody))
        return not is_batch

    def registered(self, result: TaskResult) -> None:
        """A task has registered its result: what no_log hides in it is secret wherever it turns up."""
        self._hidden_variables.update(results.hidden_registers(result))

    # -- collecting

    def of_play(self, play: Play | None = None) -> Variables:
        """Return what is in force in a play, the current one if it is not given."""
        return self._collect(play=play)

    def of_play_or_extra_vars(self, play: Play | None = None) -> Variables:
        """Return the same; where the play's variables cannot be read, those of the command line alone."""
        play = play or self._current_play
        try:
            return self._collect(play=play)
        except AnsibleError:
            return self._collect(
                play=play, collected=dict(play.get_variable_manager().extra_vars)
            )

    def of_first_host(self, name: str | None) -> Variables:
        """Return what is in force for the first host of the current play; what the play has alone, if it has none.

        The play's variables of a host have those of the group "all" in them, which is where vaults are kept.
        """
        return self._collect(host=self.host(name) if name else None)

    def of_host(
        self, name: str, *, play: Play | None = None, task: Task | None = None
    ) -> Variables:
        """Return what is in force for a host: in an earlier play, or in the current one, there also for a task."""
        return self._collect(
            host=self.host(name) if name else None,
            task=task,
            hosts=None if play else self.play_hosts,
            play=play,
        )

    def of_result(self, result: TaskResult, *, with_present: bool = False) -> Variables:
        """Return what is in force for the host and the task of a result.

        :param with_present: whether what only the result knows counts, such as the item of a loop.
        """
        return self._collect(
            host=results.host_of(result),
            task=results.task_of(result),
            hosts=self.play_hosts,
            present=results.present_variables(result) if with_present else None,
        )

    def template_of(self, result: TaskResult) -> t.Callable[..., str]:
        """Return what templates a text for the host and the task of a result."""

        def template(text: str, more: t.Mapping[str, t.Any]) -> str:
            if self.play is None:
                return ""
            return self.of_result(result).rendered(text, more)

        return template

    def host(self, name: str) -> Host | None:
        """Return a host of the inventory by its name."""
        return find_host(self.play, name) if self.play else None

    @property
    def _current_play(self) -> Play:
        if self.play is None:
            raise RuntimeError("no play has started yet")
        return self.play

    def _collect(self, *, play: Play | None = None, **what: t.Any) -> Variables:
        return Variables(
            play or self._current_play,
            boundary=self._boundary,
            warn=self._warn_of_variable,
            **what,
        )

    # -- what is wrong, and what is secret

    def _warn_of_variable(self, variables: Variables, text: str) -> None:
        """Warn of a variable. What is wrong with it may be told with values, so secrets have to be known before."""
        self.learn_secrets(variables, None)
        self._warn(text)

    def warn_of_misspelt_names(self, variables: Variables) -> None:
        """Say which variables have names that are nearly ours, so that nobody reads them."""
        names = variables.all.keys() - self._names_looked_at
        self._names_looked_at |= names
        for problem in misspelt_callback_variables(sorted(names)):
            self._warn(problem)

    def learn_secrets(
        self, variables: Variables, result: TaskResult | None
    ) -> OwnRedactors | None:
        """Have the secrets masked that are known by now.

        Return what masks those of the task that has failed and those that the machine itself has said, for the alert of
        this host and for no other; None where there are none.
        """
        from .._ansible.run_secrets import RunSecrets

        self._secrets = self._secrets or RunSecrets()
        known = self._secrets.known(
            variables,
            results.task_of(result) if result is not None else None,
            items=results.failed_items(result) if result is not None else (),
            plays=[play for play, _hosts in self.plays],
            hidden_variables=self._hidden_variables,
        )
        redactor = self._redactor()
        redactor.add(known.of_run)
        if not (known.of_task or known.of_machine):
            return None
        from .._alerts.builder import OwnRedactors

        make = type(redactor)
        return OwnRedactors(
            of_machine=make(known.of_task | known.of_machine),
            of_author=make(known.of_task),
        )

    def overrides(
        self, variables: Variables, own: OwnRedactors | None
    ) -> AlertOverrides:
        """Return what variables say about the alert of a host.

        :param own: what ``learn_secrets`` has returned for them.
        """
        overrides = variables.overrides(self._label_vars)
        if own is None:
            return overrides
        from .._alerts.builder import mask_overrides
        from .._ansible.run_secrets import can_be_rendered_again

        masked = mask_overrides(overrides, own, AlertOverrides())
        if masked == mask_overrides(overrides, own, overrides):
            # Whose words they are makes no difference, so nothing is rendered once more.
            return masked
        others = variables.without_what_the_machine_says()
        written = [
            others.all.get(name) for name in (LABELS, DESCRIPTION, *self._label_vars)
        ]
        if not can_be_rendered_again(written, others, absent=WITH_WHAT_MACHINES_SAY):
            return masked
        return mask_overrides(overrides, own, others.overrides(self._label_vars))
