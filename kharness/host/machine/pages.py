"""Serve a few pages of text over HTTP on a loopback address, for monitoring on this host."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kharness.errors import HostError, UsageError

HIGHEST = 65535
SILENCE = 10.0
"""Seconds after which a silent connection is closed."""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer."""

    text: str
    status: int = 200
    kind: str = "text/plain; charset=utf-8"


@contextmanager
def serving(address: str, pages: Mapping[str, Callable[[], Page]]) -> Iterator[str]:
    """Answer at `ADDRESS:PORT` until the end; yields the address, because port 0 picks a free one.

    Raises `UsageError` for an address that other hosts reach, `HostError` where it cannot be listened at.
    """
    host, port = _split(address)

    class Handler(BaseHTTPRequestHandler):
        timeout = SILENCE
        server_version, sys_version = "kharness", ""

        def do_GET(self) -> None:
            """Answer with a page."""
            make = pages.get(self.path.partition("?")[0])
            page = make() if make else Page("there is no such page\n", status=404)
            content = page.text.encode(errors="backslashreplace")
            self.send_response(page.status)
            self.send_header("Content-Type", page.kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            """Do not log requests."""

    try:
        server = _server(host)((host, port), Handler)
    except OSError as error:
        raise HostError(f"{address}: cannot be listened at: {error.strerror}") from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield f"{f'[{host}]' if ':' in host else host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    try:
        found = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        number = int(port)
    except ValueError:
        number = -1
    if not 0 <= number <= HIGHEST:
        raise UsageError(f"{address!r}: should be an address and a port, such as 127.0.0.1:9321")
    if not found.is_loopback:
        raise UsageError(f"{address}: should be a loopback address; the pages are for this host, or a proxy on it")
    return str(found), number


def _server(host: str) -> type[ThreadingHTTPServer]:
    if ":" not in host:
        return ThreadingHTTPServer

    class Six(ThreadingHTTPServer):
        address_family = socket.AF_INET6

    return Six
