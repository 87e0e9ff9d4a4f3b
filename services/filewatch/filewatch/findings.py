"""What a scan found: a state for every file, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from filewatch.rules import Rule


class State(Enum):
    """Every state a file can be in; the value is what people read."""

    OK = "ok"
    SKIPPED = "skipped"
    ABSENT = "absent"
    """There is nothing, and that is right (`missing = "ok"`)."""
    MISSING = "missing"
    TOO_OLD = "too old"
    IN_FUTURE = "in the future"
    NOT_EMPTY = "not empty"
    TEXT_FOUND = "text found"
    WRONG_KIND = "wrong kind"
    """A directory where a file should be, or the reverse, or a device, socket or pipe."""
    BROKEN_LINK = "broken link"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too large"
    """Too large to be searched for text."""
    TOO_MANY = "too many files"

    @property
    def good(self) -> bool:
        """Whether it is as it should be."""
        return self in {State.OK, State.SKIPPED, State.ABSENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A file (or a pattern that found none), the rule it was judged by, and how it is."""

    path: str
    rule: Rule
    state: State
    detail: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What stays the same from scan to scan."""
        return (self.path, self.rule.pattern.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One look at everything: the bad ones first. Clock readings and durations in seconds."""

    findings: tuple[Finding, ...]
    began_at: float
    """Seconds since the epoch."""
    took: float
