"""Units that systemd accepts, and files of other people that stay."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath

import pytest

from kharness.errors import HostError, UsageError
from kharness.host.machine.systemd import install_units, problems_of, remove_units
from kharness.plan.host import MARK, Names, units

NAMES = Names("shop")
COMMAND = ["/bin/true", "-m", "kharness"]


def made(directory: str = "/", **environment: str) -> dict[str, str]:
    return units(COMMAND, project="shop", directory=PurePosixPath(directory), environment=environment)


def test_they_recover_at_boot_and_on_a_timer_and_then_start_what_starts_with_the_host() -> None:
    found = made("/srv/containers", KTOOLS_D_SRC_DIR="/srv/a b")
    assert "OnBootSec=" in found["kharness-shop-recover.timer"]
    assert "OnUnitInactiveSec=" in found["kharness-shop-recover.timer"]
    assert f"After=docker.service {NAMES.recover}" in found[NAMES.up]
    assert "ExecStart=/bin/true -m kharness recover" in found[NAMES.recover]
    # One broken container keeps no other service of the host down.
    assert "ExecStart=/bin/true -m kharness up-all --keep-going" in found[NAMES.up]
    for unit in (NAMES.recover, NAMES.up):
        assert "WorkingDirectory=/srv/containers" in found[unit]
        assert 'Environment="KTOOLS_D_SRC_DIR=/srv/a b"' in found[unit]
    assert all("[Install]" in found[name] for name in NAMES.enabled)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong_with_them(tmp_path: Path) -> None:
    directory = tmp_path / "100% of it"
    directory.mkdir()
    found = made(str(directory), KTOOLS_D_SRC_DIR='a "quoted" $HOME \\ 5% path')
    install_units(found, directory=tmp_path)
    assert problems_of([tmp_path / name for name in found]) == ()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_what_is_wrong_with_a_unit_is_told(tmp_path: Path) -> None:
    path = tmp_path / "kharness-up.service"
    path.write_text("[Service]\nExecStart=/nowhere/kharness up-all\n")
    (problem, *_) = problems_of([path])
    assert "/nowhere/kharness" in problem


def test_they_are_written_again_and_removed_without_a_trace(tmp_path: Path) -> None:
    for text in ("one", "two"):
        install_units(made(A=text), directory=tmp_path)
    assert "A=two" in (tmp_path / NAMES.up).read_text()
    assert len(remove_units(list(made()), directory=tmp_path)) == 3
    assert list(tmp_path.iterdir()) == []
    assert remove_units(list(made()), directory=tmp_path) == ()


def test_a_unit_that_somebody_else_wrote_is_left_alone_and_nothing_is_written(tmp_path: Path) -> None:
    theirs = tmp_path / NAMES.up
    theirs.write_text("[Unit]\nDescription=mine\n")
    for act in (
        lambda: install_units(made(), directory=tmp_path),
        lambda: remove_units([NAMES.up], directory=tmp_path),
    ):
        with pytest.raises(UsageError, match="was not written by kharness, and is left alone"):
            act()
    assert list(tmp_path.iterdir()) == [theirs]
    assert MARK not in theirs.read_text()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot be written: No such file or directory"):
        install_units(made(), directory=tmp_path / "none")
