# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the events of a deployment say, and that the service takes them whatever anybody has chosen."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    AlertEvent,
    ChangeEvent,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._deployment.events import (
    DeploymentEvents,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._deployment.state import (
    Failure,
)
from hypothesis import given
from hypothesis import strategies as st

SHOP = DeploymentEvents(
    "shop-api",
    version="1.4.2",
    labels={"team": "shop"},
    surroundings={"playbook": "site.yml"},
)
BOOM = Failure("web1", "boom", task="Restart", action="ansible.builtin.command")


def test_the_alert_key_is_the_same_for_every_version_and_not_for_every_name() -> None:
    keys = [
        DeploymentEvents("shop-api").alert_key,
        SHOP.alert_key,
        DeploymentEvents("shop-web").alert_key,
        DeploymentEvents("shop-api", namespace="b").alert_key,
    ]

    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_the_change_key_tells_what_and_which_run() -> None:
    assert SHOP.change_key("0f3a") == "shop-api-1.4.2-0f3a"
    assert DeploymentEvents("shop-api").change_key("0f3a") == "shop-api-0f3a"
    assert len(DeploymentEvents("n" * 300).change_key("0f3a")) == 255


def test_opening_and_closing_have_the_same_key_and_title() -> None:
    opening = SHOP.alert(hosts=["web1"], failures=[BOOM])
    closing = SHOP.recovery()

    assert closing["event_status"] == "Ok"
    for name in ("alert_key", "title_rule"):
        assert opening[name] == closing[name]


def test_a_reason_that_hosts_share_is_told_once() -> None:
    failures = [
        BOOM,
        Failure("web2", "boom", task="Restart"),
        Failure("web3", "bang", task="Start"),
    ]

    description = SHOP.alert(hosts=["web1", "web2", "web3", "web4"], failures=failures)[
        "description"
    ]

    assert description.startswith(
        "Deployment of shop-api 1.4.2: 3 of 4 hosts failed: web1, web2, web3."
    )
    assert description.count("boom") == 1
    assert "web1, web2:\nboom" in description
    assert "web3:\nbang" in description


def test_labels_that_somebody_has_chosen_replace_ours() -> None:
    chosen = DeploymentEvents(
        "shop-api",
        labels={"service": "shop", "playbook": "mine"},
        surroundings={"playbook": "site.yml"},
    )

    labels = chosen.change("key", "Done", hosts=["web1"])["labels"]

    assert labels["service"] == "shop"
    assert labels["playbook"] == "mine"
    assert labels["resource"] == "shop-api"


def test_a_label_that_cannot_be_sent_is_left_out_and_told() -> None:
    narrator = DeploymentEvents(
        "shop-api",
        labels={
            **{"owners": ["a"], "since": 2026, "nothing": None},
            # Nothing is left of a name that no text may hold.
            **{"": "x", "\x00": "x", "\x00team": "web"},
        },
    )

    labels = narrator.change("key", "Done", hosts=[])["labels"]

    assert labels["since"] == "2026"
    assert labels["team"] == "web"
    assert not {"owners", "", "\x00", "\x00team"} & set(labels)
    assert len(narrator.problems) == 1 and "owners" in narrator.problems[0]


VALUES: t.Any = st.one_of(
    st.none(),
    st.text(),
    st.integers(),
    st.lists(st.text(), max_size=1),
    st.text(min_size=2100, max_size=2200),
)


@given(
    st.text(min_size=1, max_size=600).filter(str.strip),
    st.text(max_size=20),
    st.dictionaries(st.text(max_size=140), VALUES, max_size=60),
    st.lists(
        st.builds(
            Failure, st.text(max_size=80), st.text(max_size=900), st.text(max_size=80)
        ),
        min_size=1,
        max_size=30,
    ),
)
def test_all_events_can_be_sent(
    name: str, version: str, labels: dict[str, t.Any], failures: list[Failure]
) -> None:
    narrator = DeploymentEvents(
        name, version=version, labels=labels, description=version
    )
    hosts = [failure.host for failure in failures]

    events: list[AlertEvent | ChangeEvent] = [
        AlertEvent.create(**narrator.alert(hosts=hosts, failures=failures)),
        AlertEvent.create(**narrator.recovery()),
        ChangeEvent.create(
            **narrator.change(
                narrator.change_key("0f3a"), "Canceled", hosts=hosts, failures=failures
            )
        ),
    ]

    assert [event.truncated for event in events] == [()] * 3


def test_names_of_hosts_are_made_fit_to_leave() -> None:
    events = DeploymentEvents("shop", clean_name=lambda name: name.upper())
    failures = [Failure("web1", "no disk"), Failure("web2", "no disk")]

    alert = events.alert(hosts=["web1", "web2", "db"], failures=failures)
    change = events.change("key", "Canceled", hosts=["db"], failures=failures)

    texts = json.dumps([alert, change])
    assert "WEB1, WEB2" in texts and "DB" in texts
    for name in ("web1", "web2", '"db'):
        assert name not in texts
