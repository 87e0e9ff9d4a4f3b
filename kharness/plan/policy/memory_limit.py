"""KH110: one container must not starve the others."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.launch import Launch
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy


def judge(launch: Launch, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    if not launch.memory:
        yield "mem_limit is not set"


CHECK = Check(
    id="KH110",
    title="has a memory limit",
    part=Launch,
    judge=judge,
    reason=(
        "Without one it may use all memory of the host, and then the kernel ends whatever process it "
        "likes, another container's or the engine."
    ),
    mend="mem_limit: 256m",
    source=CIS + "5.10",
)
