# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Read an integration key, a push URL as copied from the Flashduty console, and the address of a server. Pure.

Every function gets the name under which a person has written the text, for its messages. No message holds the text
itself: somebody may have put the key into the wrong option.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qs, urlsplit

from .connection import DEFAULT_API_URL, PATHS
from .errors import ConfigurationError

_KEY_HINT = (
    "Copy it from the integration's page in the Flashduty console, where it stands in the push URL after"
    " integration_key=."
)
_EXAMPLES = {"api_url": "", "push_url": f"{PATHS['alert']}?integration_key=…"}
_INTEGRATIONS = {"alert": "an alert integration", "change": "a change integration"}
# 24 letters and digits or more: rather a key than the name of a file.
# Names of files have other characters than letters and digits, too, but few digits.
_LIKE_A_KEY = re.compile(
    r"[0-9A-Za-z]{24,}|(?=(?:[^0-9]{0,100}[0-9]){4})[0-9A-Za-z_+=-]{24,100}"
)


def looks_like_a_key(text: str) -> bool:
    """Say whether a text may be an integration key in the wrong place, so that it must not be shown."""
    return bool(_LIKE_A_KEY.search(text))


def is_like_a_key(text: str) -> bool:
    """Say whether a text as a whole may be a key."""
    return bool(_LIKE_A_KEY.fullmatch(text))


def check_key(text: str, option: str, name: str) -> str:
    """Return an integration key without the white space around it.

    :param option: the option that is wrong if the text is.
    :param name: how a person has written the option.
    :raises ConfigurationError: when the text cannot be a key.
    """
    key = text.strip()
    if "://" in key:
        problem = "is a URL, not an integration key"
        hint = "Give the URL as push_url instead."
    elif not key:
        problem, hint = "is empty", _KEY_HINT
    elif not key.isprintable() or " " in key:
        problem, hint = "has a space or a line break in it", _KEY_HINT
    else:
        return key
    raise ConfigurationError(f"{name} {problem}.", option=option, hint=hint)


def check_app_key(text: str, option: str, name: str) -> str:
    """Return an app key without the white space around it; see :func:`check_key`."""
    key = text.strip()
    if not key:
        problem = "is empty"
    elif "://" in key:
        problem = "is a URL, not an app key"
    elif not key.isprintable() or " " in key:
        problem = "has a space or a line break in it"
    else:
        return key
    raise ConfigurationError(
        f"{name} {problem}.",
        option=option,
        hint="App keys are made in the Flashduty console, under the account.",
    )


def server_from_api_url(text: str, name: str) -> str:
    """Return the address of a server, with a path before that of the API where there is one.

    :raises ConfigurationError: when the text is no URL, or a whole push URL.
    """
    return url_from_api_url(text, "alert", name)[: -len(PATHS["alert"])]


def server_from_push_url(text: str, name: str) -> str:
    """Return the address of the server that a push URL for alerts names.

    :raises ConfigurationError: as :func:`url_from_push_url`.
    """
    url = url_from_push_url(text, "alert", name)
    base, found, _rest = url.partition(PATHS["alert"])
    return base if found else origin(base)


def key_from_push_url(text: str, name: str) -> str | None:
    """Return the integration key of a push URL, or None where it has none.

    :raises ConfigurationError: when the text is no URL, or the key in it cannot be one.
    """
    keys = parse_qs(_split(text, "push_url", name).query).get("integration_key")
    return (
        check_key(keys[0], "push_url", f"{name}: the integration_key in it")
        if keys
        else None
    )


def url_from_push_url(text: str, kind: str, name: str) -> str:
    """Return a push URL without its key.

    :param kind: ``alert`` or ``change``: what shall be sent there.
    :raises ConfigurationError: when the text is no URL, or that of an integration of the other kind.
    """
    parts = _split(text, "push_url", name)
    other = "change" if kind == "alert" else "alert"
    if f"/push/{other}/" in parts.path:
        raise ConfigurationError(
            f"{name} is the URL of {_INTEGRATIONS[other]}, but {_INTEGRATIONS[kind]} is needed here.",
            option="push_url",
            hint=f"Copy the push URL of {_INTEGRATIONS[kind]} from the Flashduty console.",
        )
    path = parts.path if parts.path.strip("/") else PATHS[kind]
    return f"{parts.scheme}://{parts.netloc}{path}"


def change_url_beside(text: str, name: str) -> str:
    """Return where changes go on the server that a push URL for alerts names.

    :raises ConfigurationError: as :func:`url_from_push_url`.
    """
    return server_from_push_url(text, name) + PATHS["change"]


def url_from_api_url(text: str, kind: str, name: str) -> str:
    """Return where events go on a server.

    :param text: the address of the server, perhaps with a path before that of the API.
    :param kind: ``alert`` or ``change``.
    :raises ConfigurationError: when the text is no URL, or a whole push URL.
    """
    parts = _split(text, "api_url", name)
    if parts.query or "/event/push" in parts.path:
        raise ConfigurationError(
            f"{name} has more in it than the server's address, such as {DEFAULT_API_URL}.",
            option="api_url",
            hint="A whole URL from the Flashduty console belongs into push_url.",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}{PATHS[kind]}"


def origin(url: str) -> str:
    """Return scheme, host and port of a URL, the port always written out."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{parts.hostname}:{port}"


def _split(text: str, option: str, name: str) -> SplitResult:
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
            f"{name} {problem}.",
            option=option,
            hint=f"It looks like {DEFAULT_API_URL}{_EXAMPLES[option]}.",
        )
    return parts
