"""What there is of production."""

from __future__ import annotations

from kharness.ops.project.listing import images, production
from kharness.plan.facts import ImageFacts
from tests.ops.releases import Production

Running = tuple[Production, ImageFacts]


def test_each_container_of_production_is_there_and_all_directories_on_request(running: Running) -> None:
    web, image = running
    web.world.add("apart", "autostart: 2\n")
    web.world.add("broken", "[")
    harness = web.world.harness()
    fleet, _ = harness.fleet()
    (only,) = production(harness, fleet)
    assert only.facts
    assert (only.name, only.facts.running, only.live, only.known) == ("web", True, image.id, True)
    everything = production(harness, fleet, everything=True)
    assert [(row.name, row.facts is not None, row.wave) for row in everything] == [
        ("apart", False, 2),
        ("broken", False, None),
        ("web", True, None),
    ]


def test_what_has_no_directory_any_more_is_there_and_known_as_such(running: Running) -> None:
    web, _ = running
    web.world.tree.path.joinpath("web").rename(web.world.path / "gone")
    (only,) = production(web.world.harness(), {})
    assert (only.name, only.known) == ("web", False)


def test_images_are_in_the_order_in_which_they_matter(running: Running) -> None:
    web, live = running
    web.engine.tag(web.image("3").id, "ktools/web:latest")
    found = images(web.world.harness(), [web.world.directory("web")])
    tags = [each.tag for each in found]
    assert tags[:3] == ["latest", "live", "prev"]
    assert all(tag.startswith("release-") for tag in tags[3:])
    assert tags[3:] == sorted(tags[3:], reverse=True)
    assert {each.tag for each in found if each.image == live.id} == {each.tag for each in found if each.used}
