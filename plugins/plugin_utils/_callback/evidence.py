# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What a run knows, when it is judged, of what it could prove: where tasks stand now, which names decide, who is there."""

from __future__ import annotations

import functools
import typing as t

from .._alerts.model import EVERY_NAME, AlertOverrides, Items, name_digest
from .._ansible import results, tasks
from .._ansible.narrowing import circumstances_of
from .._ansible.places import items_of, place_of, written_digest
from .._ansible.play import id_of, inventory_names, tasks_of

if t.TYPE_CHECKING:
    from ansible.executor.task_result import TaskResult
    from ansible.playbook import Playbook
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

    from .._alerts.causes import Cause
    from .._alerts.model import Place
    from .._alerts.recorder import RunRecorder
    from .._ansible.narrowing import DecidingNames
    from .play_variables import PlayVariables


class Evidence:
    """Answers what the law of recovery asks of a run, apart from what happened in it.

    :param first_play: of those that have begun.
    :param project: the folder that paths are relative to.
    :param included_tasks: those that were included so far; it grows while the run goes on.
    """

    def __init__(
        self,
        playbook: Playbook,
        first_play: Play,
        project: str,
        *,
        recorder: RunRecorder,
        variables: PlayVariables,
        included_tasks: t.Sequence[Task],
    ) -> None:
        self._playbook = playbook
        self._project = project
        self._recorder = recorder
        self._variables = variables
        self._included_tasks = included_tasks
        self._noted_tasks = 0
        self.circumstances = circumstances_of(first_play, project)
        self._names: DecidingNames | None = None
        # The tasks of the places that open alerts wait for, as they are now.
        self._tasks_at: dict[str, Task] = {}
        self._plays_looked_into: set[str] = set()
        self._lines: dict[tuple[str, str], frozenset[int] | None] = {}
        self._namespaces: dict[str, str | None] = {}

    # -- places

    def place_of_result(self, result: TaskResult) -> Place:
        """Return where the task of a result stands."""
        return place_of(results.task_of(result), self._project)

    def tracked_place(self, result: TaskResult) -> Place:
        """Return the same, and remember the task: an open alert may wait for it."""
        place = self.place_of_result(result)
        self._tasks_at.setdefault(place.key, results.task_of(result))
        return place

    def items_of_result(self, result: TaskResult, *, worked: bool) -> Items:
        """Return what became of the items of a task's loop, or of the machine that a template chose to delegate to."""
        task = results.task_of(result)
        if not (tasks.has_loop(task) or task.delegate_to):
            return Items()
        from .._ansible.machines import delegate_of_items

        template = self._variables.template_of(result)
        return items_of(result, delegate_of_items(task, template), worked=worked)

    def is_tracked(self, task: Task) -> bool:
        """Say whether an open alert waits for a task of this name and action."""
        return self._recorder.tracks_task(written_digest(task))

    def look_for_tracked_tasks(self, play: Play) -> None:
        """Find out where the tasks stand now that open alerts wait for: this run may not come to them."""
        if id_of(play) in self._plays_looked_into:
            # A further batch of it.
            return
        self._plays_looked_into.add(id_of(play))
        for task in tasks_of(play):
            if self.is_tracked(task):
                place = place_of(task, self._project)
                self._tasks_at[place.key] = task
                self._recorder.defined(place)

    def lines_in_file(self, place: Place) -> frozenset[int] | None:
        """Return the lines at which the task of a place stands in its file now; None when that cannot be told."""
        key = (place.path, place.written)
        if key not in self._lines:
            from .._ansible.task_files import lines_in_file

            self._lines[key] = lines_in_file(*key, project=self._project)
        return self._lines[key]

    # -- names that decide

    def names_of_task(
        self, task: Task, variables: t.Mapping[str, t.Any]
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Return the names of variables that decide about a task: see ``DecidingNames.of_task``."""
        return self._deciding_names.of_task(task, variables)

    def names_now(self, cause: Cause) -> frozenset[str]:
        """Return the names of the variables that decide now about the tasks of a cause."""
        found: frozenset[str] = frozenset()
        host = self._hosts_by_digest.get(cause.host)
        for place in cause.places:
            task = self._tasks_at.get(place.key)
            if task is not None and self._variables.play is not None:
                variables = self._variables.of_host(host or "", task=task)
                found |= self._deciding_names.of_task(task, variables.all)[1]
        return found

    def extra_variables_decide(self) -> bool:
        """Say whether an extra variable is named by a condition, a loop, the hosts of a play, or the way to a task."""
        chosen = set(self.circumstances.extra_vars)
        if not chosen or self._variables.play is None:
            return False
        ways = self._deciding_names.of_ways(self._variables.of_play_or_extra_vars().all)
        return bool({EVERY_NAME, *chosen} & (self._names_of_run() | ways))

    def aborted_cause(self) -> Cause:
        """Return what a run that ends now, without its recap, has left undone."""
        from .._alerts.causes import Cause

        return Cause(
            status="aborted",
            hosts=frozenset(map(name_digest, self._recorder.hosts)),
            names=self._names_of_run(),
            then=self.circumstances,
        )

    @property
    def _deciding_names(self) -> DecidingNames:
        if self._names is None:
            from .._ansible.narrowing import DecidingNames

            plays = self._playbook.get_plays()
            self._names = DecidingNames(
                task for play in plays for task in tasks_of(play)
            )
        for task in self._included_tasks[self._noted_tasks :]:
            self._names.note(task)
        self._noted_tasks = len(self._included_tasks)
        return self._names

    def _names_of_run(self) -> frozenset[str]:
        if self._variables.play is None:
            return frozenset()
        return self._deciding_names.of_run(
            self._playbook.get_plays(), self._variables.of_play_or_extra_vars().all
        )

    # -- hosts

    @functools.cached_property
    def _hosts_by_digest(self) -> dict[str, str]:
        """The names of the hosts of this run. Only for its end, when all of them are known."""
        return {name_digest(host): host for host in self._recorder.hosts}

    @functools.cached_property
    def _inventory(self) -> frozenset[str]:
        """Digests of the names of all its hosts. Only for the end of a run, when tasks add no more."""
        play = self._variables.play
        return frozenset(map(name_digest, inventory_names(play) if play else ()))

    def is_in_inventory(self, host: str) -> bool:
        """Say whether a host is still in the inventory.

        :param host: the digest of its name.
        """
        return host in self._inventory

    def namespace_of(self, host: str) -> str | None:
        """Return what keeps a host apart from others of its name, or None.

        :param host: the digest of its name; empty for the play.
        """
        if not host:
            return self.play_overrides().namespace
        name = self._hosts_by_digest.get(host)
        if name is None or self._variables.play is None:
            return None
        if host not in self._namespaces:
            self._namespaces[host] = self._variables.of_host(name).namespace
        return self._namespaces[host]

    def play_overrides(self) -> AlertOverrides:
        """Return what the variables of the play say about an alert for the run as a whole."""
        if self._variables.play is None:
            return AlertOverrides()
        return AlertOverrides(
            namespace=self._variables.of_play_or_extra_vars().namespace
        )
