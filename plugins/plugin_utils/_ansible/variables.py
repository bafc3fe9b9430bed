# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What variables of play, block, task, host and group say about one failure, templated, with Ansible's precedence."""

from __future__ import annotations

import copy
import functools
import typing as t

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.template import Templar
from ansible_collections.flashcat.flashduty.plugins.module_utils._layers import Layer

from .._alerts.model import AlertOverrides
from .._alerts.run_context import LOCALHOST
from .._alerts.settings import COUNTS, RAISING_STATUSES, read_count, read_duration
from .play import stopped_hosts
from .trust import TrustBoundary, all_facts, as_part_of, facts_of

if t.TYPE_CHECKING:
    from ansible.inventory.host import Host
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

ENABLED = "flashduty_enabled"
STATUS = "flashduty_status"
LABELS = "flashduty_labels"
DESCRIPTION = "flashduty_description"
NAMESPACE = "flashduty_alert_namespace"
INTEGRATION_KEY = "flashduty_integration_key"
PUSH_URL = "flashduty_push_url"
# Variables of ansible-core by which a template reaches what a machine has said.
WITH_WHAT_MACHINES_SAY = ("ansible_facts", "hostvars", "vars")


def integration_layer(key: str | None, push_url: str | None) -> Layer:
    """Return the variables of a host as a place that can set the key of alerts, so that it may live in Ansible Vault.

    :param key: the value of ``flashduty_integration_key``, templated.
    :param push_url: the value of ``flashduty_push_url``, templated.
    """
    names = {"integration_key": INTEGRATION_KEY, "push_url": PUSH_URL}
    values = {"integration_key": key, "push_url": push_url}
    return Layer("variables", values.get, lambda option: names.get(option, option))


class PlayHosts(t.NamedTuple):
    """The hosts of a play, and those of its current batch, whether they have been stopped since or not."""

    everybody: list[str]
    batch: list[str]

    def variables(self, play: Play) -> dict[str, list[str]]:
        """Return the variables that ansible-core makes of them."""
        stopped = stopped_hosts(play)
        batch = [host for host in self.batch if host not in stopped]
        return {
            "ansible_play_hosts_all": self.everybody[:],
            "ansible_play_hosts": [h for h in self.everybody if h not in stopped],
            "ansible_play_batch": batch,
            "play_hosts": batch,
        }


