"""The script that kills releases, in small: every step, and a few random moments."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kharness.plan.release.steps import Strategy, plan_rollout
from tests.engine.daemons import why_not
from tests.plan.release.test_steps import DATA, LAUNCH, OLD

SCRIPT = Path(__file__).with_name("main.py")
STEPS = plan_rollout(Strategy.RECREATE, OLD, replace(LAUNCH, data=DATA))
"""What every release of a container with a snapshot of its data goes through."""


def soak(*args: str) -> str:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *args], capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.usefixtures("engine")
def test_a_release_that_is_killed_at_any_step_loses_nothing() -> None:
    # At others each time; all of them take minutes.
    said = soak("--steps", "--every", "6")
    steps = re.search(r"a release has \d+ steps: (.*)", said)
    assert steps is not None
    wanted = {"begin", "stop", "snapshot make_copy", "snapshot rename", "rename", "start", "decide", "remove", "end"}
    assert wanted | {f"do {step.act}" for step in STEPS} <= set(steps[1].split(", "))
    assert said.splitlines()[-1].endswith("0 losses")


@pytest.mark.usefixtures("engine")
def test_a_release_that_is_killed_at_random_moments_loses_nothing() -> None:
    last = soak("--kills", "8").splitlines()[-1]
    assert last.startswith("8 kills")
    assert last.endswith("0 losses")


@pytest.mark.usefixtures("engine")
def test_every_byte_in_volumes_of_every_kind_outlives_releases_and_kills() -> None:
    last = soak("--keeping", "6").splitlines()[-1]
    assert last.endswith("28 lines written, 0 losses")


@pytest.mark.usefixtures("engine")
def test_an_engine_that_is_killed_at_any_step_of_a_release_loses_nothing() -> None:
    if reason := why_not():
        pytest.skip(reason)
    last = soak("--daemon").splitlines()[-1]
    assert last.endswith("0 losses")


@pytest.mark.usefixtures("engine")
def test_nothing_of_another_project_is_changed_whatever_is_killed() -> None:
    last = soak("--neighbours", "10").splitlines()[-1]
    assert last.startswith("10 commands")
    assert last.endswith("0 losses")
