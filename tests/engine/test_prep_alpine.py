"""The hardening script on a real Alpine: every claim that the base's own tests make of it, on another root."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from tests.conftest import no_engine
from tests.engine.alpine import MissingError, alpine_root

PROJECT = Path(__file__).parents[2]
CLAIMS = sorted((PROJECT / "containers" / "kcore-baseline").glob("test_prep*.py"))


@pytest.fixture
def alpine(request: pytest.FixtureRequest, engine: Engine, prefix: str, tmp_path: Path) -> Iterator[str]:
    """An image with Alpine's root file system. What is missing for it skips, or fails under --require-engine."""
    try:
        archive = alpine_root(tmp_path)
    except MissingError as error:
        no_engine(request, str(error))
    reference = f"{prefix}/alpine:1"
    engine.import_image([archive.read_bytes()], reference)
    yield reference
    engine.remove_image(reference, force=True)


def test_every_claim_about_hardening_holds_on_alpine(alpine: str) -> None:
    line = [sys.executable, "-m", "pytest", "-p", "no:kharness", "-p", "no:cacheprovider", *map(str, CLAIMS)]

    done = subprocess.run(
        line, cwd=PROJECT, env={**os.environ, "KCORE_ROOT": alpine}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed in " in done.stdout
    assert "skipped" not in done.stdout
