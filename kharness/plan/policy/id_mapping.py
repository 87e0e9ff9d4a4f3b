"""KH403: with id mapping, root in a container is nobody outside."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.facts import EngineFacts
from kharness.plan.policy.check import CIS, ON_THIS_HOST, Check
from kharness.settings.policy import Policy


def judge(engine: EngineFacts, _policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    if not (engine.userns or engine.rootless):
        yield "the engine maps no ids: uid 0 of a container is uid 0 of the host"


CHECK = Check(
    id="KH403",
    title="is mapped to ids that mean nothing on the host",
    part=EngineFacts,
    judge=judge,
    reason=("With userns-remap, or an engine without root, whoever gets out of a container has no rights on the host."),
    mend="docs/uid-mapping.md, from no mapping to userns-remap with existing data",
    source=CIS + "2.9",
    gates=False,
    modes=ON_THIS_HOST,
)
