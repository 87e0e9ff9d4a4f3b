"""Requests to an Engine API, over the SDK's transports, and the translation of every foreign error into ours.

The SDK's `APIClient` is a requests session that knows TLS and ssh; that much of it is used. Requests are made here: its
methods ask the engine more than needed, and read bodies that cannot time out.
"""

from __future__ import annotations

import http.client
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

import requests
import urllib3

from kharness.engine.refusals import RefusedError, SilentError
from kharness.engine.transport import SocketClient
from kharness.errors import EngineError, EngineUnavailableError

if TYPE_CHECKING:
    from docker import APIClient

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0
CHUNK = 64 * 1024
HTTP_ERROR = 400
HTTP_UPGRADED = 101
FRAME_HEADER = 8

Params = Mapping[str, "str | int | bool | None"]


class Wire:
    """Requests to one engine. Safe to use from several threads."""

    def __init__(
        self, client: APIClient | SocketClient, *, version: str, endpoint: str, sessions: int | None = None
    ) -> None:
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
    ) -> Iterator[Answer]:
        """Make a request and give its answer while it arrives.

        `timeout` is the seconds of silence after which `SilentError` is raised, None waits for ever. `RefusedError`
        for an error status, `EngineUnavailableError` when the connection fails. What `data` itself raises is raised.
        """
        source = _Source(data) if data is not None else None
        prefix = f"/v{self.version}" if versioned else ""
        with self._sessions:
            try:
                response = self.client.request(
                    method,
                    f"{self.client.base_url}{prefix}{path}",
                    params={name: _param(value) for name, value in (params or {}).items() if value is not None},
                    data=source.chunks() if source else None if body is None else json.dumps(body),
                    headers={"Content-Type": "application/x-tar" if source else "application/json", **(headers or {})},
                    timeout=(CONNECT_TIMEOUT, timeout),
                    stream=True,
                )
            except Exception as error:
                if source and source.error:
                    raise source.error from None
                raise self._translated(error) from error
            try:
                answer = Answer(response, self._translated)
                if response.status_code >= HTTP_ERROR:
                    raise RefusedError(response.status_code, _message(answer.read()))
                yield answer
            finally:
                response.close()

    def _translated(self, error: Exception) -> Exception:
        if _is_silence(error):
            return SilentError(f"the engine at {self.endpoint} did not answer in time")
        library = type(error).__module__.partition(".")[0]
        if library == "docker":
            return EngineError(f"the engine's client failed: {error}")
        if isinstance(error, _FOREIGN) or library == "paramiko":
            return EngineUnavailableError(f"the engine at {self.endpoint} does not answer: {_reason(error)}")
        return error


class Answer:
    """An answer's body, read as it arrives."""

    def __init__(self, response: requests.Response, translated: Callable[[Exception], Exception]) -> None:
        self.headers: Mapping[str, str] = response.headers
        self._raw: urllib3.HTTPResponse = response.raw
        self._translated = translated

    def read(self) -> bytes:
        """Read the whole body."""
        with self._reading():
            return self._raw.read()

    def read_until(self, deadline: float) -> bytes:
        """Read the whole body; `SilentError` when `time.monotonic()` passes the deadline before its end.

        The body of an upgraded connection is read to the end of its frames.
        """
        if self._raw.status == HTTP_UPGRADED:
            return b"".join(self._frames(deadline))
        chunks: list[bytes] = []
        while True:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise SilentError("the answer was not complete in time")
            with self._reading():
                if remaining < math.inf:
                    _set_timeout(self._raw, remaining)
                chunk = self._raw.read1(CHUNK)
            if not chunk:
                return b"".join(chunks)
            chunks.append(chunk)

    def _frames(self, deadline: float) -> Iterator[bytes]:
        # urllib3 takes the body for empty; what arrived with the headers is in the reader's buffer.
        stream: Any = getattr(getattr(self._raw, "_fp", None), "fp", None)
        while True:
            header = self._exactly(stream, FRAME_HEADER, deadline)
            if not header:
                return
            yield header
            yield self._exactly(stream, int.from_bytes(header[4:]), deadline)

    def _exactly(self, stream: Any, length: int, deadline: float) -> bytes:
        channel = stream.channel
        channel.settimeout(None if deadline == math.inf else max(deadline - time.monotonic(), 0.001))
        try:
            content: bytes = stream.read(length)
        except TimeoutError as error:
            raise SilentError("the answer was not complete in time") from error
        return content

    def chunks(self) -> Iterator[bytes]:
        """Read the body piece by piece."""
        chunks = self._raw.stream(CHUNK)
        while True:
            with self._reading():
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk

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
        except _FOREIGN as error:
            raise self._translated(error) from error


class _Source:
    """A request body that remembers what its own iterable raised, so that it is not taken for the connection's."""

    def __init__(self, data: Iterable[bytes]) -> None:
        self.error: BaseException | None = None
        self._data = data

    def chunks(self) -> Iterator[bytes]:
        try:
            yield from self._data
        except BaseException as error:
            self.error = error
            raise


# requests' own errors are OSErrors.
_FOREIGN = (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException)


def _is_silence(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, requests.exceptions.ReadTimeout | urllib3.exceptions.ReadTimeoutError):
            return True
        nested = [part for part in error.args if isinstance(part, BaseException)]
        error = nested[0] if nested else error.__cause__
    return False


def _reason(error: Exception) -> str:
    """Say in the system's words why a connection failed; the libraries wrap those several times."""
    chain: list[BaseException] = [error]
    for link in chain:
        nested = [*link.args, link.__cause__, link.__context__]
        chain += [part for part in nested if isinstance(part, BaseException) and part not in chain]
    said = [link.strerror for link in chain if isinstance(link, OSError) and link.strerror]
    if said:
        return said[0]
    broken = (urllib3.exceptions.ProtocolError, http.client.HTTPException)
    return "the connection broke off" if any(isinstance(link, broken) for link in chain) else str(error)


def _set_timeout(raw: urllib3.HTTPResponse, seconds: float) -> None:
    # http.client detaches the socket from the connection when the answer's length is open, as an exec's is: only the
    # reader below the buffer still has it. ssh channels and TLS sockets have `settimeout` at the same place.
    reader: Any = getattr(getattr(getattr(raw, "_fp", None), "fp", None), "raw", None)
    settimeout = getattr(getattr(reader, "_sock", reader), "settimeout", None)
    if settimeout:
        settimeout(seconds)


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
