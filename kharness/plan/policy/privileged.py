"""KH106: a privileged container is the host."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.launch import Launch
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy


def judge(launch: Launch, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    if launch.privileged:
        yield "it is privileged"


CHECK = Check(
    id="KH106",
    title="is not privileged",
    part=Launch,
    judge=judge,
    reason=("It has every capability and every device of the host, and none of what else keeps a container in."),
    mend="launch it from its settings, which cannot say privileged; use cap_add and devices",
    source=CIS + "5.4",
    baseline=True,
)
