"""KH308: a port that nobody declared is a service that nobody knows."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.running import Running
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy


def judge(running: Running, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    for port in sorted(running.listening - running.exposed, key=str):
        yield f"{port} is listened on, and neither image nor settings expose it"
    for port in sorted(running.exposed - running.listening, key=str):
        yield f"{port} is exposed, and nothing listens on it"


CHECK = Check(
    id="KH308",
    title="listens on the ports that it exposes, and on no other",
    part=Running,
    judge=judge,
    reason=(
        "What listens beside the service, a debugger or an admin page, is reachable for every container "
        "on its networks."
    ),
    mend="EXPOSE in the Dockerfile or expose: in settings.yaml, or switch off what listens",
    source=CIS + "5.8",
)
