# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""What the outbox knows of the details of an alert: the causes that it waits for. Pure.

Several controllers may write about one alert, so causes are added and taken away, never replaced as a whole. A cause is
a mapping. ``id`` tells it from others; one without is told by all that it holds. ``items`` names an entry of ``names``
in the details: the failed items of a loop. What causes share is in ``runs`` and ``names``.
"""

from __future__ import annotations

import hashlib
import json
import typing as t

Details = dict[str, t.Any]
# The failed items of each cause, by its id.
Causes = dict[str, frozenset[str]]

_SHARED = ("runs", "names")


def causes_in(details: t.Mapping[str, t.Any]) -> Causes:
    """Return the causes that an alert waits for."""
    return {
        _id_of(cause): _items_of(cause, details) for cause in details.get("causes", ())
    }


def left_of(details: t.Mapping[str, t.Any], gone: Causes) -> Details | None:
    """Return the details without some causes; None when that leaves nothing to wait for."""
    left = [
        cause
        for cause in details.get("causes", ())
        if not (
            _id_of(cause) in gone and _items_of(cause, details) <= gone[_id_of(cause)]
        )
    ]
    return {**details, "causes": left} if left else None


def united(before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any]) -> Details:
    """Return the later details, with the causes of both."""
    result = {**before, **after}
    for name in _SHARED:
        old, new = before.get(name), after.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            result[name] = {**old, **new}
        elif isinstance(old, list) and isinstance(new, list):
            result[name] = [*old, *(one for one in new if one not in old)]
    if "causes" in before and "causes" in after:
        result["names"] = dict(result.get("names") or {})
        result["causes"] = _united_causes(before, after, result["names"])
    return result


def _united_causes(
    before: t.Mapping[str, t.Any],
    after: t.Mapping[str, t.Any],
    names: dict[str, t.Any],
) -> list[Details]:
    """Return the causes of both.

    :param names: where their sets are; gets the new ones.
    """
    earlier = {_id_of(cause): cause for cause in before["causes"]}
    causes = []
    for cause in after["causes"]:
        known = earlier.pop(_id_of(cause), None)
        if known is not None:
            items = _items_of(known, before) | _items_of(cause, after)
            if items != _items_of(cause, after):
                members = sorted(items)
                key = hashlib.sha256(json.dumps(members).encode()).hexdigest()[:32]
                names[key] = members
                cause = {**cause, "items": key}
        causes.append(cause)
    return [*earlier.values(), *causes]


def _id_of(cause: t.Mapping[str, t.Any]) -> str:
    return cause.get("id") or json.dumps(cause, sort_keys=True)


def _items_of(
    cause: t.Mapping[str, t.Any], details: t.Mapping[str, t.Any]
) -> frozenset[str]:
    if "items" not in cause:
        return frozenset()
    return frozenset(details.get("names", {}).get(cause["items"], ()))
