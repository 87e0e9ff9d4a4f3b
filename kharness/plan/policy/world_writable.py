"""KH304: a place to leave a program is half of an intrusion."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.content import Content
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy


def judge(content: Content, policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    for path in content.world_writable:
        if path not in policy.allow.world_writable:
            yield path


CHECK = Check(
    id="KH304",
    title="has no file that anybody may write to",
    part=Content,
    judge=judge,
    reason="Whoever gets in can change it or leave something there that others run, whatever user he is.",
    mend=("RUN /prep, or chmod o-w; what is needed is declared: policy: {allow: {world_writable: [...]}}"),
    source=CIS + "4.3",
)
