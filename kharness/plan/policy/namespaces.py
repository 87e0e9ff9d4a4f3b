"""KH107: what shares the host's namespaces sees its processes, its network or its memory."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.launch import Launch
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy


def judge(launch: Launch, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    for name in launch.host_namespaces:
        yield f"it shares the host's {name} namespace"


CHECK = Check(
    id="KH107",
    title="shares no namespace with the host",
    part=Launch,
    judge=judge,
    reason=(
        "In the host's namespaces it sees other programs' processes, traffic or shared memory, and "
        "reaches what listens on loopback alone."
    ),
    mend="name a network of its own in networks; the others cannot be said in settings.yaml",
    source=CIS + "5.9, 5.15, 5.16, 5.20 and 5.30",
    baseline=True,
)
