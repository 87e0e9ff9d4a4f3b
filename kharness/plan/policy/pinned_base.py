"""KH302: what a name means can change overnight."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.image import Origin
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy


def judge(origin: Origin, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    for reference in origin.references:
        if "@sha256:" not in reference and reference not in origin.locked:
            yield f"{reference} has no digest"


CHECK = Check(
    id="KH302",
    title="is made from images that are pinned",
    part=Origin,
    judge=judge,
    reason=(
        "A tag can name another image tomorrow, and then a rebuild tests and ships what nobody looked at;"
        " a digest cannot."
    ),
    mend="write it as NAME:TAG@sha256:DIGEST; docker image inspect tells the digest",
    source=CIS + "4.2",
)
