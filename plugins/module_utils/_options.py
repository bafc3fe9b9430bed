# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""The options that all plugins share: their argument specs, and what is in force where several places set one.

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
from urllib.parse import SplitResult, parse_qs, urlsplit

from ansible.module_utils.parsing.convert_bool import boolean

from ._flashduty.connection import DEFAULT_API_URL, PATHS, Connection
from ._flashduty.errors import ConfigurationError
from ._flashduty.events import ALERT_STATUSES, CHANGE_STATUSES

DEFAULT_STATE_PATH = "~/.ansible/flashduty"

# A change integration has a key of its own: where one place can name both, a change's options have this prefix.
CHANGE_PREFIX = "change_"
# What only the alert's options may hold, asked for while the URL for a change is looked for.
ALERT_PUSH_URL = "alert_push_url"

_KEY_OPTIONS = ("integration_key", "integration_key_file", "push_url")
_PATH_OPTIONS = (
    "integration_key_file",
    "ca_path",
    "client_cert",
    "client_key",
    "state_path",
)
# A name that hardly any file has.
_LOOKS_LIKE_A_KEY = re.compile(r"[0-9A-Za-z]{24,}")
_HINTS_OF_A_KEY = (
    "Copy it from the integration's page in the Flashduty console, where it stands in the push URL after"
    " integration_key=."
)


def connection_argument_spec() -> dict[str, t.Any]:
    """Return a fresh argument spec of the options that say how to reach Flashduty, and where the state is.

    There are no defaults: an option that the task does not set may be set elsewhere.
    """
    return {
        "integration_key": {"type": "str", "no_log": True},
        "integration_key_file": {"type": "path", "no_log": False},
        "push_url": {"type": "str", "no_log": True},
        "api_url": {"type": "str"},
        "validate_certs": {"type": "bool"},
        "ca_path": {"type": "path"},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path", "no_log": False},
        "use_proxy": {"type": "bool"},
        "timeout": {"type": "float"},
        "retries": {"type": "int"},
        "state_path": {"type": "path"},
    }


def _sending_argument_spec() -> dict[str, t.Any]:
    return {
        "queue_on_failure": {"type": "bool", "default": False},
        "send_from": {
            "type": "str",
            "choices": ["controller", "target"],
            "default": "controller",
        },
    }


def alert_event_argument_spec() -> dict[str, t.Any]:
    """Return a fresh argument spec, shared by the module and the action plugin."""
    return {
        **connection_argument_spec(),
        **_sending_argument_spec(),
        "title_rule": {"type": "str", "required": True, "aliases": ["title"]},
        "event_status": {
            "type": "str",
            "required": True,
            "choices": list(ALERT_STATUSES),
        },
        "alert_key": {"type": "str", "no_log": False},
        "event_time": {"type": "int"},
        "description": {"type": "str"},
        "labels": {"type": "dict"},
        "images": {
            "type": "list",
            "elements": "dict",
            "options": {
                "src": {"type": "str", "required": True},
                "alt": {"type": "str"},
                "href": {"type": "str"},
            },
        },
    }


def change_event_argument_spec() -> dict[str, t.Any]:
    """Return a fresh argument spec, shared by the module and the action plugin."""
    return {
        **connection_argument_spec(),
        **_sending_argument_spec(),
        "change_key": {"type": "str", "required": True, "no_log": False},
        "change_status": {
            "type": "str",
            "required": True,
            "choices": list(CHANGE_STATUSES),
        },
        "title": {"type": "str", "required": True},
        "event_time": {"type": "int"},
        "description": {"type": "str"},
        "link": {"type": "str"},
        "labels": {"type": "dict"},
    }


def _both_connections_argument_spec() -> dict[str, t.Any]:
    return {
        **connection_argument_spec(),
        "change_integration_key": {"type": "str", "no_log": True},
        "change_integration_key_file": {"type": "path", "no_log": False},
        "change_push_url": {"type": "str", "no_log": True},
    }


def outbox_info_argument_spec() -> dict[str, t.Any]:
    """Return a fresh argument spec, shared by the module and the action plugin."""
    return {
        **_both_connections_argument_spec(),
        "limit": {"type": "int", "default": 100},
    }


def connection_info_argument_spec() -> dict[str, t.Any]:
    """Return a fresh argument spec, shared by the module and the action plugin."""
    return _both_connections_argument_spec()


