"""Serve over HTTP from one thread, with a bound on everything that a client can use."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from http import HTTPStatus

from filewatch.config import ServerConfig
from filewatch.http1 import MAX_HEAD, Request, Response, parse_request, plain

_CHUNK = 16 * 1024
_SEND_BUFFER = 64 * 1024
_BACKLOG = 512
_LINGER = 1.0
"""Seconds in which a refused client may still send what it had begun to send."""

Answer = Callable[[Request], Response]


class Server:
    """An HTTP server; `answer` must not block. Memory is bounded by connections times a few chunks."""

    def __init__(self, answer: Answer, config: ServerConfig) -> None:
        """Prepare; nothing listens yet."""
        self._answer = answer
        self._config = config
        self._open = 0

    async def listen(self) -> asyncio.Server:
        """Listen and serve until the returned server is closed. OSError when the address cannot be had."""
        server = await asyncio.start_server(
            self._connection, self._config.host, self._config.port, limit=MAX_HEAD, backlog=_BACKLOG
        )
        for listener in server.sockets:
            # Inherited by connections. The system would else keep megabytes for each client that does not read,
            # and count them as this process's memory.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        return server

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            # Whoever sends or reads slowly, a byte at a time or never, has the same time for all of it.
            async with asyncio.timeout(self._config.timeout):
                await self._exchange(reader, writer)
        except (OSError, asyncio.IncompleteReadError):  # gone, or out of time: TimeoutError is an OSError
            writer.transport.abort()
        finally:
            self._open -= 1
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A drain then waits until all is sent: no answer piles up for a client that does not read.
        writer.transport.set_write_buffer_limits(high=0)
        request = None
        if self._open > self._config.connections:
            response = plain(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections\n")
        else:
            try:
                request = parse_request(await reader.readuntil(b"\r\n\r\n"))
                response = self._answer(request) if request else plain(HTTPStatus.BAD_REQUEST)
            except asyncio.LimitOverrunError:
                response = plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        await _send(writer, response, with_body=request is None or request.method != "HEAD")
        if request is None or response.status is HTTPStatus.METHOD_NOT_ALLOWED:
            await _linger(reader, writer)


async def _send(writer: asyncio.StreamWriter, response: Response, *, with_body: bool) -> None:
    writer.write(response.head())
    for part in response.body if with_body else ():
        for start in range(0, len(part), _CHUNK):
            writer.write(part[start : start + _CHUNK])
            await writer.drain()
    await writer.drain()


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # A close with something unread resets the connection, and the client may lose the answer that says why.
    writer.write_eof()
    with contextlib.suppress(TimeoutError):
        until = time.monotonic() + _LINGER
        async with asyncio.timeout(_LINGER):
            while await reader.read(_CHUNK) and time.monotonic() < until:
                pass
