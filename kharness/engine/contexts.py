"""Which engine is meant: the order in which host, environment, docker contexts and sockets are looked at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kharness.errors import EngineUnavailableError

USUAL = "/var/run/docker.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where an engine may be; `origin` says who says so, `certificates` is a folder of ca, cert and key.pem."""

    url: str
    origin: str
    certificates: Path | None = None
    tls: bool = False
    verify: bool = True

    @property
    def socket(self) -> str | None:
        """The path of its unix socket, if it is one."""
        return self.url.removeprefix("unix://") if self.url.startswith("unix://") else None


def endpoints(*, host: str | None, environ: Mapping[str, str], home: Path) -> tuple[Endpoint, ...]:
    """Return where to look for an engine, in order.

    An engine that was named, by `host`, DOCKER_HOST, DOCKER_CONTEXT or the active docker context, is the only one: to
    run tests against another than the one that was meant would be worse than not to run. Only where none was named,
    the usual sockets are tried: Docker's, the rootless Docker's, Podman's.
    """
    if host:
        return (_with_variables(host, "the engine that was asked for", environ),)
    if environ.get("DOCKER_HOST"):
        return (_with_variables(environ["DOCKER_HOST"], "DOCKER_HOST", environ),)
    folder = Path(environ.get("DOCKER_CONFIG") or home / ".docker")
    name = environ.get("DOCKER_CONTEXT") or _read(folder / "config.json").get("currentContext") or "default"
    if name != "default":
        return (_context(folder / "contexts", name),)
    return tuple(
        Endpoint(url=f"unix://{path}", origin=origin) for path, origin in _usual_sockets(environ.get("XDG_RUNTIME_DIR"))
    )


def _usual_sockets(runtime: str | None) -> list[tuple[str, str]]:
    sockets = [(USUAL, "the default socket")]
    if runtime:
        sockets.append((f"{runtime}/docker.sock", "a rootless Docker's socket"))
    sockets.append(("/run/podman/podman.sock", "Podman's socket"))
    if runtime:
        sockets.append((f"{runtime}/podman/podman.sock", "a rootless Podman's socket"))
    return sockets


def _with_variables(url: str, origin: str, environ: Mapping[str, str]) -> Endpoint:
    # https://docs.docker.com/reference/cli/docker/#environment-variables
    folder = environ.get("DOCKER_CERT_PATH")
    verify = bool(environ.get("DOCKER_TLS_VERIFY"))
    remote = url.startswith(("tcp://", "https://"))
    return Endpoint(
        url=_normal(url),
        origin=origin,
        certificates=Path(folder) if folder and remote else None,
        tls=remote and (verify or bool(folder) or url.startswith("https://")),
        verify=verify or not folder,
    )


def _context(folder: Path, name: str) -> Endpoint:
    # The CLI names a context's folders by the digest of its name.
    from hashlib import sha256  # noqa: PLC0415 - its library takes longer to load than all of this

    digest = sha256(name.encode()).hexdigest()
    said = _read(folder / "meta" / digest / "meta.json").get("Endpoints", {}).get("docker", {})
    url = said.get("Host")
    if not url:
        raise EngineUnavailableError(f"docker context {name} does not exist, or names no host: see `docker context ls`")
    certificates = folder / "tls" / digest / "docker"
    return Endpoint(
        url=_normal(url),
        origin=f"docker context {name}",
        certificates=certificates if certificates.is_dir() else None,
        tls=certificates.is_dir() or url.startswith("https://"),
        verify=not said.get("SkipTLSVerify", False),
    )


def _normal(url: str) -> str:
    if url.startswith("/"):
        return f"unix://{url}"
    scheme, _, rest = url.partition("://")
    # The SDK does not know ssh's usual port.
    if scheme == "ssh" and ":" not in rest.rpartition("@")[2]:
        return f"ssh://{rest.rstrip('/')}:22"
    return url


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
