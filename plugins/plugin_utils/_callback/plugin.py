# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The life of the callback: options once, a reporter for each playbook, and no exception that reaches the run."""

from __future__ import annotations

import contextlib
import functools
import sys
import traceback
import typing as t

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible_collections.flashcat.flashduty.plugins.module_utils._options import (
    resolve_outbox,
)

from .._alerts.settings import Settings, read_settings
from .._ansible.config import configured_layers
from .._ansible.misspelt import misspelt_options
from .._delivery import Delivery
from .exit_watch import ExitWatch
from .reporter import RunReporter

if t.TYPE_CHECKING:
    from ansible.playbook import Playbook
    from ansible.utils.display import Display
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
        Redactor,
    )

_Arguments = t.ParamSpec("_Arguments")


_LONGEST_WARNING = 2000


class AlertCallback:
    """What stands behind the hooks.

    It exists whenever ansible-core does, so it costs nothing before the first playbook begins.
    """

    def __init__(self, display: Display) -> None:
        self._display = display
        self._warned: set[str] = set()
        self._keys: set[str] = set()
        self._settings: Settings | None = None
        self._delivery: Delivery | None = None
        self._reporter: RunReporter | None = None
        self._exit_watch: ExitWatch | None = None
        # Whether something is under way that a signal must not come into: it would find half of what a hook was told, and
        # modules of which half is imported.
        self._is_at_work = False

    def playbook_started(self, playbook: Playbook) -> None:
        """A playbook begins; with several on the command line, one after the other."""
        with _ExceptionGuard(self._warn):
            layers = configured_layers()
            if self._settings is None:
                self._settings, problems, _sources = read_settings(layers)
                for problem in problems:
                    self._warn(problem)
                if self._settings.enabled:
                    for problem in misspelt_options():
                        self._warn(problem)
            if not self._settings.enabled:
                return
            if self._delivery is None:
                self._delivery = Delivery(
                    resolve_outbox(layers, tolerate=self._warn),
                    max_in_flight=self._settings.max_in_flight,
                    rate_limit=self._settings.rate_limit,
                    warn=self._warn,
                )
            self._reporter = RunReporter(
                playbook,
                self._settings,
                self._delivery,
                layers,
                warn=self._warn,
                say=self._say,
                redactor=lambda: self._redactor,
                hide_key=self._hide_key,
                in_full=self._display.verbosity > 0,
            )
            self._watch_exit()

    def _watch_exit(self) -> None:
        self._exit_watch = ExitWatch(self._aborted, is_busy=lambda: self._is_at_work)

    def dispatch(
        self,
        method: t.Callable[t.Concatenate[RunReporter, _Arguments], None],
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> None:
        """Call a method of the reporter with what a hook was told.

        :param method: the unbound method, so that it can be followed and checked.
        """
        if self._reporter is not None:
            with self._at_work(), _ExceptionGuard(self._warn):
                method(self._reporter, *args, **kwargs)

    def playbook_ended(self) -> None:
        """A playbook has come to its recap."""
        if self._exit_watch is not None:
            self._exit_watch.disarm()
        self.dispatch(RunReporter.finish)
        self._reporter = None

    def _aborted(self, how: str) -> None:
        reporter, self._reporter = self._reporter, None
        if reporter is not None:
            with self._at_work(), _ExceptionGuard(self._warn):
                reporter.abort(how)

    @contextlib.contextmanager
    def _at_work(self) -> t.Iterator[None]:
        was_at_work, self._is_at_work = self._is_at_work, True
        try:
            yield
        finally:
            self._is_at_work = was_at_work

    @functools.cached_property
    def _redactor(self) -> Redactor:
        """The one way out for every text. Made when there is one: most runs have nothing to say."""
        from .._ansible.secrets import new_redactor

        patterns = self._settings.redact_patterns if self._settings else ()
        return new_redactor(patterns, keys=self._keys)

    def _hide_key(self, key: str) -> None:
        self._keys.add(key)
        if "_redactor" in self.__dict__:
            self._redactor.add(keys=[key])

    def _warn(self, text: str) -> None:
        line = " ".join(self._redactor.clean(text).split())[:_LONGEST_WARNING]
        if line not in self._warned:
            self._warned.add(line)
            self._display.warning(f"Flashduty: {line}")

    def _say(self, line: str) -> None:
        # A document, such as the JSON of ansible.posix.json, is read by a program; a line of ours would break it.
        is_document = "json" in str(
            C.config.get_config_value("DEFAULT_STDOUT_CALLBACK")
        )
        self._display.display(self._redactor.clean(line), stderr=is_document)


class _ExceptionGuard:
    """Turns whatever goes wrong in a hook into a warning: some exceptions would end the run, or hang it.

    An AssertionError, for one, is passed on by ansible-core and ends the run with code 250.
    """

    def __init__(self, warn: t.Callable[[str], None]) -> None:
        self._warn = warn

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        _traceback: t.Any,
    ) -> bool:
        if exc is None or isinstance(exc, (KeyboardInterrupt, GeneratorExit)):
            return False
        if isinstance(exc, AnsibleError):
            self._warn(
                f"an alert may be missing: variables could not be read ({type(exc).__name__})."
            )
            return True
        # The text of an unforeseen exception may hold anything, so only the place is told.
        frames = traceback.extract_tb(sys.exc_info()[2] or exc.__traceback__)
        place = (
            f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}"
            if frames
            else "?"
        )
        self._warn(
            f"an alert may be missing, because of a bug in the collection: {type(exc).__name__} at {place}."
            " Please report it."
        )
        return True
