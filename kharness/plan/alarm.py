"""An alarm that stays: what was seen once is told until somebody acknowledges it, even if it is undone meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kharness.plan.drift import Scanned

MOST = 50
"""How many sentences of a container an alarm keeps."""


@dataclass(frozen=True, slots=True)
class Raised:
    """Why there is an alarm for a container: since when (seconds since the epoch), and what was seen first."""

    since: float
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alarm:
    """What nobody has acknowledged yet, by the containers' names; false where there is nothing."""

    raised: Mapping[str, Raised] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.raised)

    def with_scan(self, found: Iterable[Scanned], *, at: float) -> Alarm:
        """Return the alarm with what a scan has left; what it had stays."""
        raised = dict(self.raised)
        for each in found:
            if each.verdict.left:
                old = raised.get(each.name, Raised(at))
                reasons = dict.fromkeys((*old.reasons, *map(str, each.verdict.left)))
                raised[each.name] = Raised(old.since, tuple(reasons)[:MOST])
        return Alarm(raised)

    def news(self, before: Alarm) -> dict[str, tuple[str, ...]]:
        """Return the reasons that an earlier alarm did not have, by the containers' names."""
        found = {}
        for name, each in self.raised.items():
            known = before.raised.get(name, Raised(each.since)).reasons
            if new := tuple(reason for reason in each.reasons if reason not in known):
                found[name] = new
        return found

    def without(self, names: Iterable[str]) -> Alarm:
        """Return the alarm without these containers."""
        gone = frozenset(names)
        return Alarm({name: each for name, each in self.raised.items() if name not in gone})

    def of(self, name: str) -> tuple[str, ...]:
        """Return the reasons of one container; none where it has no alarm."""
        return self.raised[name].reasons if name in self.raised else ()

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps({name: [each.since, list(each.reasons)] for name, each in self.raised.items()})

    @classmethod
    def from_json(cls, text: str | None) -> Alarm:
        """Read what `to_json` wrote, None as no alarm; ValueError where it is something else."""
        try:
            said: dict[str, Any] = json.loads(text or "{}")
            raised = {name: Raised(float(since), tuple(reasons)) for name, (since, reasons) in said.items()}
        except (AttributeError, TypeError) as error:
            raise ValueError(f"it is no alarm: {error}") from error
        return cls(raised)
