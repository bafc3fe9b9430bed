# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The emulator's web page: one file, no resources from elsewhere."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from pathlib import Path

from aiohttp import web

_SECURITY = (
    "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; script-src {scripts}; style-src {styles}"
)


def response() -> web.Response:
    text, security = _load()
    return web.Response(
        text=text,
        content_type="text/html",
        headers={
            "Content-Security-Policy": security,
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        },
    )


@functools.cache
def _load() -> tuple[str, str]:
    text = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    return text, _SECURITY.format(
        scripts=_hashes(text, "script"), styles=_hashes(text, "style")
    )


def _hashes(text: str, element: str) -> str:
    """Return CSP sources that allow the page's own inline elements and no others."""
    found = re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)
    return " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'"
        for part in found
    )
