"""Read what containers changed, from the layer's directories or the engine's own diff, and prove that it is seen.

The proof is a token: the scanner creates a container that is never started, in which the engine makes a directory
with a random name. Each reader that is used must find it; the results of a reader that does not are discarded.
"""

from __future__ import annotations

import secrets
import tarfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kharness.engine.api import Engine
from kharness.errors import ContainerMissingError, EngineError, HostError, ImageMissingError, KharnessError
from kharness.host.drift.layers import TRUSTED, USER, read_layers, why_blind
from kharness.host.machine.kernel import root_mount
from kharness.host.volumes.archive import Chunks
from kharness.ops.harness import Harness
from kharness.ops.image.contents import make_helper
from kharness.plan.drift.changes import Drifted, drifted_of
from kharness.plan.drift.layers import (
    OVERLAYS,
    SNAPSHOTTERS,
    Layers,
    layers_of,
    mount_points,
    mounted_layers,
    without_mount_points,
)
from kharness.plan.facts import ContainerFacts, ImageFacts, PathFacts, short_id

MOST = 500
"""How many added paths are looked up on the engine; each takes 1.5 ms."""


def layers_in(engine: Engine, facts: ContainerFacts) -> Layers | None:
    """Return where the layers of a container are on this host, which is the engine's; None where that is unknown.

    With containerd's image store only the kernel knows it, and only for a running container.
    """
    if (found := layers_of(facts)) is not None or not facts.pid or facts.raw.get("GraphDriver", {}).get("Data"):
        return found
    mounted = root_mount(facts.pid)
    now = engine.container(facts.id)
    # Process ids are reused: the answer is the container's only if the process is unchanged afterwards.
    if mounted is None or mounted.kind != "overlay" or now is None or (now.pid, now.state) != (facts.pid, facts.state):
        return None
    return mounted_layers(mounted.options)


class ByLayer:
    """Reads the directories that the container's overlay is made of."""

    name = "layer"

    def __init__(self, harness: Harness) -> None:
        self._engine = harness.engine
        self._prefix = USER if harness.engine.facts().rootless else TRUSTED
        self._snapshots: Path | None = None

    def read(self, container: str, *, made: bool = False) -> tuple[Drifted, ...] | None:
        """Return the drift, None where the layers are unknown; with `made` also what the engine itself made.

        Raises `HostError` where they cannot be read, and `EngineError`.
        """
        facts = _facts(self._engine.container(container), container)
        layers = layers_in(self._engine, facts)
        if layers is None:
            return None
        if layers_of(facts) is None:
            self._snapshots = Path(layers.upper).parent.parent
        found = read_layers(layers, prefix=self._prefix)
        return found if made else tuple(without_mount_points(found, mount_points(facts)))

    def finds(self, path: str) -> bool:
        """Whether the layer of a container that has not run has this path; the path must be unique.

        Such a layer is found among its siblings, because the kernel does not know it.
        """
        if self._snapshots is None:
            return False
        for found in self._snapshots.glob(f"*/fs/{path.lstrip('/')}"):
            upper = str(found)[: -len(path)]
            seen = read_layers(Layers(upper=upper, lower=()), prefix=self._prefix)
            return any(each.path == path and each.kind == "added" for each in seen)
        return False


class ByEngine:
    """Reads the engine's diff, and looks up details in the container and in an unused container of its image."""

    name = "engine"

    def __init__(self, harness: Harness, stack: ExitStack) -> None:
        self._harness = harness
        self._engine = harness.engine
        self._stack = stack
        self._lock = threading.Lock()
        self._unused: dict[str, str] = {}

    def read(self, container: str, *, made: bool = False) -> tuple[Drifted, ...]:
        """Return the drift, with `made` also what the engine itself made; raises `EngineError`."""
        changes = self._engine.diff(container)
        if not changes:
            return ()
        facts = _facts(self._engine.container(container), container)
        points = mount_points(facts) if not made else frozenset[str]()
        # A look-up of a mount point finds the mount, not the layer.
        changes = tuple(each for each in changes if each.kind != "added" or each.path not in points)
        now, before = _Files(self, container, ""), _Files(self, "", facts.image_id)
        found = drifted_of(changes, now=now, before=before, most=MOST)
        return tuple(without_mount_points(found, points))

    def finds(self, _path: str) -> bool:
        """Return False: a path is only in the diff of its own container."""
        return False

    def at(self, container: str, path: str) -> PathFacts | None:
        """Return the entry at a path of a container."""
        return self._engine.stat(container, path)

    def members(self, container: str, path: str) -> Iterator[tarfile.TarInfo]:
        """Yield the members of an archive of a path."""
        try:
            with tarfile.open(fileobj=Chunks(self._engine.archive(container, path)), mode="r|") as archive:
                yield from archive
        except tarfile.TarError as error:
            raise EngineError(f"the engine's archive of {path} cannot be read: {error}") from error

    def unused(self, image: str) -> str:
        """Return an unused container of an image, which is made at the first call."""
        with self._lock:
            if image not in self._unused:
                found = self._engine.image(image)
                if found is None:
                    raise ImageMissingError(
                        f"image {short_id(image)} no longer exists, so there is nothing to compare with"
                    )
                self._unused[image] = make_helper(self._harness, self._stack, found, "unused")
            return self._unused[image]


