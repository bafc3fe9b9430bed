# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What variables of play, block, task, host and group say about one failure, templated, with Ansible's precedence."""

from __future__ import annotations

import functools
import typing as t

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.template import Templar
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.durations import (
    parse_duration,
)

from .._alerts.model import AlertOverrides
from .._alerts.settings import COUNTS, RAISING_STATUSES, read_count, read_labels
from .play import stopped_hosts

if t.TYPE_CHECKING:
    from ansible.inventory.host import Host
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

ENABLED = "flashduty_enabled"
STATUS = "flashduty_status"
LABELS = "flashduty_labels"
DESCRIPTION = "flashduty_description"
NAMESPACE = "flashduty_alert_namespace"


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
    :param collected: the variables, where they have been collected already.
    :param warn: told of each variable that cannot be used; the failure is reported without it.
    """

    def __init__(
        self,
        play: Play,
        *,
        host: Host | None = None,
        task: Task | None = None,
        hosts: PlayHosts | None = None,
        collected: dict[str, t.Any] | None = None,
        warn: t.Callable[[str], None],
    ) -> None:
        nobody = None if hosts is None else [""]
        self.all: dict[str, t.Any] = (
            play.get_variable_manager().get_vars(
                play=play, host=host, task=task, _hosts=nobody, _hosts_all=nobody
            )
            if collected is None
            else collected
        )
        self._play = play
        self._hosts = hosts
        self._warn = warn

    @functools.cached_property
    def _templar(self) -> Templar:
        if self._hosts is not None:
            self.all.update(self._hosts.variables(self._play))
        return Templar(loader=self._play.get_loader(), variables=self.all)

    def get(self, name: str) -> t.Any:
        """Return the value of a variable, templated; None when it is not set or cannot be templated."""
        if self.all.get(name) is None:
            return None
        try:
            return self._templar.template(self.all[name])
        except Exception as exc:  # noqa: BLE001
            # Templates can raise anything. The message may hold the template, but no value.
            self._warn(
                f"{name} cannot be templated: {' '.join(str(exc).split())[:200]}"
            )
            return None

    def rendered(self, text: str, more: t.Mapping[str, t.Any]) -> str:
        """Return a template as text; empty when it cannot be templated.

        :param more: variables on top of those in force.
        """
        templar = Templar(
            loader=self._play.get_loader(), variables={**self.all, **more}
        )
        try:
            return str(templar.template(text))
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
            self._warn(
                f"{ENABLED} is {value!r}: it must be true or false. The alert is sent."
            )
            return True

    @property
    def status(self) -> str | None:
        """The status that was chosen here, or None."""
        value = self.get(STATUS)
        if value is None or value in RAISING_STATUSES:
            return None if value is None else str(value)
        self._warn(
            f"{STATUS} is {value!r}: it must be one of {', '.join(RAISING_STATUSES)}."
        )
        return None

    @property
    def labels(self) -> dict[str, str]:
        """The labels that were added here."""
        value = self.get(LABELS)
        try:
            return {} if value is None else read_labels(value)
        except ValueError as exc:
            self._warn(f"{LABELS} {exc}.")
            return {}

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
            return None if value is None else parse_duration(value)
        except ValueError as exc:
            self._warn(f"{name} {exc}. The option {option} is used.")
            return None

    def overrides(self, label_vars: t.Iterable[str]) -> AlertOverrides:
        """Return what the variables say about an alert.

        :param label_vars: the names of variables whose values become labels.
        """
        values = {name: self.get(name) for name in label_vars}
        return AlertOverrides(
            status=self.status,
            labels=self.labels,
            label_vars={
                name: (
                    ",".join(map(str, value))
                    if isinstance(value, (list, tuple))
                    else str(value)
                )
                for name, value in values.items()
                if value is not None
            },
            description=self.description,
            counts=self.counts,
            groups=tuple(map(str, self.all.get("group_names") or ())),
            namespace=self.namespace,
        )
