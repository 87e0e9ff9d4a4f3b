"""The projects that a state directory knows: new, moved, and two of one name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kharness.errors import StateError, UsageError
from kharness.host.project.projects import Registered, others, register, registered, take_name
from kharness.settings.project import Project


def folder(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "pyproject.toml").write_text("[tool.kharness]\n")
    return path


def shop(path: Path) -> Project:
    return Project(name="shop", path=path)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_a_new_project_has_its_name_and_path_and_nothing_is_written(state: Path, tmp_path: Path) -> None:
    assert registered(state, shop(tmp_path)) == Registered(name="shop", path=str(tmp_path))
    assert not state.exists()


def test_what_was_written_is_read_again(state: Path, tmp_path: Path) -> None:
    known = Registered(name="shop", path=str(tmp_path), repository="r", dv="/dv", source_paths=("/a",), engines=("e",))
    register(state, known)
    assert registered(state, shop(tmp_path)) == known
    (file,) = (state / "projects").iterdir()
    before = file.stat().st_mtime_ns
    register(state, known)
    assert file.stat().st_mtime_ns == before


def test_a_moved_project_is_recognized_and_remembers_where_it_was(state: Path, tmp_path: Path) -> None:
    old = folder(tmp_path / "old")
    register(state, Registered(name="shop", path=str(old), inherited="ktools"))
    new = tmp_path / "new"
    shutil.move(old, new)
    found = registered(state, shop(new))
    assert (found.path, found.former, found.inherited) == (str(new), (str(old),), "ktools")
    assert found.folders == {str(old), str(new)}


def test_two_folders_of_one_name_are_refused_with_both_and_the_command_that_settles_it(
    state: Path, tmp_path: Path
) -> None:
    one, two = folder(tmp_path / "one"), folder(tmp_path / "two")
    register(state, Registered(name="shop", path=str(one)))
    with pytest.raises(UsageError) as caught:
        registered(state, shop(two))
    assert str(caught.value) == (
        f"project 'shop': two folders have this name: {one} and {two}; set another name in one of them "
        f"([tool.kharness] project in pyproject.toml), or, if {two} takes the place of {one}, run "
        "'kharness project --take' there"
    )
    take_name(state, shop(two))
    assert registered(state, shop(two)).folders == {str(one), str(two)}
    with pytest.raises(UsageError, match=f"{two} and {one}"):
        registered(state, shop(one))


def test_the_others_are_those_that_still_are_projects(state: Path, tmp_path: Path) -> None:
    for name, path in (("a", folder(tmp_path / "a")), ("b", folder(tmp_path / "b")), ("gone", tmp_path / "gone")):
        register(state, Registered(name=name, path=str(path)))
    assert [each.name for each in others(state, "a")] == ["b"]
    assert [each.name for each in others(state, "shop")] == ["a", "b"]


@pytest.mark.parametrize("text", ["{", "[]", '{"name": "shop"}', '{"name": "shop", "path": "/x", "later": 1}'])
def test_what_cannot_be_understood_is_not_overwritten(state: Path, tmp_path: Path, text: str) -> None:
    (state / "projects").mkdir(parents=True)
    (state / "projects" / "shop.json").write_text(text)
    with pytest.raises(StateError, match=r"shop\.json: should be what kharness knows of a project"):
        registered(state, shop(tmp_path))


def test_it_is_on_the_disk_before_it_has_its_name(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    monkeypatch.setattr("os.fsync", lambda _: synced.append((state / "projects" / "shop.json").exists()))
    register(state, Registered(name="shop", path=str(tmp_path)))
    assert (synced, (state / "projects" / "shop.json").exists()) == ([False], True)
