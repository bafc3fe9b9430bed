# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""
The second source: which hosts did ansible-core give up on?

A strategy decides what a host does next, on the word of the play's iterator. So these strategies, which are ansible-core's
own and only look on, can ask the iterator itself, right after each failure, what it makes of it: has the host failed,
does it go on in a ``rescue``, or in an ``always``, so that it is not settled yet? Nothing of the code under test is used,
nor anything that a callback is told, nor the counts of the recap, which are off now and then.

Only hosts with a failure of their own count: others that are stopped along with them never come back with a result.
"""

from __future__ import annotations

import json
import os
import typing as t

from ansible.executor.play_iterator import IteratingStates


class TruthfulStrategy:
    """To be mixed into a strategy of ansible-core. Adds a line of JSON to a file for each play (or batch of one)."""

    def run(self, iterator: t.Any, play_context: t.Any, *args: t.Any) -> t.Any:
        self._iterator = iterator
        self._given_up: set[str] = set()
        self._unsettled: set[str] = set()
        self._includes: list[t.Any] = []
        try:
            return super().run(iterator, play_context, *args)  # type: ignore[misc]
        finally:
            self._look_at_includes()
            self._given_up |= self._unsettled & {*iterator.get_failed_hosts()}
            line = {
                "play": iterator._play.get_name(),
                "given_up": sorted(self._given_up),
            }
            with open(os.environ["WHAT_RAISES_TRUTH"], "a", encoding="utf-8") as file:
                print(json.dumps(line), file=file)

    def _process_pending_results(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        self._look_at_includes()
        results = super()._process_pending_results(*args, **kwargs)  # type: ignore[misc]
        for result in results:
            self._look_at(result)
        return results

    def _execute_meta(self, task: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
        if task.args.get("_raw_params") == "clear_host_errors":
            # From here on the iterator knows nothing of them any more.
            self._given_up |= self._unsettled
        return super()._execute_meta(task, *args, **kwargs)  # type: ignore[misc]

    def _look_at_includes(self) -> None:
        """Look again at includes that were fine at first: a file or role that is missing comes out later."""
        for result in list(self._includes):
            # ansible-core does not look at ignore_errors here.
            if _verdict(result) != "ok":
                self._settle(_host(result))
                self._includes.remove(result)

    def _look_at(self, result: t.Any) -> None:
        host = _host(result)
        verdict = _verdict(result)
        if verdict == "unreachable":
            self._given_up.add(host.name)
        elif verdict == "failed":
            self._settle(host)
        elif verdict == "ok" and "include_" in str(_task(result).action):
            self._includes.append(result)

    def _settle(self, host: t.Any) -> None:
        if self._iterator.is_failed(host):
            self._given_up.add(host.name)
            return
        state, _task = self._iterator.get_next_task_for_host(host, peek=True)
        if self._iterator.get_active_state(state).run_state != IteratingStates.RESCUE:
            self._unsettled.add(host.name)


def _host(result: t.Any) -> t.Any:
    return result._host if hasattr(result, "_host") else result.host


def _task(result: t.Any) -> t.Any:
    return result._task if hasattr(result, "_task") else result.task


def _verdict(result: t.Any) -> str:
    """Return what the strategy takes a result for; ignored failures are "ignored"."""
    if hasattr(result, "utr"):  # from ansible-core 2.21 on
        outcome = result.utr
        failed, ignored = outcome.failed, outcome.ignore_errors
        unreachable, ignored_too = outcome.unreachable, outcome.ignore_unreachable
    else:
        failed, ignored = result.is_failed(), _task(result).ignore_errors
        unreachable, ignored_too = (
            result.is_unreachable(),
            _task(result).ignore_unreachable,
        )
    if failed:
        return "ignored" if ignored else "failed"
    if unreachable:
        return "ignored" if ignored_too else "unreachable"
    return "ok"
