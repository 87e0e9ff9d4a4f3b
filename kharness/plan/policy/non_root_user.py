"""KH101: a process that gets out of its container as root is root on a host that maps no ids."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.launch import Launch
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy


def judge(launch: Launch, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    user = launch.user.partition(":")[0]
    if user in {"", "root"} or not user.strip("0"):
        yield (
            f"it runs as root: its user is {launch.user!r}"
            if user
            else "it runs as root: neither image nor settings name a user"
        )


CHECK = Check(
    id="KH101",
    title="runs as a non-root user",
    part=Launch,
    judge=judge,
    reason=(
        "Without id mapping, root in a container is root of the host as soon as one fault of the kernel "
        "or one mount lets it out."
    ),
    mend='USER 1000:1000 in the Dockerfile, or user: "1000:1000" in settings.yaml',
    source=CIS + "4.1",
)
