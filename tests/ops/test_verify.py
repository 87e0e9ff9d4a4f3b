"""The in-production tests of one container, in a process of their own."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from kharness.ops.verify import verify_in_place
from tests.ops.world import World


@pytest.mark.parametrize(("status", "fit"), [(0, True), (5, True), (1, False), (4, False)])
def test_they_run_in_their_own_project_and_their_end_is_the_reason(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    fit: bool,  # noqa: FBT001
) -> None:
    ran: list[list[str]] = []

    def run(command: Any, **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(list(command))
        return subprocess.CompletedProcess(command, status, stdout="1 failed")

    monkeypatch.setattr(subprocess, "run", run)
    world.add("web")
    harness = world.harness()
    reasons = verify_in_place(harness, world.directory("web"))
    said = f"the in-production tests ended with status {status}:\n1 failed"
    assert reasons == (() if fit else (said,))
    command = ran[0]
    # Another project's configuration may lie above.
    assert command[command.index("--rootdir") + 1] == str(harness.project or world.directory("web").source_path)
    assert {"--in-prod", "--kharness-tests-alone"} <= {*command}
