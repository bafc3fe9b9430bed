# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs from run to run by itself is evened out, in a time that is proportional to the text."""

from __future__ import annotations

import itertools
import re
import tempfile

import pytest
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.volatile import (
    even_out,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.growth import grows_with_length

names = st.text("abcdefghijklmnopqrstuvwxyz_", max_size=20)


@given(prefix=st.sampled_from(["/tmp/", "/etc/."]), name=names, suffix=st.just(".conf"))
def test_temporary_names_are_the_same_in_every_run(
    prefix: str, name: str, suffix: str
) -> None:
    """Python's ``mkstemp`` with any prefix and suffix, in a temporary folder or as a hidden file."""
    candidates = tempfile._get_candidate_names()  # type: ignore[attr-defined]
    # One in twelve has no digit, and looks like a word.
    random = [
        name for name in itertools.islice(candidates, 9) if re.search(r"\d", name)
    ]
    texts = {
        even_out(f"cannot write {prefix}{name}_{one}{suffix}: no space")
        for one in random
    }

    assert len(texts) == 1


def test_the_name_that_a_large_public_playbook_showed() -> None:
    assert (
        even_out("sysctl: cannot open /etc/.ansible_m_sysctl_9j15zl87.conf")
        == "sysctl: cannot open /etc/.ansible_m_sysctl_….conf"
    )


@pytest.mark.parametrize(
    "unit",
    [
        *("0xansible_", "ansible_a", "ansible_._payload", "ansible-tmp-1", "0x0a"),
        *("/tmp/a", "/tmp/a-", "/.a_", "/a-b", "-", "/", "tmp", "j1", "Shared connection to "),
    ],
)  # fmt: skip
def test_no_text_takes_long(unit: str) -> None:
    assert grows_with_length(even_out, unit)
