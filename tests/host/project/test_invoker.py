"""Who has run kharness by sudo, and where their volumes are."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest

from kharness.host.project.invoker import Invoker, invoker_of
from kharness.settings.host import HostSettings

SUDO = {"SUDO_UID": "1000"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of `ann`, whose uid is 1000 and for whom this process is root."""
    found = SimpleNamespace(pw_name="ann", pw_dir=str(tmp_path))
    known = {1000: found}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: known[uid])
    return tmp_path


def config(home: Path, text: str) -> None:
    file = home / ".config" / "kharness" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text)


def test_their_volumes_are_below_their_home(home: Path) -> None:
    expected = Invoker(user="ann", volume_root=home / ".local/share/kharness/dv")
    assert invoker_of(HostSettings(), folder=None, environ=SUDO) == expected


def test_their_own_configuration_counts(home: Path) -> None:
    config(home, 'dv = "/srv/ann"\n')
    assert invoker_of(HostSettings(), folder=None, environ=SUDO) == Invoker(user="ann", volume_root=Path("/srv/ann"))


def test_what_cannot_be_read_of_theirs_leaves_the_default(home: Path) -> None:
    config(home, "dv = 3\n")
    found = invoker_of(HostSettings(), folder=None, environ=SUDO)
    assert found is not None
    assert found.volume_root == home / ".local/share/kharness/dv"


@pytest.mark.parametrize("environ", [{}, {"SUDO_UID": "0"}, {"SUDO_UID": "4242"}, {"SUDO_UID": "ann"}])
def test_without_a_user_who_is_known_there_is_none(home: Path, environ: dict[str, str]) -> None:
    assert invoker_of(HostSettings(), folder=None, environ=environ) is None
    assert home.is_dir()


def test_a_volume_root_that_is_set_holds_for_both(home: Path) -> None:
    assert invoker_of(HostSettings(dv=home), folder=None, environ=SUDO) is None


def test_who_is_not_root_has_borrowed_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert invoker_of(HostSettings(), folder=home, environ=SUDO) is None
