"""The volume root is recorded when it is first used, and nothing is made in another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.ops.doctor.examine import examine
from kharness.ops.relaunch import relaunch
from kharness.ops.session import TestSession
from kharness.ops.volumeroot import accept_volume_root, check_volume_root, recorded_root
from kharness.plan.facts import ImageFacts
from kharness.plan.modes import Mode
from tests.ops.releases import Production
from tests.ops.world import REMOTE, World

Running = tuple[Production, ImageFacts]


def other_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kharness.ops.volumeroot.filesystem_id", lambda _path: "fsid:0bad")


def test_the_first_launch_records_the_root_that_it_makes(web: Production) -> None:
    assert recorded_root(web.world.harness()) is None
    assert not web.world.volume_root.exists()
    assert web.launch(web.image("1")).kind == "launched"
    found = recorded_root(web.world.harness())
    assert found is not None
    assert found.path == str(web.world.volume_root)
    assert found.filesystem
    check_volume_root(web.world.harness())


def test_a_launch_without_volumes_records_nothing_and_needs_no_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = Production(tmp_path / "web", "release: {verify_for: 0s}\n")
    web.world.volume_root.mkdir()
    assert web.launch(web.image("1")).kind == "launched"
    assert recorded_root(web.world.harness()) is None
    accept_volume_root(web.world.harness())
    other_disk(monkeypatch)
    assert web.launch(web.image("2")).kind == "launched"


def refused(web: Production, said: str) -> None:
    """See that neither a launch nor a relaunch makes or changes anything."""
    before, there = web.snapshot(), web.world.volume_root.exists()
    made = sorted(web.world.volume_root.rglob("*")) if there else []
    web.forget()
    with pytest.raises(HostError, match=said):
        web.launch(web.image("next"))
    with pytest.raises(HostError, match=said):
        relaunch(web.world.harness(), web.world.directory("web"))
    assert web.changes() == ()
    assert web.snapshot() == before
    assert web.world.volume_root.exists() == there
    assert (sorted(web.world.volume_root.rglob("*")) if there else []) == made


def test_a_root_that_is_missing_is_refused_and_not_made(running: Running) -> None:
    web, _ = running
    web.world.volume_root.rename(web.world.path / "unmounted")
    refused(web, r"is not there now: the disk is probably not mounted; mount it, or, if it is meant, say 'kharness")


def test_an_empty_directory_on_another_file_system_is_refused_and_stays_empty(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    web, _ = running
    web.world.volume_root.rename(web.world.path / "unmounted")
    web.world.volume_root.mkdir()
    other_disk(monkeypatch)
    refused(web, r"is an empty directory on fsid:0bad now: the disk is probably not mounted")


def test_another_disk_in_its_place_is_refused_until_it_is_accepted(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    web, _ = running
    other_disk(monkeypatch)
    refused(web, r"is on fsid:0bad now: another disk was probably mounted there")
    assert accept_volume_root(web.world.harness()).filesystem == "fsid:0bad"
    assert web.launch(web.image("3")).kind == "launched"


def test_another_path_in_the_configuration_is_refused_with_both(running: Running, tmp_path: Path) -> None:
    web, _ = running
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(HostError, match=rf"should be {web.world.volume_root}, as it was .* and 'dv' says {other}"):
        web.launch(web.image("3"), dv=other)
    assert list(other.iterdir()) == []


def test_copies_for_tests_are_not_made_from_another_root(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    web, image = running
    other_disk(monkeypatch)
    subject = web.world.subject("web", image)
    session = TestSession(web.world.harness(), session="s1", mode=Mode.PROD_READY)
    with pytest.raises(HostError, match="another disk was probably mounted there"):
        session.launch(subject)
    session.close()
    assert not session.scratch_root.exists()
    alone = TestSession(web.world.harness(), session="s2", mode=Mode.STANDALONE)
    assert alone.launch(subject).name == "web"
    alone.close()


def test_a_root_that_is_not_there_cannot_be_accepted(web: Production) -> None:
    with pytest.raises(HostError, match="should be a directory, to be the volume root"):
        accept_volume_root(web.world.harness())


def test_an_engine_elsewhere_has_no_root_of_this_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World.create(tmp_path / "far", facts=REMOTE)
    world.volume_root.mkdir()
    accept_volume_root(world.harness())
    other_disk(monkeypatch)
    check_volume_root(world.harness())


def test_the_doctor_says_what_the_root_was_and_how_to_mend_it(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    web, _ = running
    (found,) = (each for each in examine(web.world.harness()) if each.what == "volume root")
    assert found.good
    other_disk(monkeypatch)
    (found,) = (each for each in examine(web.world.harness()) if each.what == "volume root")
    assert not found.good
    assert "is on fsid:0bad now" in found.said
    assert found.mend == "mount the disk, or 'kharness volumes --accept-root'"
