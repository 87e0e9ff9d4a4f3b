"""Find an engine and connect to it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kharness.engine.api import Engine
from kharness.engine.contexts import USUAL, Endpoint, endpoints
from kharness.engine.docker import DockerEngine
from kharness.engine.transport import Client, SocketClient
from kharness.engine.wire import READ_TIMEOUT, Wire
from kharness.errors import EngineError, EngineUnavailableError

API_VERSION = "1.41"
"""What requests are written for; spoken as far as the engine allows."""
POOL = 32
"""How many connections are kept for later requests."""
SSH_SESSIONS = 5
"""sshd allows ten on a connection (MaxSessions), and takes a moment to notice that one has ended."""
HELLO_TIMEOUT = 10.0

Version = tuple[int, ...]


def connect(*, host: str | None, environ: Mapping[str, str], home: Path) -> DockerEngine:
    """Connect to the engine that is meant, see `contexts.endpoints`; one request is made.

    `EngineUnavailableError` says what was tried and what to do.
    """
    failures: list[tuple[Endpoint, str]] = []
    for endpoint in endpoints(host=host, environ=environ, home=home):
        try:
            return connect_to(endpoint)
        except EngineError as error:
            failures.append((endpoint, str(error)))
    raise EngineUnavailableError(unavailable(failures, uid=os.geteuid()))


def reconnect(engine: Engine, *, host: str | None, environ: Mapping[str, str], home: Path) -> Engine:
    """Connect again to an engine, in a process that was forked; one behind a socket is not asked who it is."""
    if isinstance(engine, DockerEngine) and engine.socket is not None:
        return engine.over(SocketClient(engine.socket, size=POOL))
    return connect(host=host, environ=environ, home=home)


def connect_to(endpoint: Endpoint) -> DockerEngine:
    """Connect to this engine, or raise `EngineUnavailableError`."""
    try:
        client = _client(endpoint)
    except Exception as error:  # the SDK lets the errors of TLS and ssh through
        raise EngineUnavailableError(_reason(error)) from error
    sessions = SSH_SESSIONS if endpoint.url.startswith("ssh://") else None
    wire = Wire(client, version=API_VERSION, endpoint=endpoint.url, sessions=sessions)
    try:
        version = wire.ask("GET", "/version", versioned=False, timeout=HELLO_TIMEOUT)
        wire.version = negotiated(version)
    except EngineError:
        client.close()
        raise
    return DockerEngine(wire, version=version, socket=endpoint.socket)


def negotiated(version: Mapping[str, Any]) -> str:
    """Return the API version to speak with an engine that answered this to `/version`."""
    newest, oldest = version.get("ApiVersion"), version.get("MinAPIVersion")
    if not newest:
        raise EngineUnavailableError("what answers is no container engine")
    return max(min(API_VERSION, str(newest), key=_ordered), str(oldest or "1.24"), key=_ordered)


def unavailable(failures: list[tuple[Endpoint, str]], *, uid: int) -> str:
    """Return the text that says what was tried, and how to mend it."""
    tried = [f"{endpoint.url} ({endpoint.origin}): {reason}" for endpoint, reason in failures]
    return "\n    ".join(("no container engine answers", *tried, *_advice(failures, uid=uid)))


def _advice(failures: list[tuple[Endpoint, str]], *, uid: int) -> list[str]:
    if uid and any("permission denied" in reason.lower() for _, reason in failures):
        return ["add this user to the group `docker` (`usermod -aG docker USER`, then log in again), or use root"]
    if not all(endpoint.socket for endpoint, _ in failures):
        return []
    if any(endpoint.origin == "DOCKER_HOST" and endpoint.socket != USUAL for endpoint, _ in failures):
        return ["start the engine that DOCKER_HOST names, or unset it: then the usual one is asked"]
    if shutil.which("dockerd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"):
        return ["`kharness engine start` starts the engine that is installed here"]
    if shutil.which("apt-get"):
        return ["`apt-get install -y docker.io iptables` installs one; `kharness engine start --install` does both"]
    return []


def _client(endpoint: Endpoint) -> Client:
    if endpoint.socket is not None:
        return SocketClient(endpoint.socket, size=POOL)
    from kharness.engine.remote import RemoteClient, session_of  # noqa: PLC0415 - most engines need no TLS and no ssh

    size = SSH_SESSIONS if endpoint.url.startswith("ssh://") else POOL
    return RemoteClient(session_of(endpoint, version=API_VERSION, timeout=READ_TIMEOUT, size=size))


def _reason(error: Exception) -> str:
    if "paramiko" in str(error):
        return "ssh needs paramiko: `pip install 'docker[ssh]'`"
    return str(error) or type(error).__name__


def _ordered(version: str) -> Version:
    return tuple(int(part) for part in version.split("."))
