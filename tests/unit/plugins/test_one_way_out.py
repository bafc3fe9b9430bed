# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every text that leaves has gone through the one way out: cleaned, then masked whole, and only then cut.

Each place in the code where a text can leave is found: the screen, results of tasks, errors, events, what is remembered of
alerts, files and other processes. There it has to pass through a function of ``redaction.py``, or the table below says
where it has been before. A place that is in neither is a fault, and so is a line of the table that nothing needs any more.
"""

from __future__ import annotations

import ast
import typing as t

import pytest

from tests.tools.environments import ROOT

PLUGINS = ROOT / "plugins"

# Those of Redactor, and what is made of nothing but them.
EXIT_FUNCTIONS = frozenset(
    ("clean", "clean_name", "clean_labels", "redact", "redact_data", "redact_result")
)
SCREEN = frozenset(
    ("display", "warning", "error", "verbose", "deprecated", "debug")
    + tuple("v" * n for n in range(1, 7))
)
RESULT = frozenset(("warn", "fail_json", "exit_json", "deprecate", "log"))
# Classes that make events, and what is remembered of an alert.
EVENTS = frozenset(("AlertEvent", "ChangeEvent"))

Place = tuple[str, str, str]

OPTIONS_ARE_REDACTED = (
    "the fields are those of Surroundings.events, made of redacted options"
)
FROM_THE_STATE = "read from the state, where it was put by way of AlertTracker._opened"
# (way out, file, function): where what leaves there has been cleaned and masked.
CLEANED_BEFORE: dict[Place, str] = {
    (
        "screen",
        "plugin_utils/_callback/plugin.py",
        "AlertCallback._warn",
    ): "the line before: it is cut after it was cleaned",
    (
        "result",
        "module_utils/_send_event.py",
        "refuse_to_run_as_module",
    ): "nothing but the name of a module of ours",
    (
        "error",
        "filter/_edit_ini.py",
        "edit_ini",
    ): "says which line of ansible.cfg is wrong, without what is in it: see test_ini.py",
    (
        "event",
        "action/close_alerts.py",
        "_write",
    ): FROM_THE_STATE,
    (
        "event",
        "module_utils/_flashduty/outbox/merge.py",
        "_Merge._tell_again",
    ): FROM_THE_STATE,
    (
        "event",
        "module_utils/_flashduty/outbox/runs.py",
        "_recovery",
    ): FROM_THE_STATE,
    (
        "event",
        "module_utils/_flashduty/outbox/runs.py",
        "RunAlert.raised",
    ): "the fields are of an event that AlertBuilder.about_run has made",
    (
        "event",
        "plugin_utils/_alerts/builder.py",
        "AlertBuilder.recovery",
    ): FROM_THE_STATE,
    (
        "event",
        "plugin_utils/_alerts/builder.py",
        "AlertBuilder._event",
    ): "title, description and labels are cleaned in _title, redact_outcome and _label: see test_builder.py",
    (
        "event",
        "module_utils/_send_event.py",
        "event_from_options",
    ): "EventAction.perform has put the options through redact_fields",
    (
        "event",
        "module_utils/_flashduty/courier.py",
        "EventsOnExit.add_to",
    ): OPTIONS_ARE_REDACTED,
    (
        "event",
        "plugin_utils/_deployment/sending.py",
        "DeploymentSender.send",
    ): OPTIONS_ARE_REDACTED,
    (
        "memory",
        "module_utils/_flashduty/courier.py",
        "EventsOnExit.add_to",
    ): OPTIONS_ARE_REDACTED,
    (
        "memory",
        "plugin_utils/_deployment/memory.py",
        "opened_by",
    ): OPTIONS_ARE_REDACTED,
    (
        "memory",
        "plugin_utils/_deployment/steps.py",
        "_Steps._open_alert",
    ): OPTIONS_ARE_REDACTED,
    (
        "memory",
        "plugin_utils/_alerts/tracker.py",
        "AlertTracker._opened",
    ): "title and labels are those of the event; details are digests and what Cause.of has masked",
    (
        "memory",
        "module_utils/_flashduty/outbox/runs.py",
        "RunAlert.raised",
    ): "title and details are those of the event",
    (
        "memory",
        "module_utils/_flashduty/outbox/merge.py",
        "_Merge._open",
    ): FROM_THE_STATE,
    (
        "memory",
        "module_utils/_flashduty/outbox/pending.py",
        "load",
    ): FROM_THE_STATE,
    (
        "memory",
        "module_utils/_flashduty/outbox/queue.py",
        "Outbox.ledger",
    ): FROM_THE_STATE,
    (
        "file",
        "module_utils/_flashduty/courier.py",
        "_lower_priority",
    ): "a number",
    (
        "file",
        "plugin_utils/_deployment/shared_state.py",
        "SharedState.save",
    ): "what steps.py notes: redacted labels and failures, events, names of hosts",
    (
        "process",
        "plugin_utils/_processes.py",
        "courier_problem",
    ): "only imports, in an environment without keys: see test_processes.py",
    (
        "process",
        "plugin_utils/_processes.py",
        "start_courier",
    ): "no secret in arguments or environment: see test_processes.py",
    (
        "process",
        "plugin_utils/_delivery.py",
        "Delivery._write_message",
    ): "the keys themselves, through a pipe, to the process that delivers",
    (
        "process",
        "plugin_utils/_deployment/sending.py",
        "DeploymentSender.watch_run",
    ): "the keys themselves, through a pipe, to the process that delivers",
    (
        "screen",
        "module_utils/_flashduty/courier.py",
        "",
    ): "the courier's standard error is /dev/null: see start_courier",
}


def dotted(node: ast.expr) -> str:
    """Return what is called, as it is written: ``self._display.warning``."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return f"{dotted(node.func)}()" if isinstance(node, ast.Call) else "?"


