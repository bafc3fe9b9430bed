# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tools import markdown
from tests.tools.environments import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
LINK = re.compile(r"\]\((?!https?://)(?P<path>[^)#]+)")

GUIDE = """
.. A comment

.. _ansible_collections.flashcat.flashduty.docsite.guide_x:

Title
=====

See :ref:`the callback <ansible_collections.flashcat.flashduty.docsite.guide_callback>`,
:ansplugin:`flashcat.flashduty.alert_event#module` and ``a*b`` or a*b.

- one
- two

  more

.. list-table::
    :header-rows: 1

    * - A
      - B
    * - a|b
      - c

.. code-block:: ini
    :caption: ansible.cfg

    [defaults]

Section
-------

Text.
"""


def test_a_guide_becomes_markdown(tmp_path: Path) -> None:
    source = tmp_path / "guide_x.rst"
    source.write_text(GUIDE, encoding="utf-8")

    written = markdown.markdown(source)

    assert written.partition("-->\n\n")[2].splitlines() == [
        "# Title",
        "",
        "See [the callback](guide_callback.md),"
        " [`flashcat.flashduty.alert_event`](../plugins/modules/alert_event.py) and `a*b` or a\\*b.",
        "",
        "- one",
        "",
        "- two",
        "",
        "  more",
        "",
        "| A | B |",
        "| --- | --- |",
        "| a\\|b | c |",
        "",
        "**ansible.cfg**",
        "",
        "```ini",
        "[defaults]",
        "```",
        "",
        "## Section",
        "",
        "Text.",
    ]


@pytest.mark.parametrize(
    "text", [".. math::\n\n    x", ":ansplugin:`flashcat.flashduty.gone#module`"]
)
def test_what_would_get_lost_is_an_error(tmp_path: Path, text: str) -> None:
    source = tmp_path / "guide_x.rst"
    source.write_text(text, encoding="utf-8")

    with pytest.raises(ValueError, match=r"cannot write|does not exist"):
        markdown.markdown(source)


def test_the_guides_in_markdown_are_current() -> None:
    current = markdown.guides()

    outdated = [
        path.name
        for path, text in current.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert outdated == [], "run: .venv/bin/python -m tests.tools.markdown"
    assert set((ROOT / "docs").glob("guide_*.md")) == set(current)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    linked = [found["path"] for found in LINK.finditer(page.read_text("utf-8"))]

    assert [path for path in linked if not (page.parent / path).exists()] == []
