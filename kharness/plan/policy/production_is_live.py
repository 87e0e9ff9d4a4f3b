"""KH401: a promoted image that nobody launched is not in use."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.standing import Standing
from kharness.plan.facts import short_id
from kharness.plan.policy.check import IN_PRODUCTION, Check
from kharness.settings.policy import Policy


def judge(standing: Standing, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    if not standing.live:
        yield "no image is live"
    elif standing.runs != standing.live:
        yield f"production runs {short_id(standing.runs)}, and {short_id(standing.live)} is live"


CHECK = Check(
    id="KH401",
    title="production runs what is live",
    part=Standing,
    judge=judge,
    reason=(
        "What was tested and promoted is not what runs: the relaunch was forgotten, or somebody launched "
        "something by hand."
    ),
    mend="pytest containers/NAME --ready --launch, or kharness rollback NAME",
    source="the gate: what runs is what passed",
    gates=False,
    baseline=True,
    modes=IN_PRODUCTION,
)
