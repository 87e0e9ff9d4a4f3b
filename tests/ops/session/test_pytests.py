"""A session runs with the configuration of the project that a command is called in."""

from __future__ import annotations

from pathlib import Path

import pytest
from _pytest.config.findpaths import locate_config

from kharness.host.project.test_files import pytest_ini
from kharness.ops.session.pytests import place_of
from kharness.plan.session.modes import Place
from kharness.settings.catalog import ContainerDir

FILES = {
    "pytest.toml": ["", "[pytest]\n"],
    ".pytest.toml": ["", "[pytest]\n"],
    "pytest.ini": ["", "[pytest]\n"],
    ".pytest.ini": ["", "[pytest]\n"],
    "pyproject.toml": ["[tool.kharness]\n", "[tool.pytest.ini_options]\naddopts = ''\n"],
    "tox.ini": ["[tox]\n", "[pytest]\nx = %(y)\n"],
    "setup.cfg": ["[metadata]\n", "[tool:pytest]\n"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in FILES.items() for text in texts])
def test_the_ini_file_is_the_one_that_pytest_takes(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "setup.cfg").write_text("[tool:pytest]\n")
    (tmp_path / name).write_text(text)
    assert pytest_ini(tmp_path) == locate_config(tmp_path, [tmp_path])[1]


def test_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    for text in ("[broken", "tool = 3"):
        (tmp_path / "pyproject.toml").write_text(text)
        assert pytest_ini(tmp_path) is None
    (tmp_path / "tox.ini").write_bytes(b"\xff\n= [")
    assert pytest_ini(tmp_path) is None


def test_where_pytest_begins(tmp_path: Path) -> None:
    project, other = tmp_path / "project", tmp_path / "other"
    for source in (project / "containers", other):
        (source / "web").mkdir(parents=True)
    (project / "pytest.ini").touch()
    inside = ContainerDir("web", project / "containers" / "web", project / "containers")
    outside = ContainerDir("web", other / "web", other)
    assert place_of(inside, project=project) == Place(root=project)
    assert place_of(outside, project=project) == Place(root=project, ini=project / "pytest.ini")
    assert place_of(inside, project=None) == Place(root=project / "containers")
