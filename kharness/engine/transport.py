"""What carries requests to an engine: to a unix socket of this host, or over what the SDK knows, TLS and ssh.

Both speak the standard library's errors: `TimeoutError` for silence; other `OSError`s, and `HTTPException`, where the
connection fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

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
