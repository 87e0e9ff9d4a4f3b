"""KH201: what nobody put there may be an intruder's."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.drift import Drift
from kharness.plan.policy.check import IN_PRODUCTION, Check
from kharness.settings.policy import Policy

SHOWN = 20
"""So many changes are named; 'kharness cowscan' names all."""


def judge(drift: Drift, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    yield from drift.left[:SHOWN]
    if len(drift.left) > SHOWN:
        yield f"and {len(drift.left) - SHOWN} more, which 'kharness cowscan' shows"


CHECK = Check(
    id="KH201",
    title="has a clean copy-on-write layer",
    part=Drift,
    judge=judge,
    reason=(
        "A container's files are its image's, and whatever else is there was put there since: by the service, by "
        "somebody who entered it, or by an intruder."
    ),
    mend="kharness cowscan NAME --snapshot --restart; declare what it writes by itself: drift: {expect: [...]}",
    source="docs/drift.md: the layer shows every file that changed since the launch",
    gates=False,
    baseline=True,
    modes=IN_PRODUCTION,
)
