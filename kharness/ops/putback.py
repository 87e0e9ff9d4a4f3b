"""The way back of a launch: steps that are all tried, and what a person must do where one fails."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from kharness.errors import KharnessError


class PutBack:
    """Collects steps as something is changed, and runs them last to first.

    A step that fails, or is interrupted, does not keep the others from being tried.
    """

    def __init__(self) -> None:
        self._steps = ExitStack()
        self._left: list[str] = []

    def add(self, step: Callable[[], None], *, failed: str = "", by_hand: str = "") -> None:
        """Add a step; `failed` says what is not as it was when it fails, `by_hand` what a person does in its place."""
        self._steps.callback(self._try, step, failed, by_hand)

    def run(self) -> tuple[str, ...]:
        """Take all steps; returns what could not be done, each with what to do by hand."""
        self._steps.close()
        return tuple(self._left)

    def _try(self, step: Callable[[], None], failed: str, by_hand: str) -> None:
        try:
            step()
        except KharnessError as error:
            text = f"{failed}: {error}" if failed else str(error)
            self._left.append(f"{text}; by hand: {by_hand}" if by_hand else text)
