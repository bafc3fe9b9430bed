# Copyright (c) 2026, Flashcat
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the emulator: ``python -m tests.emulator``."""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import logging
import os
import shlex
import signal
import ssl
import sys
import typing as t
import urllib.parse
from pathlib import Path

from aiohttp import web

from .keys import ALERT_KEY, APP_KEY, CHANGE_KEY
from .open_api import OpenApi
from .records import PUSH_PATHS
from .server import Emulator
from .service import Service

# The first one is that of the first alert integration.
CHANNELS = ("Database on call", "Shop on call")

_PARENT_SECONDS = 0.5


def parse_arguments(arguments: t.Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.emulator",
        description="Emulate Flashduty's event API; the web page shows what an on-call person would see.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=int, default=0, help="0 is any free one")
    add("--alert-key", action="append", metavar="KEY", help="may be repeated")
    add("--change-key", action="append", metavar="KEY", help="may be repeated")
    add("--app-key", action="append", metavar="KEY", help="may be repeated")
    add(
        "--channel",
        action="append",
        metavar="NAME",
        help="may be repeated: one for each alert integration, in their order",
    )
    add("--path-prefix", default="", metavar="PATH", help="before the push paths")
    add("--protocol", choices=("2024", "2026"), default="2026", help="of the API")
    add("--limits", action="store_true", help="100 requests a second, 1,000 a minute")
    add("--latency", type=float, default=0.0, metavar="SECONDS", help="of each answer")
    add("--no-record", action="store_true", help="count only; for benchmarks")
    add("--state", type=Path, metavar="FILE", help="go on from there, keep it there")
    add("--tls-cert", type=Path, metavar="FILE")
    add("--tls-key", type=Path, metavar="FILE")
    add("--tls-client-ca", type=Path, metavar="FILE", help="demand a certificate of it")
    add(
        "--tls-make",
        type=Path,
        metavar="FOLDER",
        help="make a CA, a server and a client certificate there, and use them",
    )
    add(
        "--tls-client", action="store_true", help="with --tls-make: demand the client's"
    )
    add("--keep", action="store_true", help="stay when the parent process ends")
    add("--quiet", action="store_true", help="log nothing")
    add("--show-settings", action="store_true", help="print what a shell has to export")
    return parser.parse_args(arguments)


def tls_context(options: argparse.Namespace) -> ssl.SSLContext | None:
    certificate, key, client_ca = (
        options.tls_cert,
        options.tls_key,
        options.tls_client_ca,
    )
    if options.tls_make:
        from . import tls

        folder = options.tls_make
        if not (folder / "server.pem").exists():
            tls.make(folder)
        certificate, key = folder / "server.pem", folder / "server.key"
        client_ca = folder / "ca.pem" if options.tls_client else None
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def load_state(emulator: Emulator, file: Path) -> None:
    if file.exists():
        content = json.loads(file.read_text(encoding="utf-8"))
        emulator.load(content["state"], content["dump"])


def save_state(emulator: Emulator, file: Path) -> None:
    content = {"state": emulator.state(), "dump": emulator.dump()}
    new = file.with_name(f"{file.name}.new")
    new.write_text(json.dumps(content), encoding="utf-8")
    new.replace(file)


async def serve(options: argparse.Namespace) -> None:
    parent = os.getppid()
    alert_keys = options.alert_key or [ALERT_KEY]
    change_keys = options.change_key or [CHANGE_KEY]
    app_keys = options.app_key or [APP_KEY]
    service = Service(
        alert_keys=alert_keys,
        change_keys=change_keys,
        protocol=options.protocol,
        limits=options.limits,
        record=not options.no_record,
    )
    emulator = Emulator(
        service,
        OpenApi(service, channels=options.channel or CHANNELS),
        app_keys=app_keys,
        secrets=[*alert_keys, *change_keys, *app_keys],
        path_prefix=options.path_prefix,
        latency=options.latency,
        record=not options.no_record,
    )
    if options.state:
        load_state(emulator, options.state)
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    server = web.Server(
        emulator.handle,
        handler_cancellation=True,
        access_log=None,
        keepalive_timeout=600.0,
    )

    context = tls_context(options)
    listener = await loop.create_server(
        server, options.host, options.port, ssl=context, backlog=1024
    )
    port = listener.sockets[0].getsockname()[1]
    scheme = "http" if context is None else "https"
    host = f"[{options.host}]" if ":" in options.host else options.host
    ready = {"url": f"{scheme}://{host}:{port}", "pid": os.getpid()}
    print(json.dumps(ready), flush=True)
    if options.show_settings:
        settings = {
            "alert": ("FLASHDUTY_PUSH_URL", alert_keys[0]),
            "change": ("FLASHDUTY_CHANGE_PUSH_URL", change_keys[0]),
        }
        for path, kind in PUSH_PATHS.items():
            name, key = settings[kind]
            query = urllib.parse.urlencode({"integration_key": key})
            url = f"{ready['url']}{options.path_prefix}{path}?{query}"
            print(f"export {name}={shlex.quote(url)}", flush=True)
    while not stopped.is_set() and (options.keep or os.getppid() == parent):
        try:
            await asyncio.wait_for(stopped.wait(), _PARENT_SECONDS)
        except asyncio.TimeoutError:
            continue
    listener.close()
    emulator.let_go()
    await server.shutdown(timeout=0.1)
    if options.state:
        save_state(emulator, options.state)


def main() -> None:
    options = parse_arguments()
    logging.basicConfig(
        level=logging.CRITICAL + 1 if options.quiet else logging.WARNING,
        stream=sys.stderr,
        format="%(asctime)s %(message)s",
    )
    try:
        asyncio.run(serve(options))
    except OSError as exc:
        if exc.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES):
            raise
        sys.exit(
            f"Cannot listen on {options.host}, port {options.port}: {os.strerror(exc.errno)}."
            " Take another one, such as: make emulator PORT=9000"
        )
    # All is saved. Taking the interpreter down properly takes longer than all of the above.
    os._exit(0)


if __name__ == "__main__":
    main()
