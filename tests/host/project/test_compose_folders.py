"""Which Compose projects a command knows, without reading their files."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.host.project.compose_folders import known_projects, name_of, project_here
from kharness.host.project.projects import Registered, register
from kharness.settings.compose.folder import ComposeFolder, compose_folder


def _project(path: Path, text: str = "services: {}\n") -> ComposeFolder:
    path.mkdir(parents=True)
    (path / "compose.yaml").write_text(text)
    found = compose_folder(path)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "dotenv", "environ", "name"),
    [
        ("services: {}\n", "", {}, "my-shop"),
        ("name: store\n", "", {}, "store"),
        ("name: 'store' # of the town\n", "", {}, "store"),
        ("services:\n  web:\n    name: no\n", "", {}, "my-shop"),
        ("name: store\n", "A=1\nexport COMPOSE_PROJECT_NAME=stage\n", {}, "stage"),
        ("name: store\n", "COMPOSE_PROJECT_NAME=stage\n", {"COMPOSE_PROJECT_NAME": "mine"}, "mine"),
    ],
)
def test_a_project_has_the_name_that_compose_gives_it(
    tmp_path: Path, text: str, dotenv: str, environ: dict[str, str], name: str
) -> None:
    folder = _project(tmp_path / "My-Shop!", text)
    if dotenv:
        (folder.path / ".env").write_text(dotenv)
    assert name_of(folder, environ) == name


def test_projects_come_from_source_paths_the_configuration_and_earlier_commands(tmp_path: Path) -> None:
    _project(tmp_path / "containers" / "below")
    _project(tmp_path / "stacks" / "said")
    _project(tmp_path / "used")
    for gone in ("used", "gone"):
        register(tmp_path / "state", Registered(name=gone, path=str(tmp_path / gone)))
    found = known_projects(
        here=None,
        environ={},
        source_paths=[tmp_path / "containers", tmp_path / "missing"],
        said=[tmp_path / "stacks" / "*", tmp_path / "used"],
        state_dir=tmp_path / "state",
    )
    assert [each.name for each in found] == ["below", "said", "used"]


def test_a_container_directory_with_a_compose_file_is_no_project(tmp_path: Path) -> None:
    folder = _project(tmp_path / "containers" / "web")
    (folder.path / "settings.yaml").write_text("image: x\n")
    found = known_projects(
        here=project_here(folder.path, {}),
        environ={},
        source_paths=[tmp_path / "containers"],
        said=[],
        state_dir=tmp_path / "state",
    )
    assert found == ()


def test_a_folder_of_container_directories_that_was_used_is_no_compose_project(tmp_path: Path) -> None:
    folder = _project(tmp_path / "tools")
    (folder.path / "pyproject.toml").write_text("[tool.kharness]\n")
    register(tmp_path / "state", Registered(name="tools", path=str(folder.path)))
    assert known_projects(here=None, environ={}, source_paths=[], said=[], state_dir=tmp_path / "state") == ()
