"""KH101: a process that gets out of its container as root is root on a host that maps no ids."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.launch import Launch
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy


def judge(launch: Launch, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    user = launch.user.partition(":")[0].strip()
    if not user:
        yield "it runs as root: neither image nor settings name a user"
    # Engines read `+0` and `00` as the number that they are.
    elif user == "root" or not user.lstrip("+-").strip("0"):
        yield f"it runs as root: its user is {launch.user!r}"


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
