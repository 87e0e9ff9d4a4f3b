"""Which container is meant by a directory's name."""

from __future__ import annotations

import pytest

from kharness.errors import ContainerMissingError, EngineError
from kharness.ops.project.production import must_be_there, must_run, present
from kharness.plan.facts import ImageFacts
from kharness.plan.launch.runspec import RunSpec
from tests.ops.releases import Production

Running = tuple[Production, ImageFacts]


def test_it_is_found_by_its_labels_whatever_its_settings_say_now(running: Running) -> None:
    web, _ = running
    web.world.add("web", "container_name: other\n[broken")
    found = present(web.world.harness(), "web")
    assert found is not None
    assert (found.name, found.running) == ("web", True)


def test_what_runs_goes_before_what_a_release_has_put_aside(running: Running) -> None:
    web, image = running
    spec = RunSpec(name="web.old", image=image.id, labels={"kharness.role": "production", "kharness.name": "web"})
    aside = web.engine.create(spec)
    assert must_be_there(web.world.harness(), "web").name == "web"
    web.engine.stop("web")
    assert must_be_there(web.world.harness(), "web").name == "web"
    web.engine.start(aside)
    assert must_be_there(web.world.harness(), "web").name == "web.old"


def test_what_is_not_there_is_told_with_what_to_do(web: Production) -> None:
    harness = web.world.harness()
    assert present(harness, "web") is None
    with pytest.raises(ContainerMissingError, match=r"web: there is no container of it; 'kharness upgrade web'"):
        must_be_there(harness, "web")
    web.engine.create(RunSpec(name="web", image=web.image("1").id))
    with pytest.raises(ContainerMissingError, match=r"the container of that name was not made by kharness"):
        must_run(harness, "web")


def test_what_does_not_run_is_told_with_how_it_ended(running: Running) -> None:
    web, _ = running
    assert must_run(web.world.harness(), "web").running
    web.engine.pause("web")
    with pytest.raises(EngineError, match=r"web: is paused; 'docker unpause web' lets it go on"):
        must_run(web.world.harness(), "web")
    web.engine.unpause("web")
    web.engine.set_restart("web", "no")
    web.engine.crash("web", 3)
    with pytest.raises(EngineError, match=r"does not run: exited with 3; 'kharness logs web' shows its output"):
        must_run(web.world.harness(), "web")
