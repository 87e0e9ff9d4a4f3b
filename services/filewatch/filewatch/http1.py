"""As much of HTTP/1.1 as a server of two read-only pages needs: a request's head in, a response's head out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

MAX_HEAD = 8192
"""Bytes of a request's first line and headers."""

_REQUEST_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP/1\.[01]")
_ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: a method and a path, without query."""

    method: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What is answered; `body` in parts that are sent one after the other."""

    status: HTTPStatus
    body: tuple[bytes, ...]
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = field(default=())

    def head(self) -> bytes:
        """Return status line and headers. Every response ends its connection, and none may be kept."""
        lines = [
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            f"Date: {formatdate(usegmt=True)}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {sum(map(len, self.body))}",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            "Referrer-Policy: no-referrer",
            "Connection: close",
            *(f"{name}: {value}" for name, value in self.headers),
        ]
        return "\r\n".join([*lines, "", ""]).encode("ascii")


def plain(status: HTTPStatus, text: str = "", *, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """Return a response of one text; without one, the status's own phrase."""
    return Response(status=status, body=((text or f"{status.phrase}\n").encode(),), headers=headers)


def parse_request(head: bytes) -> Request | None:
    """Read a request's head, or return None where it is none."""
    line = head.split(b"\r\n", 1)[0].decode("latin-1")
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        return None
    method, target = match.groups()
    path = _ABSOLUTE.sub("", target, count=1) if not target.startswith("/") else target
    return Request(method, re.split("[?#]", path, maxsplit=1)[0] or "/")
