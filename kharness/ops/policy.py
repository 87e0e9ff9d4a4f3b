"""Hold a container to its checks."""

from __future__ import annotations

from typing import Any

from kharness.ops.evidence import Evidence
from kharness.plan.policy.check import Check
from kharness.plan.policy.verdict import Judgement, judge


def examine(evidence: Evidence, check: Check[Any]) -> Judgement:
    """Look at what the check is about, and decide; raises `KharnessError` where that cannot be seen."""
    policy = evidence.settings.policy
    findings = tuple(check.judge(evidence.part(check.part), policy))
    return judge(check, findings, policy, mode=evidence.mode, today=evidence.now.date())
