"""A directory in which jobs are run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host.fleet.yard import Yard


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path / "output" / "up-all")
