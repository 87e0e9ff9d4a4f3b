"""Whether clocks agree: what is remembered, expires and is compared has the times of both."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.host.kernel import is_clock_kept
from kharness.ops.finding import Finding
from kharness.plan.facts import EngineFacts

MOST = 2.0
"""Seconds by which the engine's clock may differ, the time of a request among them."""
KEEP = "timedatectl set-ntp true"


def clock_findings(facts: EngineFacts | None) -> Iterator[Finding]:
    """Compare the engine's clock with this host's, and say whether something keeps that right."""
    ahead = facts.clock_ahead if facts else None
    if ahead is not None and abs(ahead) > MOST:
        said = f"the engine's is {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}"
        yield Finding("clock", said, good=False, mend=f"{KEEP}, here and on the engine's host")
    elif is_clock_kept() is False:
        # A virtual machine may be kept right from outside, of which its kernel knows nothing.
        yield Finding("clock", "is kept right by nothing that the kernel knows of", mend=KEEP)
    else:
        yield Finding("clock", "agrees with the engine's" if ahead is not None else "is kept right")
