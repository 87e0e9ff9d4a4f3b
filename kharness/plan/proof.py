"""What a session did to production: what was found, and what follows for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """A text; `of` are the container directories that fail for it, none where it is only said."""

    text: str
    of: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """By container directory the reasons to fail it, and what is only said.

    `directories` with so many `entries` are what they were; looking twice took so many `seconds`.
    """

    failures: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    directories: int = 0
    entries: int = 0
    seconds: float = 0.0


def proof_of(found: Sequence[Finding], *, untouched: Sequence[int], seconds: float) -> Proof:
    """Put a proof together; `untouched` are the numbers of entries of the directories that nothing was found about."""
    names = sorted({name for each in found for name in each.of})
    return Proof(
        failures={name: tuple(each.text for each in found if name in each.of) for name in names},
        notes=tuple(dict.fromkeys(each.text for each in found if not each.of)),
        directories=len(untouched),
        entries=sum(untouched),
        seconds=seconds,
    )
