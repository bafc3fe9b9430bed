# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The silence of a deployment: set when it begins, removed when it ends. Whatever goes wrong is a warning."""

from __future__ import annotations

import hashlib
import time
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
    FlashdutyError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.open_api import (
    OpenApiClient,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.open_api_connection import (
    OpenApiConnection,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.silences import (
    NAME_LIMIT,
    Silence,
    read_end,
    read_filters,
    silences_labels,
    slack_of,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.silencing import (
    find_channel,
    remove_silence,
    set_silence,
)

OPTIONS = ("channel", "channel_id", "labels", "filters", "for")

Request = t.Mapping[str, t.Any]


class DeploymentSilence:
    """The silence of one deployment.

    :param request: what the option ``silence`` of the task says; nothing is done when it is empty.
    :param deployment: the name of the deployment.
    :param connect: finds out how the Open API is reached.
    :param warn: shows a warning.
    """

    def __init__(
        self,
        request: Request,
        deployment: str,
        connect: t.Callable[[], OpenApiConnection],
        warn: t.Callable[[str], None],
    ) -> None:
        self._request = request
        self._name = silence_name(deployment)
        self._connect = connect
        self._warn = warn

    def set(self, alert: Request | None) -> None:
        """Set the silence.

        :param alert: the fields of the alert that a failure of the deployment raises, which must not be silenced.
        """
        if self._request:
            self._attempt("set", lambda: self._set(alert))

    def remove(self) -> None:
        """Remove the silence."""
        if self._request:
            self._attempt("removed", self._remove)

    def _attempt(self, what: str, act: t.Callable[[], None]) -> None:
        try:
            act()
        except FlashdutyError as exc:
            problem = str(exc)
        except Exception as exc:  # noqa: BLE001
            # A mistake of ours must not cost the deployment.
            problem = f"Something unexpected happened ({type(exc).__name__})."
        else:
            return
        self._warn(f"The silence {self._name} could not be {what}. {problem}")

    def _set(self, alert: Request | None) -> None:
        unknown = sorted(set(self._request) - set(OPTIONS))
        if unknown:
            raise ConfigurationError(
                f"{unknown[0]} in the silence of a deployment does not exist: it may have {', '.join(OPTIONS)}.",
                option="silence",
            )
        now = time.time()
        duration = self._request.get("for")
        end = read_end(duration, None, now=now)
        filters = read_filters(
            self._request.get("labels"), self._request.get("filters")
        )
        if alert is not None and silences_labels(filters, fields_of(alert)):
            self._warn(
                f"The silence {self._name} also matches the alert that a failure of this deployment raises. It is"
                " removed before the alert is sent, but if that does not work, nobody is paged. Match something that"
                " the alert of the deployment does not have, such as a resource."
            )
        with OpenApiClient(self._connect()) as client:
            wanted = Silence(
                channel_id=self._channel(client),
                name=self._name,
                start=int(now),
                end=end,
                filters=filters,
            )
            set_silence(client, wanted, now=now, slack=slack_of(duration))

    def _remove(self) -> None:
        with OpenApiClient(self._connect()) as client:
            remove_silence(client, self._channel(client), self._name)

    def _channel(self, client: OpenApiClient) -> int:
        number, name = self._request.get("channel_id"), self._request.get("channel")
        if (number is None) == (name is None):
            raise ConfigurationError(
                "The silence of a deployment needs exactly one of channel and channel_id.",
                option="silence",
            )
        if name is not None:
            return find_channel(client, str(name))
        if not str(number).isdigit():
            raise ConfigurationError(
                "channel_id in the silence of a deployment must be a whole number.",
                option="silence",
            )
        return int(str(number))


def silence_name(deployment: str) -> str:
    """Return the name of a deployment's silence, which is different for different deployments."""
    name = f"deploy {deployment}"
    if len(name) <= NAME_LIMIT:
        return name
    digest = hashlib.sha256(deployment.encode()).hexdigest()[:8]
    return f"{name[: NAME_LIMIT - 9]} {digest}"


def fields_of(alert: Request) -> dict[str, str]:
    """Return the values that the conditions of a silence compare, of the fields of an alert event."""
    status = str(alert.get("event_status"))
    labels = {
        f"labels.{name}": str(value)
        for name, value in (alert.get("labels") or {}).items()
    }
    return {
        "severity": status,
        "status": status,
        "title": str(alert.get("title_rule")),
        "title_rule": str(alert.get("title_rule")),
        "description": str(alert.get("description") or ""),
        "alert_key": str(alert.get("alert_key")),
        **labels,
    }
