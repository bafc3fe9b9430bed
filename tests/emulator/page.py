# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The emulator's web page: one file, no resources from elsewhere."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
import typing as t
from collections import Counter
from pathlib import Path

from aiohttp import web

from .service import ALERT_STATUSES, Alert, Change, Service

#: The page shows the newest ones; it has to stay quick with thousands.
_MAX_OPEN = 200
_MAX_RECOVERED = 60
_MAX_CHANGES = 60
_MAX_EVENTS = 30

_SECURITY = (
    "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
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


def content(service: Service) -> dict[str, t.Any]:
    """Return what the page shows: the worst open alerts first, else the newest first."""
    open_alerts = sorted(
        service.open_alerts(),
        key=lambda alert: (-ALERT_STATUSES.index(alert.severity), alert.number),
    )
    changes = list(service.all_changes())
    return {
        "version": service.version,
        "severities": Counter(alert.severity for alert in open_alerts),
        "open": _newest(open_alerts, _MAX_OPEN),
        "open_count": len(open_alerts),
        "recovered": _newest(service.recovered_alerts(_MAX_RECOVERED), _MAX_RECOVERED),
        "recovered_count": service.alert_count - len(open_alerts),
        "changes": _newest(changes, _MAX_CHANGES),
        "changes_count": len(changes),
    }


def _newest(items: t.Sequence[Alert | Change], limit: int) -> list[dict[str, t.Any]]:
    return [
        {
            **shown,
            "events": shown["events"][-_MAX_EVENTS:],
            "events_count": len(shown["events"]),
        }
        for shown in (item.as_dict() for item in reversed(items[-limit:]))
    ]


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
