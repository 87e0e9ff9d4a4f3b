"""Compose itself, where KHARNESS_COMPOSE names its binary: what is committed is its answer, and it refuses what we do.

The tests of hosts name the one of Debian; `KHARNESS_COMPOSE_EXAMPLES` is how many projects are generated.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, seed, settings

from tests.settings.compose.answers import ANSWER, asked, committed, differences, ours, projects, theirs
from tests.settings.compose.generated import PROJECTS
from tests.settings.compose.test_load_refused import REFUSED

COMPOSE = os.environ.get("KHARNESS_COMPOSE", "")
EXAMPLES = int(os.environ.get("KHARNESS_COMPOSE_EXAMPLES", "200"))
pytestmark = [
    pytest.mark.hosts,
    pytest.mark.skipif(not COMPOSE, reason="KHARNESS_COMPOSE names no docker-compose"),
]


@pytest.mark.parametrize("folder", projects(), ids=lambda folder: folder.name)
def test_a_committed_answer_is_that_of_compose(folder: Path) -> None:
    done = asked(COMPOSE, folder)
    assert done.returncode == 0, done.stderr
    assert list(differences(theirs(done.stdout, str(folder)), committed(folder))) == [], ANSWER


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_compose_refuses_what_is_refused_here(text: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(text)
    assert asked(COMPOSE, tmp_path).returncode != 0


@pytest.mark.timeout(1800)
@seed(240)
@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(PROJECTS)
def test_a_generated_project_is_read_as_compose_reads_it(text: str) -> None:
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "generated")
        folder.mkdir()
        (folder / "compose.yaml").write_text(text)
        done = asked(COMPOSE, folder)
        assert done.returncode == 0, f"{done.stderr}\n{text}"
        assert list(differences(theirs(done.stdout, str(folder)), ours(folder))) == [], text
