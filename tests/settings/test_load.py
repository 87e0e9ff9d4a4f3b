"""A container directory's settings file on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.errors import Problem, SettingsError
from kharness.settings.load import load_settings


def directory(parent: Path, name: str = "web", **files: str) -> Path:
    path = parent / name
    path.mkdir()
    for file, text in files.items():
        (path / file.replace("settings", "settings.yaml")).write_text(text)
    return path


def test_a_directory_with_a_dockerfile_needs_no_image(tmp_path: Path) -> None:
    settings = load_settings(directory(tmp_path, settings="ports: [80]", Dockerfile="FROM scratch"))
    assert settings.image is None
    assert settings.ports[0].target == 80


def test_a_directory_s_name_that_is_too_long_for_a_host_s_needs_another_host_name(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 65)
    path.mkdir()
    (path / "settings.yaml").write_text("image: nginx:1.27\n")
    with pytest.raises(
        SettingsError, match="hostname: should be set, because the directory's name, its default, has 65"
    ):
        load_settings(path)
    (path / "settings.yaml").write_text("image: nginx:1.27\nhostname: short\n")
    assert load_settings(path).hostname == "short"


def test_a_directory_without_a_dockerfile_names_its_image(tmp_path: Path) -> None:
    assert load_settings(directory(tmp_path, settings="image: nginx:1.27")).image == "nginx:1.27"


def test_a_problem_names_file_and_key(tmp_path: Path) -> None:
    path = directory(tmp_path, settings="ports: [80, http]\nimage: x")
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    message = "should be a port, or [HOST_IP:][PUBLISHED:]TARGET[/PROTOCOL], not 'http'"
    assert caught.value.problems == (Problem(path / "settings.yaml", "ports[1]", message),)
    assert str(caught.value) == f"{path}/settings.yaml: ports[1]: {message}"


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(directory(tmp_path))
    assert str(caught.value) == f"{tmp_path}/web/settings.yaml: cannot be read: No such file or directory"


@pytest.mark.parametrize("name", ["Web", "web site", "web-", "_web", "wéb", "w"])
def test_the_directory_s_name_must_do_for_an_image(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(directory(tmp_path, name, settings="image: x"))
    assert str(caught.value) == (
        f"{tmp_path}/{name}/settings.yaml: the directory's name is the image's, it should be at least two "
        f"lower-case letters or digits, with '-', '.' or '_' only between them, not '{name}'"
    )


@pytest.mark.parametrize("name", ["web", "web2", "web-site", "web_site.v2", "a--b"])
def test_names_of_images_are_names_of_directories(tmp_path: Path, name: str) -> None:
    assert load_settings(directory(tmp_path, name, settings="image: x")).image == "x"


def test_the_current_directory_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(directory(tmp_path, settings="image: x"))
    assert load_settings(Path()).image == "x"
