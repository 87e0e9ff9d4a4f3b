"""Registry credentials out of the user's `~/.docker/config.json`, as the headers of a pull and a build."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from docker import APIClient, auth
from docker.credentials.errors import StoreError
from docker.errors import DockerException

from kharness.errors import EngineError


def pull_headers(client: APIClient, name: str) -> dict[str, str]:
    """Return the header with the credentials for one repository's registry."""

    def header() -> dict[str, str]:
        registry, _ = auth.resolve_repository_name(name)
        found: Any = auth.get_config_header(client, registry)
        return {"X-Registry-Auth": found} if found else {}

    return _translated(header)


def build_headers(client: APIClient) -> dict[str, str]:
    """Return the header with the credentials of all registries: a build may need any for its base images."""

    def header() -> dict[str, str]:
        config: Any = auth.load_config(credstore_env=client.credstore_env)
        found: Any = config.get_all_credentials()
        return {"X-Registry-Config": auth.encode_header(found).decode()} if found else {}

    return _translated(header)


def _translated(header: Callable[[], dict[str, str]]) -> dict[str, str]:
    try:
        return header()
    except (DockerException, StoreError, OSError) as error:
        raise EngineError(f"the registry credentials cannot be read: {error}") from error
