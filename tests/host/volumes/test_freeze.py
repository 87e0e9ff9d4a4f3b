"""A container that a dead process stopped is found again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.session.owner import current_owner
from kharness.host.volumes.freeze import Standstill, abandoned, forget, note

HELD = Standstill("abc", "pause")


def test_what_a_dead_owner_holds_is_abandoned_until_it_is_forgotten(tmp_path: Path) -> None:
    here = current_owner()
    dead = replace(here, boot="an earlier boot")
    note(tmp_path / "frozen", HELD, dead)
    note(tmp_path / "frozen", Standstill("def", "stop"), here)
    assert list(abandoned(tmp_path / "frozen", here)) == [HELD]
    forget(tmp_path / "frozen", "abc")
    forget(tmp_path / "frozen", "abc")
    assert not list(abandoned(tmp_path / "frozen", here))


def test_a_damaged_record_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    assert not list(abandoned(tmp_path, current_owner()))
    assert not list(abandoned(tmp_path / "never", current_owner()))


def test_a_record_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match=r"file/abc.json: cannot be written"):
        note(tmp_path / "file", HELD, current_owner())
