"""What Compose makes around a service's container: names, labels, networks, volumes and files that it puts in.

Pure values: the launch plan takes them where settings have no word for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A network or volume of a project: `key` in the file, `name` on the engine, `said` in Compose's canonical form."""

    key: str
    name: str
    external: bool = False
    said: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenFile:
    """A secret or config whose content is put into the container after it is created, before it starts.

    No report shows the content of a `secret`.
    """

    name: str
    target: str
    content: bytes = field(repr=False)
    uid: int = 0
    gid: int = 0
    mode: int = 0o444
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOrigin:
    """The Compose project that a service is from, and what Compose would make around its container.

    `container` is the container's name. `labels` are Compose's own and those of the file. `networks` and `volumes` are
    those of the service, by their engine's names. `given` is put into it, `secrets` are files whose contents no report
    shows, and `hidden` the names of variables of which the same is true.
    """

    project: str
    service: str
    directory: Path
    files: tuple[Path, ...]
    container: str
    labels: Mapping[str, str] = field(default_factory=dict)
    networks: Mapping[str, Definition] = field(default_factory=dict)
    volumes: Mapping[str, Definition] = field(default_factory=dict)
    given: tuple[GivenFile, ...] = ()
    secrets: tuple[Path, ...] = ()
    hidden: frozenset[str] = frozenset()
