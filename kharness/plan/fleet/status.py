"""The status of a container: what `kharness status` shows, and whether it is up as `check-all-up` asks."""

from __future__ import annotations

from dataclasses import dataclass, field

from kharness.plan.drift.watch import LastScan
from kharness.plan.facts import ImageFacts, UsageFacts
from kharness.plan.launch.deviations import Changes
from kharness.plan.project import Listed
from kharness.plan.text import moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A container that should be up; `reasons` say what is wrong with it, each the end of a sentence.

    `note` says that it was stopped on purpose.
    """

    name: str
    reasons: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """A container directory that does not start with this host; `state` is the end of a sentence about it."""

    name: str
    runs: bool
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LastTest:
    """How the last session ended for a directory: in which mode, with which image, when (seconds since the epoch)."""

    passed: bool
    mode: str
    image: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A line of `kharness status`.

    `broken` says why its settings cannot be read. `image_at` is when its image, or else the live one, was made, in
    seconds since the epoch. `newer`: `:latest` is a younger image than `:live`, or the only one. `usage` is its
    current usage, `cpu` the number of processors that it kept busy since the measurement before. `changes` are those
    since its launch, `down` says that it was stopped on purpose.
    """

    listed: Listed
    broken: str = ""
    image_at: float | None = None
    newer: bool = False
    tested: LastTest | None = None
    scan: LastScan | None = None
    usage: UsageFacts | None = None
    cpu: float | None = None
    changes: Changes = field(default_factory=Changes)
    down: str = ""


def starting_text(starting: int, others: int) -> str:
    """Return how many of all containers in use start with this host."""
    return f"{starting} of {starting + others} start with this host"


def is_newer(latest: ImageFacts | None, live: ImageFacts | None) -> bool:
    """Whether there is a newer image to release."""
    if latest is None or live is None:
        return latest is not None
    made, before = moment(latest.created), moment(live.created)
    return latest.id != live.id and (made is None or before is None or made >= before)


def busy(before: UsageFacts | None, after: UsageFacts | None) -> float | None:
    """Return how many processors were kept busy between two moments; None where that is not known.

    A container that was started again in between has used less than before.
    """
    if before is None or after is None or after.at <= before.at or after.cpu < before.cpu:
        return None
    return (after.cpu - before.cpu) / (after.at - before.at)
