"""What carries requests to an engine: to a unix socket of this host, or over what the SDK knows, TLS and ssh.

Both speak the standard library's errors: `TimeoutError` for silence; other `OSError`s, and `HTTPException`, where the
connection fails.

A client of an engine's unix socket, over the standard library alone.

Importing the SDK, or the libraries that it stands on, takes longer than most commands.
"""

from __future__ import annotations

import select
import socket
import struct
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from os import getpid
from threading import Lock
from typing import Protocol, cast

CONNECT_TIMEOUT = 10.0
CHUNK = 64 * 1024


class Reply(Protocol):
    """An answer that arrives: its status, its headers, and its body piece by piece. It must be closed."""

    @property
    def status(self) -> int:
        """The status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, whose names are in any case."""

    def read(self) -> bytes:
        """Read the rest of the body."""

    def piece(self) -> bytes:
        """Read what is there of the body, and wait where nothing is; empty at its end."""

    def set_timeout(self, seconds: float | None) -> None:
        """Let each wait for more of it last so long."""

    def close(self) -> None:
        """Give the connection back, or close it where something of the body is left."""


class Client(Protocol):
    """Connections to one engine, kept for later requests. Safe to use from several threads."""

    def request(
        self,
        method: str,
        target: str,
        *,
        body: bytes | Iterable[bytes] | None,
        headers: Mapping[str, str],
        timeout: float | None,
    ) -> Reply:
        """Make a request and return its answer as soon as its headers are there; what `body` itself raises is raised.

        `timeout` is for each wait, in seconds, None waits for ever.
        """

    def close(self) -> None:
        """Close the idle connections; a later request opens new ones."""


class SocketClient:
    """Requests to the unix socket at `path`; `size` idle connections are kept."""

    def __init__(self, path: str, *, size: int) -> None:
        self._path = path
        self._size = size
        self._idle: list[_Connection] = []
        self._lock = Lock()
        self._pid = getpid()
        # Whoever lets go of an engine need not close it.
        weakref.finalize(self, _close, self._idle)

    def request(
        self,
        method: str,
        target: str,
        *,
        body: bytes | Iterable[bytes] | None,
        headers: Mapping[str, str],
        timeout: float | None,
    ) -> SocketReply:
        """Make a request; see `Client`."""
        connection = self._taken()
        try:
            channel = connection.opened()
            channel.settimeout(timeout)
            try:
                connection.request(method, target, body, headers)
            except (BrokenPipeError, ConnectionResetError):
                # The engine may refuse a body before it has read all of it.
                with suppress(OSError):
                    return SocketReply(connection.getresponse(), connection, channel, self._give)
                raise
            return SocketReply(connection.getresponse(), connection, channel, self._give)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            _close(self._idle)

    def _taken(self) -> _Connection:
        while True:
            with self._lock:
                if self._pid != getpid():
                    # A fork and its parent must not read from one connection; closing this one's half ends nothing.
                    self._pid = getpid()
                    _close(self._idle)
                if not self._idle:
                    return _Connection(self._path)
                connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.close()

    def _give(self, connection: _Connection) -> None:
        with self._lock:
            if len(self._idle) < self._size:
                self._idle.append(connection)
                return
        connection.close()


def _close(idle: list[_Connection]) -> None:
    while idle:
        idle.pop().close()


class SocketReply:
    """An answer from a socket; see `Reply`."""

    def __init__(
        self,
        response: HTTPResponse,
        connection: _Connection,
        channel: socket.socket,
        give: Callable[[_Connection], None],
    ) -> None:
        self._response = response
        self._connection = connection
        self._channel = channel
        self._give = give

    @property
    def status(self) -> int:
        """The status."""
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""
        return cast("Mapping[str, str]", self._response.headers)

    def read(self) -> bytes:
        """Read the rest."""
        return self._response.read()

    def piece(self) -> bytes:
        """Read the next piece."""
        left = self._response.length
        if left is None:
            return self._response.read1(CHUNK)
        wanted = min(CHUNK, left)
        found = self._response.read(wanted)
        if len(found) < wanted:
            raise IncompleteRead(found, left - len(found))
        return found

    def set_timeout(self, seconds: float | None) -> None:
        """Limit each wait."""
        # Where the answer ends with the connection, that has let go of the socket, and its reader still has it.
        self._channel.settimeout(seconds)

    def close(self) -> None:
        """Let the next request have the connection, if this one has had all of its answer."""
        whole = self._response.isclosed() or self._response.length == 0
        self._response.close()
        if whole and self._connection.sock is not None:
            self._give(self._connection)
        else:
            self._connection.close()


class _Connection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Connect; the first request does."""
        sock = socket.socket(socket.AF_UNIX)
        try:
            # One that does not block is refused at once where the other side's queue is full, connect(2).
            _limit_sending(sock, round(CONNECT_TIMEOUT))
            sock.connect(self._path)
            _limit_sending(sock, 0)
        except BlockingIOError:
            sock.close()
            raise ConnectionError("it takes no connection") from None
        except BaseException:
            sock.close()
            raise
        self.sock = sock

    def opened(self) -> socket.socket:
        """Return its socket, connected."""
        if self.sock is None:
            self.connect()
        return self.sock

    @property
    def usable(self) -> bool:
        """Whether the other side has not hung up; it says nothing that was not asked."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)


def _limit_sending(sock: socket.socket, seconds: int) -> None:
    # SO_SNDTIMEO holds for connecting as well, unix(7); it is a struct timeval.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", seconds, 0))
