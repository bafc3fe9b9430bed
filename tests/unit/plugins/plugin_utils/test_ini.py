# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible.cfg is changed where it is asked for, and nowhere else."""

from __future__ import annotations

import configparser
import typing as t

import pytest
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._ini import (
    IniError,
    edit,
)
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.tools.playbooks import CALLBACK

CONFIGURATION = """\
# The configuration of the control node

[defaults]
inventory = hosts.yml   ; all of them
callbacks_enabled = ansible.posix.timer, ansible.posix.profile_tasks ; slow ones
;forks = 50
forks=20

# How to get there
[ssh_connection]
pipelining: true
ssh_args =
    -o ControlMaster=auto
    -o ControlPersist=60s

# The end
"""


def edited(text: str, section: str = "defaults", **changes: t.Any) -> str:
    """Edit twice: the second time changes nothing."""
    once = edit(text, section, **changes)
    assert edit(once, section, **changes) == once
    return once


def test_an_option_changes_where_it_stands() -> None:
    assert edited(CONFIGURATION, options={"forks": 50}) == CONFIGURATION.replace(
        "forks=20", "forks=50"
    )
    assert edited(
        CONFIGURATION, options={"Inventory": "web.yml"}
    ) == CONFIGURATION.replace("hosts.yml   ;", "web.yml   ;")


def test_an_option_that_is_right_stays_as_it_is_written() -> None:
    assert (
        edited(CONFIGURATION, "ssh_connection", options={"pipelining": True})
        == CONFIGURATION
    )


def test_a_new_option_stands_at_the_end_of_its_section() -> None:
    assert edited(CONFIGURATION, options={"timeout": 30}) == CONFIGURATION.replace(
        "forks=20\n", "forks=20\ntimeout = 30\n"
    )
    assert edited(
        CONFIGURATION, "ssh_connection", options={"retries": 3}
    ) == CONFIGURATION.replace("60s\n", "60s\nretries = 3\n")


def test_a_new_section_stands_at_the_end() -> None:
    options = {
        "label_vars": ["team", "service"],
        "labels": {"env": "prod"},
        "watch": False,
    }

    assert edited(CONFIGURATION, "flashduty", options=options) == CONFIGURATION + (
        '\n[flashduty]\nlabel_vars = team, service\nlabels = {"env": "prod"}\nwatch = false\n'
    )
    assert (
        edited("", "flashduty", options={"watch": True})
        == "[flashduty]\nwatch = true\n"
    )


def test_a_section_is_gone_with_its_last_option() -> None:
    added = edit(CONFIGURATION, "flashduty", options={"watch": True, "labels": "a=b"})

    assert (
        edited(added, "flashduty", options={"watch": None})
        == CONFIGURATION + "\n[flashduty]\nlabels = a=b\n"
    )
    assert (
        edited(added, "flashduty", options={"watch": None, "labels": None})
        == CONFIGURATION
    )


def test_a_section_with_comments_stays() -> None:
    text = "[flashduty]\n# Ask ops\nwatch = true\n"

    assert (
        edited(text, "flashduty", options={"watch": None}) == "[flashduty]\n# Ask ops\n"
    )


def test_all_lines_of_a_value_are_replaced() -> None:
    assert edited(
        CONFIGURATION, "ssh_connection", options={"ssh_args": "-4"}
    ) == CONFIGURATION.replace(
        "ssh_args =\n    -o ControlMaster=auto\n    -o ControlPersist=60s\n",
        "ssh_args = -4\n",
    )


@pytest.mark.parametrize(
    ("before", "after"),
    {
        "one line": (
            "callbacks_enabled = a, b\n",
            f"callbacks_enabled = a, b, {CALLBACK}\n",
        ),
        "with a comment": (
            "callbacks_enabled=a ; b\n",
            f"callbacks_enabled=a, {CALLBACK} ; b\n",
        ),
        "empty": ("callbacks_enabled =\n", f"callbacks_enabled = {CALLBACK}\n"),
        "one too many": (
            "callbacks_enabled = a,\n",
            f"callbacks_enabled = a, {CALLBACK}\n",
        ),
        "missing": ("", f"callbacks_enabled = {CALLBACK}\n"),
        "commented out": ("#callbacks_enabled = a\n", None),
        "several lines": (
            "callbacks_enabled =\n  a,\n  # not b\n  c ; why\nforks = 1\n",
            f"# not b\n; why\ncallbacks_enabled = a, c, {CALLBACK}\nforks = 1\n",
        ),
        "from the first line on": (
            "callbacks_enabled = a,\n    b,\n",
            f"callbacks_enabled = a, b, {CALLBACK}\n",
        ),
        "there": (
            f"callbacks_enabled = a,{CALLBACK} ,b\n",
            f"callbacks_enabled = a,{CALLBACK} ,b\n",
        ),
        "another case": (
            "Callbacks_Enabled: a\n",
            f"Callbacks_Enabled: a, {CALLBACK}\n",
        ),
    }.values(),
)
def test_an_item_is_added_to_what_is_there(before: str, after: str | None) -> None:
    if after is None:
        after = f"callbacks_enabled = {CALLBACK}\n{before}"

    assert (
        edited(f"[defaults]\n{before}", add={"callbacks_enabled": CALLBACK})
        == f"[defaults]\n{after}"
    )


