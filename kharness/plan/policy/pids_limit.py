"""KH112: a fork bomb must not end the host."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.launch import Launch
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy


def judge(launch: Launch, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    if not launch.pids:
        yield "pids_limit is not set"


CHECK = Check(
    id="KH112",
    title="has a limit of processes",
    part=Launch,
    judge=judge,
    reason="Process numbers are the host's: what forks without end takes them from everybody.",
    mend="pids_limit: 100",
    source=CIS + "5.28",
)
