"""What becomes of one container among many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import PurePath
from typing import Any


class Result(Enum):
    """What became of a container."""

    DONE = "done"
    FAILED = "failed"
    HELD = "held back"
    INTERRUPTED = "interrupted"
    LEFT = "not begun"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the work on a container ended: `text` is what was done, or why it was not; `log` has its output.

    `notes` are what else is to be known, `data` plain values for programs, `tail` the last lines of the log.
    """

    name: str
    result: Result
    text: str = ""
    notes: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    wave: int | None = None
    seconds: float = 0.0
    log: PurePath | None = None
    tail: tuple[str, ...] = ()