class Variables:
    """The variables that are in force for a play, a host and a task. Collecting them costs about half a millisecond.

    :param hosts: those of the play, when they are known. Left to itself, ansible-core compares all hosts with all stopped
        hosts for every collection, so the failures of many hosts would cost the square of their number.
    :param present: what only the present result knows, such as the item of a loop; of less weight than variables of ours.
    :param collected: the variables, where they have been collected already.
    :param boundary: keeps out what machines say.
    :param warn: told of each variable that cannot be used; the failure is reported without it.
    """

    def __init__(
        self,
        play: Play,
        *,
        host: Host | None = None,
        task: Task | None = None,
        hosts: PlayHosts | None = None,
        present: t.Mapping[str, t.Any] | None = None,
        collected: dict[str, t.Any] | None = None,
        boundary: TrustBoundary,
        warn: t.Callable[[Variables, str], None],
    ) -> None:
        self.all: dict[str, t.Any] = (
            boundary.variables(
                play, host=host, task=task, hosts=None if hosts is None else [""]
            )
            if collected is None
            else collected
        )
        self._play = play
        self._host = host
        self._task = task
        self._hosts = hosts
        self._present = present or {}
        self._boundary = boundary
        self._warn: t.Callable[[str], None] = functools.partial(warn, self)
        self._has_facts = host is not None

    @functools.cached_property
    def _templar(self) -> Templar:
        if self._hosts is not None:
            self.all.update(self._hosts.variables(self._play))
        if self._host is not None and self._has_facts:
            self.all["ansible_facts"] = all_facts(
                self._play.get_variable_manager(), self._host.name
            )
        for name, value in self._present.items():
            if not self._boundary.is_ours(name):
                self.all[name] = value
        return Templar(loader=self._play.get_loader(), variables=self.all)

    def without_what_the_machine_says(self) -> Variables:
        """Return what is in force apart from facts, and from what the tasks of the run have set and registered."""
        said = {*WITH_WHAT_MACHINES_SAY, *self.set_at_runtime}
        if self._host is not None:
            said.update(facts_of(self._play.get_variable_manager(), self._host.name))
        other = copy.copy(self)
        vars(other).pop("_templar", None)
        other.all = {
            name: value for name, value in self.all.items() if name not in said
        }
        other._present = {}
        other._has_facts = False
        # Whatever is wrong with them has been said.
        other._warn = lambda text: None
        return other

    @property
    def set_at_runtime(self) -> t.Mapping[str, t.Any]:
        """What ``set_fact`` and ``register`` have set for the host. On the controller nobody else has a say in it."""
        if self._host is None or self._host.name in LOCALHOST:
            return {}
        manager = self._play.get_variable_manager()
        cached: t.Mapping[str, t.Any] = manager._nonpersistent_fact_cache.get(
            self._host.name, {}
        )
        return cached

    @property
    def facts_of_ours(self) -> frozenset[str]:
        """The variables of ours that the host has set as facts, and nobody since."""
        if self._host is None:
            return frozenset()
        manager = self._play.get_variable_manager()
        return frozenset(
            str(name)
            for name in facts_of(manager, self._host.name)
            if self._boundary.is_ours(str(name)) and name not in self.set_at_runtime
        )

    @property
    def environment_of_machine(self) -> t.Any:
        """The environment of the host, as it has said it."""
        if self._host is None:
            return {}
        facts = facts_of(self._play.get_variable_manager(), self._host.name)
        return facts.get("ansible_env", {})

    def render(
        self, template: t.Any, more: t.Mapping[str, t.Any] | None = None
    ) -> t.Any:
        """Render a template of an author, or data with templates in it.

        :param more: variables on top of those in force.
        :raises Exception: any, when that fails.
        """
        if more is None:
            return self._templar.template(template)
        everything = {**self.all, **more}
        loader = self._play.get_loader()
        return Templar(loader=loader, variables=everything).template(template)

    def get(self, name: str) -> t.Any:
        """Return the value of a variable, templated; None when it is not set or cannot be templated."""
        if self.all.get(name) is None:
            return None
        try:
            return self._templar.template(self.all[name])
        except Exception as exc:  # noqa: BLE001
            # Templates can raise anything.
            self._warn(f"{name} cannot be templated: {_in_one_line(exc)}")
            return None

    def rendered(self, text: str, more: t.Mapping[str, t.Any]) -> str:
        """Return a template as text; empty when it cannot be templated.

        :param more: variables on top of those in force.
        """
        try:
            return str(self.render(text, more))
        except Exception:  # noqa: BLE001
            # Templates can raise anything.
            return ""

    def text(self, name: str) -> str | None:
        """Return a variable as text; None when it is not set."""
        value = self.get(name)
        return None if value is None else str(value)

    @property
    def enabled(self) -> bool:
        """Whether alerts are wanted here."""
        value = self.get(ENABLED)
        try:
            return True if value is None else boolean(value)
        except TypeError:
            # No values in messages: it may be a secret that stands in the wrong place.
            self._warn(f"{ENABLED} must be true or false. The alert is sent.")
            return True

    @property
    def status(self) -> str | None:
        """The status that was chosen here, or None."""
        value = self.get(STATUS)
        if value is None or value in RAISING_STATUSES:
            return None if value is None else str(value)
        self._warn(f"{STATUS} must be one of {', '.join(RAISING_STATUSES)}.")
        return None

    @property
    def labels(self) -> dict[str, str]:
        """The labels that were added here: those of all levels, and for one label the nearest one."""
        if self.all.get(LABELS) is None:
            return {}
        # Only now: a run without labels does without.
        from .label_levels import label_levels

        labels: dict[str, str] = {}
        for value in label_levels(
            LABELS,
            self.all,
            self._boundary.manager(self._play.get_variable_manager()),
            play=self._play,
            host=self._host,
            task=self._task,
        ):
            labels.update(self._labels_of(value))
        return labels

    def _labels_of(self, value: t.Any) -> dict[str, str]:
        """Return the labels of one level. One that cannot be used is left out, with a warning."""
        from .._alerts.label_texts import label_of, read_labels_of_variable

        try:
            written, problems = read_labels_of_variable(value, self.render)
        except ValueError as exc:
            self._warn(f"{LABELS} {exc}.")
            return {}
        except Exception as exc:  # noqa: BLE001
            self._warn(f"{LABELS} cannot be templated: {_in_one_line(exc)}")
            return {}
        for problem in problems:
            self._warn(f"{LABELS} {problem}.")
        labels = {}
        for name, content in written.items():
            try:
                if isinstance(value, str):
                    content = as_part_of(value, content)
                labels[name] = label_of(self.render(content))
            except Exception as exc:  # noqa: BLE001
                self._warn(
                    f"{LABELS}: the label {name} is left out: {_in_one_line(exc)}"
                )
        return labels

    @property
    def description(self) -> str | None:
        """The description that replaces ours, or None."""
        return self.text(DESCRIPTION)

    @property
    def namespace(self) -> str | None:
        """What keeps this host apart from others of its name, or None."""
        return self.text(NAMESPACE)

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of runs that were chosen here, by the names of their options."""
        counts = {}
        for option in COUNTS:
            name = f"flashduty_{option}"
            value = self.get(name)
            try:
                if value is not None:
                    counts[option] = read_count(value)
            except ValueError as exc:
                self._warn(f"{name} {exc}. The option {option} is used.")
        return counts

    def duration(self, option: str) -> float | None:
        """Return what the variable of an option says, in seconds; None when it is not set."""
        name = f"flashduty_{option}"
        value = self.get(name)
        try:
            return None if value is None else read_duration(value)
        except ValueError as exc:
            self._warn(f"{name} {exc}. The option {option} is used.")
            return None

    @property
    def integration(self) -> Layer:
        """The integration that was chosen here, as a place that can set the key of alerts."""
        return integration_layer(self.text(INTEGRATION_KEY), self.text(PUSH_URL))

    def overrides(self, label_vars: t.Iterable[str]) -> AlertOverrides:
        """Return what the variables say about an alert.

        :param label_vars: the names of variables whose values become labels.
        """
        texts = {name: self._label_var(name) for name in label_vars}
        return AlertOverrides(
            status=self.status,
            labels=self.labels,
            label_vars={name: text for name, text in texts.items() if text is not None},
            description=self.description,
            counts=self.counts,
            groups=tuple(map(str, self.all.get("group_names") or ())),
            namespace=self.namespace,
        )

    def _label_var(self, name: str) -> str | None:
        from .._alerts.label_texts import label_of

        value = self.get(name)
        if value is None:
            return None
        try:
            if isinstance(value, (list, tuple)):
                return ",".join(map(label_of, value))
            return label_of(value)
        except ValueError as exc:
            self._warn(f"The label {name} of label_vars is left out: {exc}.")
            return None


def _in_one_line(exc: Exception) -> str:
    return " ".join(str(exc).split())
