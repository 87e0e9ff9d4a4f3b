"""Another name: history, images and data move together, and nothing is launched on an empty directory meanwhile."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kharness.errors import HostError, LockedError, RefusedError, UsageError
from kharness.host.locks import lock
from kharness.ops.fleet.status import statuses
from kharness.ops.launch.subject import why_stays_down
from kharness.ops.launch.up import up
from kharness.ops.project.rename import rename
from kharness.ops.project.retire import retire
from kharness.ops.project.unfinished import hints_of, lost_names
from kharness.ops.release.release import launch
from kharness.ops.release.rollback import earlier
from kharness.ops.release.stopping import down
from kharness.ops.volumes.mounters import known_volumes
from kharness.ops.volumes.snapshots import snapshots_of
from kharness.plan.facts import ImageFacts
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec
from kharness.plan.volumes.snapshots import Snapshot
from kharness.report.project import renaming_lines
from tests.ops.cutting import killed
from tests.ops.releases import EVIDENCE, SETTINGS, Production
from tests.ops.world import World

DATA = SETTINGS.replace("[./data:/data]", '["./data:/data", "rows:/rows", "/cache"]')


@pytest.fixture
def web(tmp_path: Path) -> Production:
    return launched(tmp_path / "web")


def launched(path: Path, *, stopped: bool = True) -> Production:
    """Production in its second version, with data and a snapshot; its directory has another name by now."""
    web = Production(path, DATA)
    assert web.launch(web.image("1")).kind == "launched"
    assert web.launch(web.image("2")).kind == "launched"
    (web.world.volume_root / "web" / "data" / "row").write_text("1")
    snapshot = Snapshot(id="s1", at=1.0, image="new", previous="old", after=1)
    snapshots_of(web.world.harness(), "web").take(snapshot)
    if stopped:
        down(web.world.harness(), "web")
    (web.world.tree.path / "web").rename(web.world.tree.path / "site")
    web.forget()
    return web


def refs(web: Production) -> dict[str, str]:
    found = web.engine.store.refs.items()
    return {ref.removeprefix("ktools/"): image for ref, image in found if ref.startswith("ktools/")}


def row(web: Production, name: str) -> str:
    return (web.world.volume_root / name / "data" / "row").read_text()


def test_all_that_was_the_old_name_s_is_the_new_one_s(web: Production) -> None:
    harness = web.world.harness()
    before = refs(web)
    history = [(each.id, each.kind) for each in harness.state.releases("web")]
    (volume,) = known_volumes(harness, "web").values()
    volumes = set(web.engine.vols)
    found = rename(harness, "web", "site")
    assert refs(web) == {ref.replace("web:", "site:"): image for ref, image in before.items()}
    assert (row(web, "site"), (web.world.volume_root / "web").exists()) == ("1", False)
    assert [each.id for each in snapshots_of(harness, "site").kept()] == ["s1"]
    assert (web.engine.boxes, set(web.engine.vols)) == ({}, volumes)
    assert [(each.id, each.kind) for each in harness.state.releases("site")][1:] == history
    newest = harness.state.releases("site", limit=1)[0]
    assert (newest.kind, newest.note) == ("rename", "was web until now")
    assert harness.state.releases("web") == ()
    assert (known_volumes(harness, "site"), known_volumes(harness, "web")) == ({"/cache": volume}, {})
    assert (why_stays_down(harness, "web"), why_stays_down(harness, "site") is None) == (None, False)
    assert len(earlier(harness, "site")) == 1
    assert "site: 'kharness up site' launches it" in [line.text for line in renaming_lines(found)]
    up(harness, web.world.directory("site"))
    (box,) = web.engine.boxes.values()
    assert (box.name, box.running) == ("site", True)
    assert {mount.name for mount in box.mounts if mount.target == "/cache"} == {volume}
    assert row(web, "site") == "1"


def test_it_is_renamed_back_by_the_same_command(web: Production) -> None:
    before = refs(web)
    rename(web.world.harness(), "web", "site")
    (web.world.tree.path / "site").rename(web.world.tree.path / "web")
    rename(web.world.harness(), "site", "web")
    assert (refs(web), row(web, "web")) == (before, "1")


def test_a_dry_run_changes_nothing(web: Production) -> None:
    before = (refs(web), web.snapshot(), web.world.harness().state.releases())
    found = rename(web.world.harness(), "web", "site", dry_run=True)
    assert (web.changes(), (refs(web), web.snapshot(), web.world.harness().state.releases())) == ((), before)
    said = "\n".join(line.text for line in renaming_lines(found, dry_run=True))
    root = web.world.volume_root
    assert f"would be moved: {root}/web to {root}/site" in said
    assert "would be moved: ktools/web:live to ktools/site:live" in said
    assert "would be removed: the stopped container web; its volumes stay" in said


def test_typed_again_it_says_that_it_is_done(web: Production) -> None:
    rename(web.world.harness(), "web", "site")
    up(web.world.harness(), web.world.directory("site"))
    web.forget()
    for dry_run in (True, False):
        (line,) = renaming_lines(rename(web.world.harness(), "web", "site", dry_run=dry_run), dry_run=dry_run)
        assert re.fullmatch(r"web: was renamed to site on .+; nothing is left to do", line.text)
    assert web.changes() == ()
    # Its directory may still stand.
    web.world.add("web", DATA)
    assert rename(web.world.harness(), "web", "site").ended is not None


def test_there_and_back_and_cut_short_at_the_end_it_is_not_taken_for_done(
    web: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = web.world.tree.path
    rename(web.world.harness(), "web", "site")
    (place / "site").rename(place / "web")
    rename(web.world.harness(), "site", "web")
    (place / "web").rename(place / "site")
    with monkeypatch.context() as patch:
        patch.setattr("kharness.ops.project.rename.sweep_secrets", failing)
        with pytest.raises(HostError):
            rename(web.world.harness(), "web", "site")
    assert "web" not in web.world.harness().state.names()
    assert rename(web.world.harness(), "web", "site").ended is None
    up(web.world.harness(), web.world.directory("site"))
    assert row(web, "site") == "1"


def failing(*_: object) -> None:
    raise HostError("the disk is full")


@pytest.mark.parametrize("when", ["before", "after"])
def test_cut_short_anywhere_it_is_finished_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    number, steps = 0, 1
    while number <= steps:
        web = launched(tmp_path / str(number))
        before, volumes = refs(web), set(web.engine.vols)
        with killed(monkeypatch, web.engine, number, when) as cutter:
            rename(web.world.harness(), "web", "site")
        steps = max(steps, cutter.seen)
        harness = web.world.harness()
        if number > 0 and harness.state.fact("unfinished: web"):
            # Nothing begins with an empty directory while the data are on their way.
            for name in ("web", "site"):
                web.world.add(name, DATA)
                with pytest.raises(RefusedError, match=r"'kharness rename web site' finishes it"):
                    up(web.world.harness(), web.world.directory(name))
            with pytest.raises(RefusedError, match=r"'kharness rename web site' finishes it"):
                rename(harness, "web", "other")
            with pytest.raises(RefusedError, match=r"'kharness rename web site' finishes it"):
                retire(harness, "web")
            rename(web.world.harness(), "web", "site")
        elif harness.state.releases("web"):
            rename(web.world.harness(), "web", "site")
        assert refs(web) == {ref.replace("web:", "site:"): image for ref, image in before.items()}
        assert (row(web, "site"), (web.world.volume_root / "web").exists()) == ("1", False)
        assert (web.engine.boxes, set(web.engine.vols)) == ({}, volumes)
        assert [each.kind for each in harness.state.releases("site")].count("rename") == 1
        assert known_volumes(harness, "site").keys() == {"/cache"}
        assert harness.state.fact("unfinished: site") is None
        number += 1
    assert steps > 10


def test_while_production_runs_nothing_moves(tmp_path: Path) -> None:
    web = launched(tmp_path, stopped=False)
    with pytest.raises(RefusedError, match=r"web: web runs; 'kharness down web' stops it"):
        rename(web.world.harness(), "web", "site")
    assert (web.engine.running, web.changes(), row(web, "web")) == ({"web"}, (), "1")


def test_a_name_that_is_taken_is_refused(web: Production) -> None:
    def refused(match: str) -> None:
        with pytest.raises(RefusedError, match=match):
            rename(web.world.harness(), "web", "site")
        assert (web.changes(), row(web, "web")) == ((), "1")

    root = web.world.volume_root
    (root / "site").mkdir()
    (root / "site" / "file").write_text("theirs")
    refused(f"{root}/site is there; move it away first")
    assert (root / "site" / "file").read_text() == "theirs"
    (root / "site" / "file").unlink()
    web.world.add("web", DATA)
    refused("both .*/web and .*/site stand")


def test_an_empty_directory_of_the_new_name_is_in_nobody_s_way(web: Production) -> None:
    (web.world.volume_root / "site").mkdir()
    rename(web.world.harness(), "web", "site")
    assert row(web, "site") == "1"


def test_a_name_that_was_released_or_runs_is_refused(web: Production) -> None:
    image: ImageFacts = web.engine.put_image("ktools/site:live", files={"/etc/passwd": b"", "/etc/group": b""})
    with pytest.raises(RefusedError, match=r"site was released itself; 'kharness retire site' ends it"):
        rename(web.world.harness(), "web", "site")
    labels = web.world.production("site", "ktools/site:live")
    web.engine.create(RunSpec(name="site", image=image.id, labels=labels))
    with pytest.raises(RefusedError, match="site is in production; 'kharness retire site' ends it"):
        rename(web.world.harness(), "web", "site")
    retire(web.world.harness(), "site")
    rename(web.world.harness(), "web", "site")
    assert row(web, "site") == "1"


def test_a_container_of_a_person_has_the_name(web: Production) -> None:
    image = web.engine.put_image("theirs:1")
    web.engine.create(RunSpec(name="site", image=image.id))
    with pytest.raises(RefusedError, match="the container site was not made by kharness, and has the name"):
        rename(web.world.harness(), "web", "site")


def test_data_that_something_else_has_in_hand_stay(web: Production) -> None:
    image = web.engine.put_image("theirs:1")
    source = str(web.world.volume_root / "web" / "data")
    mount = Mount(kind=MountKind.BIND, source=source, target="/data", read_only=True)
    web.engine.create(RunSpec(name="backup", image=image.id, mounts=(mount,)))
    with pytest.raises(RefusedError, match=r"the container backup has .*/dv/web mounted"):
        rename(web.world.harness(), "web", "site")
    assert row(web, "web") == "1"


def test_settings_that_mount_the_old_place_are_refused(web: Production) -> None:
    web.world.add("site", DATA.replace("./data:/data", f"{web.world.volume_root}/web/data:/data"))
    with pytest.raises(RefusedError, match=r"settings of site mount .*/dv/web/data at /data, which will not be there"):
        rename(web.world.harness(), "web", "site")


def test_what_was_tested_under_the_new_name_already_stays_the_newest_build(web: Production) -> None:
    newer = web.engine.put_image("ktools/site:latest")
    old = web.engine.put_image("ktools/web:latest")
    rename(web.world.harness(), "web", "site")
    assert refs(web)["site:latest"] == newer.id != old.id
    assert "web:latest" not in refs(web)


def test_those_that_name_the_old_one_are_named(web: Production) -> None:
    web.world.add("proxy", "depends_on: [web]")
    web.world.add("web", DATA)
    (web.world.tree.path / "site" / "settings.yaml").unlink()
    notes = rename(web.world.harness(), "web", "site").notes
    assert "depends_on: should name site now, not web" in notes[0]
    place = web.world.tree.path
    assert notes[1] == f"the directory is still {place}/web: mv {place}/web {place}/site"


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("web", "Site", "should be a name of lower-case letters"),
        ("web", "../x", "should be a name of lower-case letters"),
        ("web", "x", "should be a name of lower-case letters"),
        ("web", "web", "has this name already"),
        ("wbe", "site2", "has no directory, container or record of that name"),
    ],
)
def test_what_cannot_be_meant_is_a_mistake(web: Production, old: str, new: str, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        rename(web.world.harness(), old, new)


@pytest.mark.parametrize("name", ["web", "site"])
def test_a_release_of_either_name_is_not_disturbed(web: Production, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("kharness.ops.project.rename.LOCK_TIMEOUT", 0.0)
    harness = web.world.harness()
    with lock(harness.locks, f"release-{name}", timeout=0), pytest.raises(LockedError):
        rename(harness, "web", "site")
    assert row(web, "web") == "1"


def test_data_that_cannot_be_moved_stay_where_they_are(web: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_old: Path, _new: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("kharness.ops.project.rename.rename_path", full)
        with pytest.raises(HostError, match=r"cannot be renamed to .*: No space left on device"):
            rename(web.world.harness(), "web", "site")
    assert row(web, "web") == "1"
    rename(web.world.harness(), "web", "site")
    assert row(web, "site") == "1"


def test_a_volume_root_that_is_not_mounted_is_refused(web: Production) -> None:
    root = web.world.volume_root
    root.rename(root.with_name("elsewhere"))
    with pytest.raises(HostError, match="the disk is probably not mounted"):
        rename(web.world.harness(), "web", "site")
    root.with_name("elsewhere").rename(root)
    assert row(web, "web") == "1"


def test_a_name_that_another_project_has_is_refused(web: Production) -> None:
    other = World(web.world.path, web.engine, project="other", repository="other")
    with pytest.raises(UsageError, match="project 'other' has no directory, container or record of that name"):
        rename(other.harness(), "web", "sites")


# hints


def test_a_directory_that_was_renamed_is_suspected_where_its_container_is_looked_at(tmp_path: Path) -> None:
    web = launched(tmp_path, stopped=False)
    harness = web.world.harness()
    assert lost_names(harness) == {"web"}
    expected = (
        "its directory is gone; if it is site now, 'kharness rename web site' takes records, images and data along; "
        "if it has ended, 'kharness retire web'"
    )
    assert hints_of(harness, ["web"]) == {"web": expected}
    assert f"web: {expected}" in statuses(harness).notes
    advice = r"if it had another name, 'kharness rename web site' takes records and data along"
    with pytest.raises(UsageError, match=f"nothing is live yet; .*{advice}"):
        up(harness, web.world.directory("site"))


def test_a_launch_of_the_new_name_says_so(web: Production) -> None:
    image = web.engine.put_image("built/site:1", files={"/etc/passwd": b"", "/etc/group": b""})
    subject = web.world.subject("site", image)
    done = launch(web.world.harness(), subject, EVIDENCE, in_prod_tests=1, verify=lambda: ())
    assert any("'kharness rename web site' takes records and data along" in note for note in done.notes)
