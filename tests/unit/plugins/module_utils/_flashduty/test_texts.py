# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
    HIDDEN,
    Redactor,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.texts import (
    clean_text,
)

UNSEEN = {
    "colour": "\x1b[1;31m",
    "colour in eight bits": "\x9b31m",
    "character set, as tput sgr0 writes it": "\x1b(B",
    "saved cursor": "\x1b7",
    "window title": "\x1b]0;mine\x07",
    "window title in eight bits": "\x9d0;mine\x9c",
    "soft hyphen": "\u00ad",
    "joiner of graphemes": "\u034f",
    "zero width space": "\u200b",
}


@pytest.mark.parametrize("unseen", UNSEEN.values(), ids=UNSEEN)
def test_what_nobody_sees_is_gone_and_cannot_part_a_secret(unseen: str) -> None:
    text = f"the pass{unseen}phrase is hunter{unseen}2hunter2"

    assert clean_text(text) == "the passphrase is hunter2hunter2"
    assert Redactor(["hunter2hunter2"]).clean(text) == f"the passphrase is {HIDDEN}"


def test_a_title_without_an_end_takes_no_text_with_it() -> None:
    assert clean_text("a \x9dquotation\x94 on one line") == "a quotation on one line"
