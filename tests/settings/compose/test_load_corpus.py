"""Projects in the shapes that people publish are read as Compose reads them; see `answers.py` for the exceptions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.compose.answers import DIFFERENT, committed, differences, ours, projects

FEWEST = 60


@pytest.mark.parametrize("folder", projects(), ids=lambda folder: folder.name)
def test_a_project_of_the_corpus_is_read_as_compose_reads_it(folder: Path) -> None:
    found = dict(differences(committed(folder), ours(folder)))
    expected = {place for project, place in DIFFERENT if project == folder.name}
    assert found.keys() == expected, found


def test_the_corpus_is_as_broad_as_it_should_be() -> None:
    assert len(projects()) >= FEWEST
