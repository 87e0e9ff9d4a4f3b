"""KH307: what a later step removes is still in the image."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.content import Content
from kharness.plan.globs import matches
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy


def _allowed(path: str, policy: Policy) -> bool:
    return any(matches(pattern, path) for pattern in policy.allow.secrets)


def judge(content: Content, policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    for secret in content.secrets:
        if not _allowed(secret.path, policy):
            yield f"{secret.path} has {secret.kind}"
    for secret in content.lost:
        if not _allowed(secret.path, policy):
            yield f"{secret.path} has {secret.kind}; a later layer removes or replaces it, and it is still in the image"


CHECK = Check(
    id="KH307",
    title="has no secret in any of its layers",
    part=Content,
    judge=judge,
    reason=("Every layer of an image can be read by whoever has it, also a file that a later step removes."),
    mend=(
        "secrets: in settings.yaml, and change the value, it is known; an example is declared: policy: "
        "{allow: {secrets: [...]}}"
    ),
    source=CIS + "4.10",
    baseline=True,
)
