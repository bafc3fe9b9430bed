# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""How to reach one integration. Without the HTTP library: a run that sends nothing does not import it."""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass, field
from urllib.parse import urlsplit

DEFAULT_API_URL = "https://api.flashcat.cloud"
# Source of the paths: Flashduty Alert Event API documentation.
PATHS = {"alert": "/event/push/alert/standard", "change": "/event/push/change/standard"}


class Wording(t.NamedTuple):
    """What errors call the parts of a connection.

    :param request: what is sent.
    :param key: the secret that the URL carries.
    :param url_options: the options that say where to go.
    :param hints: what to do about an error of the service, by its code, where that is not what events need.
    """

    request: str
    key: str
    url_options: str
    hints: t.Mapping[str, str] = {}


@dataclass(frozen=True)
class Connection:
    """How to reach one integration.

    :param integration_key: the secret that the URL carries.
    :param url: scheme, host and path to send to, without the key.
    :param kind: what it takes, ``alert`` or ``change``.
    :param validate_certs: whether the server's certificate is verified.
    :param ca_path: a file or folder of certificates to trust instead of the usual ones.
    :param client_cert: a file with a client certificate, and its key where client_key is not given.
    :param use_proxy: whether HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment count.
    :param timeout: seconds for one attempt.
    :param retries: further attempts after the first one.
    """

    # The parameter of the query that carries the key, and what errors call it.
    parameter: t.ClassVar[str] = "integration_key"
    wording: t.ClassVar[Wording] = Wording(
        "event", "integration key", "api_url or push_url"
    )

    integration_key: str = field(repr=False)
    url: str
    kind: str = "alert"
    validate_certs: bool = True
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    use_proxy: bool = True
    timeout: float = 10.0
    retries: int = 3

    @property
    def key(self) -> str:
        """The secret that the URL carries."""
        return self.integration_key

    @property
    def address(self) -> str:
        """The server as messages name it: ``https://api.example.com:8443``, without path and key."""
        parts = urlsplit(self.url)
        # A URL may hold the password of a user.
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    @property
    def server(self) -> str:
        """Host and port, as people tell one integration's server from another's."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        port = parts.port or (80 if parts.scheme == "http" else 443)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def fingerprint(self) -> str:
        """What tells two integrations apart without telling the key: a hash over kind and key.

        The URL is not part of it: when the server moves, what waits goes out to the new place.
        """
        text = f"flashduty\n{self.kind}\n{self.integration_key}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]
