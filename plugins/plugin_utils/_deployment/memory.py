# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What the alert of a deployment waits for: the hosts that have failed, until each of them has passed. Pure.

The law of recovery decides, as it does for the callback. Here all that counts is that the host passes.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
    OpenAlert,
)

from .._alerts.causes import Cause, details_of
from .._alerts.model import Circumstances, digest, name_digest
from .._alerts.recorder import RunSummary
from .._alerts.recovery import Law

# What open alerts of deployments are remembered under: any playbook may deploy what another one has deployed.
ORIGIN = "deployment"

_NARROWING = ("tags", "skip_tags", "start_at_task", "step")


@dataclass(frozen=True)
class RunView:
    """What can be proven in a run.

    :param now: how the run was narrowed, as its variables, and its inventory.
    :param limited: whether ``--limit`` leaves somebody out.
    """

    now: Circumstances = Circumstances()
    limited: bool = False

    @property
    def proves_all(self) -> bool:
        """Whether a success is one of the whole deployment."""
        return not self.limited and not self.now.extra_vars


def narrowing(
    cli: t.Mapping[str, t.Any], sources: t.Iterable[str] = ()
) -> Circumstances:
    """Return what the starter of a run chose, as far as it matters here.

    Which variables a deployment is given (its version) does not matter. Which of its tasks are left out does.

    :param cli: the options of the command line.
    :param sources: digests of the sources of the inventory.
    """
    chosen = {name: cli.get(name) for name in _NARROWING}
    chosen["tags"] = [tag for tag in chosen["tags"] or () if tag != "all"]
    return Circumstances(
        {name_digest(name): digest(value) for name, value in chosen.items() if value},
        frozenset(sources),
    )


def failed_on(
    hosts: t.Iterable[str], now: Circumstances, mask: t.Callable[[str], str]
) -> list[Cause]:
    """Return what the alert waits for when a deployment has failed on hosts.

    :param mask: makes a name fit to be remembered.
    """
    return [
        Cause("host", name_digest(host), then=now, host_name=mask(host))
        for host in sorted(set(hosts))
    ]


def still_waits_for(
    causes: t.Iterable[Cause], passed: t.Iterable[str], now: Circumstances
) -> list[Cause]:
    """Return those causes that are not proven yet.

    A run that was narrowed by tags and the like proves something only where it was narrowed the same way when it failed:
    else it may have left out what had failed.

    :param passed: the hosts on which the deployment came to its end.
    """
    law = Law(
        RunSummary(now=now, passed=frozenset(map(name_digest, passed))),
        # Asked for places only.
        lines_in_file=lambda _place: None,
        names_now=lambda _cause: frozenset(),
        in_inventory=lambda _host: True,
    )
    return [
        cause
        for cause in causes
        if (now.extra_vars and cause.then.extra_vars != now.extra_vars)
        or law.judge(cause).left is not None
    ]


def failed_again(
    causes: t.Iterable[Cause],
    *,
    failed: t.Sequence[Cause],
    passed: t.Iterable[str],
    now: Circumstances,
) -> list[Cause]:
    """Return what the alert waits for when the deployment has failed: now, and before without having passed since."""
    hosts = {cause.host for cause in failed}
    before = [cause for cause in causes if cause.host not in hosts]
    return [*still_waits_for(before, passed, now), *failed]


def details_for(causes: t.Iterable[Cause], namespace: str) -> dict[str, t.Any]:
    """Return what is remembered of the alert, but for the labels of its event."""
    return {"scope": "deployment", "namespace": namespace, **details_of(causes)}


def opened_by(
    fields: t.Mapping[str, t.Any], details: t.Mapping[str, t.Any]
) -> OpenAlert:
    """Return the alert that an event opens.

    :param fields: those of the event.
    :param details: see :func:`details_for`.
    """
    return OpenAlert(
        fields["alert_key"],
        ORIGIN,
        fields["title_rule"],
        fields["event_status"],
        details={**details, "labels": fields["labels"]},
    )


def why_open(name: str, causes: t.Iterable[Cause]) -> str:
    """Return why the alert stays open although a deployment has succeeded."""
    hosts = list(dict.fromkeys(cause.host_name for cause in causes))
    shown = ", ".join(hosts[:5]) + (f" and {len(hosts) - 5} more" * (len(hosts) > 5))
    return f"{name} was not deployed again on {shown}"
