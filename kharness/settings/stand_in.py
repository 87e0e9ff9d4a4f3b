"""What a test instance gets in place of a production volume, and how a copy of it is made."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Self

from pydantic import model_validator

from kharness.settings.section import Section, expected, wrong


class TestMount(StrEnum):
    """What a test instance gets in place of a production volume."""

    __test__ = False

    SAME = "same"
    """The real one, writable: dangerous, and only with `test.same`."""
    RO = "ro"
    """The real one, read-only."""
    COPY = "copy"
    """A copy of structure and files."""
    TREE = "tree"
    """A copy of the directories only."""
    EMPTY = "empty"


class CopyStrategy(StrEnum):
    """How a copy is made."""

    AUTO = "auto"
    """The cheapest that is safe at this moment."""
    REFLINK = "reflink"
    """Files share their blocks until one is written; only on file systems that can (btrfs, xfs)."""
    OVERLAY = "overlay"
    """Nothing is copied until it is written; only while nobody else writes to the original."""
    REAL = "real"
    """Every byte is copied."""


class Freeze(StrEnum):
    """What is done with production containers while their volumes are copied."""

    NONE = "none"
    PAUSE = "pause"
    STOP = "stop"


class StandIn(Section):
    """What a test instance gets in a volume's place, in the long form; the short one is the word alone."""

    place: ClassVar[str] = "volumes.test"
    short_schema: ClassVar[tuple[dict[str, Any], ...]] = ({"enum": [*TestMount]},)

    mount: TestMount
    """same, ro, copy, tree or empty."""
    strategy: CopyStrategy = CopyStrategy.AUTO
    """How a copy is made: auto, reflink, overlay or real."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        if value not in [*TestMount]:
            raise expected(f"one of {', '.join(TestMount)}")
        return {"mount": value}

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.mount is not TestMount.COPY and "strategy" in self.model_fields_set:
            raise wrong(f"should not have a strategy, which is for a copy, not for '{self.mount}'")
        return self
