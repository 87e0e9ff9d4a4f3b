"""A pull's progress records as a few lines for a person. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kharness.engine.api import Progress

DONE = frozenset({"Pull complete", "Already exists"})
STEP = 4
"""How many lines tell of the layers at most."""


class PullLines:
    """Turns the records of a pull, of which a layer has hundreds, into `3 of 7 layers` at every quarter."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress or (lambda _line: None)
        self._layers: set[str] = set()
        self._done: set[str] = set()
        self._told = 0

    def take(self, record: Mapping[str, Any]) -> None:
        """Take the next record."""
        status, layer = record.get("status", ""), record.get("id")
        if layer is None or status.startswith("Pulling from"):
            self._progress(status if layer is None else f"{status} ({layer})")
            return
        self._layers.add(layer)
        if status not in DONE:
            return
        self._done.add(layer)
        quarter = len(self._done) * STEP // len(self._layers)
        if quarter > self._told:
            self._told = quarter
            self._progress(f"{len(self._done)} of {len(self._layers)} layers")
