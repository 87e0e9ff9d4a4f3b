"""What the last look at a container's drift came to, as it is remembered."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from kharness.plan.drift import Scanned


@dataclass(frozen=True, slots=True, kw_only=True)
class LastScan:
    """When a container was looked at (seconds since the epoch), how many changes were left, and why not all was seen.

    `container` is its id: of another one this says nothing.
    """

    container: str
    at: float
    left: int
    problem: str = ""

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> LastScan:
        """Read what `to_json` wrote; ValueError where it is something else."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError) as error:
            raise ValueError(f"it is no scan: {error}") from error


def last_scan(found: Scanned, *, at: float) -> LastScan:
    """Return what is remembered of a look at a container."""
    return LastScan(container=found.id, at=at, left=len(found.verdict.left), problem=found.problem)
