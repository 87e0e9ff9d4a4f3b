"""Which project container directories belong to, from all that may name it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.errors import SettingsError
from kharness.settings.project import Project, derived, find_project, is_project, project_of


def table(folder: Path, text: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(f"[tool.kharness]\n{text}\n")
    return folder


@pytest.mark.parametrize(
    ("folder", "name"),
    [("shop", "shop"), ("Shop v2.1", "shopv21"), ("_x-y_", "x-y_"), ("-9", "9"), ("Проект", ""), ("...", "")],
)
def test_a_folder_s_name_becomes_a_project_s_as_compose_derives_it(folder: str, name: str) -> None:
    assert derived(folder) == name


def test_the_nearest_table_above_names_the_project(tmp_path: Path) -> None:
    shop = table(tmp_path / "My Shop")
    below = shop / "containers" / "web"
    below.mkdir(parents=True)
    found = find_project(folder=below, said="of-the-host", environ={}, source_paths=())
    assert found == Project(name="myshop", path=shop)
    table(shop, 'project = "store"')
    assert find_project(folder=below, said=None, environ={}, source_paths=()).name == "store"


def test_a_variable_names_the_project_of_whatever_folder(tmp_path: Path) -> None:
    shop = table(tmp_path / "shop", 'project = "store"')
    environ = {"KHARNESS_PROJECT": "trial"}
    assert find_project(folder=shop, said="trial", environ=environ, source_paths=()) == Project(name="trial", path=shop)


def test_from_elsewhere_the_project_is_that_of_the_first_source_path(tmp_path: Path) -> None:
    shop = table(tmp_path / "shop")
    paths = (shop / "containers", tmp_path / "private")
    assert find_project(folder=None, said=None, environ={}, source_paths=paths) == Project(name="shop", path=shop)


@pytest.mark.parametrize(("said", "name"), [(None, "ktools"), ("home", "home")])
def test_a_source_path_outside_of_any_project_has_the_host_s_name_or_the_usual_one(
    tmp_path: Path, said: str | None, name: str
) -> None:
    found = find_project(folder=tmp_path, said=said, environ={}, source_paths=(tmp_path / "c",))
    assert found == Project(name=name, path=tmp_path / "c")


@pytest.mark.parametrize(
    ("folder", "text", "message"),
    [
        (
            "shop",
            'project = "My Shop"',
            "tool.kharness.project: should be a project's name such as shop.*not 'My Shop'",
        ),
        ("shop", "project = 3", "not 3"),
        ("Проект", "", "tool.kharness.project: should name the project: nothing of 'Проект' can be its name"),
    ],
)
def test_what_cannot_be_a_name_is_refused_with_its_place(tmp_path: Path, folder: str, text: str, message: str) -> None:
    shop = table(tmp_path / folder, text)
    with pytest.raises(SettingsError, match=message) as caught:
        find_project(folder=shop, said=None, environ={}, source_paths=())
    assert str(shop / "pyproject.toml") in str(caught.value)


def test_a_folder_is_a_project_by_its_table_or_its_container_directories(tmp_path: Path) -> None:
    assert not is_project(tmp_path)
    assert not is_project(tmp_path / "gone")
    assert is_project(table(tmp_path / "shop"))
    (tmp_path / "plain" / "web").mkdir(parents=True)
    (tmp_path / "plain" / "web" / "settings.yaml").write_text("")
    assert is_project(tmp_path / "plain")
    assert project_of(tmp_path / "plain") is None


def test_a_folder_that_cannot_be_looked_at_still_is_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(tmp_path / "shop")

    def stat(path: Path, *, follow_symlinks: bool = True) -> None:
        raise PermissionError(13, "Permission denied", f"{path} {follow_symlinks}")

    monkeypatch.setattr(Path, "stat", stat)
    assert is_project(tmp_path / "shop")
