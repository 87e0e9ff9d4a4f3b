"""KH305: tools that are not there cannot be used by an intruder."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.content import Content
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy


def judge(content: Content, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    yield from content.managers


CHECK = Check(
    id="KH305",
    title="has no package manager",
    part=Content,
    judge=judge,
    reason=(
        "An intruder with a package manager has every tool that there is; a service in an image that is "
        "built anew needs none."
    ),
    mend="RUN /prep as the last step",
    source=CIS + "4.3",
)
