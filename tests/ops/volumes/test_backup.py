"""All data of a container in one file, of one moment, or none at all."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from kharness.errors import HostError, LockedError, RefusedError, UsageError
from kharness.host.locks import lock
from kharness.host.volumes.archive import ArchiveWriter
from kharness.ops.release.stopping import down
from kharness.ops.volumes.backup import backup, place_of, would_back_up
from kharness.ops.volumes.restore import read_backup
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec
from kharness.plan.volumes.backup import BackupManifest, PartKind
from kharness.report.volumes import backup_lines
from kharness.testing import FakeEngine
from tests.ops.releases import SETTINGS, Production
from tests.ops.world import REMOTE, World

NOW = 1_800_000_000.0
DATA = SETTINGS.replace("[./data:/data]", '["./data:/data", "rows:/rows", "/cache", "{outside}:/outside:ro"]')


@pytest.fixture
def web(tmp_path: Path) -> Production:
    return with_data(tmp_path / "web")


def with_data(path: Path) -> Production:
    """Production with something in its directory, its named and its anonymous volume."""
    outside = path / "outside"
    outside.mkdir(parents=True)
    web = Production(path, DATA.replace("{outside}", str(outside)))
    assert web.launch(web.image("1")).kind == "launched"
    for name, place in places(web).items():
        (place / "row").write_text(name)
    web.forget()
    return web


def places(web: Production) -> dict[str, Path]:
    """Return where the data are: of the directory, of the named volume, of the anonymous one."""
    volumes = {volume: Path(facts.mountpoint) for volume, facts in web.engine.vols.items()}
    anonymous = next(name for name in volumes if name != "rows")
    return {"data": web.world.volume_root / "web" / "data", "rows": volumes["rows"], "cache": volumes[anonymous]}


def unpacked(file: Path, at: Path) -> dict[str, str]:
    at.mkdir()
    subprocess.run(["tar", "-xf", file, "-C", at], check=True)
    subprocess.run(["sha256sum", "-c", "manifest.sha256"], cwd=at, check=True, capture_output=True)
    found: dict[str, str] = {}
    for inner in sorted((at / "volumes").iterdir()):
        place = at / inner.stem
        place.mkdir()
        subprocess.run(["tar", "-xf", inner, "-C", place], check=True)
        found |= {str(path.relative_to(place)): path.read_text() for path in place.rglob("row")}
        found |= {f"{inner.stem}/{path.name}": path.read_text() for path in place.glob("row")}
    return found


def test_it_has_all_data_and_says_what_it_has_not(web: Production, tmp_path: Path) -> None:
    done = backup(web.world.harness(), "web", now=NOW)
    assert done.path == web.world.path / "state" / "backups" / "shop" / "web-20270115-080000.tar"
    assert (done.path.stat().st_mode & 0o777, done.path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    found = unpacked(done.path, tmp_path / "out")
    assert found["data/row"] == "data"
    assert sorted(found[name] for name in found if name in {"2/row", "3/row"}) == ["cache", "rows"]
    manifest = read_backup(done.path)
    assert manifest == done.manifest
    assert BackupManifest.from_json(manifest.to_json()) == manifest
    assert {part.kind for part in manifest.parts} == set(PartKind)
    assert (manifest.name, manifest.project, manifest.image) == ("web", "shop", web.world.tagged("ktools/web:live"))
    said = "\n".join(line.text for line in backup_lines(manifest, done.path, size=1, notes=done.notes))
    assert f"not included: {web.world.path}/outside (/outside): is not below {web.world.volume_root}/web" in said
    assert f"'kharness restore web {done.path}' puts it back" in said


def test_production_is_paused_while_it_is_read_and_runs_afterwards(
    web: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    add_tree = ArchiveWriter.add_tree

    def watched(self: ArchiveWriter, name: str, directory: Path, *, steady: bool = True) -> object:
        seen.append((next(iter(web.engine.boxes.values())).state, steady))
        return add_tree(self, name, directory, steady=steady)

    monkeypatch.setattr(ArchiveWriter, "add_tree", watched)
    done = backup(web.world.harness(), "web", now=NOW)
    assert {state for state, _ in seen} <= {"paused", "running"}
    assert [change.split()[0] for change in web.changes()] == ["pause", "unpause"]
    assert "web was paused for " in done.manifest.moment
    assert web.engine.running == {"web"}


def test_what_is_down_needs_no_pause(web: Production) -> None:
    down(web.world.harness(), "web")
    web.forget()
    assert backup(web.world.harness(), "web", now=NOW).manifest.moment == "nothing that could write to them ran"
    assert web.changes() == ()


def test_without_a_container_it_has_what_the_settings_and_the_records_name(web: Production) -> None:
    (box,) = web.engine.boxes.values()
    web.engine.remove(box.id, force=True, volumes=False)
    assert len(backup(web.world.harness(), "web", now=NOW).manifest.parts) == 3


def test_settings_may_ask_that_it_is_stopped(tmp_path: Path) -> None:
    web = Production(tmp_path, SETTINGS.replace("{ports: []}", "{ports: [], freeze: stop}"))
    assert web.launch(web.image("1")).kind == "launched"
    web.forget()
    assert "web was stopped for " in backup(web.world.harness(), "web", now=NOW).manifest.moment
    assert [change.split()[0] for change in web.changes()] == ["stop", "start"]


def test_what_takes_too_long_is_not_kept(web: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    add_tree = ArchiveWriter.add_tree

    def slow(self: ArchiveWriter, name: str, directory: Path, *, steady: bool = True) -> object:
        time.sleep(0.3)
        return add_tree(self, name, directory, steady=steady)

    monkeypatch.setattr(ArchiveWriter, "add_tree", slow)
    monkeypatch.setattr("kharness.host.volumes.snapshots.why_no_reflink", lambda *_: "not here")
    with pytest.raises(HostError, match=r"took longer than 0\.1 s, and it went on; 'kharness down web'"):
        backup(web.world.harness(), "web", most=0.1, now=NOW)
    assert web.engine.running == {"web"}
    assert next(iter(web.engine.boxes.values())).state == "running"
    assert list((web.world.path / "state" / "backups" / "shop").iterdir()) == []


def test_a_failure_lets_production_run_and_leaves_nothing(web: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise HostError("the disk is full")

    monkeypatch.setattr(ArchiveWriter, "add_tree", full)
    with pytest.raises(HostError, match="full"):
        backup(web.world.harness(), "web", now=NOW)
    assert next(iter(web.engine.boxes.values())).state == "running"
    assert list((web.world.path / "state" / "backups" / "shop").iterdir()) == []
    assert not list(web.world.path.rglob(".kharness/backups/*/*"))


def test_a_disk_without_the_room_is_said_before_anything_is_paused(
    web: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kharness.ops.volumes.backup.ROOM", 1 << 60)
    with pytest.raises(HostError, match=r"a backup needs .*TB, and only"):
        backup(web.world.harness(), "web", now=NOW)
    assert web.changes() == ()


def test_a_release_under_way_is_not_disturbed(web: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kharness.ops.volumes.backup.LOCK_TIMEOUT", 0.0)
    harness = web.world.harness()
    with lock(harness.locks, "release-web", timeout=0), pytest.raises(LockedError):
        backup(harness, "web", now=NOW)
    with lock(harness.locks, "backup-web", timeout=0), pytest.raises(LockedError):
        backup(harness, "web", now=NOW)


def test_a_release_that_begins_meanwhile_means_no_backup(web: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kharness.ops.volumes.freeze._lock_releases", lambda *_: "production went on meanwhile")
    with pytest.raises(RefusedError, match="production went on meanwhile"):
        backup(web.world.harness(), "web", now=NOW)
    assert not list((web.world.path / "state" / "backups" / "shop").iterdir())


def test_a_stranger_who_may_write_is_named(web: Production) -> None:
    image = web.engine.put_image("theirs:1")
    mount = Mount(kind=MountKind.VOLUME, source="rows", target="/rows")
    web.engine.start(web.engine.create(RunSpec(name="cron", image=image.id, mounts=(mount,))))
    (note,) = backup(web.world.harness(), "web", now=NOW).notes
    assert note == "cron is not production of this project, and may have written meanwhile"


def test_a_user_who_may_not_look_at_the_data_is_told_so(web: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, look = places(web)["rows"], Path.is_dir

    def is_dir(path: Path) -> bool:
        if path == hidden:
            raise PermissionError(13, "Permission denied")
        return look(path)

    monkeypatch.setattr(Path, "is_dir", is_dir)
    with pytest.raises(HostError, match=f"{hidden}: cannot be read: Permission denied; only root can read all data"):
        backup(web.world.harness(), "web", now=NOW)


def test_a_dry_run_writes_nothing(web: Production) -> None:
    found = would_back_up(web.world.harness(), "web", to=None, now=NOW)
    assert (len(found.manifest.parts), web.changes(), found.path.parent.exists()) == (3, (), False)


def test_where_it_goes(web: Production, tmp_path: Path) -> None:
    harness = web.world.harness()
    usb = tmp_path / "usb"
    usb.mkdir()
    assert place_of(harness, "web", usb, now=NOW) == usb / "web-20270115-080000.tar"
    assert place_of(harness, "web", usb / "mine.tar", now=NOW) == usb / "mine.tar"
    (usb / "mine.tar").write_text("mine")
    for wrong in (usb / "mine.tar", usb / "mine.zip", tmp_path / "gone" / "x.tar"):
        with pytest.raises(UsageError, match=r"should be a directory that is there|exists already"):
            backup(harness, "web", to=wrong, now=NOW)
    with pytest.raises(UsageError, match="should not be within the data of web"):
        backup(harness, "web", to=web.world.volume_root / "web" / "data", now=NOW)
    assert (usb / "mine.tar").read_text() == "mine"


def test_two_within_a_second_are_two_files(web: Production, tmp_path: Path) -> None:
    usb = tmp_path / "usb"
    usb.mkdir()
    done = [backup(web.world.harness(), "web", to=usb, now=NOW) for _ in range(3)]
    names = ["web-20270115-080000.tar", "web-20270115-080000-2.tar", "web-20270115-080000-3.tar"]
    assert [one.path.name for one in done] == names
    assert {path.name for path in usb.iterdir()} == set(names)


def test_what_a_killed_backup_left_is_removed_by_the_next(web: Production) -> None:
    folder = web.world.path / "state" / "backups" / "shop"
    folder.mkdir(parents=True)
    (folder / ".web-20260101-000000.tar.partial").write_text("half")
    lent = web.world.volume_root / ".kharness" / "backups" / "web" / "abc.partial"
    lent.mkdir(parents=True)
    (lent / "file").write_text("half")
    done = backup(web.world.harness(), "web", now=NOW)
    assert (list(folder.iterdir()), lent.exists()) == ([done.path], False)


def test_without_data_there_is_no_backup(tmp_path: Path) -> None:
    web = Production(tmp_path, "release: {verify_for: 0s}")
    assert web.launch(web.image("1")).kind == "launched"
    with pytest.raises(UsageError, match="web: has no data that a backup could have"):
        backup(web.world.harness(), "web", now=NOW)
    far = World(tmp_path / "far", FakeEngine(facts=REMOTE))
    far.add("web", "{}")
    with pytest.raises(UsageError, match="its data are on the engine's host"):
        backup(far.harness(), "web", now=NOW)
