# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The emulator on a socket: the push API, the Open API, its faults, and an admin interface under ``/_emulator/``."""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import math
import socket
import struct
import time
import typing as t
import weakref
from collections import Counter
from dataclasses import dataclass, field

from aiohttp import web

from . import page
from .faults import Fault, FaultError, FaultQueue
from .open_api import OpenApi
from .records import Record, Recorder, Target, read_target
from .service import ERRORS, Refusal, Service, new_request_id, read_body, read_json

ADMIN_PREFIX = "/_emulator/"
PARTS = (
    "counts",
    "alerts",
    "changes",
    "events",
    "change_events",
    "requests",
    "faults",
    "silences",
)

_STREAM_SECONDS = 0.2
_STREAM_SILENCE = 15.0

_PROXY_PAGE = (
    "<html>\n<head><title>{http} Bad Gateway</title></head>\n<body>\n"
    "<center><h1>{http} Bad Gateway</h1></center>\n<hr><center>nginx</center>\n"
    "</body>\n</html>\n"
)
_URL_PAGE = (
    "<html>\n<head><title>ERROR: The requested URL could not be retrieved</title></head>\n"
    '<body>\n<p>While trying to retrieve the URL <a href="{url}">{url}</a>:</p>\n'
    "<p>Connection to the server failed.</p>\n</body>\n</html>\n"
)


