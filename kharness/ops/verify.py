"""The in-production tests of one container directory, as a pytest process of their own."""

from __future__ import annotations

import subprocess

from kharness.ops.harness import Harness
from kharness.ops.pytests import session_of
from kharness.plan.session import ALONE, IN_PROD
from kharness.settings.catalog import ContainerDir

NO_TESTS = 5
"""pytest's exit status when no test was selected."""
TAIL = 30
"""Lines of output that a reason ends with."""


def verify_in_place(harness: Harness, directory: ContainerDir) -> tuple[str, ...]:
    """Test what runs in production now; returns the reasons that speak against it.

    A directory without such tests gives none: that it became ready, and keeps running, is all that is known.
    """
    plain = ("-q", "--kharness-tests-alone", "-o", "addopts=", "--import-mode=importlib")
    command = session_of(directory, [IN_PROD], project=harness.project, more=(*ALONE, *plain))
    done = subprocess.run(  # noqa: S603 - our own interpreter, arguments never through a shell
        command,
        cwd=harness.project or directory.source_path.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode in {0, NO_TESTS}:
        return ()
    tail = "\n".join(done.stdout.splitlines()[-TAIL:])
    return (f"the in-production tests ended with status {done.returncode}:\n{tail}",)
