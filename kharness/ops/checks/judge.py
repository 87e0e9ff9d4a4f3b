"""Judge a container by its checks, and refuse waivers that make no sense."""

from __future__ import annotations

from typing import Any

from kharness.errors import Problem, SettingsError, UnseenError, UsageError
from kharness.ops.checks.inspection import Inspection
from kharness.plan.checks.catalog import BY_ID, CHECKS, unknown_waivers
from kharness.plan.checks.check import Check, Judgement, rule
from kharness.settings.catalog import ContainerDir
from kharness.settings.host import HostSettings
from kharness.settings.model import Settings


def refuse_unknown_waivers(directory: ContainerDir, settings: Settings) -> None:
    """Raise `SettingsError` for a waiver of an unknown check."""
    problems = [
        Problem(
            directory.settings_file,
            f"policy.waive.{identifier}",
            "should be the identifier of a check; 'kharness policy list' shows all",
        )
        for identifier in unknown_waivers(settings.policy)
    ]
    if problems:
        raise SettingsError(problems)


def refuse_host_waivers(host: HostSettings) -> None:
    """Raise `UsageError` where the host waives an unknown check, or a check that gates."""
    for identifier in sorted(host.waive):
        check = BY_ID.get(identifier)
        if check is None or check.gates:
            what = "there is no such check" if check is None else "a container waives it in its settings.yaml"
            fitting = ", ".join(each.id for each in CHECKS if not each.gates)
            raise UsageError(f"the host's configuration: waive.{identifier}: should be one of {fitting}; {what}")


def refuse_unenforceable(host: HostSettings) -> None:
    """Raise `UsageError` where the host enforces something other than a check of the host."""
    of_host = [check.id for check in CHECKS if check.of_host]
    for identifier in host.enforce:
        if identifier not in of_host:
            what = "there is no such check" if identifier not in BY_ID else "it is about a container"
            raise UsageError(
                f"the host's configuration: enforce: should have checks of the host ({', '.join(of_host)}), "
                f"not {identifier}: {what}"
            )


def examine(inspection: Inspection, check: Check[Any]) -> Judgement:
    """Judge the evidence of a check.

    Raises `KharnessError` where the evidence cannot be gathered, unless the container waives the check.
    """
    policy, today = inspection.settings.policy, inspection.now.date()
    try:
        findings = tuple(check.judge(inspection.part(check.part), policy))
    except UnseenError as error:
        waiver = policy.waive.get(check.id)
        if waiver is None or waiver.expired(today):
            raise
        findings = (f"it cannot be checked: {error}",)
    host = inspection.harness.host
    return rule(check, findings, policy, mode=inspection.mode, today=today, of_host=host.waive, enforced=host.enforce)
