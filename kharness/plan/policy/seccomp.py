"""KH104: the engine keeps containers from the riskiest system calls and files of the kernel."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.launch import Launch
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy


def judge(launch: Launch, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    said = {option.replace("=", ":", 1) for option in launch.security_opt}
    for name in ("seccomp", "apparmor", "label"):
        if said & {f"{name}:unconfined", f"{name}:disable"}:
            yield f"security_opt switches {name} off"
    if launch.unmasked:
        yield "it sees all of /proc and /sys, of which engines hide the dangerous parts"


CHECK = Check(
    id="KH104",
    title="keeps the confinement that engines give",
    part=Launch,
    judge=judge,
    reason=(
        "The engine's filter takes away some sixty system calls that containers do not need, and that "
        "most ways out of one have used."
    ),
    mend="remove unconfined from security_opt, or name a profile of your own",
    source=CIS + "5.1, 5.2 and 5.21",
    baseline=True,
)
