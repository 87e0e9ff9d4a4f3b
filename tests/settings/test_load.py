"""A container directory's settings file on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.errors import Problem, SettingsError
from kharness.settings.load import load_settings, settings_of


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


def test_a_program_gives_keys_without_a_file() -> None:
    said = {"image": "nginx:1.27", "command": ["echo", "$HOME"], "volumes": ["./a:/a"], "mem_limit": None}
    settings = settings_of(said, file=Path("settings of x"), has_dockerfile=False)
    assert settings.command == ("echo", "$HOME")
    assert settings.mem_limit is None


def test_what_a_program_gives_wrongly_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        settings_of({"prots": [80], "read_only": "x"}, file=Path("settings of x"), has_dockerfile=False)
    assert str(caught.value).splitlines() == [
        "settings of x: read_only: should be true or false, not 'x'",
        "settings of x: prots: unknown key, did you mean 'ports'?",
        "settings of x: image: is required, because there is no Dockerfile beside settings.yaml to build",
    ]
