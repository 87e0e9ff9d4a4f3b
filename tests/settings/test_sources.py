"""What is read without the models is what they read."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.errors import SettingsError
from kharness.settings.host import HostSettings, load_host_settings
from kharness.settings.sources import KEYS, Glance, glance

NOWHERE = Path("/never/config.toml")


def look(tmp_path: Path, project: str = "", user: str = "", **environ: str) -> Glance | None:
    write(tmp_path, project, user)
    return glance(project=tmp_path, environ=environ, user_file=tmp_path / "user.toml", system_file=NOWHERE)


def read(tmp_path: Path, **environ: str) -> HostSettings:
    return load_host_settings(project=tmp_path, environ=environ, user_file=tmp_path / "user.toml", system_file=NOWHERE)


def write(tmp_path: Path, project: str, user: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.kharness]\n{project}\n")
    (tmp_path / "user.toml").write_text(user)


@pytest.mark.parametrize(
    ("project", "user", "environ"),
    [
        ("", "", {}),
        ('source_paths = ["a", "/b"]', 'source_paths = ["c"]\nrepository = "ours"', {}),
        ('state_dir = "s"', 'state_dir = "/t"\nproject = "p"', {}),
        ("", 'state_dir = "t"', {"KTOOLS_STATE_DIR": "u"}),
        ("", 'engine = "ssh://far"', {"KHARNESS_REPOSITORY": "x/y"}),
        ('repository = "a"\nready_timeout = 3\n[tool.kharness.networks.lan]', "", {"KTOOLS_D_SRC_DIR": "/q:/r"}),
        ('engine = "unix:///x"', "", {"KHARNESS_ENGINE": "tcp://far:1", "KTOOLS_ENGINE": "tcp://near:1"}),
    ],
)
def test_it_says_what_the_models_say(tmp_path: Path, project: str, user: str, environ: dict[str, str]) -> None:
    found = look(tmp_path, project, user, **environ)
    host = read(tmp_path, **environ)
    assert found == Glance(
        state_dir=host.state_dir,
        source_paths=host.source_paths,
        project=host.project,
        repository=host.repository,
        engine=host.engine,
    )


@pytest.mark.parametrize(
    ("project", "environ"),
    [
        ("sorce_paths = []", {}),
        ('repository = "Not So"', {}),
        ("repository = 3", {}),
        ('engine = "nonsense"', {}),
        ("", {"KHARNESS_ENGINE": "nonsense"}),
        ("state_dir = 3", {}),
    ],
)
def test_what_is_wrong_is_left_to_the_models_which_tell_it(
    tmp_path: Path, project: str, environ: dict[str, str]
) -> None:
    assert look(tmp_path, project, **environ) is None
    with pytest.raises(SettingsError):
        read(tmp_path, **environ)


def test_source_paths_that_are_none_and_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    for broken in ("source_paths = 3", "x ="):
        with pytest.raises(SettingsError, match=r"pyproject\.toml"):
            look(tmp_path, broken)


def test_it_knows_all_keys() -> None:
    assert HostSettings.model_fields.keys() == KEYS