@pytest.mark.parametrize(
    "rest",
    [
        "callbacks_enabled = a, b\n",
        "callbacks_enabled = a ; comment\n",
        "",
    ],
)
def test_what_was_added_can_be_removed(rest: str) -> None:
    text = f"[defaults]\nforks = 1\n{rest}"
    added = edit(text, "defaults", add={"callbacks_enabled": CALLBACK})

    assert edited(added, remove={"callbacks_enabled": CALLBACK}) == text


def test_an_item_is_removed_from_between_others() -> None:
    lines = f"[defaults]\ncallbacks_enabled = a, {CALLBACK},\n  b, ; comment\n  {CALLBACK}\n"

    assert edited(lines, remove={"callbacks_enabled": CALLBACK}) == (
        "[defaults]\n; comment\ncallbacks_enabled = a, b\n"
    )


@pytest.mark.parametrize(
    "text", ["forks = 1\n", "[a]\nx = 1\nx = 2\n", "[a]\n[a]\n", "[a]\nnothing\n"]
)
def test_what_ansible_cannot_read_is_not_touched(text: str) -> None:
    with pytest.raises(IniError, match="no ini file"):
        edit(text, "a", options={"y": 1})


@pytest.mark.parametrize("value", ["a\nb", "a ; b"])
def test_what_cannot_be_written_is_refused(value: str) -> None:
    with pytest.raises(IniError, match="labels"):
        edit("", "flashduty", options={"labels": value})


def test_no_message_shows_what_is_written() -> None:
    with pytest.raises(IniError) as caught:
        edit("[a]\nsecret\n", "a", options={"x": 1})

    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None


NAMES = st.sampled_from(["forks", "Forks", "timeout", "callbacks_enabled", "x y"])
LINES = st.one_of(
    st.builds("[{}]".format, st.sampled_from(["defaults", "flashduty", "other"])),
    st.builds(
        "{}{}{}{}{}".format,
        NAMES,
        st.sampled_from([" = ", "=", ": ", " ="]),
        st.sampled_from(["", "a", "a, b", f"{CALLBACK},a", "1", "a,"]),
        st.sampled_from(["", " ; comment", " # value"]),
        st.sampled_from(["", " "]),
    ),
    st.builds(
        "{}{}".format,
        st.sampled_from(["  ", "\t", "    "]),
        st.sampled_from(["a,", CALLBACK, "b ; c", ";d", "x = y", "[z]"]),
    ),
    st.sampled_from(["", "# comment", "; comment", "  # comment"]),
)


def read(text: str) -> dict[str, dict[str, str]] | None:
    parser = configparser.ConfigParser(
        inline_comment_prefixes=(";",), interpolation=None
    )
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    return {name: dict(parser[name]) for name in parser.sections()}


@given(
    st.lists(LINES, max_size=12).map("\n".join),
    st.sampled_from(["defaults", "flashduty"]),
    st.sampled_from(
        [
            {"options": {"forks": "7"}},
            {"options": {"forks": None}},
            {"add": {"callbacks_enabled": CALLBACK}},
            {"remove": {"callbacks_enabled": CALLBACK}},
        ]
    ),
)
def test_nothing_else_changes_whatever_the_file_looks_like(
    text: str, section: str, changes: dict[str, t.Any]
) -> None:
    before = read(text)
    assume(before is not None)
    assert before is not None
    try:
        after = read(edit(text, section, **changes))
    except IniError:
        return

    (option,) = next(iter(changes.values()))
    assert after is not None
    for values in (before, after):
        values.setdefault(section, {}).pop(option, None)
    empty = {name for name in before if not before[name]}
    assert {n: v for n, v in before.items() if n not in empty} == {
        n: v for n, v in after.items() if v or n not in empty
    }
