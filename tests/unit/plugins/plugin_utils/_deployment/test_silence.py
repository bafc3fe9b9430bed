# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The silence of a deployment, whose troubles are warnings."""

from __future__ import annotations

import time
import typing as t

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.open_api_connection import (
    OpenApiConnection,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._deployment.silence import (
    DeploymentSilence,
    fields_of,
    silence_name,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.emulator.control import Emulator

REQUEST = {
    "channel": "Database on call",
    "labels": {"resource": ["db1", "db2"]},
    "for": "30m",
}
ALERT = {
    "title_rule": "Deployment of shop failed",
    "event_status": "Critical",
    "alert_key": "k",
    "labels": {"check": "deployment", "service": "shop"},
}


class Deployment:
    """A deployment with a silence, and the warnings that it led to."""

    def __init__(self, flashduty: Emulator) -> None:
        self._flashduty = flashduty
        self.warnings: list[str] = []

    def silence(self, request: t.Any = None, **changes: t.Any) -> DeploymentSilence:
        asked = {**(REQUEST if request is None else request), **changes}
        return DeploymentSilence(asked, "shop", self._connect, self.warnings.append)

    def _connect(self) -> OpenApiConnection:
        return OpenApiConnection(
            integration_key=self._flashduty.app_key,
            url=self._flashduty.url,
            retries=0,
            timeout=5.0,
        )


@pytest.fixture
def deployment(flashduty: Emulator) -> Deployment:
    return Deployment(flashduty)


@pytest.mark.parametrize(
    "place", [{}, {"channel": None, "channel_id": 1001}, {"channel": None, "channel_id": "1001"}]
)  # fmt: skip
def test_it_is_there_while_the_deployment_is(
    deployment: Deployment, flashduty: Emulator, place: dict[str, t.Any]
) -> None:
    request = {
        name: value for name, value in {**REQUEST, **place}.items() if value is not None
    }

    deployment.silence(request).set(ALERT)
    (silence,) = flashduty.silences()
    # Another task of the same deployment knows it by its name.
    deployment.silence(request).remove()

    assert silence["rule_name"] == "deploy shop"
    assert silence["is_auto_delete"] and silence["is_effective"]
    left = silence["time_filter"]["end_time"] - time.time()
    assert 1800 - 60 < left <= 1801
    assert flashduty.silences() == []
    assert deployment.warnings == []


def test_without_a_request_nothing_is_asked(
    deployment: Deployment, flashduty: Emulator
) -> None:
    silence = deployment.silence({})
    silence.set(ALERT)
    silence.remove()

    assert flashduty.requests() == []
    assert deployment.warnings == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"chanel": "x"}, "chanel in the silence of a deployment does not exist"),
        ({"channel_id": 1001}, "exactly one of channel and channel_id"),
        ({"channel": "No such"}, "There is no channel"),
        ({"for": "soon"}, "for is"),
        ({"for": None}, "exactly one of for and until"),
        ({"labels": {}}, "needs labels or filters"),
        ({"labels": {"a": [{}]}}, "labels.a"),
    ],
)
def test_what_is_wrong_is_a_warning_and_nothing_is_set(
    deployment: Deployment, flashduty: Emulator, changes: dict[str, t.Any], words: str
) -> None:
    deployment.silence(**changes).set(ALERT)

    (warning,) = deployment.warnings
    assert warning.startswith("The silence deploy shop could not be set. ")
    assert words in warning
    assert flashduty.silences() == []


@pytest.mark.parametrize("number", ["x", "-1", "1.5", [1]])
def test_an_id_that_is_no_number_is_a_warning(
    deployment: Deployment, number: t.Any
) -> None:
    request = {**REQUEST, "channel_id": number}
    del request["channel"]

    deployment.silence(request).set(None)

    assert "must be a whole number" in deployment.warnings[0]


def test_a_service_that_refuses_is_a_warning_each_time(
    deployment: Deployment, flashduty: Emulator
) -> None:
    flashduty.misbehave({"kind": "error", "code": "AccessDenied", "times": 0})

    deployment.silence().set(ALERT)
    deployment.silence().remove()

    assert [warning[:47] for warning in deployment.warnings] == [
        "The silence deploy shop could not be set. Flash",
        "The silence deploy shop could not be removed. F",
    ]


@pytest.mark.parametrize(
    "error", [ConfigurationError("There is no app key.", option="app_key"), KeyError("x")]
)  # fmt: skip
def test_no_trouble_reaches_the_deployment(error: Exception) -> None:
    warnings: list[str] = []

    def connect() -> OpenApiConnection:
        raise error

    DeploymentSilence(REQUEST, "shop", connect, warnings.append).set(ALERT)

    assert len(warnings) == 1


@pytest.mark.parametrize(
    ("labels", "filters", "warned"),
    [
        ({"service": "shop"}, None, True),
        ({"service": ["search", "sh*"]}, None, True),
        ({"service": "shop", "resource": "db1"}, None, False),
        ({"resource": "db1"}, None, False),
        (None, [[{"key": "severity", "oper": "IN", "vals": ["Critical"]}]], True),
        (None, [[{"key": "title", "vals": ["/^Deployment/"]}]], True),
        (None, [[{"key": "labels.resource", "oper": "NOTIN", "vals": ["db1"]}]], True),
    ],
)
def test_labels_that_would_silence_the_deployments_own_alert_are_warned_of(
    deployment: Deployment,
    flashduty: Emulator,
    labels: t.Any,
    filters: t.Any,
    warned: bool,
) -> None:
    deployment.silence(labels=labels, filters=filters).set(ALERT)

    assert [
        "also matches the alert that a failure of this deployment raises" in warning
        for warning in deployment.warnings
    ] == ([True] if warned else [])
    # It is set all the same: it goes before the alert does.
    assert len(flashduty.silences()) == 1


def test_without_an_alert_nothing_can_match_it(deployment: Deployment) -> None:
    deployment.silence(labels={"service": "shop"}).set(None)

    assert deployment.warnings == []


@given(st.text(min_size=1, max_size=80), st.text(min_size=1, max_size=80))
def test_names_fit_and_are_different(one: str, other: str) -> None:
    assert len(silence_name(one)) <= 39
    assert (silence_name(one) == silence_name(other)) is (one == other)


def test_conditions_see_the_fields_of_the_alert() -> None:
    fields = fields_of(ALERT)

    assert fields["severity"] == fields["status"] == "Critical"
    assert fields["title"] == fields["title_rule"] == "Deployment of shop failed"
    assert fields["labels.service"] == "shop"
    assert fields["description"] == ""
