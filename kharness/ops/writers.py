"""Which containers may write into a directory of this host: all that mount it, or part of it, or what it is part of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kharness.engine.api import Engine
from kharness.ops.inhand import located
from kharness.plan.facts import ContainerFacts
from kharness.plan.mounters import mounters
from kharness.plan.untouched import reach

_NEVER = "0001-"
"""What a container's start begins with that was never started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """A container, and below which paths of the directory it may write; the empty path is all of it.

    `up`: it runs, or the engine is about to start it again. `started_at` is the engine's own text.
    """

    id: str
    name: str
    up: bool
    started_at: str
    reaches: tuple[str, ...]

    def ran_since(self, before: Writer | None) -> bool:
        """Whether it runs, or was started after it was looked at before (None: there was no such container)."""
        fresh = before is None or self.started_at != before.started_at
        return self.up or (fresh and bool(self.started_at) and not self.started_at.startswith(_NEVER))


def writers(engine: Engine, directory: str, listed: tuple[ContainerFacts, ...]) -> Iterator[Writer]:
    """Find those of the listed containers, test instances aside, that may write into a directory (a resolved path).

    Raises `EngineError`.
    """
    for found in mounters(located(engine, listed), directory, writable=True):
        sources = (mount.source for mount in found.mounts if mount.writable and mount.source)
        reaches = {within for source in sources if (within := reach(source, directory)) is not None}
        # The list does not say when a container was started.
        if (facts := engine.container(found.id)) is not None:
            yield Writer(
                id=facts.id,
                name=facts.name,
                up=facts.up,
                started_at=facts.started_at,
                reaches=tuple(sorted(reaches)),
            )
