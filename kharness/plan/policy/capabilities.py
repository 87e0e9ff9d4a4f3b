"""KH102: capabilities are root by instalments."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.launch import Launch
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy

DANGEROUS = frozenset(
    {
        "ALL",
        "BPF",
        "DAC_READ_SEARCH",
        "MAC_ADMIN",
        "MAC_OVERRIDE",
        "NET_ADMIN",
        "PERFMON",
        "SYSLOG",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_MODULE",
        "SYS_PTRACE",
        "SYS_RAWIO",
        "SYS_TIME",
    }
)
"""Those of capabilities(7) that act on the whole kernel, or on other processes."""


def judge(launch: Launch, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    if "ALL" not in launch.cap_drop:
        yield "it keeps the engine's default capabilities, because cap_drop has no ALL"
    found = sorted(launch.cap_add & DANGEROUS)
    if found:
        yield f"it adds {', '.join(found)}, which can take over the host"


CHECK = Check(
    id="KH102",
    title="has no capability that it does not need",
    part=Launch,
    judge=judge,
    reason=(
        "The fourteen capabilities that an engine gives by default let a process write raw packets, "
        "change owners and pass by file permissions; hardly a service needs one."
    ),
    mend="cap_drop: [ALL], and cap_add with the few that it needs by name",
    source=CIS + "5.3",
)
