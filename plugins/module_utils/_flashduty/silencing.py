# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!

"""Set and remove silences: list, write, read back, compare."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .errors import ConfigurationError, FlashdutyError
from .open_api import OpenApiClient
from .silences import Plan, Silence, differences, named, plan

SILENCE_DIFFERS = "SilenceDiffers"
_RULES = "/channel/silence/rule/"


class SilenceDiffers(FlashdutyError):
    """The service keeps a silence other than it was asked for.

    :param problem: what is other, as the end of a sentence.
    """

    def __init__(self, problem: str, request_id: str | None) -> None:
        super().__init__(
            f"Flashduty took the silence, but {problem}.",
            code=SILENCE_DIFFERS,
            hint="Look at the silence in the Flashduty console; it may not hold back what it should.",
            request_id=request_id,
        )


@dataclass(frozen=True)
class Outcome:
    """What came of setting or removing a silence.

    :param before: the silence as it was listed, or None.
    :param after: the silence as it was read back, or as it would be; None when there is none.
    """

    changed: bool
    before: dict[str, t.Any] | None
    after: dict[str, t.Any] | None
    request_id: str | None


def check_channel(name: str | None, number: int | None) -> None:
    """Refuse what is no channel, such as the value of a variable that is empty.

    :raises ConfigurationError: the service would take it for every channel, or for one of another name.
    """
    if name is not None and not name.strip():
        raise ConfigurationError(
            "channel is empty: give a name, or leave it out.", option="channel"
        )
    if number is not None and number < 1:
        raise ConfigurationError(
            f"channel_id is {number}: it must be 1 or more.",
            option="channel_id",
            hint="It stands in the channel's URL in the Flashduty console.",
        )


def find_channel(client: OpenApiClient, name: str) -> int:
    """Return the id of the channel of that name.

    :raises ConfigurationError: when there is none, or more than one.
    """
    found = [
        number
        for number, its_name in _channels(client, {"channel_name": name})
        if its_name == name
    ]
    if len(found) == 1:
        return found[0]
    problem = "There is no channel" if not found else "There is more than one channel"
    raise ConfigurationError(
        f"{problem} of the name {name} that the app key's owner may see.",
        option="channel",
        hint="Check the name in the Flashduty console, or give channel_id, which stands in the channel's URL.",
    )


def check_channel_exists(client: OpenApiClient, number: int) -> None:
    """Ask whether there is a channel of that id: that nothing is open in one that is not there is no good news.

    :raises ConfigurationError: when there is none.
    """
    if all(number != found for found, _name in _channels(client, {})):
        raise ConfigurationError(
            f"There is no channel of the id {number} that the app key's owner may see.",
            option="channel_id",
            hint="It stands in the channel's URL in the Flashduty console.",
        )


def _channels(
    client: OpenApiClient, query: dict[str, t.Any]
) -> t.Iterator[tuple[int, str | None]]:
    """Yield the ids and names of channels."""
    page, rest = 1, True
    while rest and page <= 100:
        data = client.call("/channel/list", {**query, "p": page, "limit": 100}).data
        for item in data.get("items") or ():
            yield int(item["channel_id"]), item.get("channel_name")
        page, rest = page + 1, bool(data.get("has_next_page"))


def set_silence(
    client: OpenApiClient,
    wanted: Silence,
    *,
    now: float,
    slack: float = 0.0,
    dry: bool = False,
) -> Outcome:
    """See to it that there is a silence.

    :param slack: seconds that may be missing at the end of one that is there.
    :param dry: whether nothing is written; the outcome is what it would be then.
    :raises FlashdutyError: also when what was read back differs.
    """
    items, request_id = _list(client, wanted.channel_id)
    found = plan(wanted, items, now=now, slack=slack)
    if found.action == "none":
        return Outcome(False, found.existing, found.existing, request_id)
    if dry:
        return Outcome(True, found.existing, _prediction(found), request_id)
    rule_id, request_id = _write(client, found)
    items, _request_id = _list(client, wanted.channel_id)
    after = next((item for item in items if item.get("rule_id") == rule_id), None)
    if after is None:
        raise SilenceDiffers("it is not in the list of the channel", request_id)
    different = differences(found.silence, after)
    if after.get("status") == "disabled":
        different.append("it is disabled")
    if different:
        raise SilenceDiffers("; ".join(different), request_id)
    return Outcome(True, found.existing, after, request_id)


def remove_silence(
    client: OpenApiClient, channel_id: int, name: str, *, dry: bool = False
) -> Outcome:
    """See to it that there is no silence of that name.

    :param dry: whether nothing is written; the outcome is what it would be then.
    :raises FlashdutyError: also when it is still there afterwards.
    """
    items, request_id = _list(client, channel_id)
    found = [item for item in named(items, name) if not item.get("time_filters")]
    if dry or not found:
        return Outcome(bool(found), found[0] if found else None, None, request_id)
    refusal: FlashdutyError | None = None
    for item in found:
        try:
            request_id = client.call(
                f"{_RULES}delete",
                {"channel_id": channel_id, "rule_id": item["rule_id"]},
            ).request_id
        except FlashdutyError as exc:
            # Somebody else, or an attempt that timed out, may have removed it already.
            refusal = exc
    items, _request_id = _list(client, channel_id)
    if any(item.get("rule_id") in {one["rule_id"] for one in found} for item in items):
        raise refusal or SilenceDiffers(
            "it is still there after its removal", request_id
        )
    return Outcome(True, found[0], None, request_id)


def _list(client: OpenApiClient, channel_id: int) -> tuple[list[dict[str, t.Any]], str]:
    answer = client.call(f"{_RULES}list", {"channel_id": channel_id})
    return list(answer.data.get("items") or ()), answer.request_id


def _write(client: OpenApiClient, found: Plan) -> tuple[str, str]:
    """Create or update, and return the id of the silence and of the request."""
    payload = found.silence.as_payload()
    if found.existing is None:
        return _create(client, found.silence)
    rule_id = str(found.existing["rule_id"])
    # All fields again: what is missing would be reset.
    payload.update(rule_id=rule_id, priority=found.existing.get("priority") or 0)
    request_id = client.call(f"{_RULES}update", payload).request_id
    if found.needs_enabling:
        place = {"channel_id": found.silence.channel_id, "rule_id": rule_id}
        request_id = client.call(f"{_RULES}enable", place).request_id
    return rule_id, request_id


def _create(client: OpenApiClient, silence: Silence) -> tuple[str, str]:
    """Create a silence once, although an attempt that failed may have arrived: two would be left behind."""

    def arrived() -> str | None:
        items, _request_id = _list(client, silence.channel_id)
        same = [
            item
            for item in named(items, silence.name)
            if not differences(silence, item)
        ]
        return str(same[-1]["rule_id"]) if same else None

    answer = client.call(f"{_RULES}create", silence.as_payload(), arrived=arrived)
    return str(answer.data["rule_id"]), answer.request_id


def _prediction(found: Plan) -> dict[str, t.Any]:
    return {
        **(found.existing or {"rule_id": None}),
        **found.silence.as_payload(),
        "status": "enabled",
        "is_effective": True,
    }
