"""A client of an engine's unix socket, with one pool of connections.

The SDK's own adapter keeps a pool for each URL, and so reuses hardly any connection, and leaves a socket open when a
connection is refused. Importing the SDK, and with it whatever ssh needs, takes longer than most commands.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from requests import PreparedRequest, Session
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool


class SocketConnection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, *args: Any, path: str, **more: Any) -> None:
        super().__init__(*args, **more)
        self._path = path

    def connect(self) -> None:
        """Connect; urllib3 calls this before the first request."""
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(self.timeout)
            sock.connect(self._path)
        except BaseException:
            sock.close()
            raise
        self.sock = sock


class SocketPool(HTTPConnectionPool):
    """Connections to one unix socket."""

    ConnectionCls = SocketConnection


class SocketAdapter(HTTPAdapter):
    """Lets a requests session talk to a unix socket, whatever the host in its URLs; `size` connections are kept."""

    def __init__(self, path: str, *, size: int) -> None:
        super().__init__()
        self._pool = SocketPool("localhost", maxsize=size, path=path)

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,  # noqa: ARG002 - requests' signature
        verify: bool | str | None,  # noqa: ARG002, FBT001
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
        cert: tuple[str, str] | str | None = None,  # noqa: ARG002
    ) -> SocketPool:
        """Return the pool (requests from 2.32 on)."""
        return self._pool

    def get_connection(self, url: str | bytes, proxies: Mapping[str, str] | None = None) -> SocketPool:  # noqa: ARG002
        """Return the pool (requests before 2.32)."""
        return self._pool

    def request_url(self, request: PreparedRequest, proxies: Mapping[str, str] | None) -> str:  # noqa: ARG002
        """Return what goes into the request's first line."""
        return request.path_url

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()
        super().close()


class SocketClient(Session):
    """Requests to one unix socket: the part of the SDK's `APIClient` that is used; `size` connections are kept."""

    base_url = "http+docker://localhost"

    def __init__(self, path: str, *, size: int) -> None:
        super().__init__()
        # Proxies and .netrc are nothing to a socket, and looking for them is a third of a request's time.
        self.trust_env = False
        self.mount("http+docker://", SocketAdapter(path, size=size))