class _Files:
    """The files of a container, or of an unused container of its image."""

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
        raise ContainerMissingError(f"container {container[:12]} no longer exists")
    return found


LAYER, ENGINE = ByLayer.name, ByEngine.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The drift of a container, `by` which reader, and why not by the better one."""

    drifted: tuple[Drifted, ...]
    by: str
    note: str = ""


class Scanner:
    """Reads the drift of containers of one engine. Safe to use from several threads."""

    def __init__(self, harness: Harness, stack: ExitStack, *, layers: bool, image: str) -> None:
        self._harness = harness
        self._image = image
        self._layer, self._engine = ByLayer(harness), ByEngine(harness, stack)
        self._lock = threading.Lock()
        self._proofs: dict[str, str] = {}
        self.first = LAYER if layers else ENGINE
        """The reader that is tried first."""

    def look(self, container: str) -> Seen:
        """Read a container; the result counts only if `why_blind` returns nothing. Raises `KharnessError`."""
        note = ""
        if self.first == LAYER:
            try:
                if (found := self._layer.read(container)) is not None:
                    return Seen(drifted=found, by=LAYER)
            except HostError as error:
                note = f"only the engine's diff could be read: {error}"
        return Seen(drifted=self._engine.read(container), by=ENGINE, note=note)

    def why_blind(self, reader: str) -> str:
        """Return why the results of a reader do not count; empty if it finds the token. Proved once per reader."""
        with self._lock:
            if reader not in self._proofs:
                try:
                    self._proofs[reader] = self._prove(self._layer if reader == LAYER else self._engine)
                except KharnessError as error:
                    self._proofs[reader] = f"no token could be planted and found: {error}"
            return self._proofs[reader]

    def _prove(self, reader: ByLayer | ByEngine) -> str:
        path = f"/kharness-token-{secrets.token_hex(8)}"
        with ExitStack() as stack:
            container = make_helper(self._harness, stack, self._small_image(), "token", directory=path)
            if _has(reader.read(container, made=True), path):
                return ""
            # Not every engine makes the working directory before it starts a container.
            self._harness.engine.write_file(container, path, b"token\n")
            if _has(reader.read(container, made=True), path) or reader.finds(path):
                return ""
            return f"the {reader.name}'s reader does not find a planted token"

    def _small_image(self) -> ImageFacts:
        # Creating a container fills its anonymous volumes: an image without volumes is faster.
        found = self._harness.engine.image(self._image) if self._image else None
        if found is not None and not found.volumes:
            return found
        images = self._harness.engine.images()
        if not images:
            raise EngineError("there is no image on the engine")
        return min(images, key=lambda image: image.size)


@contextmanager
def open_scanner(harness: Harness, *, layers: bool = True, image: str = "") -> Iterator[Scanner]:
    """Open a scanner, and remove its containers at the end; without `layers` it only reads the engine's diff.

    `image` is the id of an image for the token's container.
    """
    with ExitStack() as stack:
        facts = harness.engine.facts()
        there = facts.local and facts.storage_driver in OVERLAYS | SNAPSHOTTERS
        yield Scanner(harness, stack, layers=layers and there and not why_blind(), image=image)


def _has(found: tuple[Drifted, ...] | None, path: str) -> bool:
    return any(each.path == path and each.kind == "added" for each in found or ())
