"""The two ways to see what a container changed: its layer's directories, and the engine's own diff."""

from __future__ import annotations

import tarfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack

from kharness.errors import ContainerMissingError, EngineError, ImageMissingError
from kharness.host.chunks import Chunks
from kharness.host.drift import read_layers
from kharness.host.upperdir import TRUSTED, USER
from kharness.ops.harness import Harness
from kharness.ops.helper import make_helper
from kharness.plan.drift import Drifted
from kharness.plan.enginediff import drifted_of
from kharness.plan.facts import ContainerFacts, PathFacts, short_id
from kharness.plan.layers import layers_of
from kharness.plan.mountpoints import mount_points, without_mount_points

MOST = 500
"""How many paths that a container has added the engine is asked about; one takes a millisecond and a half."""


class ByLayer:
    """Reads the directories that the container's overlay is made of."""

    name = "layer"

    def __init__(self, harness: Harness) -> None:
        self._engine = harness.engine
        self._prefix = USER if harness.engine.facts().rootless else TRUSTED

    def read(self, container: str, *, made: bool = False) -> tuple[Drifted, ...] | None:
        """Return what has drifted, None where the engine does not say where its layer is.

        With `made` that includes places that the engine made itself. Raises `HostError` where it cannot be read, and
        `EngineError`.
        """
        facts = _facts(self._engine.container(container), container)
        layers = layers_of(facts)
        if layers is None:
            return None
        found = read_layers(layers, prefix=self._prefix)
        return found if made else tuple(without_mount_points(found, mount_points(facts)))


class ByEngine:
    """Asks the engine for its diff, and about what that leaves open, in the container and in one of its image."""

    name = "engine"

    def __init__(self, harness: Harness, stack: ExitStack) -> None:
        self._harness = harness
        self._engine = harness.engine
        self._stack = stack
        self._lock = threading.Lock()
        self._unused: dict[str, str] = {}

    def read(self, container: str, *, made: bool = False) -> tuple[Drifted, ...]:
        """Return what has drifted, with `made` also places that the engine made itself; raises `EngineError`."""
        changes = self._engine.diff(container)
        if not changes:
            return ()
        facts = _facts(self._engine.container(container), container)
        points = mount_points(facts) if not made else frozenset[str]()
        # What is looked up there is what is mounted.
        changes = tuple(each for each in changes if each.kind != "added" or each.path not in points)
        now, before = _Files(self, container, ""), _Files(self, "", facts.image_id)
        found = drifted_of(changes, now=now, before=before, most=MOST)
        return tuple(without_mount_points(found, points))

    def at(self, container: str, path: str) -> PathFacts | None:
        """Return what is at a path of a container."""
        return self._engine.stat(container, path)

    def members(self, container: str, path: str) -> Iterator[tarfile.TarInfo]:
        """Return what an archive of a path has, as far as it is asked for."""
        try:
            with tarfile.open(fileobj=Chunks(self._engine.archive(container, path)), mode="r|") as archive:
                yield from archive
        except tarfile.TarError as error:
            raise EngineError(f"the engine's archive of {path} cannot be read: {error}") from error

    def unused(self, image: str) -> str:
        """Return a container of an image that nobody has used, made once."""
        with self._lock:
            if image not in self._unused:
                found = self._engine.image(image)
                if found is None:
                    raise ImageMissingError(f"there is no image {short_id(image)} any more to compare with")
                self._unused[image] = make_helper(self._harness, self._stack, found, "unused")
            return self._unused[image]


class _Files:
    """The files of a container, or, made only when they are asked for, those of its image."""

    def __init__(self, engine: ByEngine, container: str, image: str) -> None:
        self._engine = engine
        self._container = container
        self._image = image

    def at(self, path: str) -> PathFacts | None:
        return self._engine.at(self._place, path)

    def owner(self, path: str) -> tuple[int, int] | None:
        try:
            first = next(self._engine.members(self._place, path), None)
        except EngineError:
            return None
        return (first.uid, first.gid) if first else None

    def names(self, path: str) -> Iterator[str]:
        # An archive's first member is the directory itself, by its name.
        names = (member.name.split("/") for member in self._engine.members(self._place, path))
        return (parts[1] for parts in names if len(parts) == 2)  # noqa: PLR2004 - the directory and one name

    @property
    def _place(self) -> str:
        return self._container or self._engine.unused(self._image)


def _facts(found: ContainerFacts | None, container: str) -> ContainerFacts:
    if found is None:
        raise ContainerMissingError(f"there is no container {container[:12]} any more")
    return found