def outbox_flush_argument_spec() -> dict[str, t.Any]:
    """Return a fresh argument spec, shared by the module and the action plugin."""
    return {
        **_both_connections_argument_spec(),
        "wait": {"type": "float", "default": 60.0},
        "max_in_flight": {"type": "int"},
        "rate_limit": {"type": "int"},
        "retry_undeliverable": {"type": "bool", "default": False},
        "discard_undeliverable": {"type": "bool", "default": False},
    }


def deployment_step_argument_spec() -> dict[str, t.Any]:
    """Return a fresh argument spec, shared by the module and the action plugin."""
    return {
        **_both_connections_argument_spec(),
        "step": {
            "type": "str",
            "choices": ["begin", "passed", "failed", "report"],
            "required": True,
        },
        "name": {"type": "str", "required": True},
        "version": {"type": "str", "default": ""},
        "description": {"type": "str", "default": ""},
        "link": {"type": "str", "default": ""},
        "labels": {"type": "dict", "default": {}},
        "hosts": {"type": "list", "elements": "str", "default": []},
        "alert": {"type": "bool", "default": True},
        "alert_status": {
            "type": "str",
            "choices": [status for status in ALERT_STATUSES if status != "Ok"],
            "default": "Critical",
        },
        "callback": {"type": "bool", "default": False},
        "watch": {"type": "bool", "default": True},
    }


class Layer(t.NamedTuple):
    """One place that can set options.

    :param name: what a person calls the place.
    :param get: returns the value of an option, or None where it is not set there.
    :param spell: returns how the option is written there, for messages.
    :param folder: what relative paths are relative to; the working directory when it is None.
    """

    name: str
    get: t.Callable[[str], t.Any]
    spell: t.Callable[[str], str] = str
    folder: str | None = None

    def value(self, option: str) -> t.Any:
        """Return what the layer sets, or None; an empty text there is a mistake."""
        value = self.get(option)
        if value == "" and isinstance(value, str):
            raise ConfigurationError(
                f"{self.spell(option)} is empty: give a value, or leave it out.",
                option=option,
            )
        return value


def task_layer(
    options: t.Mapping[str, t.Any], *, prefix: str = "", folder: str | None = None
) -> Layer:
    """Return the options of a task as a layer.

    :param prefix: what the names of the options that hold the key begin with.
    """

    def spell(option: str) -> str:
        if option == ALERT_PUSH_URL and prefix:
            return "push_url"
        return _prefixed(option, prefix)

    return Layer("the task", lambda option: options.get(spell(option)), spell, folder)


def environment_layer(environ: t.Mapping[str, str], *, kind: str) -> Layer:
    """Return the ``FLASHDUTY_…`` variables as a layer. One that is empty is not set."""

    def spell(option: str) -> str:
        return f"FLASHDUTY_{_configured_name(option, kind).upper()}"

    return Layer(
        "the environment", lambda option: environ.get(spell(option)) or None, spell
    )


def ini_layer(
    read: t.Callable[[str], str | None],
    *,
    kind: str,
    file: str = "ansible.cfg",
) -> Layer:
    """Return a section of an ini file as a layer. A key without a value is not set.

    :param read: returns the raw value of a key in the section, or None.
    :param file: the file's path; relative paths in it are relative to its folder, as Ansible has it.
    """

    def get(option: str) -> str | None:
        return (read(_configured_name(option, kind)) or "").strip() or None

    def spell(option: str) -> str:
        return f"{_configured_name(option, kind)} in section [flashduty] of {file}"

    return Layer(
        os.path.basename(file), get, spell, os.path.dirname(os.path.abspath(file))
    )


@dataclass(frozen=True)
class Resolved:
    """A connection, and which place set what of it.

    :param sources: for each option, how it is written where it was set; ``default`` where it was not.
    """

    connection: Connection
    sources: t.Mapping[str, str]


def resolve_connection(
    layers: t.Sequence[Layer], *, kind: str = "alert", sent_elsewhere: bool = False
) -> Resolved:
    """Find out what is in force.

    :param layers: the one that counts most first.
    :param kind: ``alert`` or ``change``; they have different keys and different URLs.
    :param sent_elsewhere: whether another machine will send, so that paths are left as they are written.
    :raises ConfigurationError: names the option, the problem and what is allowed, never a value.
    """
    key, key_source = _find_key(layers, kind)
    url, url_source = _find_url(layers, kind)
    sources = {"integration_key": key_source, "api_url": url_source}
    settings: dict[str, t.Any] = {}
    for option, read in _READERS.items():
        layer, value = _first(layers, option)
        sources[option] = layer.spell(option) if layer else "default"
        if layer is None:
            continue
        if option not in _PATH_OPTIONS:
            settings[option] = read(value, option, layer.spell(option))
        else:
            settings[option] = str(value) if sent_elsewhere else _absolute(value, layer)
    if settings.get("client_key") and not settings.get("client_cert"):
        raise ConfigurationError(
            f"{sources['client_key']} is set without client_cert: a private key needs its certificate.",
            option="client_key",
            hint="Give client_cert, too.",
        )
    return Resolved(Connection(integration_key=key, url=url, **settings), sources)


