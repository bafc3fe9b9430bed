# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What is in force where several places set an option: layers, their precedence, and readers of values.

A place that can set options is a :class:`Layer`: the task, the environment, ``ansible.cfg``. Layers come in a list, the
one that counts most first. The integration key and the URL are each decided by the first layer that says anything
about them, every other option by the first layer that sets it.

No message of this file holds a value: somebody may have put the key into the wrong option.
"""

from __future__ import annotations

import math
import os
import re
import typing as t
from dataclasses import dataclass

from ansible.module_utils.parsing.convert_bool import boolean

from ._flashduty.connection import DEFAULT_API_URL, PATHS, Connection
from ._flashduty.errors import ConfigurationError
from ._flashduty.push_url import (
    change_url_beside,
    check_key,
    key_from_push_url,
    origin,
    url_from_api_url,
    url_from_push_url,
)

DEFAULT_STATE_PATH = "~/.ansible/flashduty"

_KEY_OPTIONS = ("integration_key", "integration_key_file", "push_url")
# A change integration has a key of its own, whose options have this prefix.
_CHANGE_PREFIX = "change_"
_PATH_OPTIONS = ("ca_path", "client_cert", "client_key")
# 24 letters and digits or more: rather a key than the name of a file.
_LOOKS_LIKE_A_KEY = re.compile(r"[0-9A-Za-z]{24,}")


class Layer(t.NamedTuple):
    """One place that can set options.

    :param place: what a person calls the place.
    :param get: returns the value of an option, or None where it is not set there.
    :param display_name: returns how the option is written there, for messages.
    :param folder: what relative paths are relative to; the working directory when it is None.
    """

    place: str
    get: t.Callable[[str], t.Any]
    display_name: t.Callable[[str], str] = str
    folder: str | None = None

    def value(self, option: str) -> t.Any:
        """Return what the layer sets, or None; an empty text there is a mistake."""
        value = self.get(option)
        if value == "" and isinstance(value, str):
            raise ConfigurationError(
                f"{self.display_name(option)} is empty: give a value, or leave it out.",
                option=option,
            )
        return value


def task_layer(
    options: t.Mapping[str, t.Any],
    *,
    folder: str | None = None,
    own_key_for: str = "alert",
) -> Layer:
    """Return the options of a task as a layer.

    :param own_key_for: the kind of event that ``integration_key`` and its like mean here. Where it is ``change``, they
        stand for ``change_integration_key`` and its like, which count first.
    """

    def name(option: str) -> str:
        if own_key_for == "alert":
            return option
        plain = option[len(_CHANGE_PREFIX) :]
        if option in _CHANGE_KEY_OPTIONS and not any(
            options.get(one) is not None for one in _CHANGE_KEY_OPTIONS
        ):
            return plain
        return option

    return Layer("the task", lambda option: options.get(name(option)), name, folder)


def environment_layer(environ: t.Mapping[str, str]) -> Layer:
    """Return the ``FLASHDUTY_…`` variables as a layer. One that is empty is not set."""

    def name(option: str) -> str:
        return f"FLASHDUTY_{option.upper()}"

    return Layer(
        "the environment", lambda option: environ.get(name(option)) or None, name
    )


def ini_layer(
    read: t.Callable[[str], str | None], *, file: str = "ansible.cfg"
) -> Layer:
    """Return a section of an ini file as a layer. A key without a value is not set.

    :param read: returns the raw value of a key in the section, or None.
    :param file: the file's path; relative paths in it are relative to its folder, as Ansible has it.
    """

    def get(option: str) -> str | None:
        return (read(option) or "").strip() or None

    def name(option: str) -> str:
        return f"{option} in section [flashduty] of {file}"

    return Layer(
        os.path.basename(file), get, name, os.path.dirname(os.path.abspath(file))
    )


@dataclass(frozen=True)
class ResolvedConnection:
    """A connection, and which place set what of it.

    :param sources: for each option, how it is written where it was set; ``default`` where it was not.
    """

    connection: Connection
    sources: t.Mapping[str, str]


def resolve_connection(
    layers: t.Sequence[Layer], *, kind: str = "alert", for_target: bool = False
) -> ResolvedConnection:
    """Find out what is in force.

    :param layers: the one that counts most first.
    :param kind: ``alert`` or ``change``; they have different keys and different URLs.
    :param for_target: whether a target will send, so that paths are left as they are written.
    :raises ConfigurationError: names the option, the problem and what is allowed, never a value.
    """
    key, key_source = _find_key(layers, kind)
    url, url_source = _find_url(layers, kind)
    sources = {"integration_key": key_source, "api_url": url_source}
    settings: dict[str, t.Any] = {}
    for option, read in _READERS.items():
        layer, value = _first(layers, option)
        sources[option] = layer.display_name(option) if layer else "default"
        if layer is None:
            continue
        if option not in _PATH_OPTIONS:
            settings[option] = read(value, option, layer.display_name(option))
        else:
            settings[option] = str(value) if for_target else _absolute(value, layer)
    if settings.get("client_key") and not settings.get("client_cert"):
        raise ConfigurationError(
            f"{sources['client_key']} is set without client_cert: a private key needs its certificate.",
            option="client_key",
            hint="Give client_cert, too.",
        )
    return ResolvedConnection(
        Connection(integration_key=key, url=url, **settings), sources
    )


def has_integration_key(layers: t.Iterable[Layer], *, kind: str = "alert") -> bool:
    """Say whether any layer sets an integration key of a kind, in whichever form."""
    return any(
        layer.get(_for_kind(option, kind)) is not None
        for layer in layers
        for option in _KEY_OPTIONS
    )


def resolve_state_path(layers: t.Sequence[Layer]) -> str:
    """Return the folder of the outbox, absolute."""
    layer, value = _first(layers, "state_path")
    return _absolute(value, layer) if layer else os.path.expanduser(DEFAULT_STATE_PATH)


def resolve_count(
    layers: t.Sequence[Layer], option: str, *, default: int, at_least: int = 0
) -> int:
    """Return a whole number that any place may set."""
    layer, value = _first(layers, option)
    return (
        _count(value, option, layer.display_name(option), at_least=at_least)
        if layer
        else default
    )


def _for_kind(option: str, kind: str) -> str:
    """Return the name of an option that holds a key, for alerts or for changes."""
    return _CHANGE_PREFIX + option if kind == "change" else option


_CHANGE_KEY_OPTIONS = tuple(_for_kind(option, "change") for option in _KEY_OPTIONS)


def _first(layers: t.Iterable[Layer], option: str) -> tuple[Layer | None, t.Any]:
    for layer in layers:
        value = layer.value(option)
        if value is not None:
            return layer, value
    return None, None


def _find_key(layers: t.Sequence[Layer], kind: str) -> tuple[str, str]:
    for layer in layers:
        found: dict[str, str] = {}
        keyless = None
        for option in _KEY_OPTIONS:
            value = layer.value(_for_kind(option, kind))
            if value is None:
                continue
            name = layer.display_name(_for_kind(option, kind))
            if option == "integration_key_file":
                found[name] = _key_from_file(_absolute(value, layer), name)
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
    option = _for_kind("integration_key", kind)
    places = ", ".join(layer.display_name(option) for layer in layers)
    raise ConfigurationError(
        f"There is no integration key{own}.",
        option="integration_key",
        hint=f"Set one of {places}, or integration_key_file or push_url in the same way.",
    )


def _key_from_file(path: str, name: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(64 * 1024).strip()
    except UnicodeDecodeError:
        problem = "is not a text file"
    except ValueError:
        # A NUL, which a name cannot have. Python says so in different ways.
        path, problem = path.replace("\0", "\\0"), "cannot be read (no such name)"
    except OSError as exc:
        problem = f"cannot be read ({os.strerror(exc.errno) if exc.errno else type(exc).__name__})"
    else:
        if text.startswith("$ANSIBLE_VAULT"):
            problem = "is encrypted with Ansible Vault, which is not read here"
        elif text:
            return check_key(
                text, "integration_key_file", f"{name}: the content of {path}"
            )
        else:
            problem = "is empty"
    if not os.path.exists(path) and _LOOKS_LIKE_A_KEY.fullmatch(os.path.basename(path)):
        # So it must not be shown.
        raise ConfigurationError(
            f"{name} looks like an integration key, not like the path of a file.",
            option="integration_key_file",
            hint="Give the key as integration_key, or the path of a file that holds it.",
        )
    raise ConfigurationError(
        f"{name}: the file {path} {problem}.",
        option="integration_key_file",
        hint="Give the path of a file that holds nothing but the integration key.",
    )


def _find_url(layers: t.Sequence[Layer], kind: str) -> tuple[str, str]:
    push_option = _for_kind("push_url", kind)
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
        found, push_url = _first(layers, "push_url")
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


def _absolute(value: t.Any, layer: Layer) -> str:
    path = os.path.expanduser(os.path.expandvars(str(value)))
    return os.path.normpath(os.path.join(layer.folder or os.getcwd(), path))


def _boolean(value: t.Any, option: str, name: str) -> bool:
    try:
        return bool(boolean(value))
    except TypeError:
        problem = ConfigurationError(
            f"{name} is not a boolean: it must be true or false.", option=option
        )
    raise problem


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
