"""Registry credentials out of the user's `~/.docker/config.json`, as the headers of a pull and a build.

The SDK reads them, and is loaded where there are some: importing it takes longer than most builds.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kharness.errors import EngineError


def pull_headers(name: str) -> dict[str, str]:
    """Return the header with the credentials for one repository's registry."""

    def header() -> dict[str, str]:
        from docker import auth  # noqa: PLC0415

        registry, _ = auth.resolve_repository_name(name)
        found: Any = auth.load_config().resolve_authconfig(registry)
        return {"X-Registry-Auth": auth.encode_header(found).decode()} if found else {}

    return _translated(header)


def build_headers() -> dict[str, str]:
    """Return the header with the credentials of all registries: a build may need any for its base images."""

    def header() -> dict[str, str]:
        from docker import auth  # noqa: PLC0415

        config: Any = auth.load_config()
        found = config.get_all_credentials()
        return {"X-Registry-Config": auth.encode_header(found).decode()} if found else {}

    return _translated(header) if any(path.exists() for path in _files()) else {}


def _files() -> tuple[Path, ...]:
    said = os.environ.get("DOCKER_CONFIG")
    home = Path("~").expanduser()
    return (*([Path(said, "config.json")] if said else []), home / ".docker" / "config.json", home / ".dockercfg")


def _translated(header: Callable[[], dict[str, str]]) -> dict[str, str]:
    from docker.credentials.errors import StoreError  # noqa: PLC0415
    from docker.errors import DockerException  # noqa: PLC0415

    try:
        return header()
    except (DockerException, StoreError, OSError) as error:
        raise EngineError(f"the registry credentials cannot be read: {error}") from error
