"""The data of a backup take the place of the present ones, which are kept; or the present ones are what they were."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from kharness.errors import EngineError, HostError, LaunchError, RefusedError
from kharness.ops.launch.up import up
from kharness.ops.release.recover import recover
from kharness.ops.release.stopping import down
from kharness.ops.volumes.restore import Restoration, plan_restoration, restore
from kharness.report.volumes import restored_lines
from tests.ops.cutting import killed
from tests.ops.releases import Production
from tests.ops.restoring import NEW, OLD, backed_up, box, carry_out, rows
from tests.ops.volumes.test_backup import places, with_data
from tests.ops.world import World

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to their owners")


@pytest.fixture
def web(tmp_path: Path) -> Production:
    return with_data(tmp_path / "web")


def test_the_data_of_the_backup_are_there_and_the_present_ones_are_kept(web: Production) -> None:
    file = backed_up(web)
    before = (set(web.engine.boxes), box(web))
    done = carry_out(web, file)
    assert rows(web) == OLD
    assert not any((place / "later").exists() for place in places(web).values())
    assert (set(web.engine.boxes), box(web)) == before
    assert len(done.aside) == 3
    assert {(Path(aside) / "data").is_dir() for _, aside in done.aside} == {True}
    newest = web.world.harness().state.releases("web", limit=1)[0]
    assert (newest.kind, newest.note) == ("restore", f"data of {file}")
    said = "\n".join(line.text for line in restored_lines(done))
    assert f"'kharness restore web --snapshot {done.snapshot}' puts them back" in said
    again = carry_out(web, snapshot=done.snapshot)
    assert rows(web) == NEW
    assert all((place / "later").exists() for place in places(web).values())
    carry_out(web, snapshot=again.snapshot)
    assert rows(web) == OLD


def test_production_stands_still_only_while_directories_are_renamed(web: Production) -> None:
    carry_out(web, backed_up(web))
    assert [change.split()[0] for change in web.changes()] == ["set_restart", "stop", "set_restart", "start"]


def test_what_is_down_stays_down(web: Production) -> None:
    file = backed_up(web)
    down(web.world.harness(), "web")
    done = carry_out(web, file)
    assert (done.started, rows(web), web.engine.running) == (False, OLD, set())


def test_without_a_container_the_next_one_has_the_data(web: Production, tmp_path: Path) -> None:
    new, plan = on_another_host(web, tmp_path / "other-host")
    directory = new.directory("web")
    restore(new.harness(), directory, plan)
    (anonymous,) = (name for name in new.engine.vols if name != "rows")
    assert (new.volume_root / "web" / "data" / "row").read_text() == "data"
    assert (Path(new.engine.vols["rows"].mountpoint) / "row").read_text() == "rows"
    assert (Path(new.engine.vols[anonymous].mountpoint) / "row").read_text() == "cache"
    new.engine.put_image("ktools/web:live", files={"/etc/passwd": b"", "/etc/group": b""})
    up(new.harness(), directory)
    (made,) = new.engine.boxes.values()
    assert {mount.target: mount.name for mount in made.mounts}["/cache"] == anonymous
    assert set(new.engine.vols) == {"rows", anonymous}


def on_another_host(web: Production, path: Path) -> tuple[World, Restoration]:
    """Return a host that has the directory alone, and what a restoration would do there."""
    file = backed_up(web)
    new = World.create(path)
    new.add("web", (web.world.tree.path / "web" / "settings.yaml").read_text())
    return new, plan_restoration(new.harness(), new.directory("web"), file=file)


def test_volumes_that_were_made_for_nothing_are_removed(
    web: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise HostError("No space left on device")

    new, plan = on_another_host(web, tmp_path / "other-host")
    monkeypatch.setattr("kharness.ops.volumes.restore.unpack", full)
    with pytest.raises(LaunchError, match="No space left on device"):
        restore(new.harness(), new.directory("web"), plan)
    assert (new.engine.vols, (new.volume_root / "web").exists()) == ({}, False)


def test_a_volume_that_appears_meanwhile_is_not_touched(web: Production, tmp_path: Path) -> None:
    new, plan = on_another_host(web, tmp_path / "other-host")
    place = Path(new.engine.create_volume("rows").mountpoint)
    (place / "row").write_text("theirs")
    with pytest.raises(RefusedError, match="the volume rows has appeared meanwhile; try again"):
        restore(new.harness(), new.directory("web"), plan)
    assert (place / "row").read_text() == "theirs"


def test_production_that_does_not_start_on_them_gets_its_own_back(web: Production) -> None:
    file = backed_up(web)
    before = box(web)
    starts = []

    def refuse(call: object) -> None:
        if getattr(call, "name", "") == "start":
            starts.append(call)
            if len(starts) == 1:
                raise LaunchError("exec: no such file")

    web.engine.before = refuse
    with pytest.raises(LaunchError, match=r"was not restored: exec: no such file\nthe present data are as they were"):
        carry_out(web, file)
    assert (rows(web), box(web)) == (NEW, before)
    assert web.world.harness().state.operations() == ()
    assert web.world.harness().state.releases("web", limit=1)[0].kind == "undone"


def test_production_that_is_not_ready_on_them_gets_its_own_back(
    web: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise LaunchError("it is not healthy")

    file, before = backed_up(web), box(web)
    monkeypatch.setattr("kharness.ops.volumes.restore.wait_production", never)
    with pytest.raises(LaunchError, match="was not restored: it is not healthy"):
        carry_out(web, file)
    assert (rows(web), box(web)) == (NEW, before)


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_anywhere_the_next_command_leaves_the_one_or_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    number, steps, ends = 0, 1, set()
    while number <= steps:
        web = with_data(tmp_path / str(number))
        file = backed_up(web)
        before = (set(web.engine.boxes), box(web), set(web.engine.vols))
        with killed(monkeypatch, web.engine, number, when) as cutter:
            carry_out(web, file)
        steps = max(steps, cutter.seen)
        # What the process does on its way out, SIGKILL does not let it do; both must be right.
        recover(web.world.harness())
        found = rows(web)
        assert found in (OLD, NEW), (number, found)
        ends.add(found["data"])
        assert (set(web.engine.boxes), box(web), set(web.engine.vols)) == before
        assert web.world.harness().state.operations() == ()
        assert not list(web.world.path.rglob("*.partial"))
        number += 1
    assert steps > 12
    assert ends == {"data", "new data"}


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_without_a_way_out_the_next_command_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    number, steps = 0, 1
    while number <= steps:
        web = with_data(tmp_path / str(number))
        file = backed_up(web)
        before = (set(web.engine.boxes), box(web), set(web.engine.vols))
        with monkeypatch.context() as dead:
            # As after SIGKILL: nothing is undone by the process itself.
            dead.setattr("kharness.ops.release.transaction.undo", lambda *_, **__: ())
            with killed(dead, web.engine, number, when) as cutter:
                carry_out(web, file)
        steps = max(steps, cutter.seen)
        if not number:
            assert rows(web) == OLD
        # The way back may be cut short, too.
        with killed(monkeypatch, web.engine, 2, when):
            recover(web.world.harness())
        recover(web.world.harness())
        found = rows(web)
        assert found in (OLD, NEW), (number, found)
        assert (set(web.engine.boxes), box(web), set(web.engine.vols)) == before
        assert web.world.harness().state.operations() == ()
        number += 1
    assert steps > 12


def test_data_that_cannot_be_put_back_keep_production_down_and_are_named(
    web: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = backed_up(web)

    def broken(*_: object, **__: object) -> None:
        raise HostError("input/output error")

    def never(*_: object) -> None:
        raise LaunchError("it is not healthy")

    with monkeypatch.context() as patched:
        patched.setattr("kharness.ops.volumes.restore.wait_production", never)
        patched.setattr("kharness.host.volumes.snapshots.Snapshots.put_back", broken)
        with pytest.raises(LaunchError) as caught:
            carry_out(web, file)
    assert "NOT ALL OF IT is as it was before" in str(caught.value)
    assert "the data may not be what they were: input/output error; by hand: docker stop" in str(caught.value)
    assert web.engine.running == set()
    recover(web.world.harness())
    assert (rows(web), web.engine.running) == (NEW, {"web"})


def test_a_container_that_is_replaced_meanwhile_is_looked_at_again(web: Production) -> None:
    file = backed_up(web)
    directory = web.world.directory("web")
    plan = plan_restoration(web.world.harness(), directory, file=file)
    assert plan.container is not None
    with pytest.raises(RefusedError, match="its container is another one than it was"):
        restore(web.world.harness(), directory, replace(plan, container=replace(plan.container, id="x")))
    assert rows(web) == NEW


def test_only_the_last_few_states_of_a_volume_are_kept(web: Production) -> None:
    file = backed_up(web)
    for _ in range(5):
        carry_out(web, file)
    store = places(web)["rows"].parent / ".kharness" / "snapshots" / "_data"
    assert len(list(store.iterdir())) == 3


def test_an_engine_that_goes_away_leaves_a_restoration_for_the_next_command(web: Production) -> None:
    file = backed_up(web)

    def gone(call: object) -> None:
        if getattr(call, "name", "") in {"start", "stop", "set_restart", "container"} and stopped:
            raise EngineError("no engine answers")
        if getattr(call, "name", "") == "stop":
            stopped.append(1)

    stopped: list[int] = []
    web.engine.before = gone
    with pytest.raises(LaunchError, match="NOT ALL OF IT is as it was before"):
        carry_out(web, file)
    web.heal()
    recover(web.world.harness())
    assert (rows(web), web.engine.running) == (NEW, {"web"})
