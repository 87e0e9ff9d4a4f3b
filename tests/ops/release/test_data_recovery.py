"""A release with a snapshot that is killed at any step: the old version has its old data, the new one its new ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from kharness.ops.release.recover import recover
from kharness.plan.release.operation import Operation
from tests.ops.migrating import FORMAT, DiskDeath, Migrating
from tests.ops.release.test_recover import Killed
from tests.ops.releases import ledger

Begin = Callable[[Migrating], None]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Where the worlds are: in memory, because who is killed loses nothing there, and a disk takes most of the time."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path, prefix="kharness-") as made:
        yield Path(made)


def launched(web: Migrating) -> None:
    web.launch(web.version(1))
    web.launch(web.version(2))
    web.write("customers", "as they are")


def first(web: Migrating) -> None:
    """Data that somebody has brought, and no container yet."""
    web.data.mkdir(parents=True)
    web.write("customers", "as they are")


def forward(web: Migrating) -> None:
    web.launch(web.version(3))


def backward(web: Migrating) -> None:
    web.back()


def deaths(place: Path, begin: Begin) -> Iterator[tuple[Migrating, DiskDeath]]:
    """Yield a world for every place at which the work can be killed, found by killing until none is left."""
    for when in ("before", "after"):
        for number in range(1000):
            web = Migrating(place / f"{when}-{number}")
            begin(web)
            web.version(3)
            with pytest.MonkeyPatch.context() as monkeypatch:
                death = DiskDeath(web, monkeypatch, number=number, when=when)
                yield web, death
            if not death.struck:
                assert number > 10
                break


def nothing_half_done(web: Migrating, at: str) -> None:
    assert not web.mixed, at
    assert not web.together, at
    assert not web.world.harness().state.operations(), at
    left = [path.name for path in web.snapshots.place.iterdir()] if web.snapshots.place.exists() else []
    assert not [name for name in left if name.endswith((".partial", ".restored"))], at
    assert sorted(left) == sorted(each.name for each in web.snapshots.kept()), at


@pytest.mark.parametrize(("begin", "work"), [(launched, forward), (first, forward), (launched, backward)])
def test_a_version_never_runs_on_the_data_of_another(place: Path, begin: Begin, work: Begin) -> None:
    places = set()
    for web, death in deaths(place, begin):
        before, data, rows = web.snapshot(), web.tree(), ledger(web)
        with suppress(Killed):
            work(web)
        if death.struck:
            places.add(death.at)
        death.over()
        recover(web.world.harness())
        nothing_half_done(web, death.at)
        if web.snapshot() == before:
            assert web.tree() == data, death.at
            assert [row[0] for row in ledger(web)[len(rows) :]] in ([], ["undone"]), death.at
        else:
            version = "1" if work is backward else "3"
            assert web.tree()[f"data/{FORMAT}"] == version, death.at
            assert web.engine.running == {"web"}, death.at
            assert len(web.engine.boxes) == 1, death.at
    changes = ["rename", "write_text", "sync_filesystem", "make_copy", "start web", "decide", "end"]
    for when in ("before", "after"):
        assert all(any(place.startswith(f"{when} {change}") for place in places) for change in changes), places


@pytest.mark.parametrize("work", [forward, backward])
def test_a_way_back_that_is_killed_anywhere_is_taken_up_by_the_next_one(place: Path, work: Begin) -> None:
    for when in ("before", "after"):
        for number in range(1000):
            web = Migrating(place / f"{when}-{number}")
            launched(web)
            before, data = web.snapshot(), web.tree()
            left_in_the_middle(web, work)
            assert web.tree() != data
            with pytest.MonkeyPatch.context() as monkeypatch:
                second = DiskDeath(web, monkeypatch, number=number, when=when)
                with suppress(Killed):
                    recover(web.world.harness())
                second.over()
            recover(web.world.harness())
            assert web.snapshot() == before, second.at
            assert web.tree() == data, second.at
            nothing_half_done(web, second.at)
            if not second.struck:
                assert number > 8
                break


def left_in_the_middle(web: Migrating, work: Begin) -> None:
    """Begin a release and leave it, as it stands when the new container has run."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        death = DiskDeath(web, monkeypatch, number=1_000, when="before")

        def verify() -> tuple[str, ...]:
            death._number = -1
            raise Killed

        with suppress(Killed):
            if work is backward:
                web.back(verify=verify)
            else:
                web.launch(web.version(3), verify=verify)
        assert death.struck
        death.over()


def test_a_disk_that_is_not_mounted_after_a_crash_is_no_reason_to_start_the_old_one_on_nothing(place: Path) -> None:
    web = Migrating(place / "web")
    launched(web)
    before, data = web.snapshot(), web.tree()
    left_in_the_middle(web, forward)
    root = web.world.volume_root
    root.rename(root.with_name("unmounted"))
    (recovered,) = recover(web.world.harness())
    assert any("is not there now: the disk is probably not mounted" in text for text in recovered.left)
    assert not web.engine.running
    root.with_name("unmounted").rename(root)
    (again,) = recover(web.world.harness())
    assert again.left == ()
    assert web.snapshot() == before
    assert web.tree() == data


def test_an_old_container_that_somebody_started_keeps_its_data_from_being_moved_under_it(place: Path) -> None:
    web = Migrating(place / "web")
    launched(web)
    before, data = web.snapshot(), web.tree()
    left_in_the_middle(web, forward)
    web.engine.remove("web", force=True)
    web.engine.start("web.old")
    web.mixed.clear()
    (recovered,) = recover(web.world.harness())
    assert "web.old runs, and writes to the data that are to be put back; stop it first" in recovered.left[0]
    web.engine.stop("web")
    recover(web.world.harness())
    assert web.snapshot() == before
    assert web.tree() == data


def test_an_entry_of_an_older_version_is_still_read(place: Path) -> None:
    web = Migrating(place / "web")
    seen: list[Operation] = []

    def verify() -> tuple[str, ...]:
        seen.extend(entry.operation for entry in web.world.harness().state.operations("web"))
        return ()

    web.launch(web.version(1), verify=verify)
    (operation,) = seen
    assert Operation.from_json(operation.to_json()) == operation
    assert operation.data is not None
    text = operation.to_json()
    said = json.loads(text)
    del said["data"]
    assert Operation.from_json(json.dumps(said)).data is None
