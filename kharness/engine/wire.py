"""Requests to an Engine API, and the translation of every foreign error into ours.

The SDK's methods ask the engine more than needed, and read bodies that cannot time out; requests are made here.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from http.client import HTTPException
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import urlencode

from kharness.engine.refusals import SilentError, StatusError
from kharness.engine.transport import Client, Reply
from kharness.errors import EngineError, EngineUnavailableError

READ_TIMEOUT = 60.0
HTTP_ERROR = 400

Params = Mapping[str, "str | int | bool | None"]


class Wire:
    """Requests to one engine. Safe to use from several threads."""

    def __init__(self, client: Client, *, version: str, endpoint: str, sessions: int | None = None) -> None:
        """Take a client, the API version to speak, the address to name in errors, and how many requests at a time."""
        self.client = client
        self.version = version
        self.endpoint = endpoint
        self._sessions = BoundedSemaphore(sessions) if sessions else nullcontext()
        # http.client closes a connection once an answer without a length has begun. A socket stays open for its reader
        # all the same, an ssh channel does not; an upgraded connection is left alone.
        self.raw_headers = {"Connection": "Upgrade", "Upgrade": "tcp"} if endpoint.startswith("ssh://") else {}

    def ask(self, method: str, path: str, **request: Any) -> Any:
        """Make a request and return the JSON of its answer, None for an empty one; keywords as of `open`."""
        return _json(self.read(method, path, **request))

    def tell(self, method: str, path: str, **request: Any) -> None:
        """Make a request whose answer says no more than its status; keywords as of `open`."""
        self.read(method, path, **request)

    def read(self, method: str, path: str, **request: Any) -> bytes:
        """Make a request and return its whole answer; keywords as of `open`."""
        with self.open(method, path, **request) as answer:
            return answer.read()

    @contextmanager
    def open(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Mapping[str, Any] | None = None,
        data: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = READ_TIMEOUT,
        versioned: bool = True,
        api: str | None = None,
    ) -> Iterator[Answer]:
        """Make a request and give its answer while it arrives; `api` asks in another version than the usual one.

        `timeout` is the seconds of silence after which `SilentError` is raised, None waits for ever. `StatusError`
        for an error status, `EngineUnavailableError` when the connection fails. What `data` itself raises is raised.
        """
        source = _Source(data) if data is not None else None
        prefix = f"/v{api or self.version}" if versioned else ""
        query = urlencode(
            {name: _param(value) for name, value in (params or {}).items() if value is not None}, doseq=True
        )
        plain = None if body is None else json.dumps(body).encode()
        with self._sessions:
            try:
                reply = self.client.request(
                    method,
                    f"{prefix}{path}{'?' if query else ''}{query}",
                    body=source.chunks() if source else plain,
                    headers={"Content-Type": "application/x-tar" if source else "application/json", **(headers or {})},
                    timeout=timeout,
                )
            except Exception as error:
                if source and source.error:
                    raise source.error from None
                raise self._translated(error) from error
            try:
                answer = Answer(reply, self._translated)
                if reply.status >= HTTP_ERROR:
                    raise StatusError(reply.status, _message(answer.read()))
                yield answer
            finally:
                reply.close()

    def _translated(self, error: Exception) -> Exception:
        if isinstance(error, TimeoutError):
            return SilentError(f"the engine at {self.endpoint} did not answer in time")
        if isinstance(error, _BROKEN):
            return EngineUnavailableError(f"the engine at {self.endpoint} does not answer: {_reason(error)}")
        return error


class Answer:
    """An answer's body, read as it arrives."""

    def __init__(self, reply: Reply, translated: Callable[[Exception], Exception]) -> None:
        self.headers = reply.headers
        self._reply = reply
        self._translated = translated

    def read(self) -> bytes:
        """Read the whole body."""
        with self._reading():
            return self._reply.read()

    def read_until(self, deadline: float) -> bytes:
        """Read the whole body; `SilentError` when `time.monotonic()` passes the deadline before its end."""
        pieces: list[bytes] = []
        while True:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise SilentError("the answer was not complete in time")
            with self._reading():
                self._reply.set_timeout(None if remaining == math.inf else remaining)
                piece = self._reply.piece()
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)

    def chunks(self) -> Iterator[bytes]:
        """Read the body piece by piece."""
        while True:
            with self._reading():
                piece = self._reply.piece()
            if not piece:
                return
            yield piece

    def lines(self) -> Iterator[bytes]:
        """Read lines as they arrive, without their ends; empty ones are left out."""
        rest = b""
        for chunk in self.chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line for line in map(bytes.strip, lines) if line)
        if rest.strip():
            yield rest.strip()

    def records(self) -> Iterator[dict[str, Any]]:
        """Read the JSON objects of a progress stream as they arrive."""
        for line in self.lines():
            yield _json(line)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except _BROKEN as error:
            raise self._translated(error) from error


class _Source:
    """A request body that remembers what its own iterable raised, so that it is not taken for the connection's."""

    def __init__(self, data: Iterable[bytes]) -> None:
        self.error: Exception | None = None
        self._data = data

    def chunks(self) -> Iterator[bytes]:
        try:
            yield from self._data
        except Exception as error:
            self.error = error
            # As itself it might be taken for the connection's.
            raise _SourceError from error


class _SourceError(Exception):
    """The body ended with an error of its own."""


_BROKEN = (OSError, HTTPException)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "the connection broke off" if isinstance(error, HTTPException) else str(error) or type(error).__name__


def _json(content: bytes) -> Any:
    text = content.decode("utf-8", "replace").strip()
    try:
        return json.loads(text) if text else None
    except ValueError as error:
        raise EngineError(f"what the engine answers cannot be read: {text[:200]}") from error


def _param(value: str | float | bool) -> str | int | float:  # noqa: FBT001 - a parameter's value
    return int(value) if isinstance(value, bool) else value


def _message(content: bytes) -> str:
    text = content.decode("utf-8", "replace").strip()
    try:
        answer = json.loads(text)
    except ValueError:
        return text
    return str(answer.get("message") or answer.get("cause") or text) if isinstance(answer, dict) else text
