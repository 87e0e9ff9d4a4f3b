"""What would be done is said, and nothing is done."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from kharness.errors import UsageError
from kharness.ops.drift.watch import ResponseOptions
from kharness.ops.launch.dry_run import Engineless, would_recover, would_respond
from kharness.ops.release.recover import rebuild, would_rebuild
from kharness.plan.drift.changes import Drifted, DriftVerdict, ScanResult
from kharness.plan.facts import ImageFacts, short_id
from kharness.plan.launch.docker_line import docker_line
from kharness.plan.launch.mounts import Scratch
from kharness.plan.launch.plan import TestPlace
from kharness.plan.session.modes import Mode
from tests.ops.release.test_recover import left_in_the_middle
from tests.ops.releases import Production
from tests.ops.world import World

Running = tuple[Production, ImageFacts]


def test_what_would_be_recovered_is_told(running: Running) -> None:
    web, _ = running
    assert would_recover(web.world.harness()) == ()
    left_in_the_middle(web, web.image("3"))
    before = web.snapshot()
    assert would_recover(web.world.harness()) == (
        "web: a launch that was cut short would be undone, unless another process does it now",
    )
    assert web.snapshot() == before
    assert web.world.harness().state.operations()


def test_what_a_new_ledger_would_have_is_told(running: Running) -> None:
    web, _ = running
    with pytest.raises(UsageError, match="can be read"):
        would_rebuild(web.world.harness())
    path = web.world.harness().state.path
    for part in path.parent.glob("state.db*"):
        part.unlink()
    path.write_bytes(b"not a database at all" * 100)
    told = would_rebuild(web.world.harness())
    assert path.read_bytes().startswith(b"not a database")
    _, entries = rebuild(web.world.harness())
    assert told.endswith(f"would know of {len(entries)} images that were live")


def test_what_would_be_done_about_drift_is_told(running: Running) -> None:
    web, live = running
    left = (Drifted(path="/x", kind="added"), Drifted(path="/y", kind="changed"))
    found = (
        ScanResult(name="web", container="web", id="1", verdict=DriftVerdict(left=left)),
        ScanResult(name="ok", container="ok", id="2"),
        ScanResult(name="gone", container="gone", id="3", verdict=DriftVerdict(left=left[:1])),
    )
    web.forget()
    asked = ResponseOptions(snapshot=True, remove=True, restart=True)
    done = [(each.name, each.text, each.good) for each in would_respond(web.world.harness(), found, asked)]
    assert done == [
        ("web", "the evidence would be saved", True),
        ("web", "/x would be removed", True),
        ("web", "/y stays: it was changed, which cannot be undone here", False),
        ("web", f"would run {short_id(live.id)} in a new container", True),
        ("gone", "the evidence would be saved", True),
        ("gone", "/x would be removed", True),
        ("gone", "nothing is live to launch", False),
    ]
    assert web.changes() == ()


def test_the_password_of_a_service_is_a_hidden_value_without_an_engine(world: World) -> None:
    text = "services: {web: {image: i, environment: {DB_PASSWORD: hunter22, MODE: fast}}}\n"
    harness = world.compose(text)
    assert harness.compose is not None
    here = Engineless(host=harness.host, project=harness.project, catalog=harness.catalog, compose=harness.compose)
    directory = here.catalog.select("web", prefix=False)
    settings = here.settings(directory)
    scratch = Scratch(directory=PurePosixPath("/scratch"), prefix="test")
    place = TestPlace(name="test-web", network="n", scratch=scratch, labels={})
    for subject, plan in (
        here.production(directory, settings),
        here.production(directory, settings, values=False),
        here.instance(directory, settings, mode=Mode.STANDALONE, place=place),
    ):
        assert subject.env == {"DB_PASSWORD": "hunter22"}
        line = docker_line(plan.spec, hide=frozenset(subject.env))
        assert "MODE=fast" in line
        assert "hunter22" not in line
