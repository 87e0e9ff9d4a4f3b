"""A check: what it claims of a container, what it looks at, and how what it finds is mended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from kharness.plan.modes import Mode
from kharness.settings.policy import Policy

Part = TypeVar("Part")
EVERYWHERE = frozenset(Mode)
ON_THIS_HOST = frozenset({Mode.PROD_READY, Mode.IN_PROD})
IN_PRODUCTION = frozenset({Mode.IN_PROD})
CIS = "CIS Docker Benchmark 1.3.1, "


@dataclass(frozen=True, kw_only=True)
class Check(Generic[Part]):
    """One claim, such as "runs as a non-root user".

    `part` is the kind of evidence that it looks at, one of those in `kharness.plan.evidence`; `judge` gets it with the
    container's `policy:`, and returns what speaks against the claim: no sentence at all means that it holds. A check
    that `gates` depends on image and settings alone, and stands in the way of a promotion; another one depends on the
    host or the calendar, and is reported. Those of the profile `baseline` are in `strict`, too.
    """

    id: str
    title: str
    part: type[Part]
    judge: Callable[[Part, Policy], Iterable[str]]
    reason: str
    mend: str
    source: str
    gates: bool = True
    baseline: bool = False
    modes: frozenset[Mode] = EVERYWHERE

    @property
    def name(self) -> str:
        """The name of its item."""
        return f"{self.id} {self.title}"
