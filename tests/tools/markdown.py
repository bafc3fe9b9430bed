# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
Write the guides as Markdown, docs/guide_*.md.

The source is docs/docsite/rst, of which antsibull-docs makes the pages of the documentation site. Its references are no
links where people read first: on GitHub, on Galaxy and in an installed collection. Markdown works in all three.

    python3 -m tests.tools.markdown           # writes them; a test says when they are out of date
"""

from __future__ import annotations

import re
import sys
import textwrap
import typing as t
from pathlib import Path

from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import Directive, directives, roles

from tests.tools.environments import ROOT

SOURCE = ROOT / "docs" / "docsite" / "rst"
TARGET = ROOT / "docs"
PREFIX = "ansible_collections.flashcat.flashduty.docsite."
# A guide begins with its licence, as a comment.
LICENCE = re.compile(r"\.\.\n((?:  .*\n)+)")
HEAD = """\
<!--
{licence}
Written by tests/tools/markdown.py from docsite/rst/{name}. Change that file.
-->
"""
TITLE = re.compile(r"(?P<title>.*?)\s*<(?P<target>[^<>]+)>", re.DOTALL)


def _split(text: str) -> tuple[str, str]:
    """Return title and target of a role's text, such as ``title <target>``."""
    found = TITLE.fullmatch(text)
    return (found["title"], found["target"]) if found else ("", text)


def _title_of(guide: str) -> str:
    lines = (SOURCE / f"{guide}.rst").read_text(encoding="utf-8").splitlines()
    underline = next(n for n, line in enumerate(lines) if re.fullmatch("=+", line))
    return lines[underline - 1]


