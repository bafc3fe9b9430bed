# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an alert says: keys, titles, descriptions and labels."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.events import (
    AlertEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.alerts import (
    OpenAlert,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
    DEFAULT_PATTERNS,
    Redactor,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.texts import (
    cut_middle,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.builder import (
    AlertBuilder,
    OwnRedactors,
    describe,
    mask_outcome,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.model import (
    AlertOverrides,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.outcomes import (
    TaskIdentity,
    TaskOutcome,
    TaskReference,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.run_context import (
    RunContext,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.settings import (
    Settings,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.subject import (
    Subject,
)
from hypothesis import given
from hypothesis import strategies as st

RUN = RunContext(
    run_id="0123",
    playbook="site.yml",
    playbook_id="plays/site.yml",
    namespace="",
    project="/srv",
    controller="control",
    local_name="control",
    check=False,
    limited=False,
    system={"user": "ann"},
)
TASK = TaskIdentity("Play", "", "site.yml", "Install", "apt")
REFERENCE = TaskReference(
    TASK, 7, "/srv/site.yml", "site.yml:7", "Install", "", "apt", False
)
OUTCOME = TaskOutcome("web1", REFERENCE, "failed", False, False, "No package.")


def alerts(
    warnings: list[str] | None = None,
    run: RunContext = RUN,
    secrets: t.Iterable[str] = (),
    **settings: t.Any,
) -> AlertBuilder:
    warn = (warnings if warnings is not None else []).append
    return AlertBuilder(
        run, Settings(**settings), Redactor(secrets, DEFAULT_PATTERNS), warn
    )


def outcome(**changes: t.Any) -> TaskOutcome:
    return OUTCOME._replace(**changes)


def event_of(
    the_outcome: TaskOutcome = OUTCOME,
    overrides: AlertOverrides | None = None,
    *,
    hosts: t.Sequence[str] = (),
    warnings: list[str] | None = None,
    storm: bool = False,
    **settings: t.Any,
) -> AlertEvent:
    made = alerts(warnings, **settings)
    overrides = overrides or AlertOverrides()
    status = made.status_of(the_outcome, overrides, handled=False)
    subject = (made.storm_subject if storm else made.subject)(the_outcome, status)
    event, _labels = made.failure(subject, the_outcome, overrides, now=1, hosts=hosts)
    return event


# -- keys

SUBJECT = Subject("host", "Critical", "web1")


def test_a_key_never_changes_by_itself() -> None:
    """A new version of the collection has to close what an older one has opened."""
    assert SUBJECT.key(RUN) == "ansible:v2:a2aeff2cea77868eeac472bb89d1141f5b8a1af5"
    assert len(SUBJECT.key(RUN)) < 255


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": "9"},
        {"controller": "other"},
        {"local_name": "other"},
        {"playbook": "other"},
        {"project": "/elsewhere"},
        {"limited": True},
        {"system": {}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_differs_between_runs_and_controllers_is_no_part_of_it(
    change: dict[str, t.Any],
) -> None:
    assert SUBJECT.key(RUN._replace(**change)) == SUBJECT.key(RUN)


def test_whatever_identifies_an_alert_makes_another_key() -> None:
    subjects = [
        SUBJECT,
        dataclasses.replace(SUBJECT, status="Warning"),
        dataclasses.replace(SUBJECT, host="web2"),
        dataclasses.replace(SUBJECT, scope="task"),
        dataclasses.replace(SUBJECT, task=TASK),
        dataclasses.replace(SUBJECT, namespace="x"),
        *(
            dataclasses.replace(SUBJECT, task=TASK._replace(**{field: "x"}))
            for field in TASK._fields
        ),
    ]
    run_changes: list[dict[str, t.Any]] = [{}, {"playbook_id": "x"}]
    keys = {
        subject.key(RUN._replace(**change))
        for subject in subjects
        for change in run_changes
    }

    assert len(keys) == len(subjects) * len(run_changes)


words = st.text(max_size=3)


@given(st.tuples(words, words, words), st.tuples(words, words, words))
def test_parts_of_a_key_do_not_run_into_one_another(
    one: tuple[str, str, str], two: tuple[str, str, str]
) -> None:
    def key(parts: tuple[str, str, str]) -> str:
        run = RUN._replace(playbook_id=parts[1])
        return Subject("host", "Critical", parts[2], namespace=parts[0]).key(run)

    assert (key(one) == key(two)) is (one == two)


def test_localhost_is_no_host_of_the_same_name() -> None:
    made = alerts()

    assert made.host_identity("localhost") == made.host_identity("127.0.0.1")
    assert made.host_identity("localhost") != made.host_identity("control")


@pytest.mark.parametrize(
    ("settings", "overrides", "status", "handled", "expected"),
    [
        ({}, {}, "failed", False, "Critical"),
        ({}, {}, "unreachable", False, "Critical"),
        ({"failed_status": "Info"}, {}, "failed", False, "Info"),
        ({"failed_status": "Info"}, {}, "unreachable", False, "Critical"),
        ({"unreachable_status": "Info"}, {}, "unreachable", False, "Info"),
        ({"failed_status": "Info"}, {}, "failed", True, "Warning"),
        ({"failed_status": "Info"}, {"status": "Critical"}, "failed", True, "Critical"),
    ],
)
def test_the_status(
    settings: dict[str, t.Any],
    overrides: dict[str, t.Any],
    status: t.Any,
    handled: bool,
    expected: str,
) -> None:
    made = alerts(**settings).status_of(
        outcome(status=status), AlertOverrides(**overrides), handled=handled
    )

    assert made == expected


# -- titles


@pytest.mark.parametrize(
    ("event", "title"),
    [
        (event_of(), "Install failed on web1 (site.yml)"),
        (event_of(outcome(status="unreachable")), "web1 unreachable (site.yml)"),
        (event_of(outcome(host="localhost")), "Install failed on control (site.yml)"),
        (event_of(alert_scope="playbook"), "site.yml failed"),
        (event_of(storm=True), "Install failed on many hosts (site.yml)"),
        (event_of(title_rule="$resource::$check"), "$resource::$check"),
        (
            event_of(title_rule="[TPL]{{.Labels.host}} {task}"),
            "[TPL]{{.Labels.host}} Install",
        ),
        (event_of(title_rule="{unknown} {{host}} {host}"), "{unknown} {{host}} web1"),
        (event_of(title_rule=" "), "Ansible"),
    ],
)
def test_titles(event: AlertEvent, title: str) -> None:
    assert event.title_rule == title


@given(st.text(alphabet="$[]{}TPLtplabc_. \u2060", max_size=40))
def test_no_name_of_a_task_becomes_a_template(name: str) -> None:
    reference = REFERENCE._replace(display_name=name)

    title = event_of(outcome(task=reference)).title_rule

    assert "[tpl]" not in title.lower()
    assert not any(f"${letter}" in title for letter in "abcptlPTL_{")


def test_in_a_template_of_the_user_no_name_of_a_task_is_one() -> None:
    reference = REFERENCE._replace(display_name="{{.Labels.host}} {{{x}}}")

    title = event_of(
        outcome(task=reference), title_rule="[TPL]{{.Labels.check}} {task}"
    ).title_rule

    assert title.startswith("[TPL]{{.Labels.check}} ")
    assert title.count("{{") == 1


# -- descriptions


def test_a_description_says_what_there_is_and_nothing_twice() -> None:
    text = describe(
        outcome(
            message="It broke: no space",
            rc=3,
            stderr="no space",
            stdout="written",
            delegated_to="db1",
        )
    )

    assert text == (
        "It broke: no space (rc 3)\n\nstdout:\nwritten\n\nTask: Install (site.yml:7), delegated to db1"
    )


def test_failed_items_are_named_up_to_a_number() -> None:
    items = tuple((f"item {n}", f"reason {n}") for n in range(23))

    lines = describe(outcome(failed_items=items)).splitlines()

    assert "Failed items (23):" in lines
    assert "- item 19: reason 19" in lines
    assert "- item 20: reason 20" not in lines
    assert "- … 3 more" in lines


def test_items_that_are_only_counted_cost_no_search_for_secrets() -> None:
    cleaned: list[object] = []

    class Counting(Redactor):
        def clean(self, text: object, **limits: t.Any) -> str:
            cleaned.append(text)
            return super().clean(text, **limits)

    items = tuple((f"item {n}", f"reason {n}") for n in range(500))
    made = mask_outcome(
        outcome(failed_items=items), OwnRedactors(Counting(), Counting())
    )

    assert "Failed items (500):" in describe(made)
    assert "item 0" in cleaned and len(cleaned) < 60


def test_what_was_handled_says_so() -> None:
    assert describe(OUTCOME, handled="rescued").startswith("Rescued: No package.")


@pytest.mark.parametrize(
    ("status", "text"),
    [("failed", "It failed."), ("unreachable", "The host is unreachable.")],
)
def test_without_a_message_there_is_still_a_sentence(status: t.Any, text: str) -> None:
    assert describe(outcome(message="", status=status)).startswith(text)


def test_when_a_description_is_too_long_its_middle_goes() -> None:
    text = event_of(outcome(message="a" * 5000 + "the end")).description

    assert text is not None
    assert len(text) == 2048
    assert text.startswith("aaaa")
    assert text.endswith("Task: Install (site.yml:7)")
    assert "the end" in text


def test_hosts_are_named_in_one_order_whichever_failed_first() -> None:
    one = event_of(hosts=["web1", "web3", "web2"], alert_scope="playbook")
    two = event_of(hosts=["web2", "web1", "web3"], alert_scope="playbook")

    assert one == two
    assert str(one.description).startswith(
        "3 hosts: web1, web2, web3\n\nOn web1: No package."
    )
    assert one.labels["hosts"] == "web1,web2,web3"


def test_a_chosen_description_may_hold_ours() -> None:
    overrides = AlertOverrides(description="Call Ann.\n{description}")

    assert str(event_of(overrides=overrides).description).startswith(
        "Call Ann.\nNo package."
    )


@given(st.text(), st.integers(4, 50))
def test_cutting_keeps_both_ends(text: str, limit: int) -> None:
    shorter = cut_middle(text, limit)

    assert len(shorter) <= limit
    if len(text) <= limit:
        assert shorter == text
    else:
        head, mark, tail = (
            shorter.partition("\n…\n") if "\n…\n" not in text else ("", "…", "")
        )
        assert mark
        assert text.startswith(head)
        assert text.endswith(tail)


# -- labels


def test_labels_of_an_ordinary_failure() -> None:
    overrides = AlertOverrides(groups=("prod", "web"))

    assert event_of(overrides=overrides).labels == {
        "source": "ansible",
        "resource": "web1",
        "host": "web1",
        "check": "Install",
        "status": "failed",
        "playbook": "site.yml",
        "module": "apt",
        "task_path": "site.yml:7",
        "play": "Play",
        "groups": "prod,web",
        "run_id": "0123",
        "controller": "control",
        "user": "ann",
    }


def test_an_alert_for_many_hosts_is_about_the_playbook() -> None:
    for event in (event_of(alert_scope="playbook"), event_of(storm=True)):
        assert event.labels["resource"] == "site.yml"
        assert "host" not in event.labels
        assert event.labels["hosts"] == "web1"


def test_the_nearest_label_wins() -> None:
    overrides = AlertOverrides(
        labels={"a": "variable", "resource": "chosen"},
        label_vars={"a": "host", "b": "host"},
    )

    labels = event_of(
        overrides=overrides, labels={"a": "config", "b": "config", "c": "config"}
    ).labels

    assert {name: labels[name] for name in "abc"} == {
        "a": "variable",
        "b": "host",
        "c": "config",
    }
    assert labels["resource"] == "chosen"


def test_above_fifty_labels_the_least_important_go() -> None:
    warnings: list[str] = []
    many = {f"own{n:02}": "x" for n in range(60)}

    labels = event_of(labels=many, warnings=warnings).labels

    assert len(labels) == 50
    assert list(labels)[:7] == [
        *("source", "resource", "host", "check", "status", "playbook"),
        "own00",
    ]
    assert "own44" not in labels
    assert len(warnings) == 1
    assert "own44" in warnings[0]


def test_labels_that_cannot_be_sent_do_not_cost_the_alert() -> None:
    warnings: list[str] = []

    event = event_of(labels={"": "nameless", "a": "x"}, warnings=warnings)

    assert event.labels["resource"] == "web1"
    assert event.labels["a"] == "x"
    assert "" not in event.labels


# -- secrets


def test_what_is_hidden_is_hidden_everywhere() -> None:
    secret = "Tr0ub4dor&3"
    made = alerts(secrets=[secret])
    overrides = AlertOverrides(
        labels={"l": secret},
        label_vars={"v": f"x{secret}x"},
        description=f"{secret} {{description}}",
    )
    reference = REFERENCE._replace(display_name=f"Use {secret}")
    bad = outcome(
        task=reference,
        message=f"m {secret}",
        stdout=f"o {secret}",
        stderr=f"e {secret}",
        failed_items=((f"i {secret}", f"t {secret}"),),
    )

    event, _labels = made.failure(
        Subject("host", "Critical", "web1"), made.redacted(bad), overrides, now=1
    )

    assert secret not in str(event.payload())
    assert str(event.payload()).count("[hidden]") >= 8


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_wherever_a_text_is_cut_no_half_of_a_secret_is_left(
    before: int, after: int
) -> None:
    secret = "0123456789abcdefghij"
    made = alerts(secrets=[secret])
    text = "x" * before + secret + "y" * after
    bad = outcome(message=text, stdout=text, stderr=text, failed_items=((text, text),))

    sent = describe(made.redacted(bad))

    assert not any(secret[n : n + 4] in sent for n in range(17))


# -- recoveries


def test_a_recovery_has_key_title_and_labels_of_the_alert() -> None:
    opened = OpenAlert(
        "key", "o", "title", "Critical", 1.0, {"labels": {"host": "web1"}}
    )

    event = alerts().recovery(opened, "The task works again.", now=5)

    assert event.payload() == {
        "title_rule": "title",
        "event_status": "Ok",
        "alert_key": "key",
        "event_time": 5,
        "description": "The task works again.",
        "labels": {"host": "web1"},
    }


def test_the_label_hosts_holds_whole_names_and_says_how_many_more() -> None:
    hosts = [f"web{number}.shop.example.com" for number in range(300)]

    event = event_of(hosts=hosts, storm=True)

    *named, last = event.labels["hosts"].split(",")
    last, _and, more = last.partition(" and ")
    assert {*named, last} <= set(hosts)
    assert more == f"{300 - len(named) - 1} more"
    assert (
        f"and {300 - len(str(event.description).split(' and ')[0].split(', '))} more"
        in (str(event.description))
    )


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("$\0resource", "$\u2060resource"),
        ("[\0TPL]x", "[\u2060TPL]x"),
        ("n\x1b[31mred\nline", "nred line"),
        ("gnp.\u202eexe", "gnp.exe"),
    ],
)
def test_the_name_of_a_host_steers_nothing(name: str, shown: str) -> None:
    """Whatever has found a machine, and added it to the inventory, may have named it."""
    event = event_of(outcome(host=name))

    assert shown in event.title_rule
    assert event.labels["host"] == event.labels["resource"] == shown
    for text in (event.title_rule, str(event.description), *event.labels.values()):
        assert "\0" not in text and "\x1b" not in text and "$resource" not in text
        assert not text.startswith("[TPL]")


def test_a_secret_renames_no_label_of_ours() -> None:
    builder = alerts(secrets=["resource", "secret-name"])
    subject = builder.subject(OUTCOME, "Critical")
    overrides = AlertOverrides(labels={"secret-name": "1"})

    event, _labels = builder.failure(subject, OUTCOME, overrides, now=1)

    assert event.labels["resource"] == "web1"
    assert "secret-name" not in event.labels, "a person's own one is masked"


def test_a_label_that_is_masked_is_told() -> None:
    warnings: list[str] = []
    builder = alerts(warnings, secrets=["production-1"])
    subject = builder.subject(OUTCOME, "Critical")
    overrides = AlertOverrides(label_vars={"env": "production-1"})

    event, _labels = builder.failure(subject, OUTCOME, overrides, now=1)

    assert event.labels["env"] == "[hidden]"
    assert [text.partition(",")[0] for text in warnings] == ["The label env is masked"]
