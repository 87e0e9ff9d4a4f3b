"""Hold a container to its checks."""

from __future__ import annotations

from typing import Any

from kharness.errors import Problem, SettingsError
from kharness.ops.evidence import Evidence
from kharness.plan.policy.catalog import unknown_waivers
from kharness.plan.policy.check import Check
from kharness.plan.policy.verdict import Judgement, judge
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings


def refuse_unknown_waivers(directory: ContainerDir, settings: Settings) -> None:
    """Raise `SettingsError` where a check is waived that there is none of."""
    problems = [
        Problem(
            directory.settings_file,
            f"policy.waive.{identifier}",
            "should be a check, and there is none of that identifier; 'kharness policy list' names them",
        )
        for identifier in unknown_waivers(settings.policy)
    ]
    if problems:
        raise SettingsError(problems)


def examine(evidence: Evidence, check: Check[Any]) -> Judgement:
    """Look at what the check is about, and decide; raises `KharnessError` where that cannot be seen."""
    policy = evidence.settings.policy
    findings = tuple(check.judge(evidence.part(check.part), policy))
    return judge(check, findings, policy, mode=evidence.mode, today=evidence.now.date())
