# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
The plan of the house, which docs/architecture.md draws: who may import whom, and who touches what.

The files are read, not imported.
"""

from __future__ import annotations

import ast
import functools
import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tools.environments import ROOT

PLUGINS = ROOT / "plugins"
COLLECTION = "ansible_collections.flashcat.flashduty.plugins."

# From the top down. A room may import rooms of lower floors, none of its own floor, and none above.
FLOORS = (
    ("callback", "action", "modules", "filter", "lookup"),
    ("_callback", "_deployment"),
    ("_actions",),
    ("_ansible", "_delivery"),
    ("_alerts", "_processes", "_ini"),
    ("_send_event",),
    ("_argspec", "_open_api_options"),
    ("_connection_argspec", "_options"),
    ("_key_files", "_layers"),
    ("_flashduty",),
)
# The same inside the core, where files of one floor may import each other. What is not named is on the ground floor.
CORE_FLOORS = (
    ("courier", "sender", "silencing", "run_watch"),
    ("client", "open_api", "outbox"),
    ("transport", "http_errors"),
)
CORE = "module_utils/_flashduty/"
HTTP = (f"{CORE}client.py", f"{CORE}transport.py", f"{CORE}http_errors.py")
# Who may import a library, by how the paths begin.
LIBRARIES = {
    "requests": HTTP,
    "urllib3": HTTP,
    "sqlite3": (f"{CORE}outbox/sqlite.py",),
    "psycopg": (f"{CORE}outbox/postgresql.py",),
}
FREE_OF_ANSIBLE = (
    CORE,
    *("plugin_utils/_alerts/", "plugin_utils/_delivery", "plugin_utils/_processes"),
)
ADAPTER = "plugin_utils/_ansible/"
SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE FROM|CREATE TABLE|PRAGMA) ")

# What is wrong and cannot be mended yet. Whoever mends it removes its line.
EXCEPTIONS: set[tuple[str, str]] = set()


class Fault(t.NamedTuple):
    """What a file does and must not, and where that belongs."""

    file: str
    does: str
    advice: str

    def __str__(self) -> str:
        return f"plugins/{self.file} {self.does}. {self.advice}"


@dataclass(frozen=True)
class Source:
    """A file of the collection, by its path below plugins/."""

    file: str
    tree: ast.Module

    @property
    def parts(self) -> tuple[str, ...]:
        return Path(self.file).with_suffix("").parts

    @property
    def imports(self) -> set[str]:
        """Full names of what it imports, with the names from inside modules."""
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                module = node.module or ""
                if node.level:
                    above = ".".join(self.parts[: len(self.parts) - node.level])
                    module = COLLECTION + ".".join(filter(None, (above, module)))
                found |= {f"{module}.{alias.name}" for alias in node.names}
        return found

    @property
    def own_imports(self) -> set[tuple[str, ...]]:
        """What it imports of the collection, as paths below plugins/."""
        return {
            tuple(name.removeprefix(COLLECTION).split("."))
            for name in self.imports
            if name.startswith(COLLECTION)
        }


def room_of(parts: t.Sequence[str]) -> str:
    """Return the room of a path: the kind of plugin, or the first name below plugin_utils or module_utils."""
    return parts[1] if parts[0].endswith("_utils") else parts[0]


def floor_of(name: str, floors: t.Sequence[t.Sequence[str]]) -> int:
    """Return the number of a floor, counted from the top."""
    return next((n for n, floor in enumerate(floors) if name in floor), len(floors))


def arrows_between_rooms(source: Source) -> t.Iterator[Fault]:
    here = room_of(source.parts)
    for there in {room_of(parts) for parts in source.own_imports} - {here}:
        if floor_of(there, FLOORS) == len(FLOORS):
            advice = "No floor has this room: give it one in this file and in docs/architecture.md."
        elif floor_of(there, FLOORS) > floor_of(here, FLOORS):
            continue
        else:
            advice = (
                f"{there} is not below {here}: move what both need into a room below them,"
                " or let the room above hand it down as a parameter."
            )
        yield Fault(source.file, f"imports {there}", advice)
    if source.file.startswith("module_utils/") or here == "modules":
        for there in {p[1] for p in source.own_imports if p[0] == "plugin_utils"}:
            yield Fault(
                source.file,
                f"imports plugin_utils/{there}",
                "It runs on targets, which have module_utils only: move what it needs there.",
            )


def arrows_inside_the_core(source: Source) -> t.Iterator[Fault]:
    if not source.file.startswith(CORE):
        return
    here = source.parts[2]
    for there in {p[2] for p in source.own_imports if len(p) > 2 and p[2] != here}:
        if floor_of(there, CORE_FLOORS) < floor_of(here, CORE_FLOORS):
            yield Fault(
                source.file,
                f"imports {there}",
                f"In the core, {there} is above {here}: move what both need down, or name its floor here.",
            )


def libraries(source: Source) -> t.Iterator[Fault]:
    for library in {name.partition(".")[0] for name in source.imports}:
        allowed = LIBRARIES.get(library, ("",))
        if not source.file.startswith(allowed):
            yield Fault(
                source.file,
                f"imports {library}",
                f"Only {' and '.join(allowed)} may: let them do it.",
            )
        if library == "ansible" and source.file.startswith(FREE_OF_ANSIBLE):
            yield Fault(
                source.file,
                "imports ansible",
                f"It must be usable without: read what you need in {ADAPTER} and hand it in as a value.",
            )


# Of named tuples: the underscore keeps them apart from the names of fields.
PUBLIC_NAMES_OF_TUPLES = ("_replace", "_asdict", "_fields", "_field_defaults")


def private_attributes(source: Source) -> t.Iterator[Fault]:
    # The core meets no object of ansible-core, and two outboxes may look into each other.
    if source.file.startswith((ADAPTER, CORE)):
        return
    for node in ast.walk(source.tree):
        if (
            isinstance(node, ast.Attribute)
            and re.match("_[^_]", node.attr)
            and node.attr not in PUBLIC_NAMES_OF_TUPLES
            and ast.unparse(node.value) not in ("self", "cls", "os")
        ):
            yield Fault(
                source.file,
                f"touches {node.attr}",
                f"{ast.unparse(node)} is private. What ansible-core hides is read in {ADAPTER} only.",
            )
    for name in source.imports:
        if name.startswith("ansible._"):
            yield Fault(
                source.file,
                f"imports {name}",
                f"What ansible-core hides is read in {ADAPTER} only.",
            )


def sql(source: Source) -> t.Iterator[Fault]:
    if source.file.startswith(f"{CORE}outbox"):
        return
    for node in ast.walk(source.tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and (SQL.match(node.value) or node.value == "outbox.sqlite3")
        ):
            yield Fault(
                source.file,
                f"says {node.value.strip().split()[0]}",
                f"Only {CORE}outbox/ knows SQL and the outbox's files: give the outbox a method.",
            )


RULES = (
    arrows_between_rooms,
    arrows_inside_the_core,
    libraries,
    private_attributes,
    sql,
)


@functools.cache
def sources() -> list[Source]:
    """Return all files of the collection."""
    return [
        Source(path.relative_to(PLUGINS).as_posix(), ast.parse(path.read_bytes()))
        for path in sorted(PLUGINS.rglob("*.py"))
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_plan_holds(rule: t.Callable[[Source], t.Iterator[Fault]]) -> None:
    faults = [fault for source in sources() for fault in rule(source)]

    assert [str(f) for f in faults if f[:2] not in EXCEPTIONS] == []


def test_no_exception_has_become_needless() -> None:
    faults = {f[:2] for source in sources() for rule in RULES for f in rule(source)}

    assert sorted(EXCEPTIONS - faults) == [], "mended: remove these lines above"


def test_no_file_imports_itself_by_way_of_others() -> None:
    known = {source.parts: source for source in sources()}
    imports = {
        parts: {n for i in source.own_imports for n in (i, i[:-1]) if n in known}
        for parts, source in known.items()
    }

    def circle(path: tuple[tuple[str, ...], ...]) -> list[str]:
        for there in imports[path[-1]] - finished:
            if there in path:
                return ["/".join(step) for step in (*path, there)]
            if found := circle((*path, there)):
                return found
        finished.add(path[-1])
        return []

    finished: set[tuple[str, ...]] = set()
    assert [found for parts in known if (found := circle((parts,)))] == []


def test_contributing_says_where_each_room_is_tested() -> None:
    table = re.search(
        r"\| room \|.*?(?=\n\n)",
        (ROOT / "CONTRIBUTING.md").read_text("utf-8"),
        re.DOTALL,
    )
    assert table
    rows = [row.strip("| ").split("|") for row in table[0].splitlines()[2:]]
    rooms = {name for row in rows for name in re.findall("`(.+?)`", row[0])}
    folders = {name for row in rows for name in re.findall("`(.+?)`", str(row[1:]))}

    assert [folder for folder in sorted(folders) if not (ROOT / folder).exists()] == []
    assert [
        source.file
        for source in sources()
        if not f"plugins/{source.file}".startswith(tuple(rooms))
    ] == []


@pytest.mark.parametrize(
    ("file", "line", "fault"),
    [
        ("plugin_utils/_alerts/x.py", "from ansible.errors import AnsibleError", "imports ansible"),
        ("plugin_utils/_alerts/x.py", "from .._delivery import Delivery", "imports _delivery"),
        ("plugin_utils/_delivery.py", "def f():\n    from ._ansible import play", "imports _ansible"),
        ("modules/x.py", "from ..plugin_utils._ini import edit", "imports plugin_utils/_ini"),
        ("action/x.py", "from ..callback.alert_on_failure import y", "imports callback"),
        ("module_utils/_flashduty/x.py", "from .client import Client", "imports client"),
        ("module_utils/_flashduty/outbox/queue.py", "import sqlite3", "imports sqlite3"),
        ("module_utils/_flashduty/events.py", "import requests.adapters", "imports requests"),
        ("plugin_utils/_callback/x.py", "f(task._parent)", "touches _parent"),
        ("action/x.py", "self._task._role", "touches _role"),
        ("plugin_utils/_delivery.py", "run('SELECT 1')", "says SELECT"),
        ("plugin_utils/_attic/x.py", "from .._loft.y import z", "imports _loft"),
    ],
)  # fmt: skip
def test_a_fault_is_found(file: str, line: str, fault: str) -> None:
    source = Source(file, ast.parse(line))

    assert fault in {found.does for rule in RULES for found in rule(source)}


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("callback/x.py", "from ..plugin_utils._callback.plugin import Plugin"),
        ("plugin_utils/_alerts/x.py", "from .outcomes import TaskOutcome"),
        ("plugin_utils/_ansible/x.py", "from ansible.playbook.task import Task\ntask._uuid"),
        ("action/x.py", "self._task.args"),
        ("module_utils/_flashduty/courier.py", "from .client import Client\nos._exit(1)"),
        ("module_utils/_flashduty/outbox/sqlite.py", "import sqlite3\nrun('SELECT 1')"),
    ],
)  # fmt: skip
def test_what_is_right_is_not_found(file: str, line: str) -> None:
    source = Source(file, ast.parse(line))

    assert [found for rule in RULES for found in rule(source)] == []