def names_a_key(layers: t.Iterable[Layer]) -> bool:
    """Say whether any layer sets an integration key, in whichever form."""
    return any(
        layer.get(option) is not None for layer in layers for option in _KEY_OPTIONS
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
        _count(value, option, layer.spell(option), at_least=at_least)
        if layer
        else default
    )


def _configured_name(option: str, kind: str) -> str:
    """Return the name of an option where one place holds those of alerts and of changes."""
    if option == ALERT_PUSH_URL:
        return "push_url"
    return _prefixed(option, CHANGE_PREFIX if kind == "change" else "")


def _prefixed(option: str, prefix: str) -> str:
    return prefix + option if option in _KEY_OPTIONS else option


def _first(layers: t.Iterable[Layer], option: str) -> tuple[Layer | None, t.Any]:
    for layer in layers:
        value = layer.value(option)
        if value is not None:
            return layer, value
    return None, None


def _find_key(layers: t.Sequence[Layer], kind: str) -> tuple[str, str]:
    for layer in layers:
        named: dict[str, str] = {}
        keyless = None
        for option in _KEY_OPTIONS:
            value = layer.value(option)
            if value is None:
                continue
            spelled = layer.spell(option)
            if option == "integration_key_file":
                named[spelled] = _key_from_file(_absolute(value, layer), spelled)
            elif option == "integration_key":
                named[spelled] = _checked_key(str(value), option, spelled)
            else:
                key = _key_from_url(str(value), spelled)
                if key is None:
                    keyless = spelled
                else:
                    named[spelled] = key
        if len(set(named.values())) > 1:
            raise _contradiction(list(named), "name different integration keys")
        if named:
            spelled, key = next(iter(named.items()))
            return key, spelled
        if keyless:
            raise ConfigurationError(
                f"{keyless} has no integration_key in it: give the whole URL, as the Flashduty console shows it.",
                option="push_url",
                hint="Copy the push URL again, or set the integration key beside it.",
            )
    own = " (a change integration has a key of its own)" if kind == "change" else ""
    places = ", ".join(layer.spell("integration_key") for layer in layers)
    raise ConfigurationError(
        f"There is no integration key{own}.",
        option="integration_key",
        hint=f"Set one of {places}, or integration_key_file or push_url in the same way.",
    )


def _key_from_file(path: str, spelled: str) -> str:
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
            return _checked_key(
                text, "integration_key_file", f"{spelled}: the content of {path}"
            )
        else:
            problem = "is empty"
    if not os.path.exists(path) and _LOOKS_LIKE_A_KEY.fullmatch(os.path.basename(path)):
        # So it must not be shown.
        raise ConfigurationError(
            f"{spelled} looks like an integration key, not like the path of a file.",
            option="integration_key_file",
            hint="Give the key as integration_key, or the path of a file that holds it.",
        )
    raise ConfigurationError(
        f"{spelled}: the file {path} {problem}.",
        option="integration_key_file",
        hint="Give the path of a file that holds nothing but the integration key.",
    )


def _checked_key(text: str, option: str, spelled: str) -> str:
    key = text.strip()
    if "://" in key:
        problem = "is a URL, not an integration key"
        hint = "Give the URL as push_url instead."
    elif not key:
        problem, hint = "is empty", _HINTS_OF_A_KEY
    elif not key.isprintable() or " " in key:
        problem, hint = "has a space or a line break in it", _HINTS_OF_A_KEY
    else:
        return key
    raise ConfigurationError(f"{spelled} {problem}.", option=option, hint=hint)


def _key_from_url(text: str, spelled: str) -> str | None:
    keys = parse_qs(_split(text, "push_url", spelled).query).get("integration_key")
    return (
        _checked_key(keys[0], "push_url", f"{spelled}: the integration_key in it")
        if keys
        else None
    )