def way_out(call: ast.Call) -> str | None:
    """Return by which way texts leave in a call, if they do."""
    name = dotted(call.func)
    owner, _dot, method = name.rpartition(".")
    last_owner = owner.rpartition(".")[2].lower()
    if name == "print" or name.endswith(("stdout.write", "stderr.write")):
        return "screen"
    if method in SCREEN and "display" in last_owner:
        return "screen"
    if method in RESULT and last_owner in ("module", "_module"):
        return "result"
    if method.startswith("Ansible") and method.endswith("Error"):
        return "error"
    if name in EVENTS or name == "create" or (method == "create" and owner in EVENTS):
        return "event"
    if name == "OpenAlert":
        return "memory"
    if name.startswith("subprocess.") or last_owner == "stdin":
        return "process"
    if method in ("write_text", "write_bytes", "write", "writelines"):
        return "file"
    return None


def passes_exit(call: ast.Call) -> bool:
    """Return whether all that a call is given is constant, or comes out of a function of the one way out."""

    def is_safe(node: ast.expr) -> bool:
        if isinstance(node, ast.Call):
            return dotted(node.func).rpartition(".")[2] in EXIT_FUNCTIONS
        if isinstance(node, ast.JoinedStr):
            return all(
                is_safe(part.value)
                for part in node.values
                if isinstance(part, ast.FormattedValue)
            )
        return isinstance(node, ast.Constant)

    texts = [
        *call.args,
        # Where it goes, not what is said.
        *(word.value for word in call.keywords if word.arg != "stderr"),
    ]
    return all(map(is_safe, texts))


def ways_out_of(file: str, code: str) -> t.Iterator[Place]:
    """Yield the places in a file where texts leave that have not just been through the one way out."""

    def look(node: ast.AST, names: tuple[str, ...]) -> t.Iterator[Place]:
        for child in ast.iter_child_nodes(node):
            inner = names
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                inner = (*names, child.name)
            if isinstance(child, ast.Call):
                way = way_out(child)
                if way is not None and not passes_exit(child):
                    yield way, file, ".".join(names)
            yield from look(child, inner)

    yield from look(ast.parse(code), ())


def files() -> dict[str, str]:
    return {
        str(path.relative_to(PLUGINS)): path.read_text(encoding="utf-8")
        for path in sorted(PLUGINS.rglob("*.py"))
    }


def test_nothing_leaves_by_another_way() -> None:
    found = {
        place for file, code in files().items() for place in ways_out_of(file, code)
    }

    unknown = sorted(found - CLEANED_BEFORE.keys())
    assert unknown == [], "Let these texts go through Redactor.clean, or redact_result."
    needless = sorted(CLEANED_BEFORE.keys() - found)
    assert needless == [], "These lines of CLEANED_BEFORE are not needed any more."


def test_every_task_returns_by_the_one_way() -> None:
    """ControllerAction.run is the only one that returns a result to ansible-core, and redacts it."""
    classes = [
        (file, node, {dotted(base).rpartition(".")[2] for base in node.bases})
        for file, code in files().items()
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ClassDef)
    ]
    ours = {"ActionBase"}
    for _level in range(4):
        ours |= {node.name for _file, node, bases in classes if bases & ours}
    for file in files():
        if file.startswith("action/"):
            (bases,) = (
                bases
                for place, node, bases in classes
                if place == file and node.name == "ActionModule"
            )
            assert bases & ours - {"ActionBase"}, file
    runs = [
        (node.name, part)
        for _file, node, _bases in classes
        if node.name in ours
        for part in node.body
        if isinstance(part, ast.FunctionDef) and part.name == "run"
    ]
    [(name, run)] = runs
    assert name == "ControllerAction"
    returned = [node.value for node in ast.walk(run) if isinstance(node, ast.Return)]
    assert [
        dotted(value.func) for value in returned if isinstance(value, ast.Call)
    ] == ["redact_result"]
    assert len(returned) == 1


@pytest.mark.parametrize(
    ("code", "way"),
    [
        ("print(text)", "screen"),
        ("sys.stderr.write(text)", "screen"),
        ("self._display.warning(text)", "screen"),
        ("display.vvv(f'{text}')", "screen"),
        ("Display().display(redactor.clean(text) + other)", "screen"),
        ("module.warn(text)", "result"),
        ("module.exit_json(**result)", "result"),
        ("raise AnsibleError(f'{name} is wrong')", "error"),
        ("AlertEvent.create(title_rule=title)", "event"),
        ("create(kind, fields)", "event"),
        ("OpenAlert(key, details=details)", "memory"),
        ("path.write_text(text)", "file"),
        ("subprocess.run([program, text])", "process"),
        ("courier.stdin.write(data)", "process"),
    ],
)
def test_a_text_that_passes_by_is_found(code: str, way: str) -> None:
    in_function = f"class C:\n  def f(self):\n    {code}\n"

    assert list(ways_out_of("action/x.py", in_function)) == [
        (way, "action/x.py", "C.f")
    ]


@pytest.mark.parametrize(
    "code",
    [
        "print('done')",
        "self._display.warning(f'Flashduty: {redactor.clean(text)}')",
        "display.display(self._redactor.clean(line), stderr=is_document)",
        "module.exit_json(**redact_result(result, redactor))",
        "raise FlashdutyError(text)",
        "self.warn(text)",
        "text.split(other)",
    ],
)
def test_what_goes_through_or_stays_is_not_found(code: str) -> None:
    assert list(ways_out_of("action/x.py", code)) == []
