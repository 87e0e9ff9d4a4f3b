"""A process in the container."""

from __future__ import annotations

from kharness.ops.expect.until import until
from kharness.ops.instance import Instance
from kharness.ops.waiting import NotYetError
from kharness.plan.expected import Text, has, told
from kharness.plan.processes import programs
from kharness.plan.secrets import redact

SHOWN = 60
"""Characters of a command line that are shown."""


def expect_process(
    instance: Instance, *, name: str | None = None, command: Text | None = None, running: bool = True, timeout: float
) -> None:
    """Expect a process with the program's name and the text in its command line, or with `running=False` none.

    Raises `ExpectationError`.
    """

    def look(_left: float) -> None:
        processes = instance.processes()
        found = [
            each.command
            for each in processes
            if (name is None or name in programs(each.command)) and (command is None or has(each.command, command))
        ]
        if running and not found:
            raise NotYetError(", ".join(shown(each.command) for each in processes) or "no process")
        if found and not running:
            raise NotYetError(f"{shown(found[0])} runs")

    def shown(command: str) -> str:
        # Hidden first: a secret that is cut or escaped is another text.
        plain = redact(command, instance.secrets)
        return repr(plain if len(plain) <= SHOWN else f"{plain[:SHOWN]}...")

    wanted = "a process" if name is None else f"the process {name}"
    wanted += "" if command is None else f" with a command line {told(command)}"
    until(look, wanted=f"{wanted} {'to run' if running else 'not to run'}", timeout=timeout, hidden=instance.secrets)
