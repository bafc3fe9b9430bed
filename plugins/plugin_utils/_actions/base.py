# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What all our action plugins have in common: options in, a result without secrets out, and no exception."""

from __future__ import annotations

import abc
import contextlib
import functools
import re
import time
import traceback
import typing as t
from collections.abc import Mapping

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.errors import (
    ConfigurationError,
    FlashdutyError,
    InvalidEvent,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.open_api_connection import (
    OpenApiConnection,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox import (
    OutboxError,
    OutboxLocation,
    open_outbox,
    open_with_fallback,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.redaction import (
    Redactor,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._layers import (
    Layer,
    task_layer,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._open_api_options import (
    resolve_open_api,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._options import (
    ResolvedConnection,
    remember_pipe,
    resolve_connection,
    resolve_outbox,
)
from ansible_collections.flashcat.flashduty.plugins.module_utils._send_event import (
    failure,
    redact_result,
)

from .._ansible.action_secrets import (
    redactor_of_action,
    trusted_arguments,
    variables_of_action,
)
from .._ansible.config import configured_layers, is_callback_enabled, open_api_layers
from .._ansible.misspelt import misspelt_options
from .._ansible.module_defaults import options_for_all
from .._ansible.secrets import configured_keys, keys_of_options

if t.TYPE_CHECKING:
    from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.outbox.queue import (
        Outbox,
    )

# Strategies load this file before they fork a worker for each host. A key that comes out of a pipe is there only once.
remember_pipe(configured_layers())

Result = dict[str, t.Any]


class ControllerAction(ActionBase, abc.ABC):
    """A task that runs on the controller, whatever host it is for.

    ansible-core neither scrubs the results of action plugins, nor hides secrets in the texts of exceptions. So all that
    a task returns passes :meth:`run`, and what went wrong is returned, never raised.
    """

    # No connection is opened, not even a persistent one of a network device.
    _requires_connection = False
    _supports_check_mode = True

    mutually_exclusive: t.ClassVar[list[list[str]]] = []

    @abc.abstractmethod
    def argument_spec(self) -> dict[str, t.Any]:
        """Return the argument spec, which is that of the module with the same name."""

    @abc.abstractmethod
    def perform(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Result:
        """Do the task and return its result.

        :raises FlashdutyError: when the task fails.
        """

    def run(
        self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None
    ) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        self._warnings: list[str] = []
        self._keys: set[str] = set()
        if not is_callback_enabled():
            # Else the callback has said so already.
            self._warnings += misspelt_options()
        try:
            self.variables = variables_of_action(self._task, task_vars or {}, self.warn)
            self._task.args = dict(trusted_arguments(self._task, self.variables))
            result.update(self.perform(self._validated(), task_vars or {}))
        except FlashdutyError as exc:
            result.update(failure(exc))
        except AnsibleError:
            # Ansible's own, such as a target that cannot be reached.
            raise
        except Exception as exc:
            # A mistake of ours. Ansible would print it with all that led to it, and the key may be in there.
            result.update(failure(_unexpected(exc)), exception=traceback.format_exc())
        if self._warnings:
            result["warnings"] = [*result.get("warnings", ()), *self._warnings]
        return redact_result(result, Redactor(self.secrets()))

    def warn(self, text: str) -> None:
        """Show a warning with the result."""
        self._warnings.append(text)

    def show(self, lines: t.Iterable[str]) -> None:
        """Print lines for people, beside the result."""
        redactor = Redactor(self.secrets())
        # A document, such as that of ansible.posix.json, is read by a program.
        is_document = "json" in str(
            C.config.get_config_value("DEFAULT_STDOUT_CALLBACK")
        )
        for line in lines:
            self._display.display(redactor.clean(line), stderr=is_document)

    def layers(
        self, options: t.Mapping[str, t.Any], *, own_key_for: str = "alert"
    ) -> list[Layer]:
        """Return the places that can set options: the task, the variables of its host, and the configuration.

        :param own_key_for: see :func:`task_layer`.
        """
        # Paths as they are written: those of a target must not be expanded here.
        written = {
            name: self._task.args[name]
            for name, option in self.argument_spec().items()
            if option["type"] == "path" and self._task.args.get(name) is not None
        }
        task = task_layer(
            {**options, **written},
            folder=self._loader.get_basedir(),
            own_key_for=own_key_for,
            for_all=(
                ()
                if own_key_for == "alert"
                else options_for_all(self._task, self.variables)
            ),
        )
        return [task, *self._variables_layers, *configured_layers()]

    @functools.cached_property
    def _variables_layers(self) -> list[Layer]:
        """The integration that variables of the task's host choose, without facts. Read once: it may warn."""
        return [] if self.variables is None else [self.variables.integration]

    def learn(self, task_vars: t.Mapping[str, t.Any]) -> Redactor:
        """Return the one way out for texts: it knows what is secret in the run, in this task, and in our configuration."""
        return redactor_of_action(
            self._task, task_vars, self.variables, keys=self.secrets()
        )

    def resolve(
        self, layers: t.Sequence[Layer], *, kind: str, for_target: bool = False
    ) -> ResolvedConnection:
        """Find out the connection, and keep its key out of the result from now on: a variable may have named it."""
        resolved = resolve_connection(layers, kind=kind, for_target=for_target)
        self._keys.add(resolved.connection.integration_key)
        return resolved

    def resolve_open_api(self, options: t.Mapping[str, t.Any]) -> OpenApiConnection:
        """Find out how the Open API is reached."""
        return resolve_open_api(self.open_api_layers(options)).connection

    def open_api_layers(self, options: t.Mapping[str, t.Any]) -> list[Layer]:
        """Return the places that can set options of the Open API."""
        task = self.layers(options)[0]
        return [task, *self._variables_layers, *open_api_layers()]

    def outbox_location(self, layers: t.Sequence[Layer]) -> OutboxLocation:
        """Return where the outbox is; a password in it is hidden from now on."""
        location = resolve_outbox(layers)
        self._keys.update(location.secrets)
        return location

    def secrets(self) -> set[str]:
        """Return what must not be seen: all keys of ours that any place names, and what the task has given."""
        keys = self._keys | self._named_keys
        spec = self.argument_spec()
        given = {
            str(value)
            for name, value in self._task.args.items()
            if value and spec.get(name, {}).get("no_log")
        }
        # A text that holds a key is hidden with it. Each secret costs time in each task.
        return keys | {text for text in given if not any(key in text for key in keys)}

    @functools.cached_property
    def _named_keys(self) -> set[str]:
        """The keys in the configuration and the task, also those that this task does not use."""
        return configured_keys() | keys_of_options(
            self._task.args, self._loader.get_basedir()
        )

    def _validated(self) -> dict[str, t.Any]:
        validator = ArgumentSpecValidator(
            self.argument_spec(), mutually_exclusive=self.mutually_exclusive
        )
        outcome = validator.validate(
            {k: decrypt_vault_strings(v) for k, v in self._task.args.items()}
        )
        for both in getattr(outcome, "_warnings", ()):
            self.warn(
                f"Both option {both['option']} and its alias {both['alias']} are set."
            )
        if outcome.error_messages:
            raise self._validation_error(
                outcome.errors.errors[0], "; ".join(outcome.error_messages)
            )
        return t.cast("dict[str, t.Any]", outcome.validated_parameters)

    def _validation_error(self, error: Exception, text: str) -> ConfigurationError:
        if isinstance(error, UnsupportedError):
            return ConfigurationError(
                f"There is no such option: {text.rstrip('.')}.", option=""
            )
        names = self.argument_spec()
        blamed = next((name for name in names if re.search(rf"\b{name}\b", text)), "")
        kind = InvalidEvent if blamed in self.event_options else ConfigurationError
        return kind(f"An option is wrong: {text}.", option=blamed)

    # The options that describe an event, as opposed to where it goes.
    event_options: t.ClassVar[frozenset[str]] = frozenset()


def _unexpected(exc: Exception) -> FlashdutyError:
    return FlashdutyError(
        f"Something unexpected happened: {type(exc).__name__}: {exc}.",
        code="InternalFailure",
        hint="Please report this as a bug of the collection.",
    )


def decrypt_vault_strings(value: t.Any) -> t.Any:
    """Return a value without the objects in which ansible-core before 2.19 keeps what Ansible Vault has encrypted."""
    if type(value).__name__ == "AnsibleVaultEncryptedUnicode":
        return str(value)
    if isinstance(value, Mapping):
        return {
            decrypt_vault_strings(key): decrypt_vault_strings(inner)
            for key, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [decrypt_vault_strings(inner) for inner in value]
    return value


@contextlib.contextmanager
def outbox_at(
    location: OutboxLocation, *, warn: t.Callable[[str], None] | None = None
) -> t.Iterator[Outbox]:
    """Open the outbox for a task, which fails in the usual way where it cannot be used.

    :param warn: told when the local outbox serves in the place of a database; without it, the task needs the database:
        what only that one knows must not be taken for nothing.
    """
    problem = ""
    is_shared = warn is None and bool(location.url)
    try:
        with (
            open_with_fallback(location, warn=warn) if warn else open_outbox(location)
        ) as outbox:
            is_shared = outbox.kind == "postgresql"
            yield outbox
    except OutboxError as exc:
        problem = str(exc)
    if problem and is_shared:
        raise ConfigurationError(
            f"The database that state_url names is of no use: {problem}.",
            option="state_url",
            hint="Nothing is lost. Run the task again when the database is back; connection_info says what it lacks.",
        )
    if problem:
        raise ConfigurationError(
            f"The outbox is of no use: {problem}.",
            option="state_path",
            hint="Check the rights of the folder, or set state_path to another one.",
        )


def as_utc(seconds: float) -> str:
    """Return a time as people and machines read it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
