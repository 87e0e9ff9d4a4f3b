"""KH301: nobody can become who does not exist."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.content import PASSWD, Content, administrators
from kharness.plan.policy.check import CIS, Check
from kharness.settings.policy import Policy


def judge(content: Content, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    if content.passwd is None:
        yield f"{PASSWD} is a link, and nobody can say who is in it"
    for name in administrators(content.passwd or ""):
        yield f"{PASSWD} has {name} with uid 0"


CHECK = Check(
    id="KH301",
    title="has no root account",
    part=Content,
    judge=judge,
    reason=("Without an account of uid 0 there is nobody that su, a login or a set-uid program could make somebody."),
    mend="RUN /prep as the last step, before USER",
    source=CIS + "4.1 and 4.3",
)
