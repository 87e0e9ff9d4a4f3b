"""The volume root is recorded when it is first used, and nothing is made in another one."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from kharness.errors import HostError, UsageError
from kharness.host.project.invoker import Invoker
from kharness.ops.host.doctor import examine
from kharness.ops.release.relaunch import relaunch
from kharness.ops.session.session import TestSession
from kharness.ops.volumes.prep import shift_owners
from kharness.ops.volumes.root import accept_volume_root, as_root, check_volume_root, recorded_root
from kharness.plan.facts import ImageFacts
from kharness.plan.session.modes import Mode
from tests.ops.releases import Production
from tests.ops.world import REMOTE, World

Running = tuple[Production, ImageFacts]


def other_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kharness.ops.volumes.root.filesystem_id", lambda _path: "fsid:0bad")


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


def test_under_sudo_another_root_than_the_users_is_refused_until_one_is_set(web: Production, tmp_path: Path) -> None:
    theirs = tmp_path / "home" / ".local" / "share" / "kharness" / "dv"
    harness = replace(web.world.harness(), invoker=Invoker(user="ann", volume_root=theirs))
    # Who runs everything by sudo has no other one.
    check_volume_root(harness)
    theirs.mkdir(parents=True)
    with pytest.raises(HostError) as error:
        check_volume_root(harness)
    ours = web.world.volume_root
    assert str(error.value) == (
        f"{ours}: is the volume root under sudo, and {theirs} is that of ann, who runs this: set the one that holds "
        "for both as 'dv' in /etc/kharness/config.toml, or run 'sudo KHARNESS_DV=PATH kharness ...'"
    )
    check_volume_root(replace(web.world.harness(dv=theirs), invoker=Invoker(user="ann", volume_root=theirs)))
    # What root has used for this project already is what holds.
    ours.mkdir()
    accept_volume_root(harness)
    check_volume_root(harness)


def test_what_root_is_to_do_is_told_with_the_users_volume_root(
    web: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = web.world.harness(dv=Path("/srv/my data"))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert as_root(harness, "kharness prep web") == "sudo kharness prep web"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    command = as_root(harness, "kharness prep web")
    assert shlex.split(command) == ["sudo", "KHARNESS_DV=/srv/my data", "kharness", "prep", "web"]
    web.world.volume_root.mkdir()
    directory = web.world.directory("web")
    with pytest.raises(
        UsageError, match=f"run 'sudo KHARNESS_DV={web.world.volume_root} kharness prep web --shift-from"
    ):
        shift_owners(web.world.harness(), directory, "100000", dry_run=False)


def test_a_root_that_is_missing_is_refused_and_not_made(running: Running) -> None:
    web, _ = running
    web.world.volume_root.rename(web.world.path / "unmounted")
    refused(
        web, r"is not there now: the disk is probably not mounted; mount it, or, if this is intended, run 'kharness"
    )


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
    with pytest.raises(HostError, match=rf"should be {web.world.volume_root}, as when .* and 'dv' is {other}"):
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
