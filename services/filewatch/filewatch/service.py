"""The service: a monitor and a server, until a signal ends them."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from typing import NoReturn

from filewatch.answer import answer
from filewatch.config import Config
from filewatch.http1 import Request, Response
from filewatch.monitor import Monitor
from filewatch.page import rows
from filewatch.scan import Scanner
from filewatch.server import Server

_LOG = logging.getLogger("filewatch")
_ENDING = (signal.SIGTERM, signal.SIGINT)


def run(config: Config) -> NoReturn:
    """Serve until SIGTERM or SIGINT, then exit with 0 at once; with 1 when the address cannot be had."""
    for number in _ENDING:
        # The first process of a container has no default action: a signal before the loop runs would be lost.
        signal.signal(number, lambda *_: os._exit(0))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        asyncio.run(_serve(config))
    except OSError as error:
        _LOG.error("cannot listen on %s port %d: %s", config.server.host, config.server.port, error.strerror)
        os._exit(1)


async def _serve(config: Config) -> NoReturn:
    monitor = Monitor(Scanner(config.rules, config.scan).scan, render=rows, every=config.scan.every)

    def reply(request: Request) -> Response:
        return answer(request, monitor.latest, now=time.monotonic(), stale_after=config.scan.stale_after)

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _ENDING:
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, monitor.scan_soon)
    async with await Server(reply, config.server).listen() as server:
        for listener in server.sockets:
            host, port = listener.getsockname()[:2]
            _LOG.info("listening on http://%s:%d/", f"[{host}]" if ":" in host else host, port)
        monitor.start()
        await stop.wait()
        # At once: neither a slow client nor a scanner that hangs in a dead file system is waited for.
        os._exit(0)
