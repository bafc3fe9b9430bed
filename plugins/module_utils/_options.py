# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What is in force where several places set an option, and readers of values.

The integration key and the URL are each decided by the first layer that says anything about them, every other option by the
first layer that sets it.

No message of this file holds a value: somebody may have put the key into the wrong option.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import tempfile
import typing as t
from urllib.parse import urlsplit

from ansible.module_utils.parsing.convert_bool import boolean

from ._flashduty.connection import DEFAULT_API_URL, PATHS, Connection
from ._flashduty.errors import ConfigurationError
from ._flashduty.outbox.model import OutboxLocation
from ._flashduty.push_url import (
    change_url_beside,
    check_key,
    key_from_push_url,
    origin,
    url_from_api_url,
    url_from_push_url,
)
from ._layers import (
    KEY_OPTIONS,
    Layer,
    absolute_path,
    find_option,
    option_for_kind,
    sets_any,
)

DEFAULT_STATE_PATH = "~/.ansible/flashduty"
_LONGEST_WAIT = 100 * 365 * 86400


_STATE_URL_OPTIONS = ("state_url", "state_url_file")
_PATH_OPTIONS = ("ca_path", "client_cert", "client_key")


def to_boolean(value: t.Any) -> bool | None:
    """Return what Ansible takes for a boolean, or None where it is none."""
    try:
        return bool(boolean(value))
    except TypeError:
        return None


class ResolvedConnection(t.NamedTuple):
    """A connection, and which place set what of it.

    :param sources: for each option, how it is written where it was set; ``default`` where it was not.
    """

    connection: Connection
    sources: t.Mapping[str, str]


def resolve_connection(
    layers: t.Sequence[Layer],
    *,
    kind: str = "alert",
    for_target: bool = False,
    tolerate: t.Callable[[str], None] | None = None,
) -> ResolvedConnection:
    """Find out what is in force.

    :param layers: the one that counts most first.
    :param kind: ``alert`` or ``change``; they have different keys and different URLs.
    :param for_target: whether a target will send, so that paths are left as they are written.
    :param tolerate: told of each wrong option that has a default, which is used then; without it, such an option is an
        error, too.
    :raises ConfigurationError: names the option, the problem and what is allowed, never a value.
    """
    key, key_source = _find_key(layers, kind)
    url, url_source = _find_url(layers, kind)
    settings, sources = resolve_transport(
        layers, for_target=for_target, tolerate=tolerate
    )
    sources.update(integration_key=key_source, api_url=url_source)
    return ResolvedConnection(
        Connection(integration_key=key, url=url, kind=kind, **settings), sources
    )


def resolve_transport(
    layers: t.Sequence[Layer],
    *,
    for_target: bool,
    tolerate: t.Callable[[str], None] | None,
) -> tuple[dict[str, t.Any], dict[str, str]]:
    """Return what all connections have beside key and URL, and the place of each option."""
    settings: dict[str, t.Any] = {}
    sources: dict[str, str] = {}
    for option, read in _READERS.items():
        sources[option] = "default"
        with _tolerated(tolerate):
            layer, value = find_option(
                layers, option, empty_counts=bool(tolerate) and read is _boolean
            )
            if layer is None:
                continue
            name = layer.display_name(option)
            if option not in _PATH_OPTIONS:
                settings[option] = read(value, option, name)
            else:
                settings[option] = (
                    str(value) if for_target else absolute_path(value, layer)
                )
            sources[option] = name
    if settings.get("client_key") and not settings.get("client_cert"):
        with _tolerated(tolerate):
            name, sources["client_key"] = sources["client_key"], "default"
            del settings["client_key"]
            raise ConfigurationError(
                f"{name} is set without client_cert: a private key needs its certificate.",
                option="client_key",
                hint="Give client_cert, too.",
            )
    return settings, sources


@contextlib.contextmanager
def _tolerated(
    tolerate: t.Callable[[str], None] | None, instead: str = "The default is used."
) -> t.Iterator[None]:
    try:
        yield
    except ConfigurationError as exc:
        if tolerate is None:
            raise
        tolerate(f"{exc} {instead}")


def has_integration_key(layers: t.Iterable[Layer], *, kind: str = "alert") -> bool:
    """Say whether any layer sets an integration key of a kind, in whichever form."""
    return sets_any(layers, [option_for_kind(option, kind) for option in KEY_OPTIONS])


