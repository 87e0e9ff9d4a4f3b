"""KH105: what cannot be written cannot be changed by an intruder."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.launch import Launch
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy


def judge(launch: Launch, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    if not launch.read_only:
        yield "read_only is not set"


CHECK = Check(
    id="KH105",
    title="has a read-only root file system",
    part=Launch,
    judge=judge,
    reason=(
        "Nobody who gets into it can put a program there or change one, and whatever is to stay must be "
        "in a volume that is named."
    ),
    mend="read_only: true, and tmpfs or volumes where it must write",
    source=CIS + "5.12",
)
