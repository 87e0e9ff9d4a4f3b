"""A command inside the container."""

from __future__ import annotations

from collections.abc import Sequence

from kharness.ops.expect.until import until
from kharness.ops.instance import Instance
from kharness.ops.waiting import NotYetError
from kharness.plan.expected import Text, lacks, with_texts
from kharness.plan.facts import ExecResult


def expect_command(
    instance: Instance,
    argv: Sequence[str],
    *,
    status: int = 0,
    stdout: Sequence[Text] = (),
    output: Sequence[Text] = (),
    timeout: float,
) -> ExecResult:
    """Expect an exit status and all the texts, on standard output or on either stream; returns the result.

    It is run again until it holds. Raises `ExpectationError`.
    """

    def look(left: float) -> ExecResult:
        result = instance.exec(*argv, timeout=left)
        if result.exit_code != status:
            raise NotYetError(f"exit status {result.exit_code}: {result.stderr or result.stdout}")
        if lacks(result.stdout, stdout):
            raise NotYetError(f"the text {result.stdout}")
        if lacks(result.stdout + result.stderr, output):
            raise NotYetError(f"the text {result.stdout}{result.stderr}")
        return result

    wanted = f"{' '.join(argv)!r} to exit with {status}{with_texts((*stdout, *output))}"
    return until(look, wanted=wanted, timeout=timeout, hidden=instance.secrets)
