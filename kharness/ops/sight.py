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

LAYER, ENGINE = ByLayer.name, ByEngine.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What has drifted in a container, `by` which way that was seen, and why not by the better one."""

    drifted: tuple[Drifted, ...]
    by: str
    note: str = ""


class Sight:
    """Looks into containers of one engine. Safe to use from several threads."""

    def __init__(self, harness: Harness, stack: ExitStack, *, layers: bool) -> None:
        self._harness = harness
        self._stack = stack
        self._layer, self._engine = ByLayer(harness), ByEngine(harness, stack)
        self._lock = threading.Lock()
        self._token = ("", "")
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
        if not self._token[0]:
            self._token = self._planted()
        container, path = self._token
        if _has(way.read(container), path):
            return ""
        # Not every engine makes the working directory before it starts a container.
        self._harness.engine.write_file(container, path, b"token\n")
        return "" if _has(way.read(container), path) else f"a token that was planted is not found by the {way.name}"

    def _planted(self) -> tuple[str, str]:
        images = self._harness.engine.images()
        if not images:
            raise EngineError("there is no image on the engine")
        path = f"/kharness-token-{secrets.token_hex(8)}"
        smallest = min(images, key=lambda image: image.size)
        return make_helper(self._harness, self._stack, smallest.id, "token", directory=path), path


@contextmanager
def sight(harness: Harness, *, layers: bool = True) -> Iterator[Sight]:
    """Give a sight; without `layers` only the engine is asked. What was made for it is removed at the end."""
    with ExitStack() as stack:
        yield Sight(harness, stack, layers=layers and harness.engine.facts().local and not why_blind())


def _has(found: tuple[Drifted, ...] | None, path: str) -> bool:
    return any(each.path == path and each.kind == "added" for each in found or ())
