# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""What would be used on the way to Flashduty, found out without going there."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from ansible_collections.flashcat.flashduty.plugins.module_utils._flashduty.connection import (
    Connection,
)

try:
    import requests
except ImportError:
    HAS_REQUESTS = False
else:
    HAS_REQUESTS = True


def requests_version() -> str | None:
    """Return the version of requests, or None where it is not installed."""
    return str(requests.__version__) if HAS_REQUESTS else None


def proxy_of(connection: Connection) -> str | None:
    """Return the proxy without a user name and password, or None."""
    if not connection.use_proxy:
        return None
    proxies = requests.utils.get_environ_proxies(connection.url)
    proxy = requests.utils.select_proxy(connection.url, proxies)
    if not proxy:
        return None
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def ca_bundle_of(connection: Connection) -> str | None:
    """Return the path of the certificates that are trusted, or None where none is asked for."""
    if not connection.validate_certs or not connection.url.startswith("https:"):
        return None
    from_environment = (
        os.environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    )
    candidates = [
        connection.ca_path,
        *from_environment,
        requests.utils.DEFAULT_CA_BUNDLE_PATH,
    ]
    return next(path for path in candidates if path)
