# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Any sequence of runs, with failures and good runs that are counted: the ledger holds what a plain model says."""

from __future__ import annotations

import dataclasses
import itertools
import os
import typing as t
from collections import Counter
from pathlib import Path

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OutboxLocation,
    open_outbox,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.queue import (
    Outbox,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
    DEFAULT_PATTERNS,
    Redactor,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.model import (
    AlertOverrides,
    Circumstances,
    Items,
    Place,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.outcomes import (
    TaskIdentity,
    TaskOutcome,
    TaskReference,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.recorder import (
    RunRecorder,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.recovery import (
    Law,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.run_context import (
    RunContext,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.settings import (
    Settings,
)
from ansible_collections.flashcat.flashduty.plugins.plugin_utils._alerts.tracker import (
    AlertTracker,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.tools.recovery_model import Counts, Model, Run

HOSTS = ("h1", "h2", "h3")
TASKS = ("First", "Second")
PLACES = {
    task: Place(f"place of {task}", (10 * number, 1), task, "site.yml")
    for number, task in enumerate(TASKS, start=1)
}
CONTEXT = RunContext(
    run_id="0123",
    playbook="site.yml",
    playbook_id="site.yml",
    namespace="",
    project="/srv",
    controller="control",
    local_name="control",
    check=False,
    limited=False,
    system={},
)
numbers = st.sampled_from([1, 1, 2, 3])
some_hosts = st.frozensets(st.sampled_from(HOSTS), min_size=1, max_size=2)
some_tasks = st.frozensets(st.sampled_from(TASKS), min_size=1, max_size=2)
runs = st.builds(
    Run,
    broken=st.dictionaries(st.sampled_from(HOSTS), some_tasks, max_size=2),
    gone=st.one_of(st.just(frozenset[str]()), some_hosts),
    limit=st.one_of(st.none(), st.none(), some_hosts),
    tags=st.one_of(st.none(), st.none(), some_tasks),
    check=st.sampled_from([False] * 5 + [True]),
)
FIRST, SECOND = (Run({"h1": frozenset([task])}, frozenset()) for task in TASKS)
ONLY_SECOND_TASK = Run({}, frozenset(), tags=frozenset(["Second"]))
fresh = itertools.count()


class Story:
    """Plays runs of one playbook, each with a tracker of its own, against one outbox."""

    def __init__(self, outbox: Outbox, scope: str, counts: Counts) -> None:
        self.outbox = outbox
        self.scope = scope
        self.settings = Settings(alert_scope=scope, **dataclasses.asdict(counts))
        self.integration = f"integration-{next(fresh)}"
        self.recoveries = 0

    # -- the ledger, as the tracker sees it

    def open_alerts(self, fingerprint: str, origin: str) -> list[t.Any]:
        return self.outbox.open_alerts(fingerprint, origin)

    def pending_alerts(self, integration: str, origin: str) -> list[t.Any]:
        return self.outbox.pending_alerts(integration, origin)

    def submit(
        self, fingerprint: str, events: t.Sequence[t.Any], **memory: t.Any
    ) -> bool:
        self.outbox.add(fingerprint, events, **memory)
        self.recoveries += sum(event.event_status == "Ok" for event in events)
        return True

    # -- what happens

    def play(self, run: Run) -> None:
        if run.check:
            # The callback tells a tracker nothing of it.
            return
        tracker = AlertTracker(
            CONTEXT,
            self.settings,
            self,
            redactor=Redactor((), DEFAULT_PATTERNS),
            warn=_never,
        )
        recorder = RunRecorder(partial=run.tags is not None, plays=1)
        recorder.track(*tracker.load_open(self.integration))
        hosts = [h for h in HOSTS if run.limit is None or h in run.limit]
        recorder.play_started("play", all_hosts=hosts, batch=hosts, line=1)
        if run.limit is not None:
            recorder.limited()
        for place in PLACES.values():
            recorder.defined(place)
        going = list(hosts)
        for task in TASKS:
            if run.tags is None or task in run.tags:
                going = [
                    h for h in going if self._work(h, task, run, tracker, recorder)
                ]
        tracker.update_group_alerts()
        law = Law(
            recorder.finish(frozenset(), Circumstances()),
            lines_in_file=lambda place: frozenset([place.lines[0]]),
            names_now=lambda _cause: frozenset(),
            in_inventory=lambda _host: True,
        )
        tracker.close(law, namespace_of=lambda _host: None)

    def _work(
        self,
        host: str,
        task: str,
        run: Run,
        tracker: AlertTracker,
        recorder: RunRecorder,
    ) -> bool:
        recorder.reported(host)
        place = PLACES[task]
        is_gone = host in run.gone
        if not is_gone:
            recorder.answered(host)
        if not is_gone and task not in run.broken.get(host, ()):
            if recorder.tracks_task(place.written):
                recorder.succeeded(host, place, Items())
            return True
        identity = TaskIdentity("Play", "", "site.yml", task, "raw")
        line = place.lines[0]
        reference = TaskReference(
            identity, line, "/srv/site.yml", f"site.yml:{line}", task, "", "raw", False
        )
        outcome = TaskOutcome(
            host,
            reference,
            "unreachable" if is_gone else "failed",
            False,
            False,
            "It is so.",
            place=place,
            silent_machines=(host,) if is_gone else (),
        )
        recorder.failed(outcome, handled="")
        tracker.failed(
            outcome,
            AlertOverrides(),
            integration=self.integration,
            handled="",
            names=(frozenset(), frozenset()),
            then=Circumstances(),
            rescued=None,
        )
        return False

    # -- what is told

    def name_of(self, alert: t.Any) -> str:
        labels = alert.details["labels"]
        names = {
            "playbook": "all",
            "host": labels.get("host", ""),
            "task": f"{labels.get('host', '')} {labels.get('check', '')}",
        }
        return names[self.scope]

    @property
    def open(self) -> list[str]:
        return sorted(map(self.name_of, self.outbox.open_alerts(self.integration)))

    @property
    def counted(self) -> dict[str, int]:
        return {
            self.name_of(one.alert): one.failures
            for one in self.outbox.pending_alerts(self.integration)
        }


def _never(warning: str) -> None:
    raise AssertionError(warning)


def test_the_ledger_holds_what_the_model_says(tmp_path: Path) -> None:
    with open_outbox(OutboxLocation(str(tmp_path))) as outbox:

        @settings(
            max_examples=int(os.environ.get("FLASHDUTY_TEST_SEQUENCES") or 60),
            deadline=None,
        )
        @given(
            st.sampled_from(["host", "host", "task", "playbook"]),
            st.builds(Counts, numbers, numbers, numbers),
            st.lists(runs, min_size=2, max_size=9),
        )
        # What was counted first works again in the very run that raises the alert, which need not wait for it any more.
        @example("host", Counts(failed_after=2), [FIRST, SECOND, ONLY_SECOND_TASK])
        def check(scope: str, counts: Counts, history: list[Run]) -> None:
            story = Story(outbox, scope, counts)
            model = Model(HOSTS, TASKS, scope, counts)
            closed = Counter[str]()
            # At last everything works, for as long as anybody waits.
            for run in [*history, *[Run({}, frozenset())] * counts.recover_after]:
                before = set(model.open)
                story.play(run)
                model.play(run)
                closed.update(before - set(model.open))
                assert story.open == model.open, run
                assert story.counted == model.counted, run
                assert story.recoveries == closed.total(), run
            assert story.open == []
            assert story.counted == {}

        check()
