"""KH303: a set-uid file is a way to become somebody else."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.content import Content
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy


def judge(content: Content, policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    for path in content.set_uid:
        if path not in policy.allow.set_uid:
            yield path


CHECK = Check(
    id="KH303",
    title="has no set-uid file that was not declared",
    part=Content,
    judge=judge,
    reason=(
        "A program that runs as its owner is how an intruder becomes root once he is in; most images have"
        " a dozen that no service uses."
    ),
    mend="RUN /prep, or chmod u-s; what is needed is declared: policy: {allow: {set_uid: [...]}}",
    source=CIS + "4.8",
)
