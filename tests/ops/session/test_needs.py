"""What a container depends on runs beside its test instance, privately."""

from __future__ import annotations

import pytest

from kharness.errors import LaunchError, UsageError
from kharness.plan import labels
from kharness.plan.facts import ImageFacts
from tests.ops.sessions import NAME, opened, rest, web
from tests.ops.world import World


def with_needs(world: World, **settings: str) -> None:
    for name, text in settings.items():
        world.add(name, text)
        world.engine.put_image(f"ktools/{name}:live")


def test_what_it_depends_on_runs_beside_it_under_its_own_name(world: World, image: ImageFacts) -> None:
    with_needs(world, db="labels: {a: b}\ncontainer_name: production-db\n")
    session = opened(world)
    subject = web(world, image, "depends_on: [db]")
    session.launch(subject, needs=session.needs(subject.settings))
    assert world.engine.called("start") == (f"start {NAME}-db", f"start {NAME}")
    boxes = {box.name: box for box in world.engine.boxes.values()}
    assert boxes[f"{NAME}-db"].spec.networks[0].aliases == ("db", "production-db")
    assert boxes[NAME].spec.networks[0].aliases == ("web",)
    assert {box.spec.networks[0].network for box in boxes.values()} == {f"{NAME}-net"}
    assert boxes[f"{NAME}-db"].spec.labels[labels.NAME] == "db"
    assert world.engine.nets[f"{NAME}-net"].internal
    session.remove(NAME)
    assert rest(world) == []


def test_it_answers_to_all_names_that_production_has(world: World, image: ImageFacts) -> None:
    """But a name that is a service of its own is that service's."""
    text = "container_name: shop-db-1\nhostname: sql\nnetworks: {n: {aliases: [db, cache]}, m: {aliases: [sql, pg]}}\n"
    with_needs(world, **{"shop-db": text, "cache": "{}"})
    session = opened(world)
    subject = web(world, image, "depends_on: [shop-db, cache]\nhostname: front")
    session.launch(subject, needs=session.needs(subject.settings))
    aliases = {box.name: box.spec.networks[0].aliases for box in world.engine.boxes.values()}
    assert aliases[f"{NAME}-shop-db"] == ("shop-db", "shop-db-1", "sql", "db", "pg")
    assert aliases[f"{NAME}-cache"] == ("cache",)
    assert aliases[NAME] == ("web", "front")


def test_what_is_needed_by_what_is_needed_starts_first(world: World, image: ImageFacts) -> None:
    with_needs(world, api="depends_on: [db, cache]", db="depends_on: [disk]", cache="{}", disk="{}")
    session = opened(world)
    needs = session.needs(web(world, image, "depends_on: [api, db]").settings)
    assert [need.name for need in needs] == ["disk", "db", "cache", "api"]


def test_the_test_section_says_what_is_needed_in_tests(world: World, image: ImageFacts) -> None:
    assert opened(world).needs(web(world, image, "depends_on: [db]\ntest: {depends_on: []}").settings) == ()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("depends_on: [nobody]", "depends_on: no container directory 'nobody'; there are chicken, egg, fresh"),
        ("depends_on: [fresh]", "fresh: has no live image; promote it first: pytest .*/fresh --ready --promote"),
        ("depends_on: [chicken]", "in a circle: chicken -> egg -> chicken"),
    ],
)
def test_a_need_that_cannot_be_met_is_told(world: World, image: ImageFacts, settings: str, said: str) -> None:
    world.add("fresh")
    with_needs(world, chicken="depends_on: [egg]", egg="depends_on: [chicken]")
    with pytest.raises(UsageError, match=said):
        opened(world).needs(web(world, image, settings).settings)


def test_a_need_that_fails_takes_the_instance_with_it(world: World, image: ImageFacts) -> None:
    world.add("db")
    world.engine.put_image("ktools/db:live", labels={"fake.exit": "1"})
    session = opened(world)
    subject = web(world, image, "depends_on: [db]")
    with pytest.raises(LaunchError, match=f"{NAME}-db: exited with 1"):
        session.launch(subject, needs=session.needs(subject.settings))
    assert f"create {NAME}" not in world.engine.called()
    session.close()
    assert rest(world) == []