def _ref(
    _name: str, raw: str, text: str, *_others: t.Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """A reference to another guide, or out of the collection."""
    title, target = _split(text)
    if not target.startswith(PREFIX):
        raise ValueError(f"{raw} is no guide of this collection")
    guide = target.removeprefix(PREFIX)
    node = nodes.reference(raw, title or _title_of(guide), refuri=f"{guide}.md")
    return [node], []


def _plugin(
    _name: str, raw: str, text: str, *_others: t.Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """A reference to a plugin: its file begins with its documentation."""
    title, target = _split(text)
    name, _hash, kind = target.partition("#")
    short = name.removeprefix("flashcat.flashduty.")
    if short == name:
        return [nodes.literal(raw, title or name)], []
    place = {
        "role": f"../roles/{short}/README.md",
        "module": f"../plugins/modules/{short}.py",
    }.get(kind, f"../plugins/{kind}/{short}.py")
    if not (TARGET / place).exists():
        raise ValueError(f"{raw}: {place} does not exist")
    link = nodes.reference(raw, "", refuri=place)
    link += nodes.literal(raw, title or name)
    return [link], []


def _literal(
    _name: str, raw: str, text: str, *_others: t.Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    return [nodes.literal(raw, text.partition("#")[2].partition(":")[2] or text)], []


class _CodeBlock(Directive):
    """A block of code, with its caption before it."""

    has_content = True
    required_arguments = 1
    option_spec: t.ClassVar[dict[str, t.Any]] = {"caption": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        text = "\n".join(self.content)
        block = nodes.literal_block(text, text, language=self.arguments[0])
        if "caption" not in self.options:
            return [block]
        strong = nodes.strong("", self.options["caption"])
        return [nodes.paragraph("", "", strong), block]


class _SeeAlso(Directive):
    has_content = True

    def run(self) -> list[nodes.Node]:
        box = nodes.block_quote()
        self.state.nested_parse(self.content, self.content_offset, box)
        return [box]


class _Nothing(Directive):
    """A table of contents: GitHub makes its own."""

    has_content = True
    optional_arguments = 1
    option_spec: t.ClassVar[dict[str, t.Any]] = {
        "local": directives.flag,
        "depth": directives.unchanged,
    }

    def run(self) -> list[nodes.Node]:
        return []


class _Markdown:
    """Writes nodes as Markdown. What it does not know is an error, so that nothing gets lost."""

    def __init__(self) -> None:
        self._level = 0

    def inline(self, parent: nodes.Element) -> str:
        return "".join(self._inline(child) for child in parent.children)

    def _inline(self, node: nodes.Node) -> str:
        if isinstance(node, nodes.Text):
            return re.sub(r"([*_<`\\])", r"\\\1", re.sub(r"\s+", " ", str(node)))
        if isinstance(node, nodes.literal):
            fence = "``" if "`" in node.astext() else "`"
            return f"{fence}{node.astext()}{fence}"
        if isinstance(node, nodes.strong):
            return f"**{self.inline(node)}**"
        if isinstance(node, nodes.emphasis):
            return f"*{self.inline(node)}*"
        if isinstance(node, nodes.reference):
            target = node.get("refuri") or "#" + node["refid"]
            return f"[{self.inline(node)}]({target})"
        if isinstance(node, nodes.title_reference):
            return self.inline(node)
        if isinstance(node, nodes.target):
            return ""
        raise ValueError(f"cannot write {node.__class__.__name__} as Markdown: {node}")

    def blocks(self, parent: nodes.Element) -> str:
        written = (self._block(child) for child in parent.children)
        return "\n\n".join(block for block in written if block)

    def _block(self, node: nodes.Node) -> str:
        name = node.__class__.__name__
        writer = getattr(self, f"_write_{name}", None)
        if writer is None:
            raise ValueError(f"cannot write {name} as Markdown: {node}")
        return t.cast(str, writer(node))

    def _write_comment(self, _node: nodes.Element) -> str:
        return ""

    _write_target = _write_comment

    def _write_section(self, node: nodes.Element) -> str:
        self._level += 1
        try:
            return self.blocks(node)
        finally:
            self._level -= 1

    def _write_title(self, node: nodes.Element) -> str:
        return f"{'#' * self._level} {self.inline(node)}"

    def _write_paragraph(self, node: nodes.Element) -> str:
        # In one line: what a break puts at the beginning of a line may mean something in Markdown.
        return self.inline(node)

    def _write_literal_block(self, node: nodes.Element) -> str:
        return f"```{node.get('language', '')}\n{node.astext()}\n```"

    def _write_bullet_list(self, node: nodes.Element) -> str:
        return self._items(node, lambda _number: "- ")

    def _write_enumerated_list(self, node: nodes.Element) -> str:
        return self._items(node, lambda number: f"{number}. ")

    def _items(self, node: nodes.Element, mark: t.Callable[[int], str]) -> str:
        items = []
        for number, item in enumerate(node.children, start=1):
            start = mark(number)
            text = textwrap.indent(
                self.blocks(t.cast(nodes.Element, item)), " " * len(start)
            )
            items.append(start + text[len(start) :])
        loose = any("\n\n" in item for item in items)
        return ("\n\n" if loose else "\n").join(items)

    def _write_definition_list(self, node: nodes.Element) -> str:
        items = []
        for item in node.findall(nodes.definition_list_item):
            term, definition = item.children[0], item.children[-1]
            text = textwrap.indent(self.blocks(t.cast(nodes.Element, definition)), "  ")
            items.append(f"- **{self.inline(t.cast(nodes.Element, term))}**\n\n{text}")
        return "\n\n".join(items)

    def _write_block_quote(self, node: nodes.Element) -> str:
        return self._quoted(self.blocks(node))

    def _admonition(self, node: nodes.Element) -> str:
        return self._quoted(f"[!{type(node).__name__.upper()}]\n{self.blocks(node)}")

    @staticmethod
    def _quoted(text: str) -> str:
        return "\n".join(f"> {line}".rstrip() for line in text.splitlines())

    _write_note = _write_warning = _write_important = _write_tip = _admonition

    def _write_image(self, node: nodes.Element) -> str:
        return f"![{node.get('alt', '')}](docsite/rst/{node['uri']})"

    def _write_figure(self, node: nodes.Element) -> str:
        return self.blocks(node)

    _write_caption = _write_paragraph

    def _write_table(self, node: nodes.Element) -> str:
        rows = [
            [self._cell(entry) for entry in row.findall(nodes.entry)]
            for row in node.findall(nodes.row)
        ]
        if not any(True for _head in node.findall(nodes.thead)):
            rows.insert(0, [""] * len(rows[0]))
        rows.insert(1, ["---"] * len(rows[0]))
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def _cell(self, node: nodes.Element) -> str:
        parts = []
        for child in node.children:
            if isinstance(child, (nodes.bullet_list, nodes.enumerated_list)):
                parts += [
                    self.inline(paragraph)
                    for paragraph in child.findall(nodes.paragraph)
                ]
            elif isinstance(child, nodes.literal_block):
                parts += [f"`{line}`" for line in child.astext().splitlines()]
            else:
                parts.append(self.inline(t.cast(nodes.Element, child)))
        return "<br>".join(parts).replace("|", "\\|")


def markdown(path: Path) -> str:
    """Return a guide as Markdown."""
    for name, directive in DIRECTIVES.items():
        directives.register_directive(name, directive)
    for name, role in ROLES.items():
        roles.register_local_role(name, role)
    source = path.read_text(encoding="utf-8")
    document = publish_doctree(
        source,
        source_path=str(path),
        settings_overrides={
            "halt_level": 2,
            "report_level": 2,
            "doctitle_xform": False,
            "smart_quotes": False,
        },
    )
    text = _Markdown().blocks(document)
    comment = LICENCE.match(source)
    licence = textwrap.dedent(comment[1]) if comment else ""
    return f"{HEAD.format(name=path.name, licence=licence)}\n{text}\n"


DIRECTIVES: dict[str, type[Directive]] = {
    "code-block": _CodeBlock,
    "seealso": _SeeAlso,
    "contents": _Nothing,
}
ROLES: dict[str, t.Any] = {
    "ref": _ref,
    "ansplugin": _plugin,
    "ansopt": _literal,
    "ansval": _literal,
    "ansretval": _literal,
    "ansenvvar": _literal,
    "ansenvvarref": _literal,
}


def guides() -> dict[Path, str]:
    """Return what shall stand in each Markdown file."""
    return {
        TARGET / f"{path.stem}.md": markdown(path)
        for path in sorted(SOURCE.glob("guide_*.rst"))
    }


def main() -> int:
    for path, text in guides().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
