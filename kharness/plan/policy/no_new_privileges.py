"""KH103: a set-uid program cannot make root of its user."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.launch import Launch
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy


def judge(launch: Launch, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    said = [option.replace("=", ":", 1) for option in launch.security_opt if option.startswith("no-new-privileges")]
    # Of several an engine takes the last.
    if not said or said[-1] not in {"no-new-privileges", "no-new-privileges:true"}:
        yield "security_opt has no no-new-privileges"


CHECK = Check(
    id="KH103",
    title="gains no new privileges",
    part=Launch,
    judge=judge,
    reason=(
        "With it, no program that is run in the container gets more rights than the one that runs it, "
        "whatever set-uid files the image has."
    ),
    mend="security_opt: [no-new-privileges:true]",
    source=CIS + "5.25",
)
