"""KH309: an image gets no security updates."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.image import Age
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy

DAY = 24 * 60 * 60.0


def judge(age: Age, policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    if age.created is None:
        yield "the image does not say when it was made"
        return
    days = (age.now - age.created).total_seconds() / DAY
    if days * DAY > policy.max_age:
        yield f"the image is {days:.0f} days old, and policy.max_age is {policy.max_age / DAY:.0f} days"


CHECK = Check(
    id="KH309",
    title="is not older than it may become",
    part=Age,
    judge=judge,
    reason=("What is in an image stays as it was when it was built; security updates come with a new one alone."),
    mend="pytest containers/NAME --ready --rebuild --launch, and build.max_age to do so by itself",
    source=CIS + "4.4",
    gates=False,
)
