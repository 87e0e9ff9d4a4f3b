"""A client of an engine that is not behind a socket of this host: the SDK's session, which knows TLS and ssh."""

from __future__ import annotations

import http.client
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import requests
import urllib3
from docker import APIClient
from docker.tls import TLSConfig

from kharness.engine.contexts import Endpoint
from kharness.engine.transport import CHUNK, CONNECT_TIMEOUT
from kharness.errors import EngineError

HTTP_UPGRADED = 101
FRAME_HEADER = 8


class RemoteClient:
    """Requests over a session of the SDK."""

    def __init__(self, session: APIClient) -> None:
        self._session = session

    def request(
        self,
        method: str,
        target: str,
        *,
        body: bytes | Iterable[bytes] | None,
        headers: Mapping[str, str],
        timeout: float | None,
    ) -> RemoteReply:
        """Make a request; see `Client`."""
        with _standard():
            response = self._session.request(
                method,
                f"{self._session.base_url}{target}",
                data=body,
                headers=dict(headers),
                timeout=(CONNECT_TIMEOUT, timeout),
                stream=True,
            )
        return RemoteReply(response)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


class RemoteReply:
    """An answer of a session; see `Reply`. The pieces of an upgraded connection are its frames."""

    def __init__(self, response: requests.Response) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._raw: urllib3.HTTPResponse = response.raw
        self._chunks: Iterator[bytes] | None = self._raw.stream(CHUNK) if self._raw.chunked else None

    def read(self) -> bytes:
        """Read the rest."""
        with _standard():
            return self._raw.read()

    def piece(self) -> bytes:
        """Read the next piece."""
        with _standard():
            if self.status == HTTP_UPGRADED:
                return self._frame()
            if self._chunks is not None:
                return next(self._chunks, b"")
            return self._raw.read(CHUNK) if self._raw.length_remaining is not None else self._raw.read1(CHUNK)

    def set_timeout(self, seconds: float | None) -> None:
        """Limit each wait."""
        # http.client detaches the socket from the connection when the answer's length is open, as an exec's is: only
        # the reader below the buffer still has it. ssh channels and TLS sockets have `settimeout` at the same place.
        stream = self._stream
        reader: Any = getattr(stream, "raw", None)
        channel = getattr(stream, "channel", None) or getattr(reader, "_sock", reader)
        if settimeout := getattr(channel, "settimeout", None):
            settimeout(seconds)

    def close(self) -> None:
        """Close it."""
        self._response.close()

    @property
    def _stream(self) -> Any:
        return getattr(getattr(self._raw, "_fp", None), "fp", None)

    def _frame(self) -> bytes:
        # urllib3 takes the body for empty; what arrived with the headers is in the reader's buffer.
        header: bytes = self._stream.read(FRAME_HEADER)
        content: bytes = self._stream.read(int.from_bytes(header[4:])) if header else b""
        return header + content


def session_of(endpoint: Endpoint, *, version: str, timeout: float, size: int) -> APIClient:
    """Open a session with an engine, with `size` connections at the most; lets the errors of TLS and ssh through."""
    ssh = endpoint.url.startswith("ssh://")
    session = APIClient(
        base_url=endpoint.url,
        version=version,
        timeout=math.ceil(timeout),
        tls=_tls(endpoint) if endpoint.tls else False,
        max_pool_size=size,
    )
    if ssh:
        # One pool for all URLs, or the idle sessions of many use up those that sshd allows.
        adapter: Any = session.get_adapter(session.base_url)
        adapter.get_connection = partial(_pool_of, adapter.get_connection, session.base_url)
    else:
        for scheme in ("http://", "https://"):
            session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=size))
    return session


def _pool_of(get_connection: Callable[[str], Any], base_url: str, _url: str, _proxies: object = None) -> Any:
    return get_connection(base_url)


def _tls(endpoint: Endpoint) -> TLSConfig:
    folder = endpoint.certificates
    if folder is None:
        return TLSConfig(verify=endpoint.verify)
    pair = (folder / "cert.pem", folder / "key.pem")
    authority = folder / "ca.pem"
    return TLSConfig(
        client_cert=(str(pair[0]), str(pair[1])) if all(part.exists() for part in pair) else None,
        ca_cert=str(authority) if endpoint.verify and authority.exists() else None,
        verify=endpoint.verify,
    )


# requests' own errors are OSErrors.
_FOREIGN = (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException)


@contextmanager
def _standard() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        library = type(error).__module__.partition(".")[0]
        if _is_silence(error):
            raise TimeoutError(str(error)) from error
        if library == "docker":
            raise EngineError(f"the engine's client failed: {error}") from error
        if isinstance(error, _FOREIGN) or library == "paramiko":
            raise ConnectionError(_reason(error)) from error
        raise


def _is_silence(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, requests.exceptions.ReadTimeout | urllib3.exceptions.ReadTimeoutError):
            return True
        # A reader below those libraries.
        if type(error) is TimeoutError and not isinstance(error, requests.exceptions.RequestException):
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
