"""The in-production tests of one container, in a process of their own."""

from __future__ import annotations

import json
import subprocess
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

import pytest

from kharness.ops.release.verification import verify_in_place
from kharness.plan.release.verification import collected_record, finished_record
from tests.ops.world import World

PASSED = {"$report_type": "TestReport", "nodeid": "test_web.py::test_a", "outcome": "passed", "when": "call"}
FAILED = {**PASSED, "outcome": "failed"}
WHOLE = [collected_record(1, ()), PASSED, finished_record()]
EARLY = "the in-production tests ended with status 0 before they were over:\n1 passed"


@pytest.mark.parametrize(
    ("status", "records", "reasons"),
    [
        (0, WHOLE, ()),
        (5, [collected_record(0, ()), finished_record()], ()),
        (0, [], (EARLY,)),
        (0, WHOLE[:2], (EARLY,)),
        (1, [WHOLE[0], FAILED, WHOLE[2]], ("test_web.py::test_a failed in production", "1 passed")),
        (4, [], ("the in-production tests ended with status 4:\n1 passed",)),
    ],
)
def test_they_run_in_their_own_project_and_what_they_recorded_counts(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    records: list[dict[str, Any]],
    reasons: tuple[str, ...],
) -> None:
    ran: list[list[str]] = []
    environments: list[dict[str, str]] = []

    class Ended(nullcontext[None]):
        """A process of pytest that has recorded this, and ended with that status."""

        def __init__(self, command: list[str], *, env: dict[str, str], **_: object) -> None:
            super().__init__()
            ran.append(command)
            environments.append(env)
            (place,) = (word.partition("=")[2] for word in command if word.startswith("--kharness-reports="))
            # The last line is one that a killed process has not finished.
            Path(place).write_text("".join(f"{json.dumps(record)}\n" for record in records) + '{"$rep')
            self.stdout = ["1 passed"]

        def __enter__(self) -> Self:  # type: ignore[override]
            return self

        def wait(self) -> int:
            return status

    monkeypatch.setattr(subprocess, "Popen", Ended)
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k nothing")
    world.add("web")
    harness = world.harness()
    assert verify_in_place(harness, world.directory("web")) == reasons
    command = ran[0]
    # Another project's configuration may lie above, and what narrows this session is not for that one.
    assert command[command.index("--rootdir") + 1] == str(harness.folder or world.directory("web").source_path)
    assert {"--in-prod", "--kharness-tests-alone"} <= {*command}
    assert "PYTEST_ADDOPTS" not in environments[0]
