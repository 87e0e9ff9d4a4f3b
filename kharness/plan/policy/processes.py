"""KH310: what nobody declared may be an intruder."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.evidence.running import Running
from kharness.plan.policy.check import Check
from kharness.settings.policy import Policy


def judge(running: Running, policy: Policy) -> Iterator[str]:
    """Say what speaks against it."""
    if not policy.processes:
        others = sorted(running.programs - {running.started})
        # An entry point is often a script that becomes the service, under its own name.
        if len(running.programs) > 1:
            yield f"beside what its entry point starts, {running.started}, there run {', '.join(others)}"
        elif not running.programs:
            yield "no program runs"
        return
    declared = set(policy.processes)
    yield from (f"{name} runs, and policy.processes does not name it" for name in sorted(running.programs - declared))
    yield from (f"{name} does not run" for name in sorted(declared - running.programs))


CHECK = Check(
    id="KH310",
    title="runs the programs that were declared, and no other",
    part=Running,
    judge=judge,
    reason=("A container has one purpose; a program that was not there yesterday is a miner, a shell, or a fault."),
    mend="policy: {processes: [...]} with the names of what runs",
    source="one service to a container: docs.docker.com, Run multiple processes in a container",
)
