"""KH310: what nobody declared may be an intruder."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.running import Running
from kharness.plan.policy.check import Check
from kharness.settings.policy import Policy


def judge(running: Running, policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    declared = {*policy.processes} or {running.started}
    why = "policy.processes does not name it" if policy.processes else f"the entry point starts {running.started}"
    for name in sorted(running.programs - declared):
        yield f"{name} runs, and {why}"
    for name in sorted(declared - running.programs):
        yield f"{name} does not run"


CHECK = Check(
    id="KH310",
    title="runs the programs that were declared, and no other",
    part=Running,
    judge=judge,
    reason=("A container has one purpose; a program that was not there yesterday is a miner, a shell, or a fault."),
    mend="policy: {processes: [...]} with the names of what runs",
    source="one service to a container: docs.docker.com, Run multiple processes in a container",
)
