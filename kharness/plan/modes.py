"""The three modes of a test session, and which marks run in them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Mode(StrEnum):
    """What the tests of a session run against."""

    STANDALONE = "standalone"
    """A test instance with empty volumes, on any machine."""
    PROD_READY = "prod-ready"
    """A test instance on the production host, with copies of the real volume contents."""
    IN_PROD = "in-prod"
    """The production instance; nothing is launched."""

    @property
    def mark(self) -> str:
        """The name of the pytest mark."""
        return self.value.replace("-", "_")


MARKS = {mode.mark: mode for mode in Mode}


def runs_in(mode: Mode, marks: Iterable[str]) -> bool:
    """Whether a test with these marks runs in the mode.

    An unmarked test runs in the two readiness modes and never against production: a test that may write must be
    allowed there by name.
    """
    said = {MARKS[mark] for mark in marks if mark in MARKS}
    if not said:
        return mode is not Mode.IN_PROD
    return mode in said
