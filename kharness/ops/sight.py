"""Look at what containers changed, and prove that it would be seen.

The proof is a token: in a container of our own making, which is created and never started, the engine makes a directory
with a name that nobody can guess. Each way to look that is used must find it. A way that does not is blind, and says
nothing about any container.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from kharness.errors import EngineError, HostError, KharnessError
from kharness.host.drift import why_blind
from kharness.ops.harness import Harness
from kharness.ops.helper import make_helper
from kharness.ops.layerfiles import ByEngine, ByLayer
from kharness.plan.drift import Drifted
from kharness.plan.facts import ImageFacts
from kharness.plan.layers import OVERLAYS

LAYER, ENGINE = ByLayer.name, ByEngine.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What has drifted in a container, `by` which way that was seen, and why not by the better one."""

    drifted: tuple[Drifted, ...]
    by: str
    note: str = ""


class Sight:
    """Looks into containers of one engine. Safe to use from several threads."""

    def __init__(self, harness: Harness, stack: ExitStack, *, layers: bool, image: str) -> None:
        self._harness = harness
        self._image = image
        self._layer, self._engine = ByLayer(harness), ByEngine(harness, stack)
        self._lock = threading.Lock()
        self._proofs: dict[str, str] = {}
        self.first = LAYER if layers else ENGINE
        """The way that is tried first."""

    def look(self, container: str) -> Seen:
        """Look at a container; what is seen counts once the way is proven. Raises `KharnessError` where nothing is."""
        note = ""
        if self.first == LAYER:
            try:
                if (found := self._layer.read(container)) is not None:
                    return Seen(drifted=found, by=LAYER)
            except HostError as error:
                note = f"only the engine's diff could be read: {error}"
        return Seen(drifted=self._engine.read(container), by=ENGINE, note=note)

    def why_blind(self, way: str) -> str:
        """Return why what was seen in a way does not count; empty where the token is found. Looked at once a way."""
        with self._lock:
            if way not in self._proofs:
                try:
                    self._proofs[way] = self._prove(self._layer if way == LAYER else self._engine)
                except KharnessError as error:
                    self._proofs[way] = f"no token could be planted and found: {error}"
            return self._proofs[way]

    def _prove(self, way: ByLayer | ByEngine) -> str:
        path = f"/kharness-token-{secrets.token_hex(8)}"
        with ExitStack() as stack:
            container = make_helper(self._harness, stack, self._small_image(), "token", directory=path)
            if _has(way.read(container, made=True), path):
                return ""
            # Not every engine makes the working directory before it starts a container.
            self._harness.engine.write_file(container, path, b"token\n")
            return (
                ""
                if _has(way.read(container, made=True), path)
                else f"a planted token is not found by the {way.name}'s reader"
            )

    def _small_image(self) -> ImageFacts:
        # A container's anonymous volumes are filled when it is created: one of an image without is made at once.
        found = self._harness.engine.image(self._image) if self._image else None
        if found is not None and not found.volumes:
            return found
        images = self._harness.engine.images()
        if not images:
            raise EngineError("there is no image on the engine")
        return min(images, key=lambda image: image.size)


@contextmanager
def sight(harness: Harness, *, layers: bool = True, image: str = "") -> Iterator[Sight]:
    """Give a sight; without `layers` only the engine is asked. What was made for it is removed at the end.

    `image` is one that is at hand, by its id.
    """
    with ExitStack() as stack:
        facts = harness.engine.facts()
        there = facts.local and facts.storage_driver in OVERLAYS
        yield Sight(harness, stack, layers=layers and there and not why_blind(), image=image)


def _has(found: tuple[Drifted, ...] | None, path: str) -> bool:
    return any(each.path == path and each.kind == "added" for each in found or ())
