"""All that is known of a container at a glance."""

from __future__ import annotations

from dataclasses import dataclass

from kharness.plan.facts import ImageFacts, UsageFacts
from kharness.plan.lastscan import LastScan
from kharness.plan.listed import Listed
from kharness.plan.times import moment


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

    `broken` says why its settings cannot be read. `image_at` is when the image was made that it runs, or would run, in
    seconds since the epoch. `newer` says that `:latest` is a younger image than `:live`, or the only one. `usage` is
    what it uses now, `cpu` how many processors it kept busy since the time before.
    """

    listed: Listed
    broken: str = ""
    image_at: float | None = None
    newer: bool = False
    tested: LastTest | None = None
    scan: LastScan | None = None
    usage: UsageFacts | None = None
    cpu: float | None = None


def is_newer(latest: ImageFacts | None, live: ImageFacts | None) -> bool:
    """Whether there is something that could be released."""
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
