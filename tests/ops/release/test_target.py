"""Production elsewhere than on an engine: releases, roll-backs, recoveries, commands and tests work as they do here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kharness.errors import ConflictError
from kharness.ops.fleet.status import statuses
from kharness.ops.harness import Harness
from kharness.ops.launch.up import up
from kharness.ops.project.listing import production
from kharness.ops.release import transaction
from kharness.ops.release.recover import recover
from kharness.ops.release.relaunch import relaunch
from kharness.ops.release.release import launch, promote
from kharness.ops.release.rollback import roll_back
from kharness.ops.release.stopping import down, kill, restart
from kharness.ops.release.work import Tests
from kharness.ops.session.instance import Instance, InstanceFacts
from kharness.plan.facts import ExecResult, ImageFacts
from kharness.plan.release.operation import Released
from kharness.plan.session.modes import Mode
from kharness.plan.session.readiness import ByRunning
from tests.ops.release.memory_target import Cluster, MemoryTarget
from tests.ops.release.test_recover import Killed
from tests.ops.releases import EVIDENCE
from tests.ops.world import World

SETTINGS = "restart: always\nrelease: {verify_for: 0s}\n"


def passes() -> tuple[str, ...]:
    return ()


def fails() -> tuple[str, ...]:
    return ("test_web.py::test_it failed in production",)


class Elsewhere:
    """A world whose production is a cluster in memory: its engine builds and tests, and runs nothing."""

    def __init__(self, path: Path) -> None:
        self.cluster = Cluster()
        self.world = World.create(path)
        self.world.add("web", SETTINGS)
        self.images = [self._image(version) for version in ("1", "2")]

    def harness(self) -> Harness:
        return replace(self.world.harness(), targets=partial(MemoryTarget, self.cluster))

    def launch(self, image: ImageFacts, tests: Tests = passes) -> Released:
        subject = self.world.subject("web", image)
        return launch(self.harness(), subject, EVIDENCE, in_prod_tests=1, verify=tests)

    @property
    def runs(self) -> str | None:
        found = self.cluster.container("web")
        return found.image_id if found else None

    @property
    def live(self) -> str | None:
        return self.world.tagged("ktools/web:live")

    def bad(self) -> ImageFacts:
        return self._image("bad", labels={"fake.exit": "3"})

    def _image(self, version: str, **facts: Any) -> ImageFacts:
        return self.world.engine.put_image(f"built/web:{version}", **facts)


@pytest.fixture
def there(tmp_path: Path) -> Elsewhere:
    return Elsewhere(tmp_path / "there")


@pytest.fixture
def running(there: Elsewhere) -> Elsewhere:
    assert there.launch(there.images[0]).kind == "launched"
    return there


def test_a_release_is_launched_there_and_nothing_runs_here(running: Elsewhere) -> None:
    new = running.images[1]
    assert running.launch(new).kind == "launched"
    assert (running.runs, running.live) == (new.id, new.id)
    assert not running.world.engine.boxes
    assert running.launch(new).kind == "unchanged"


@pytest.mark.parametrize("tests", [passes, fails])
def test_a_release_that_does_not_work_there_is_undone(running: Elsewhere, tests: Tests) -> None:
    before = running.runs
    done = running.launch(running.bad() if tests is passes else running.images[1], tests)
    assert done.kind == "undone"
    assert (running.runs, running.live) == (before, before)


def test_a_first_release_that_does_not_work_leaves_nothing(there: Elsewhere) -> None:
    assert there.launch(there.bad()).kind == "undone"
    assert (there.runs, there.live) == (None, None)


def test_a_roll_back_goes_to_the_release_before(running: Elsewhere) -> None:
    running.launch(running.images[1])
    assert roll_back(running.harness(), running.world.directory("web"), verify=passes).kind == "launched"
    assert running.runs == running.live == running.images[0].id


def test_a_promotion_changes_nothing_there(running: Elsewhere) -> None:
    assert promote(running.harness(), "web", running.images[1].id, EVIDENCE).kind == "promoted"
    assert (running.runs, running.live) == (running.images[0].id, running.images[1].id)
    assert relaunch(running.harness(), running.world.directory("web")).image_id == running.images[1].id


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("act", ["prev", "live", "stage", "switch", "verify"])
def test_a_release_that_is_killed_at_any_step_is_undone_by_the_next_command(
    running: Elsewhere, monkeypatch: pytest.MonkeyPatch, act: str, when: str
) -> None:
    handler_of = transaction.handler_of

    def deadly(harness: Harness, step: Any) -> Any:
        found = handler_of(harness, step)
        return replace(found, do=partial(_killed, found.do, when)) if step.act == act else found

    before = running.runs
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "handler_of", deadly)
        patch.setattr(transaction, "_backward", _dead)
        with pytest.raises(Killed):
            running.launch(running.images[1])
    (recovered,) = recover(running.harness())
    assert str(recovered) == "a launch that was cut short is undone"
    assert (running.runs, running.live) == (before, before)
    assert not running.harness().state.operations()


def test_a_release_that_is_killed_once_it_is_decided_is_completed(
    running: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = running.images[1]
    with monkeypatch.context() as patch:
        patch.setattr("kharness.ops.release.release.complete", _dead)
        with pytest.raises(Killed):
            running.launch(new)
    (recovered,) = recover(running.harness())
    assert str(recovered) == "a launch that was cut short is completed"
    assert (running.runs, running.live) == (new.id, new.id)


def test_commands_look_at_what_runs_there(running: Elsewhere) -> None:
    harness = running.harness()
    (row,) = production(harness, harness.fleet()[0])
    assert row.facts is not None
    assert (row.name, row.facts.id, row.facts.image_id) == ("web", "web", running.images[0].id)
    (line,) = statuses(harness).lines
    assert line.usage is not None
    assert not line.changes.by_hand


def test_commands_stop_start_and_signal_what_runs_there(running: Elsewhere) -> None:
    directory = running.world.directory("web")
    assert kill(running.harness(), "web", "HUP").name == "web"
    assert running.cluster.signals == [("web", "HUP")]
    assert restart(running.harness(), directory).container == "web"
    assert down(running.harness(), "web").state == "exited with 0"
    assert up(running.harness(), directory).state == "started"
    assert running.cluster.services["web"][-1].running


def test_tests_in_production_run_commands_there(running: Elsewhere) -> None:
    running.cluster.answer = lambda service, argv: ExecResult(0, f"{service}: {' '.join(argv)}", "")
    harness = running.harness()

    def tests() -> tuple[str, ...]:
        instance = in_production(harness)
        assert instance.is_running
        said = instance.exec("cat", "/version").stdout
        return () if said == "web: cat /version" else (said,)

    assert running.launch(running.images[1], tests).kind == "launched"
    assert in_production(harness).logs() == f"web runs {running.images[1].id}\n"


def in_production(harness: Harness) -> Instance:
    """Return production as the fixture `container` gives it to tests."""
    found = harness.production.current("web")
    assert found is not None
    facts = InstanceFacts(name="web", container=found.name, id=found.id, image=found.image_id, mode=Mode.IN_PROD.value)
    return Instance(harness.engine, facts, ready=ByRunning, ready_timeout=1.0, runtime=harness.production.runtime)


def test_a_name_that_another_service_has_there_is_refused(there: Elsewhere) -> None:
    there.launch(there.images[0])
    stranger = replace(there.cluster.services["web"][-1], labels={})
    there.cluster.services["web"] = [stranger]
    with pytest.raises(ConflictError, match="another one's"):
        there.launch(there.images[1])
    assert there.cluster.services["web"] == [stranger]


def _killed(do: Callable[..., Any], when: str, *args: Any) -> None:
    if when == "after":
        do(*args)
    raise Killed


def _dead(*_args: Any, **_more: Any) -> Any:
    raise Killed
