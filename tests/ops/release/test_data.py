"""A release with a snapshot of its data: what is done when, what comes back, what is said, what is refused."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from kharness.errors import ConflictError, HostError, LaunchError, RefusedError, UsageError
from kharness.ops.image.prune import prune
from kharness.ops.release.relaunch import relaunch
from kharness.ops.release.rollback import choose_data, roll_back
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec
from tests.ops.migrating import FORMAT, SETTINGS, Migrating
from tests.ops.releases import ledger


@pytest.fixture
def web(tmp_path: Path) -> Migrating:
    """Production of a second version, which wrote something after it had migrated."""
    made = Migrating(tmp_path / "web")
    assert made.launch(made.version(1)).kind == "launched"
    assert made.launch(made.version(2)).kind == "launched"
    made.write("customers", "as they are")
    made.world.told.clear()
    made.forget()
    return made


def told(web: Migrating) -> str:
    return "\n".join(web.world.told)


def test_the_snapshot_is_made_while_nobody_runs(web: Migrating, monkeypatch: pytest.MonkeyPatch) -> None:
    running: list[set[str]] = []
    real = type(web.snapshots).take

    def take(*args: object, **more: object) -> object:
        running.append(set(web.engine.running))
        assert web.changes()[-2:] == ("stop web", "rename web web.old")
        return real(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("kharness.host.volumes.snapshots.Snapshots.take", take)
    assert web.launch(web.version(3)).kind == "launched"
    assert running == [set()]
    assert (web.data / FORMAT).read_text() == "3"
    assert re.search(r"web: copying \d+\.\d kB of data, while production is stopped", told(web))


def test_what_the_new_version_wrote_is_discarded_and_said_with_the_reasons(web: Migrating) -> None:
    before, data = web.snapshot(), web.tree()
    done = web.launch(web.version(3), verify=lambda: ("it lost half of the rows",))
    assert (done.kind, done.reasons) == ("undone", ("it lost half of the rows",))
    assert web.snapshot() == before
    assert web.tree() == data
    assert not web.mixed
    (note,) = done.notes
    assert note.startswith("discarded 2 files (5 bytes), the newest from 20")
    assert "data/made-by-3" in note
    (lost,) = (each for each in web.snapshots.kept() if each.discarded)
    assert note.endswith(f"kept as {lost.name}")
    assert (web.snapshots.place / lost.name / "data" / "data" / "made-by-3").read_text() == "rows"
    assert "discarded 2 files" in told(web)
    assert ledger(web)[-1][3] == f"it lost half of the rows\n{note}"


def test_a_first_launch_that_fails_leaves_data_that_were_there_as_they_were(tmp_path: Path) -> None:
    web = Migrating(tmp_path / "web")
    web.data.mkdir(parents=True)
    web.write("customers", "brought from elsewhere")
    data = web.tree()
    assert web.launch(web.version(1), verify=lambda: ("no",)).kind == "undone"
    assert web.tree() == data


def test_a_first_launch_that_fails_leaves_nothing_where_nothing_was(tmp_path: Path) -> None:
    web = Migrating(tmp_path / "web")
    assert web.launch(web.version(1), verify=lambda: ("no",)).kind == "undone"
    assert web.tree() == {}
    assert not web.data.exists()


def test_as_many_snapshots_stay_as_the_settings_say(tmp_path: Path) -> None:
    web = Migrating(tmp_path / "web", SETTINGS.replace("data: snapshot", "data: snapshot, keep_data: 2"))
    for number in range(1, 6):
        assert web.launch(web.version(number)).ok
    assert [each.previous for each in web.snapshots.kept()] == [web.version(3).id, web.version(4).id]


def test_launches_that_fail_again_and_again_do_not_fill_the_disk_nor_take_a_snapshot_s_place(web: Migrating) -> None:
    kept = [each.id for each in web.snapshots.kept()]
    for _ in range(5):
        assert web.launch(web.version(3), verify=lambda: ("no",)).kind == "undone"
    assert [each.id for each in web.snapshots.kept() if not each.discarded] == kept
    assert len([each for each in web.snapshots.kept() if each.discarded]) == 3


def test_a_relaunch_by_hand_is_undone_with_its_data_and_leaves_no_snapshot_when_it_is_kept(web: Migrating) -> None:
    kept = web.snapshots.kept()
    relaunch(web.world.harness(), web.world.directory("web"))
    assert web.snapshots.kept() == kept
    data = web.tree()
    bad = web.image("bad", labels={"version": "3", "fake.exit": "3"})
    web.engine.tag(bad.id, "ktools/web:live")
    with pytest.raises(LaunchError):
        relaunch(web.world.harness(), web.world.directory("web"), untested=True)
    assert web.tree() == data
    assert not web.mixed


def test_a_disk_without_the_space_is_told_before_the_old_container_is_stopped(
    web: Migrating, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise HostError("a copy needs 9 GB, and only 1 GB are free")

    monkeypatch.setattr("kharness.host.volumes.snapshots.refuse_full_disk", full)
    before = web.snapshot()
    with pytest.raises(HostError, match="only 1 GB are free"):
        web.launch(web.version(3))
    assert web.changes() == ()
    assert web.snapshot() == before


def test_another_container_that_can_write_there_refuses_the_launch(web: Migrating) -> None:
    mount = Mount(kind=MountKind.BIND, source=str(web.data), target="/in")
    web.engine.create(RunSpec(name="backup", image=web.version(1).id, mounts=(mount,)))
    web.forget()
    done = web.launch(web.version(3))
    assert done.kind == "refused"
    assert f"the container backup can write to {web.data}" in done.reasons[0]
    assert web.changes() == ()
    web.engine.remove("backup")
    reader = Mount(kind=MountKind.BIND, source=str(web.data), target="/in", read_only=True)
    web.engine.create(RunSpec(name="backup", image=web.version(1).id, mounts=(reader,)))
    assert web.launch(web.version(3)).kind == "launched"


def test_a_link_that_leads_out_of_the_volume_directory_refuses_the_launch(web: Migrating, tmp_path: Path) -> None:
    web.data.rename(tmp_path / "elsewhere")
    web.data.symlink_to(tmp_path / "elsewhere")
    done = web.launch(web.version(3))
    assert done.kind == "refused"
    assert f"/data is {tmp_path / 'elsewhere'}, outside of" in done.reasons[0]


def test_data_go_back_with_the_image_that_left_them_and_the_present_ones_are_kept(web: Migrating) -> None:
    web.launch(web.version(3))
    web.write("customers", "more of them")
    present = web.tree()
    chosen = choose_data(web.world.harness(), "web", None)
    assert {"data/customers", "data/format", "data/made-by-3"} == set(chosen.writes.names)
    done = web.back()
    assert (done.kind, done.image) == ("launched", web.version(2).id)
    assert web.tree() == {"data/format": "2", "data/made-by-1": "rows", "data/made-by-2": "rows"} | {
        "data/customers": "as they are"
    }
    assert not web.mixed
    last = web.snapshots.kept()[-1]
    assert (last.previous, last.image, last.strategy) == (web.version(3).id, web.version(2).id, "moved")
    kept = web.snapshots.place / last.name / "data"
    assert {str(path.relative_to(kept)): path.read_text() for path in kept.rglob("*") if path.is_file()} == present
    # And forward again, to what was just left.
    assert web.back(to=web.version(3).id).kind == "launched"
    assert web.tree() == present


def test_a_way_back_with_data_that_is_not_fit_is_undone_as_a_whole(web: Migrating) -> None:
    web.launch(web.version(3))
    before, data = web.snapshot(), web.tree()
    done = web.back(verify=lambda: ("the license has expired",))
    assert done.kind == "undone"
    assert web.snapshot() == before
    assert web.tree() == data
    assert not web.mixed
    assert choose_data(web.world.harness(), "web", None).snapshot.previous == web.version(2).id


def test_a_directory_that_older_data_lack_is_made_for_the_present_settings(web: Migrating) -> None:
    web.launch(web.version(3))
    settings = SETTINGS.replace("[./data:/data]", '["./data:/data", "./cache:/cache"]')
    web.world.add("web", settings)
    assert web.back().kind == "launched"
    assert (web.world.volume_root / "web" / "cache").is_dir()


def test_without_its_own_snapshot_an_image_gets_no_other_data(web: Migrating) -> None:
    web.launch(web.version(3))
    shutil.rmtree(web.snapshots.place)
    with pytest.raises(RefusedError, match=r"there is no snapshot of the data from before image \w+ was replaced"):
        web.back()


def test_a_way_back_without_the_data_says_that_they_stay(web: Migrating) -> None:
    web.launch(web.version(3))
    web.mixed.clear()
    roll_back(web.world.harness(), web.world.directory("web"), verify=lambda: ())
    assert "web: the data stay as they are; 'kharness rollback web --data' puts back the image's own" in web.world.told


def test_pruning_removes_snapshots_that_have_had_their_time_and_what_nobody_needs(web: Migrating) -> None:
    for number in (3, 4, 5):
        web.launch(web.version(number))
    (web.snapshots.place / "dead.partial").mkdir()
    web.world.add("web", SETTINGS.replace("data: snapshot", "data: keep, keep_data: 1"))
    would = [pruned.what for pruned in prune(web.world.harness(), dry_run=True) if "snapshot" in pruned.what]
    removed = [pruned.what for pruned in prune(web.world.harness()) if "snapshot" in pruned.what]
    assert would == removed
    assert len(removed) == 2
    (left,) = web.snapshots.kept()
    assert left.previous == web.version(4).id
    assert [path.name for path in web.snapshots.place.iterdir()] == [left.name]


def test_an_old_snapshot_that_cannot_be_removed_is_said_and_stops_nothing(
    web: Migrating, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise HostError("busy")

    monkeypatch.setattr("kharness.host.volumes.snapshots.Snapshots.remove", busy)
    for number in (3, 4, 5):
        assert web.launch(web.version(number)).kind == "launched"
    assert "web: an old snapshot is left: busy" in web.world.told


def test_data_that_cannot_be_put_back_keep_the_old_container_from_starting_and_are_told(
    web: Migrating, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, data = web.snapshot(), web.tree()

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    def verify() -> tuple[str, ...]:
        monkeypatch.setattr("kharness.host.volumes.snapshots.rename", broken)
        return ("it is broken",)

    done = web.launch(web.version(3), verify=verify)
    monkeypatch.undo()
    assert done.kind == "broken"
    text = "\n".join(done.reasons)
    assert "web: the data may not be what they were" in text
    assert f"by hand: mv {web.data.parent} {web.data.parent}.discarded; mv {web.snapshots.place}/" in text
    assert "the old container is not started, because its data are not put back" in text
    assert web.engine.running == set()
    monkeypatch.setattr("kharness.ops.release.transaction.IN_FLIGHT", 0.0)
    assert web.launch(web.version(4), verify=lambda: ("no",)).kind == "undone"
    assert web.snapshot() == before
    assert web.tree() == data
    assert not web.mixed


def test_data_that_are_not_back_stand_in_the_way_of_the_next_release(
    web: Migrating, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    def verify() -> tuple[str, ...]:
        monkeypatch.setattr("kharness.host.volumes.snapshots.rename", broken)
        return ("it is broken",)

    web.launch(web.version(3), verify=verify)
    monkeypatch.setattr("kharness.ops.release.transaction.IN_FLIGHT", 0.0)
    with pytest.raises(Exception, match="cut short and cannot be undone yet"):
        web.launch(web.version(4))


def test_a_volume_directory_that_is_a_link_is_refused(web: Migrating, tmp_path: Path) -> None:
    top = web.world.volume_root / "web"
    top.rename(tmp_path / "moved")
    top.symlink_to(tmp_path / "moved")
    assert "should be a directory for its snapshots, not a symbolic link" in web.launch(web.version(3)).reasons[0]


def test_a_refused_create_request_costs_no_snapshot(web: Migrating) -> None:
    kept = web.snapshots.kept()
    web.engine.fail_on["create"] = ConflictError("no")
    assert web.launch(web.version(3)).kind == "undone"
    assert web.snapshots.kept() == kept


def test_what_is_only_built_on_has_no_data(web: Migrating) -> None:
    with pytest.raises(UsageError):
        choose_data(web.world.harness(), "web", "0000")
