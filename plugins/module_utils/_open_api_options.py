# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What is in force for the Open API, which has a key of its own; see ``_options.py``."""

from __future__ import annotations

import typing as t

from ._flashduty.connection import DEFAULT_API_URL
from ._flashduty.errors import ConfigurationError
from ._flashduty.open_api_connection import OpenApiConnection
from ._flashduty.push_url import (
    check_app_key,
    server_from_api_url,
    server_from_push_url,
)
from ._layers import BASE_URL_VARIABLE, Layer, find_option, sets_any
from ._options import Secret, find_secret, resolve_transport

_APP_KEY_OPTIONS = ("app_key", "app_key_file")
_APP_KEY = Secret("app_key", "app key", check_app_key)


class ResolvedOpenApi(t.NamedTuple):
    """How the Open API is reached, and which place set what of it.

    :param sources: see :class:`ResolvedConnection`.
    """

    connection: OpenApiConnection
    sources: t.Mapping[str, str]


def resolve_open_api(layers: t.Sequence[Layer]) -> ResolvedOpenApi:
    """Find out how the Open API is reached.

    :param layers: the one that counts most first.
    :raises ConfigurationError: names the option, the problem and what is allowed, never a value.
    """
    key, key_source = _find_app_key(layers)
    url, url_source = _find_server(layers)
    settings, sources = resolve_transport(layers, for_target=False, tolerate=None)
    sources.update(app_key=key_source, api_url=url_source)
    return ResolvedOpenApi(
        OpenApiConnection(integration_key=key, url=url, **settings), sources
    )


def has_app_key(layers: t.Iterable[Layer]) -> bool:
    """Say whether any layer sets an app key, in whichever form."""
    return sets_any(layers, _APP_KEY_OPTIONS)


def _find_app_key(layers: t.Sequence[Layer]) -> tuple[str, str]:
    found = find_secret(layers, _APP_KEY_OPTIONS, _APP_KEY)
    if found:
        return found
    # The vars of a play have no app key: that layer names it as the task does.
    names = dict.fromkeys(
        layer.display_name("app_key") for layer in layers if not layer.is_default
    )
    places = ", ".join(name for name in names if name != BASE_URL_VARIABLE)
    raise ConfigurationError(
        "There is no app key, which the Open API needs: an integration key does not serve there.",
        option="app_key",
        hint=f"Set one of {places}, or app_key_file in the same way.",
    )


def _find_server(layers: t.Sequence[Layer]) -> tuple[str, str]:
    """Return the address of the server, which the push URL names where nothing else does, and its place."""
    layer, api_url = find_option(layers, "api_url")
    if layer:
        name = layer.display_name("api_url")
        return server_from_api_url(str(api_url), name), name
    layer, push_url = find_option(layers, "push_url")
    if layer:
        name = layer.display_name("push_url")
        return server_from_push_url(str(push_url), name), name
    return DEFAULT_API_URL, "default"