def _find_url(layers: t.Sequence[Layer], kind: str) -> tuple[str, str]:
    for layer in layers:
        push_url, api_url = layer.value("push_url"), layer.value("api_url")
        pushed = (
            _pushed_to(str(push_url), kind, layer.spell("push_url"))
            if push_url
            else None
        )
        based = (
            _based_on(str(api_url), kind, layer.spell("api_url")) if api_url else None
        )
        if pushed and based and _origin(pushed) != _origin(based):
            raise _contradiction(
                [layer.spell("push_url"), layer.spell("api_url")],
                "name different servers",
            )
        if pushed:
            return pushed, layer.spell("push_url")
        if based:
            return based, layer.spell("api_url")
    if kind == "change":
        for layer in layers:
            push_url = layer.value(ALERT_PUSH_URL)
            if push_url:
                spelled = layer.spell(ALERT_PUSH_URL)
                base, found, _rest = _pushed_to(
                    str(push_url), "alert", spelled
                ).partition(PATHS["alert"])
                return (base if found else _origin(base)) + PATHS["change"], spelled
    return DEFAULT_API_URL + PATHS[kind], "default"


def _pushed_to(text: str, kind: str, spelled: str) -> str:
    """Return a push URL without the key."""
    parts = _split(text, "push_url", spelled)
    other = "change" if kind == "alert" else "alert"
    if f"/push/{other}/" in parts.path:
        raise ConfigurationError(
            f"{spelled} is the URL of {_integration(other)}, but {_integration(kind)} is needed here.",
            option="push_url",
            hint=f"Copy the push URL of {_integration(kind)} from the Flashduty console.",
        )
    path = parts.path if parts.path.strip("/") else PATHS[kind]
    return f"{parts.scheme}://{parts.netloc}{path}"


def _integration(kind: str) -> str:
    return "an alert integration" if kind == "alert" else "a change integration"


def _based_on(text: str, kind: str, spelled: str) -> str:
    parts = _split(text, "api_url", spelled)
    if parts.query or "/event/push" in parts.path:
        raise ConfigurationError(
            f"{spelled} has more in it than the server's address, such as {DEFAULT_API_URL}.",
            option="api_url",
            hint="A whole URL from the Flashduty console belongs into push_url.",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}{PATHS[kind]}"


def _split(text: str, option: str, spelled: str) -> SplitResult:
    problem = None
    try:
        parts = urlsplit(text.strip())
        # urlsplit looks at the port only when it is asked for it.
        _port = parts.port
    except ValueError:
        problem = "is not a URL"
    else:
        if parts.scheme not in ("http", "https") or not parts.hostname:
            problem = (
                "is not a URL that begins with https:// or http:// and a server's name"
            )
        elif "@" in parts.netloc:
            problem = "has a user name in it, which is not supported"
        elif not text.strip().isprintable() or " " in text.strip():
            problem = "has a space or a line break in it"
    if problem:
        raise ConfigurationError(
            f"{spelled} {problem}.",
            option=option,
            hint=f"It looks like {DEFAULT_API_URL}{_EXAMPLES[option]}.",
        )
    return parts


_EXAMPLES = {"api_url": "", "push_url": f"{PATHS['alert']}?integration_key=…"}


def _origin(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{parts.hostname}:{port}"


def _contradiction(spelled: t.Sequence[str], what: str) -> ConfigurationError:
    return ConfigurationError(
        f"{spelled[0]} and {spelled[1]} {what}.",
        option=spelled[0],
        hint="Set only one of them.",
    )


def _absolute(value: t.Any, layer: Layer) -> str:
    path = os.path.expanduser(os.path.expandvars(str(value)))
    return os.path.normpath(os.path.join(layer.folder or os.getcwd(), path))


def _boolean(value: t.Any, option: str, spelled: str) -> bool:
    try:
        return bool(boolean(value))
    except TypeError:
        problem = ConfigurationError(
            f"{spelled} is not a boolean: it must be true or false.", option=option
        )
    raise problem


def _seconds(value: t.Any, option: str, spelled: str) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ConfigurationError(
            f"{spelled} is not a number of seconds: it must be greater than 0.",
            option=option,
        )
    return seconds


def _count(value: t.Any, option: str, spelled: str, *, at_least: int = 0) -> int:
    try:
        count = int(value)
    except (TypeError, ValueError):
        count = -1
    if count < at_least:
        raise ConfigurationError(
            f"{spelled} is not a whole number that is allowed: it must be {at_least} or more.",
            option=option,
        )
    return count


def _path(value: t.Any, option: str, spelled: str) -> str:
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
