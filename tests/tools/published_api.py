# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shape of Flashduty's Open API, as far as it is used here, and a check against it.

Written down from the OpenAPI description in Flashduty's public documentation (2026). Answers may have more fields than
these; requests may not.
"""

from __future__ import annotations

import typing as t

Schema = dict[str, t.Any]

_STRING: Schema = {"type": "string"}
_INTEGER: Schema = {"type": "integer"}
_BOOLEAN: Schema = {"type": "boolean"}
_RULE_ID: Schema = {"type": "string", "length": (24, 24)}


def _object(required: str, **properties: Schema) -> Schema:
    return {
        "type": "object",
        "required": required.split(),
        "properties": properties,
    }


def _list(items: Schema, **more: t.Any) -> Schema:
    return {"type": "array", "items": items, **more}


_TIME_FILTER = _object("start_time end_time", start_time=_INTEGER, end_time=_INTEGER)
_FILTERS = _list(
    _list(
        _object(
            "key oper vals",
            key=_STRING,
            oper={"type": "string", "enum": ["IN", "NOTIN"]},
            vals=_list(_STRING, least=1),
        ),
        least=1,
    ),
    least=1,
)
_SILENCE: dict[str, Schema] = {
    "channel_id": _INTEGER,
    "rule_name": {"type": "string", "length": (1, 39)},
    "description": {"type": "string", "length": (0, 500)},
    "priority": _INTEGER,
    "time_filter": _TIME_FILTER,
    "filters": _FILTERS,
    "is_directly_discard": _BOOLEAN,
    "is_auto_delete": _BOOLEAN,
}
_SEVERITY: Schema = {"type": "string", "enum": ["Critical", "Warning", "Info", "Ok"]}
_CHANNEL = _object("channel_id channel_name", channel_id=_INTEGER, channel_name=_STRING)
_RULE = _object("channel_id rule_id", channel_id=_INTEGER, rule_id=_RULE_ID)

REQUESTS: dict[str, Schema] = {
    "/channel/list": _object(
        "",
        channel_name=_STRING,
        p=_INTEGER,
        limit={"type": "integer", "range": (1, 100)},
    ),
    "/channel/silence/rule/create": _object(
        "channel_id rule_name time_filter filters", **_SILENCE
    ),
    "/channel/silence/rule/update": _object(
        "channel_id rule_id rule_name time_filter filters", rule_id=_RULE_ID, **_SILENCE
    ),
    "/channel/silence/rule/list": _object("channel_id", channel_id=_INTEGER),
    "/channel/silence/rule/delete": _RULE,
    "/channel/silence/rule/enable": _RULE,
    "/alert/list": _object(
        "start_time end_time",
        start_time=_INTEGER,
        end_time=_INTEGER,
        limit={"type": "integer", "range": (1, 100)},
        search_after_ctx=_STRING,
        is_active=_BOOLEAN,
        alert_severity=_STRING,
        channel_ids=_list(_INTEGER),
        alert_keys=_list(_STRING),
        orderby={"type": "string", "enum": ["created_at", "updated_at"]},
        asc=_BOOLEAN,
        by_updated_at=_BOOLEAN,
    ),
}
ANSWERS: dict[str, Schema] = {
    "/channel/list": _object(
        "items total has_next_page",
        items=_list(_CHANNEL),
        total=_INTEGER,
        has_next_page=_BOOLEAN,
    ),
    "/channel/silence/rule/create": _object(
        "rule_id rule_name", rule_id=_RULE_ID, rule_name=_STRING
    ),
    "/channel/silence/rule/update": {"type": "null"},
    "/channel/silence/rule/delete": {"type": "null"},
    "/channel/silence/rule/enable": {"type": "null"},
    "/channel/silence/rule/list": _object(
        "items",
        items=_list(
            _object(
                "channel_id priority rule_name description time_filter time_filters filters is_directly_discard"
                " status rule_id updated_by created_at updated_at is_effective",
                **_SILENCE,
                rule_id=_RULE_ID,
                status={"type": "string", "enum": ["enabled", "disabled"]},
                is_effective=_BOOLEAN,
            )
        ),
    ),
    "/alert/list": _object(
        "",
        items=_list(
            _object(
                "",
                alert_id=_STRING,
                alert_key=_STRING,
                title=_STRING,
                description=_STRING,
                alert_severity=_SEVERITY,
                alert_status=_SEVERITY,
                start_time=_INTEGER,
                last_time=_INTEGER,
                end_time=_INTEGER,
                labels={"type": "object"},
                ever_muted=_BOOLEAN,
                event_cnt=_INTEGER,
                channel_id=_INTEGER,
                channel_name=_STRING,
                integration_id=_INTEGER,
                integration_name=_STRING,
                incident=_object(
                    "", incident_id=_STRING, title=_STRING, progress=_STRING
                ),
            )
        ),
        total=_INTEGER,
        has_next_page=_BOOLEAN,
        search_after_ctx=_STRING,
    ),
}

_TYPES: dict[str, t.Callable[[t.Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}


def problems(
    value: t.Any, schema: Schema, *, strict: bool, path: str = ""
) -> list[str]:
    """Name each place where a value is not what a schema says.

    :param strict: whether an object may only have the fields of the schema.
    """
    if not _TYPES[schema["type"]](value):
        return [f"{path} is no {schema['type']}: {value!r}"]
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{path} is none of {schema['enum']}: {value!r}")
    for rule, size in (("length", len), ("range", int)):
        if rule in schema and not schema[rule][0] <= size(value) <= schema[rule][1]:
            found.append(f"{path} is out of {rule} {schema[rule]}: {value!r}")
    if schema["type"] == "array":
        if len(value) < schema.get("least", 0):
            found.append(f"{path} is empty")
        for index, item in enumerate(value):
            found += problems(
                item, schema["items"], strict=strict, path=f"{path}[{index}]"
            )
    if schema["type"] == "object" and "properties" in schema:
        properties = schema["properties"]
        found += [
            f"{path}.{name} is missing"
            for name in schema["required"]
            if name not in value
        ]
        if strict:
            found += [
                f"{path}.{name} is unknown" for name in value if name not in properties
            ]
        for name in value.keys() & properties.keys():
            found += problems(
                value[name], properties[name], strict=strict, path=f"{path}.{name}"
            )
    return found


def problems_of_calls(requests: t.Iterable[dict[str, t.Any]]) -> list[str]:
    """Name what is wrong with calls as the emulator recorded them, and with its answers."""
    found = []
    for request in requests:
        if request["kind"] != "open_api":
            continue
        path = request["path"]
        found += problems(request["body"], REQUESTS[path], strict=True, path=path)
        if request["status"] == 200:
            data = request["answer"]["data"]
            found += problems(data, ANSWERS[path], strict=False, path=f"{path} answer")
    return found
