"""State and containers from before there were projects: taken over without a relaunch, and by one project alone.

`state-0.1.0.sql` is the state database of version 0.1.0 after two launches of `web`, and a first launch of `db` that
was killed before the container was started.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from kharness.errors import ConflictError, StateError
from kharness.host.state.state import Verdict
from kharness.host.volumes.directories import filesystem_id
from kharness.ops.harness import Harness
from kharness.ops.launch.subject import production_subject
from kharness.ops.launch.up import up
from kharness.ops.opening import _key, open_harness
from kharness.ops.project.identity import productions
from kharness.ops.project.production import present
from kharness.ops.release.recover import recover
from kharness.ops.release.relaunch import relaunch
from kharness.ops.release.release import launch
from kharness.plan import labels
from kharness.plan.launch.plan import BESIDE, keyed, plan_production_launch
from kharness.plan.launch.runspec import Attachment, RunSpec
from kharness.plan.release.operation import Provenance
from kharness.settings.host import HostSettings
from kharness.testing import FakeEngine
from tests.ops.world import World

DUMP = Path(__file__).with_name("state-0.1.0.sql")
FILES = {"/etc/passwd": b"", "/etc/group": b""}
ONE, TWO, DB = (f"sha256:{digit * 64}" for digit in "12d")
WEB = "restart: always\nvolumes: [./data:/data]\nrelease: {verify_for: 0s}\n"
LABELS = {"kharness.role": "production"}


@pytest.fixture
def old(tmp_path: Path) -> World:
    """Production as 0.1.0 left it."""
    world = World.create(tmp_path / "shop")
    world.add("web", WEB)
    world.add("db", "image: db:1\nrelease: {verify_for: 0s}\n")
    engine = world.engine
    for ref, image in (("ktools/web:prev", ONE), ("ktools/web:live", TWO), ("db:1", DB)):
        engine.put_image(ref, id=image, files=FILES)
    engine.tag(DB, "ktools/db:live")
    (world.volume_root / "web" / "data").mkdir(parents=True)
    _create(engine, "web", TWO, {"kharness.inputs": "1a5bf83ac94fbd9a", "kharness.release": "86624d081fcb"}, start=True)
    _create(engine, "db", DB, {"kharness.inputs": "de8c9030629a294c", "kharness.release": "b2c3ebad6ea0"}, start=False)
    database = tmp_path / "state" / "engines" / _key(engine.facts()) / "state.db"
    database.parent.mkdir(parents=True)
    with closing(sqlite3.connect(database)) as connection:
        dump = DUMP.read_text(encoding="utf-8").replace("@WORLD@", str(world.path))
        connection.executescript(dump.replace("@FILESYSTEM@", filesystem_id(tmp_path)))
        connection.execute("PRAGMA user_version = 3")
        connection.execute("PRAGMA application_id = 1802002802")
    return world


def _create(engine: FakeEngine, name: str, image: str, more: dict[str, str], *, start: bool) -> None:
    said = {**LABELS, "kharness.name": name, **more}
    joined = (Attachment(network="bridge"),)
    container = engine.create(RunSpec(name=name, image=image, labels=said, restart="always", networks=joined))
    if start:
        engine.start(container)


Opened = Callable[..., Harness]


@pytest.fixture
def opened(old: World, tmp_path: Path) -> Opened:
    """Open the harness of a folder as a command does."""

    def work(folder: Path = old.path, **host: object) -> Harness:
        said = {
            "source_paths": (folder / "containers",),
            "dv": folder / "dv",
            "state_dir": tmp_path / "state",
            "ready_timeout": 0.2,
            **host,
        }
        (folder / "pyproject.toml").write_text("[tool.kharness]\n")
        return open_harness(
            folder=folder,
            environ={},
            engine=old.engine,
            host=HostSettings.model_validate(said),
            report=lambda who, what: old.told.append(f"{who}: {what}"),
        )

    return work


def test_a_project_takes_over_its_history_its_verdicts_and_its_repository(old: World, opened: Opened) -> None:
    harness = opened()
    assert harness.repository == "ktools"
    assert [(each.kind, each.image_id) for each in harness.state.releases("web")] == [
        ("launch", TWO),
        ("promote", TWO),
        ("launch", ONE),
        ("promote", ONE),
    ]
    assert isinstance(harness.state.verdict("web", "standalone", "i1"), Verdict)
    assert [build.image_id for build in harness.state.builds("web")] == [ONE]
    assert harness.state.engine_fact("base") == "debian"
    assert harness.home == harness.state_dir
    assert old.told == [": what was released before there were projects belongs to project 'shop' now: db, web"]
    assert opened().project == harness.project
    assert len(old.told) == 1


def test_its_container_is_production_without_a_relaunch(old: World, opened: Opened) -> None:
    harness = opened()
    (web,) = productions(harness, "web")
    assert up(harness, old.directory("web")).state == "running"
    image = harness.engine.image(TWO)
    assert image is not None
    subject = production_subject(harness, old.directory("web"), harness.settings(old.directory("web")), image)
    # The dump's own path of the volume is part of its key: the container is made as 0.1.0 would have made it here.
    spec = keyed(plan_production_launch(subject, volume_root=harness.volume_root)).spec
    said = {key: value for key, value in spec.labels.items() if key not in BESIDE or key == labels.INPUTS}
    old.engine.remove(web.id, force=True)
    made = old.engine.create(replace(spec, labels=said))
    old.engine.start(made)
    done = launch(harness, subject, Provenance(session="s", tests=1), in_prod_tests=1, verify=lambda: ())
    assert (done.kind, done.reasons) == ("unchanged", ())
    assert [each.id for each in productions(harness, "web")] == [made]


def test_a_launch_that_was_cut_short_is_undone(old: World, opened: Opened) -> None:
    harness = opened()
    (found,) = recover(harness)
    assert (found.operation.name, found.kept, found.left) == ("db", False, ())
    assert "db" not in {box.name for box in old.engine.boxes.values()}
    assert harness.state.operations() == ()


def test_the_next_launch_belongs_to_the_project_by_its_labels(old: World, opened: Opened) -> None:
    harness = opened()
    relaunch(harness, old.directory("web"))
    found = present(harness, "web")
    assert found is not None
    assert found.labels["kharness.project"] == "shop"
    assert found.labels["kharness.image"] == TWO


def test_a_project_with_other_images_takes_over_nothing(old: World, opened: Opened, tmp_path: Path) -> None:
    other = World(tmp_path / "other", old.engine)
    other.add("web", "image: db:1\n")
    theirs = opened(other.path, repository="theirs")
    assert theirs.state.releases() == ()
    assert productions(theirs) == ()
    old.engine.tag(DB, "theirs/web:live")
    with pytest.raises(ConflictError, match="belongs to web of a project whose ledger is not this one's"):
        relaunch(theirs, other.directory("web"))
    assert len(opened().state.releases("web")) == 4


def test_a_committed_copy_of_an_old_container_is_not_taken_over(old: World, opened: Opened) -> None:
    web = next(box for box in old.engine.boxes.values() if box.name == "web")
    copied = old.engine.commit(web.id, "copy:1")
    _create(old.engine, "aa-look", copied.id, {"kharness.name": "web"}, start=True)
    assert [each.name for each in productions(opened(), "web")] == ["web"]


def test_the_version_before_does_not_understand_the_state_and_says_so(opened: Opened) -> None:
    path = opened().state.path
    with closing(sqlite3.connect(path)) as connection:
        # What version 0.1.0 compares with the 3 that it knows.
        assert connection.execute("PRAGMA user_version").fetchone() == (4,)
        connection.execute("PRAGMA user_version = 5")
    with pytest.raises(StateError, match=r"is from a newer kharness \(schema 5, this one knows 4\)"):
        opened().state.releases()
