"""Hold a container to its checks."""

from __future__ import annotations

from typing import Any

from kharness.errors import Problem, SettingsError, UnseenError, UsageError
from kharness.ops.evidence import Evidence
from kharness.plan.policy.catalog import BY_ID, CHECKS, unknown_waivers
from kharness.plan.policy.check import Check
from kharness.plan.policy.verdict import Judgement, judge
from kharness.settings.catalog import ContainerDir
from kharness.settings.host import HostSettings
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


def refuse_host_waivers(host: HostSettings) -> None:
    """Raise `UsageError` where the host's configuration waives what is no check, or what a container could mend."""
    for identifier in sorted(host.waive):
        check = BY_ID.get(identifier)
        if check is None or check.gates:
            what = "there is no such check" if check is None else "it is the container's own to mend"
            fitting = ", ".join(each.id for each in CHECKS if not each.gates)
            raise UsageError(f"the host's configuration: waive.{identifier}: should be one of {fitting}; {what}")


def examine(evidence: Evidence, check: Check[Any]) -> Judgement:
    """Look at what the check is about, and decide.

    Raises `KharnessError` where that cannot be seen, unless the container is excused from it.
    """
    policy, today = evidence.settings.policy, evidence.now.date()
    try:
        findings = tuple(check.judge(evidence.part(check.part), policy))
    except UnseenError as error:
        waiver = policy.waive.get(check.id)
        if waiver is None or waiver.expired(today):
            raise
        findings = (f"it cannot be seen: {error}",)
    return judge(check, findings, policy, mode=evidence.mode, today=today, of_host=evidence.harness.host.waive)
