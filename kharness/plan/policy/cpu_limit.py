"""KH111: one container must not take all processors."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.launch import Launch
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy


def judge(launch: Launch, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    if not launch.cpus:
        yield "cpus is not set"


CHECK = Check(
    id="KH111",
    title="has a limit of processors",
    part=Launch,
    judge=judge,
    reason="A loop in one service otherwise takes every processor that the others need.",
    mend="cpus: 1",
    source=CIS + "5.11",
)