def resolve_state_path(layers: t.Sequence[Layer]) -> str:
    """Return the folder of the outbox, absolute."""
    layer, value = find_option(layers, "state_path")
    return (
        absolute_path(value, layer)
        if layer
        else state_path_in(os.path.dirname(DEFAULT_STATE_PATH))
    )


def resolve_outbox(
    layers: t.Sequence[Layer], *, tolerate: t.Callable[[str], None] | None = None
) -> OutboxLocation:
    """Return where the outbox is.

    :param tolerate: told of each wrong option, each of which has a default; without it, a wrong option is an error.
    :raises ConfigurationError: names the option and the place, never a value.
    """
    path, url = resolve_state_path([]), ""
    with _tolerated(tolerate):
        path = resolve_state_path(layers)
    with _tolerated(tolerate, f"The outbox in {path} is used."):
        url, _source = find_state_url(layers)
    return OutboxLocation(path, url)


def find_state_url(layers: t.Sequence[Layer]) -> tuple[str, str]:
    """Return the connection URI of the database that holds the state, and its place; both are empty where there is none.

    :raises ConfigurationError: names the option and the place, never a value.
    """
    found = find_secret(layers, _STATE_URL_OPTIONS, _STATE_URL)
    return found or ("", "")


def _check_state_url(value: str, option: str, name: str) -> str:
    if re.match(r"postgres(ql)?://", value) and _can_be_split(value):
        return value
    raise ConfigurationError(
        f"{name} is not a libpq connection URI: it must be like postgresql://user@db.example.com/automation.",
        option=option,
    )


def _can_be_split(url: str) -> bool:
    try:
        return bool(urlsplit(url))
    except ValueError:
        return False


def state_path_in(ansible_home: str) -> str:
    """Return the folder of the outbox where no place sets it, absolute.

    :param ansible_home: the folder that Ansible keeps its own things in. Where nobody knows whose ``~`` it is, as in a
        container with a user id that has no name, the folder is one of the user's own in the temporary directory.
    """
    home = os.path.expanduser(ansible_home)
    if not home.startswith("~"):
        return os.path.join(os.path.abspath(home), "flashduty")
    return os.path.join(tempfile.gettempdir(), f"flashduty-{os.getuid()}")


def resolve_count(
    layers: t.Sequence[Layer], option: str, *, default: int, at_least: int = 0
) -> int:
    """Return a whole number that any place may set."""
    layer, value = find_option(layers, option)
    return (
        _count(value, option, layer.display_name(option), at_least=at_least)
        if layer
        else default
    )


def read_wait(value: float) -> float:
    """Return for how long a task may try to deliver.

    :raises ConfigurationError: when it is no time; what is not a number would never be over.
    """
    if not 0 <= value < _LONGEST_WAIT:
        raise ConfigurationError(
            f"wait is {value:g}: it must be a number of seconds, 0 or more, and less than 100 years.",
            option="wait",
        )
    return value


def _find_key(layers: t.Sequence[Layer], kind: str) -> tuple[str, str]:
    for layer in layers:
        found: dict[str, str] = {}
        keyless = None
        for option in KEY_OPTIONS:
            value = layer.value(option_for_kind(option, kind))
            if value is None:
                continue
            name = layer.display_name(option_for_kind(option, kind))
            if option == "integration_key_file":
                found[name] = _secret_in_file(
                    absolute_path(value, layer), name, _INTEGRATION_KEY
                )
            elif option == "integration_key":
                found[name] = check_key(str(value), option, name)
            else:
                key = key_from_push_url(str(value), name)
                if key is None:
                    keyless = name
                else:
                    found[name] = key
        if len(set(found.values())) > 1:
            raise _conflict(list(found), "name different integration keys")
        if found:
            name, key = next(iter(found.items()))
            return key, name
        if keyless:
            raise ConfigurationError(
                f"{keyless} has no integration_key in it: give the whole URL, as the Flashduty console shows it.",
                option="push_url",
                hint="Copy the push URL again, or set the integration key beside it.",
            )
    own = " (a change integration has a key of its own)" if kind == "change" else ""
    option = option_for_kind("integration_key", kind)
    places = ", ".join(
        layer.display_name(option) for layer in layers if not layer.is_default
    )
    raise ConfigurationError(
        f"There is no integration key{own}.",
        option="integration_key",
        hint=f"Set one of {places}, or integration_key_file or push_url in the same way.",
    )


