"""What is newer than what is live, and how busy a container is: pure tables."""

from __future__ import annotations

import pytest

from kharness.plan.drift import Scanned
from kharness.plan.facts import ImageFacts, UsageFacts
from kharness.plan.lastscan import LastScan, last_scan
from kharness.plan.status import busy, is_newer

OLD, NEW = (ImageFacts(id=name, created=f"2026-01-0{day}T00:00:00Z") for name, day in (("old", 1), ("new", 2)))


@pytest.mark.parametrize(
    ("latest", "live", "newer"),
    [
        (None, None, False),
        (None, OLD, False),
        (OLD, None, True),
        (OLD, OLD, False),
        (NEW, OLD, True),
        (OLD, NEW, False),
        (ImageFacts(id="undated"), OLD, True),
    ],
)
def test_what_was_built_after_what_is_live_is_newer(
    latest: ImageFacts | None,
    live: ImageFacts | None,
    newer: bool,  # noqa: FBT001
) -> None:
    assert is_newer(latest, live) is newer


def used(cpu: float, at: float) -> UsageFacts:
    return UsageFacts(memory=1, memory_limit=2, cpu=cpu, at=at)


@pytest.mark.parametrize(
    ("before", "after", "processors"),
    [
        (used(1, 10), used(2, 12), 0.5),
        (used(1, 10), used(1, 11), 0.0),
        (used(1, 10), used(4, 11), 3.0),
        (used(5, 10), used(1, 11), None),
        (used(1, 10), used(1, 10), None),
        (None, used(1, 10), None),
        (used(1, 10), None, None),
    ],
)
def test_processors_are_counted_between_two_moments(
    before: UsageFacts | None, after: UsageFacts | None, processors: float | None
) -> None:
    assert busy(before, after) == processors


def test_a_scan_is_remembered_as_it_was() -> None:
    scan = last_scan(Scanned(name="web", container="web", id="c1", problem="blind"), at=3.5)
    assert scan == LastScan(container="c1", at=3.5, left=0, problem="blind")
    assert LastScan.from_json(scan.to_json()) == scan
    for text in ("x", "{}", '{"more": 1}', "3"):
        with pytest.raises(ValueError, match="it is no scan"):
            LastScan.from_json(text)
