"""A project that knows nothing of containers, in an environment where kharness is installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.bench.fleet import QUIET
from tests.bench.timing import Command


def unrelated(directory: Path) -> dict[str, Command]:
    """Make the project; return pytest in it, with the plugin and without."""
    (directory / "test_trivial.py").write_text("def test_that_one_and_one_is_two():\n    assert 1 + 1 == 2\n")
    (directory / "pytest.ini").write_text("[pytest]\n")
    environ = {key: value for key, value in os.environ.items() if not key.startswith(QUIET)}
    plain = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    return {
        "without": Command(argv=(*plain, "-p", "no:kharness"), cwd=directory, environ=environ),
        "with": Command(argv=plain, cwd=directory, environ=environ),
    }