@dataclass(frozen=True)
class Reply:
    """What goes back to the client."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    def response(self) -> web.Response:
        return web.Response(
            status=self.status,
            body=self.body,
            headers={"Content-Type": self.content_type, **self.headers},
        )


def success(request_id: str, data: dict[str, t.Any] | None = None) -> Reply:
    content: dict[str, t.Any] = {"request_id": request_id}
    if data is not None:
        content["data"] = data
    return Reply(200, json.dumps(content).encode(), {"Flashcat-Request-Id": request_id})


def reply_of_call(data: t.Any) -> Reply:
    """Return the answer of the Open API, which has data always, if only null."""
    request_id = new_request_id()
    content = {"request_id": request_id, "data": data}
    return Reply(200, json.dumps(content).encode(), {"Flashcat-Request-Id": request_id})


def failure(
    code: str,
    message: str | None = None,
    *,
    http: int | None = None,
    retry_after: int | str | None = None,
) -> Reply:
    documented_http, documented_message = ERRORS[code]
    request_id = new_request_id()
    content = {
        "request_id": request_id,
        "error": {
            "code": code,
            "message": documented_message if message is None else message,
        },
    }
    headers = {"Flashcat-Request-Id": request_id}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return Reply(
        documented_http if http is None else http,
        json.dumps(content, ensure_ascii=False).encode(),
        headers,
    )


def page_of_a_proxy(http: int, text: str) -> Reply:
    return Reply(http, text.encode(), content_type="text/html; charset=utf-8")


class Emulator:
    """Answers requests: those meant for Flashduty, and those of whoever runs the emulator."""

    def __init__(
        self,
        service: Service,
        open_api: OpenApi,
        *,
        app_keys: t.Iterable[str] = (),
        secrets: t.Iterable[str] = (),
        path_prefix: str = "",
        latency: float = 0.0,
        record: bool = True,
    ) -> None:
        self.service = service
        self.open_api = open_api
        self._app_keys = frozenset(app_keys)
        self.faults = FaultQueue()
        self.recorder = Recorder(secrets)
        self._prefix = path_prefix.rstrip("/")
        self._latency = latency
        self._record = record
        self._in_flight = 0
        self._max_in_flight = 0
        self._counts: Counter[str] = Counter()
        self._connections: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()
        self._behaved = asyncio.Event()
        self._admin: dict[tuple[str, str], _AdminHandler] = {
            ("GET", "state"): self._get_state,
            ("GET", "page"): self._get_page,
            ("GET", "stream"): self._get_stream,
            ("POST", "faults"): self._post_faults,
            ("POST", "behave"): self._post_behave,
            ("POST", "reset"): self._post_reset,
            ("POST", "close"): self._post_close,
        }

    # --- the push API ---

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = request.raw_path
        if raw == "/" and request.method == "GET":
            return page.response()
        if raw.startswith(ADMIN_PREFIX):
            return await self._handle_admin(request)
        self._in_flight += 1
        self._max_in_flight = max(self._max_in_flight, self._in_flight)
        try:
            return await self._handle_push(request)
        finally:
            self._in_flight -= 1

    async def _handle_push(self, request: web.BaseRequest) -> web.StreamResponse:
        record = self._begin(request)
        if self._latency:
            await asyncio.sleep(self._latency)
        try:
            fault = await self._next_fault(request, record) if self.faults else None
            if fault is not None:
                return await self._misbehave(request, record, fault)
            return self._end(record, await self._serve(request, record)).response()
        except ConnectionError:
            # The client has gone: nobody hears this.
            return web.Response()

    def _begin(self, request: web.BaseRequest) -> Record:
        target = read_target(request.raw_path, self._prefix)
        transport = request.transport
        record = Record(
            received_at=time.time(),
            method=request.method,
            target=target,
            headers=request.raw_headers,
            client=transport and transport.get_extra_info("peername"),
            key_valid=self._is_valid(target),
        )
        self._counts["requests"] += 1
        if transport is not None and transport not in self._connections:
            self._connections.add(transport)
            self._counts["connections"] += 1
        if self._record:
            self.recorder.add(record)
            self.service.version += 1
        return record

    def _is_valid(self, target: Target) -> bool:
        if target.call:
            return target.key in self._app_keys
        return (
            target.kind is not None
            and self.service.integration(target.kind, target.key) is not None
        )

    def _end(self, record: Record, reply: Reply) -> Reply:
        record.status = reply.status
        record.answer = reply.body
        record.answered_at = time.time()
        self._counts[f"http_{reply.status}"] += 1
        return reply

    async def _serve(self, request: web.BaseRequest, record: Record) -> Reply:
        """Do what the service does with this request."""
        target = record.target
        try:
            if target.kind is None and target.call is None:
                raise Refusal("RouteNotFound")
            if request.method != "POST":
                raise Refusal("MethodNotAllowed")
            record.body = await _read(request)
            if target.call:
                return reply_of_call(self._call(request, record))
            assert target.kind is not None
            request_id, data = self.service.push(
                target.kind,
                target.key,
                request.headers.get("Content-Type"),
                self.recorder.hide(record.body),
            )
        except Refusal as refusal:
            self._counts["refused"] += 1
            return failure(
                refusal.code, refusal.message, retry_after=refusal.retry_after
            )
        return success(request_id, data)

    def _call(self, request: web.BaseRequest, record: Record) -> t.Any:
        """Do what the Open API does with this request."""
        if not record.key_valid:
            raise Refusal("Unauthorized", "app_key is not a valid one")
        if self.service.limited:
            wait = self.open_api.limit.admit(time.monotonic())
            if wait > 0:
                raise Refusal("RequestTooFrequently", retry_after=math.ceil(wait))
        payload = read_body(request.headers.get("Content-Type"), record.body)
        return self.open_api.call(str(record.target.call), payload)

    # --- misbehaving ---

    async def _next_fault(
        self, request: web.BaseRequest, record: Record
    ) -> Fault | None:
        payload: dict[str, t.Any] = {}
        if self.faults.reads_payload:
            record.body = await _read(request)
            payload = _object(record.body)
        target = record.target
        kind = target.kind or ("open_api" if target.call else "")
        taken = self.faults.take(kind, payload)
        record.faults = tuple(fault.kind for fault in taken)
        spoiling = None
        for fault in taken:
            self._counts[f"fault_{fault.kind}"] += 1
            if fault.kind == "latency":
                await asyncio.sleep(fault.options["seconds"])
            else:
                spoiling = fault
        return spoiling

    async def _misbehave(
        self, request: web.BaseRequest, record: Record, fault: Fault
    ) -> web.StreamResponse:
        if fault.kind == "drop" and fault.options["when"] == "before":
            return _close(request)
        true_reply = None
        if fault.accept:
            true_reply = await self._serve(request, record)
        else:
            record.body = await _read(request)
        if fault.kind == "drop":
            return _close(request)
        if fault.kind == "reset":
            return _reset(request)
        if fault.kind == "hang":
            await self._hang(fault.options["seconds"])
            return _close(request)
        if fault.kind == "truncated":
            reply = true_reply or success(new_request_id())
            self._end(record, Reply(fault.options["http"], b""))
            return _truncate(request, reply, http=fault.options["http"])
        if fault.kind == "dribble" and true_reply is not None:
            return await _dribble(request, self._end(record, true_reply), fault)
        return self._end(record, _spoilt_reply(request, fault)).response()

    async def _hang(self, seconds: float) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._behaved.wait(), seconds)

    # --- the admin interface ---

    async def _handle_admin(self, request: web.BaseRequest) -> web.StreamResponse:
        name = request.path[len(ADMIN_PREFIX) :]
        handler = self._admin.get((request.method, name))
        if handler is None:
            return web.json_response({"problem": "No such page."}, status=404)
        # A web page of somebody else can post a form, but not JSON.
        if request.method == "POST" and request.content_type != "application/json":
            return web.json_response({"problem": "Send JSON."}, status=415)
        try:
            return await handler(request)
        except FaultError as problem:
            return web.json_response({"problem": str(problem)}, status=400)

    def state(self, parts: t.Iterable[str] = PARTS) -> dict[str, t.Any]:
        """Return what happened so far; no integration key is in it."""
        sources: dict[str, t.Callable[[], t.Any]] = {
            "counts": self._all_counts,
            "alerts": self.service.alerts,
            "changes": self.service.changes,
            "events": lambda: self.service.events("alert"),
            "change_events": lambda: self.service.events("change"),
            "requests": self.recorder.as_list,
            "faults": self.faults.as_list,
            "silences": self.open_api.silences,
        }
        return {
            "version": self.service.version,
            **{part: sources[part]() for part in parts if part in sources},
        }

    def dump(self) -> dict[str, t.Any]:
        """Return what an emulator needs to go on from here; no key is in it."""
        return {**self.service.dump(), "silences": self.open_api.dump()}

    def load(self, state: dict[str, t.Any], dumped: dict[str, t.Any]) -> None:
        """Go on where an earlier life ended."""
        self.service.load(dumped)
        self.open_api.load(dumped["silences"])
        self.recorder.load(state["requests"])
        self.faults.add(Fault.read(fault) for fault in state["faults"])

    async def _get_state(self, request: web.BaseRequest) -> web.StreamResponse:
        parts = request.query.get("parts")
        return web.json_response(self.state(parts.split(",") if parts else PARTS))

    async def _get_page(self, request: web.BaseRequest) -> web.StreamResponse:
        content = page.content(self.service)
        content["silences"] = self.open_api.silences()
        content["counts"] = self._all_counts()
        content["faults"] = len(self.faults)
        return web.json_response(content)

    async def _get_stream(self, request: web.BaseRequest) -> web.StreamResponse:
        """Tell a web page each time there is something new, until it goes away."""
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        told = None
        silent_since = time.monotonic()
        while True:
            if told != self.service.version:
                told = self.service.version
                await response.write(b"data: %d\n\n" % told)
                silent_since = time.monotonic()
            elif time.monotonic() - silent_since > _STREAM_SILENCE:
                await response.write(b": still here\n\n")
                silent_since = time.monotonic()
            await asyncio.sleep(_STREAM_SECONDS)

    async def _post_faults(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            content = json.loads(await request.read())
        except (ValueError, RecursionError):
            raise FaultError("The faults are not valid JSON.") from None
        sources = content if isinstance(content, list) else [content]
        self._behaved.clear()
        self.faults.add([Fault.read(source) for source in sources])
        self.service.version += 1
        return web.json_response({"faults": self.faults.as_list()})

    async def _post_behave(self, request: web.BaseRequest) -> web.StreamResponse:
        self.behave()
        return web.json_response({"faults": []})

    async def _post_reset(self, request: web.BaseRequest) -> web.StreamResponse:
        self.behave()
        self.service.reset()
        self.open_api.reset()
        self.recorder.reset()
        self._counts.clear()
        self._max_in_flight = self._in_flight
        return web.json_response({"version": self.service.version})

    async def _post_close(self, request: web.BaseRequest) -> web.StreamResponse:
        alert_key = _object(await request.read()).get("alert_key")
        closed = self.service.close_by_hand(str(alert_key))
        return web.json_response({"closed": closed})

    def behave(self) -> None:
        """Forget the faults that wait, and let go of the requests that hang."""
        self.faults.clear()
        self.service.version += 1
        self.let_go()

    def let_go(self) -> None:
        """Close the connections of requests that hang."""
        self._behaved.set()

    def _all_counts(self) -> dict[str, int]:
        return {
            "requests": 0,
            "connections": 0,
            "accepted": 0,
            "refused": 0,
            **self._counts,
            **self.service.counts,
            "in_flight": self._in_flight,
            "max_in_flight": self._max_in_flight,
        }


_AdminHandler = t.Callable[[web.BaseRequest], t.Awaitable[web.StreamResponse]]


async def _read(request: web.BaseRequest) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Refusal("InvalidParameter", "the body is too large") from None


def _object(body: bytes) -> dict[str, t.Any]:
    try:
        return read_json(body)
    except Refusal:
        return {}


def _spoilt_reply(request: web.BaseRequest, fault: Fault) -> Reply:
    options = fault.options
    if fault.kind == "error":
        return failure(options["code"], options["message"], http=options["http"])
    if fault.kind == "rate_limit":
        return failure("RequestTooFrequently", retry_after=options["retry_after"])
    if fault.kind == "html":
        return page_of_a_proxy(
            options["http"], _PROXY_PAGE.format(http=options["http"])
        )
    if fault.kind == "echo_url":
        url = html.escape(f"{request.scheme}://{request.host}{request.raw_path}")
        return page_of_a_proxy(options["http"], _URL_PAGE.format(url=url))
    if fault.kind == "redirect":
        return Reply(options["http"], b"", {"Location": options["location"]})
    if fault.kind == "flood":
        return Reply(options["http"], b" " * options["bytes"])
    if fault.kind == "answer":
        return Reply(
            options["http"],
            options["body"].encode("utf-8", "surrogatepass"),
            options["headers"],
            options["content_type"],
        )
    return Reply(options["http"], b"")


def _close(request: web.BaseRequest) -> web.Response:
    """Close the connection; what is returned goes nowhere."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def _reset(request: web.BaseRequest) -> web.Response:
    """Reset the connection: closing a socket that does not linger sends RST."""
    transport = request.transport
    if transport is not None:
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        transport.abort()
    return web.Response()


def _truncate(request: web.BaseRequest, reply: Reply, *, http: int) -> web.Response:
    if request.transport is not None:
        head = (
            f"HTTP/1.1 {http} OK\r\nContent-Type: {reply.content_type}\r\n"
            f"Content-Length: {len(reply.body) + 100}\r\n\r\n"
        )
        request.transport.write(head.encode() + reply.body[:-10])
    return _close(request)


async def _dribble(
    request: web.BaseRequest, reply: Reply, fault: Fault
) -> web.StreamResponse:
    response = web.StreamResponse(
        status=reply.status,
        headers={
            "Content-Type": reply.content_type,
            "Content-Length": str(len(reply.body)),
            **reply.headers,
        },
    )
    await response.prepare(request)
    size = fault.options["bytes"]
    for start in range(0, len(reply.body), size):
        await asyncio.sleep(fault.options["seconds"])
        await response.write(reply.body[start : start + size])
    return response
