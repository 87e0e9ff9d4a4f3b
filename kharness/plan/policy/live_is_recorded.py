"""KH402: a tag that was moved by hand passed no gate."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.standing import Standing
from kharness.plan.facts import short_id
from kharness.plan.policy.check import IN_PRODUCTION, Check
from kharness.settings.policy import Policy


def judge(standing: Standing, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    if not standing.recorded:
        yield "the ledger has no release of it"
    elif standing.live and standing.live != standing.recorded:
        moved = f"{short_id(standing.live)} is live, and {short_id(standing.recorded)} was promoted last"
        yield f"{moved}: somebody moved the tag"


CHECK = Check(
    id="KH402",
    title="what is live is what was promoted",
    part=Standing,
    judge=judge,
    reason=(
        "A tag can be moved by everybody who reaches the engine; then what is live passed no test, and "
        "nobody's name stands in the ledger."
    ),
    mend=("kharness history NAME shows the releases; pytest containers/NAME --ready --launch makes a new one"),
    source="the gate: what is live is what was promoted",
    gates=False,
    baseline=True,
    modes=IN_PRODUCTION,
)
