"""Remember what scans came to, container by container."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from kharness.ops.harness import Harness
from kharness.plan.drift import Scanned
from kharness.plan.lastscan import LastScan, last_scan

KEY = "scan:"


def remember(harness: Harness, found: Iterable[Scanned], *, at: float) -> None:
    """Remember a scan that was over at `at` (seconds since the epoch). Raises `StateError`."""
    harness.state.set_facts({f"{KEY}{each.container}": last_scan(each, at=at).to_json() for each in found if each.id})


def last_scans(harness: Harness) -> Mapping[str, LastScan]:
    """Return what is remembered, by the id of the container. Raises `StateError`."""
    scans: dict[str, LastScan] = {}
    for text in harness.state.facts(KEY).values():
        # One that a later version has written is none.
        with suppress(ValueError):
            scan = LastScan.from_json(text)
            scans[scan.container] = scan
    return scans
