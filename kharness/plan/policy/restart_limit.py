"""KH113: what fails at every start should be seen to fail."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.launch import Launch
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy


def judge(launch: Launch, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    if launch.restart in {"always", "unless-stopped"}:
        yield f"restart is {launch.restart}, which has no limit"
    elif launch.restart == "on-failure" and not launch.retries:
        yield "restart is on-failure without a number"


CHECK = Check(
    id="KH113",
    title="is not restarted without end",
    part=Launch,
    judge=judge,
    reason=(
        "What dies at every start is started for ever, uses the host, fills its log, and never looks "
        "dead. A service that must come back whatever happens is a good reason for a waiver."
    ),
    mend="restart: on-failure:5; after a reboot 'kharness up-all' starts it, which 'kharness service install' sets up",
    source=CIS + "5.14",
)
