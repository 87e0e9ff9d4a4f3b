"""A restoration that would do harm, or cannot succeed, is refused before anything changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kharness.errors import HostError, KharnessError, LaunchError, RefusedError, UsageError
from kharness.host.volumes.archive import members
from kharness.ops.volumes.restore import plan_restoration
from kharness.plan import labels
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec
from tests.ops.releases import Production
from tests.ops.restoring import NEW, OLD, backed_up, box, carry_out, edit, rows
from tests.ops.volumes.test_backup import with_data

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to their owners")


@pytest.fixture
def web(tmp_path: Path) -> Production:
    return with_data(tmp_path / "web")


def refused(web: Production, file: Path, match: str, error: type[KharnessError] = RefusedError) -> None:
    web.forget()
    with pytest.raises(error, match=match):
        carry_out(web, file)
    assert (rows(web), web.changes()) == (NEW, ())


def test_a_backup_of_another_container_or_project_is_refused(web: Production) -> None:
    file = backed_up(web)
    edited = edit(file, lambda said: said | {"name": "db"})
    refused(web, edited, r"it is of db of project 'shop'; --foreign puts it in the place of web")
    assert carry_out(web, edited, foreign=True).started
    assert rows(web) == OLD


def test_a_volume_that_another_project_uses_as_well_is_not_exchanged(web: Production, tmp_path: Path) -> None:
    """Its production may be down at this moment: they are its data all the same."""
    file = backed_up(web)
    image = web.image("1")
    (mount,) = (each for each in web.engine.containers()[0].mounts if each.target == "/rows")
    said = labels.production("other", "db", folder=str(tmp_path), image=image.id)
    shared = Mount(kind=MountKind.VOLUME, source=mount.name, target="/rows")
    theirs = web.engine.create(RunSpec(name="db", image=image.id, mounts=(shared,), labels=said))
    refused(web, file, r"the container db belongs to db of project 'other'.*, and has .*: its data are not exchanged")
    web.engine.remove(theirs, force=True)
    assert carry_out(web, file).started


def test_a_backup_of_a_host_with_other_ids_is_refused(web: Production) -> None:
    edited = edit(backed_up(web), lambda said: said | {"root": [100000, 100000]})
    refused(web, edited, "root in containers was 100000:100000 on the host of the backup, and is 0:0 here")


def test_a_damaged_backup_is_refused(web: Production) -> None:
    file = backed_up(web)
    data = file.read_bytes()
    inner = members(file)["volumes/1.tar"]
    middle = inner.offset + inner.size // 2
    file.write_bytes(data[:middle] + b"\xff" + data[middle + 1 :])
    refused(web, file, r"volumes/1\.tar is damaged: its checksum is another one", HostError)
    manifest = members(file)["manifest.json"].offset
    file.write_bytes(data[: manifest + 20] + b"X" + data[manifest + 21 :])
    refused(web, file, "its manifest was changed, or is damaged", HostError)
    file.write_bytes(data[:middle])
    refused(web, file, "cut off|no whole tar file|unexpected end", HostError)
    file.write_bytes(data[: manifest - 512] + bytes(1024))
    refused(web, file, r"should be a backup, and has no manifest\.json", HostError)
    file.unlink()
    refused(web, file, "cannot be read: No such file", HostError)


@pytest.mark.parametrize("said", [{"at": "never"}, {"at": None}, {"at": 1e300}, {"parts": []}, {"digests": None}])
def test_a_manifest_that_is_none_is_refused(web: Production, said: dict[str, object]) -> None:
    refused(web, edit(backed_up(web), lambda found: found | said), "should be the manifest of a backup", HostError)


def test_a_volume_that_production_does_not_have_is_refused(web: Production) -> None:
    def other(said: dict[str, object]) -> dict[str, object]:
        parts = said["parts"]
        assert isinstance(parts, list)
        return said | {"parts": [each | {"targets": ["/gone"]} if each["name"] == "rows" else each for each in parts]}

    refused(web, edit(backed_up(web), other), "the backup has a volume at /gone, and web mounts none there")


def test_others_that_use_the_data_are_refused(web: Production) -> None:
    file = backed_up(web)
    image = web.engine.put_image("theirs:1")
    mount = Mount(kind=MountKind.VOLUME, source="rows", target="/rows", read_only=True)
    reader = web.engine.create(RunSpec(name="reader", image=image.id, mounts=(mount,)))
    web.engine.start(reader)
    refused(web, file, r"reader runs, and has .*/rows/_data mounted; stop it first")


def test_a_disk_without_the_room_is_said_before_production_is_stopped(web: Production) -> None:
    def huge(said: dict[str, object]) -> dict[str, object]:
        parts = said["parts"]
        assert isinstance(parts, list)
        return said | {"parts": [each | {"bytes": 1 << 60} for each in parts]}

    refused(web, edit(backed_up(web), huge), r"beside the present data, and only .* are free")


def test_a_disk_that_fills_meanwhile_changes_nothing(web: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise HostError("No space left on device")

    file, before = backed_up(web), box(web)
    monkeypatch.setattr("kharness.ops.volumes.restore.unpack", full)
    with pytest.raises(LaunchError, match="was not restored: No space left on device"):
        carry_out(web, file)
    assert (rows(web), box(web)) == (NEW, before)
    assert "stop" not in {change.split()[0] for change in web.changes()}
    assert not list(web.world.path.rglob("*.restored*"))


def test_a_paused_container_is_a_person_s_to_decide(web: Production) -> None:
    file = backed_up(web)
    web.engine.pause("web")
    refused(web, file, "web: is paused; 'docker unpause web' lets it go on")


def test_without_root_nothing_is_looked_at(web: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    file = backed_up(web)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(UsageError, match="only root can give files to their owners"):
        plan_restoration(web.world.harness(), web.world.directory("web"), file=file)


def test_an_unknown_snapshot_is_a_mistake(web: Production) -> None:
    backed_up(web)
    for snapshot in ("", "..", "../web", "nothing"):
        with pytest.raises(UsageError, match="there is no snapshot"):
            carry_out(web, snapshot=snapshot)
