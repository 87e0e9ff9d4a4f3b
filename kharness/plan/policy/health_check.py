"""KH115: a service that hangs still runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kharness.plan.evidence.launch import Launch
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy

ALWAYS = re.compile(r"(?:/?\S*/)?(?:true|:|echo\b[^|&;>]*|exit\s+0|sleep\s+\S+|test\s+1)\s*", re.DOTALL)
"""Commands that cannot fail."""


def _says_nothing(test: tuple[str, ...]) -> bool:
    command = " ".join(test[1:]).strip()
    shell = re.fullmatch(r"(?:/?\S*/)?(?:ba|da|a)?sh\s+-c\s+(.*)", command, re.DOTALL)
    command = shell[1].strip().strip("\"'") if shell else command
    # What is said last decides, and so does what is done when all else has failed.
    last = re.split(r"\|\||;", command.rstrip("; \n"))[-1].strip()
    return not command or ALWAYS.fullmatch(last) is not None


def judge(launch: Launch, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    if launch.health is None:
        yield "neither image nor settings have a health check"
    elif _says_nothing(launch.health.test):
        yield f"its health check succeeds whatever happens: {' '.join(launch.health.test[1:])}"


CHECK = Check(
    id="KH115",
    title="has a health check that says something",
    part=Launch,
    judge=judge,
    reason=(
        "Without one nobody knows whether it works: the engine sees a process, a launch has less to go "
        "by, and a service that hangs is never found."
    ),
    mend="HEALTHCHECK in the Dockerfile, or healthcheck: {test: ...}, that asks the service itself",
    source=CIS + "4.6 and 5.26",
)