class Secret(t.NamedTuple):
    """A secret that an option holds, or a file that another option names.

    :param what: what a person calls it.
    :param check: returns the secret in a text; gets the option and how it is written, and raises ConfigurationError.
    """

    option: str
    what: str
    check: t.Callable[[str, str, str], str]


_INTEGRATION_KEY = Secret("integration_key", "integration key", check_key)
_STATE_URL = Secret("state_url", "connection URI", _check_state_url)


def find_secret(
    layers: t.Sequence[Layer], options: t.Sequence[str], secret: Secret
) -> tuple[str, str] | None:
    """Return what the first layer says that says anything, and how it is written there."""
    for layer in layers:
        found: dict[str, str] = {}
        for option in options:
            value = layer.value(option)
            if value is None:
                continue
            name = layer.display_name(option)
            if option.endswith("_file"):
                found[name] = _secret_in_file(absolute_path(value, layer), name, secret)
            else:
                found[name] = secret.check(str(value), option, name)
        if len(set(found.values())) > 1:
            raise _conflict(list(found), f"name different {secret.what}s")
        if found:
            name, value = next(iter(found.items()))
            return value, name
    return None


def _secret_in_file(path: str, name: str, secret: Secret) -> str:
    # Only now: most keys stand in no file.
    from ._key_files import secret_in_file

    return secret_in_file(
        path, name, instead_of=secret.option, what=secret.what, check=secret.check
    )


def remember_pipe(layers: t.Iterable[Layer]) -> None:
    """Read a key that comes out of a pipe now, so that processes which this one forks know it, too."""
    for layer in layers:
        for option in (
            "integration_key_file",
            "change_integration_key_file",
            "app_key_file",
            "state_url_file",
        ):
            with contextlib.suppress(ConfigurationError, OSError, ValueError):
                value = layer.value(option)
                if value is not None:
                    from ._key_files import remember_pipe_at

                    remember_pipe_at(absolute_path(value, layer))


def _find_url(layers: t.Sequence[Layer], kind: str) -> tuple[str, str]:
    push_option = option_for_kind("push_url", kind)
    for layer in layers:
        push_url, api_url = layer.value(push_option), layer.value("api_url")
        push_name = layer.display_name(push_option)
        api_name = layer.display_name("api_url")
        from_push_url = (
            url_from_push_url(str(push_url), kind, push_name) if push_url else None
        )
        from_api_url = (
            url_from_api_url(str(api_url), kind, api_name) if api_url else None
        )
        if (
            from_push_url
            and from_api_url
            and origin(from_push_url) != origin(from_api_url)
        ):
            raise _conflict([push_name, api_name], "name different servers")
        if from_push_url:
            return from_push_url, push_name
        if from_api_url:
            return from_api_url, api_name
    if kind == "change":
        found, push_url = find_option(layers, "push_url")
        if found:
            name = found.display_name("push_url")
            return change_url_beside(str(push_url), name), name
    return DEFAULT_API_URL + PATHS[kind], "default"


def _conflict(names: t.Sequence[str], what: str) -> ConfigurationError:
    return ConfigurationError(
        f"{names[0]} and {names[1]} {what}.",
        option=names[0],
        hint="Set only one of them.",
    )


def _boolean(value: t.Any, option: str, name: str) -> bool:
    found = to_boolean(value)
    if found is None:
        raise ConfigurationError(
            f"{name} is not a boolean: it must be true or false.", option=option
        )
    return found


def _seconds(value: t.Any, option: str, name: str) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ConfigurationError(
            f"{name} is not a number of seconds: it must be greater than 0.",
            option=option,
        )
    return seconds


def _count(value: t.Any, option: str, name: str, *, at_least: int = 0) -> int:
    try:
        count = int(value)
    except (TypeError, ValueError):
        count = -1
    if count < at_least:
        raise ConfigurationError(
            f"{name} is not a whole number that is allowed: it must be {at_least} or more.",
            option=option,
        )
    return count


def _path(value: t.Any, option: str, name: str) -> str:
    return str(value)


_READERS: dict[str, t.Callable[[t.Any, str, str], t.Any]] = {
    "validate_certs": _boolean,
    "ca_path": _path,
    "client_cert": _path,
    "client_key": _path,
    "use_proxy": _boolean,
    "timeout": _seconds,
    "retries": _count,
}
