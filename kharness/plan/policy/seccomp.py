"""KH104: the engine keeps containers from the riskiest system calls."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.launch import Launch
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy


def judge(launch: Launch, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    if any(option.replace("=", ":", 1) == "seccomp:unconfined" for option in launch.security_opt):
        yield "security_opt has seccomp:unconfined"


CHECK = Check(
    id="KH104",
    title="has its system calls filtered",
    part=Launch,
    judge=judge,
    reason=(
        "The engine's filter takes away some sixty system calls that containers do not need, and that "
        "most ways out of one have used."
    ),
    mend="remove seccomp:unconfined, or name a profile of your own",
    source=CIS + "5.21",
    baseline=True,
)
