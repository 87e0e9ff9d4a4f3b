"""The first images of a Compose project can go live without a session, and the ledger says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.ops.project.untested import release_untested
from tests.ops.world import World

SHOP = "services: {web: {image: nginx, depends_on: [db]}, db: {image: postgres}, other: {image: nginx}}\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World.create(tmp_path)
    for ref in ("nginx", "postgres"):
        found.engine.put_image(ref)
    return found


def test_a_service_and_what_it_needs_become_live_as_untested(world: World) -> None:
    shop = world.compose(SHOP)
    done = [name for name, _ in release_untested(shop, shop.catalog.select("web", prefix=False))]
    assert done == ["db", "web"]
    assert world.tagged("kharness/shop-web:live") == world.tagged("nginx")
    assert {(each.name, each.kind) for each in shop.state.releases()} == {("db", "untested"), ("web", "untested")}


def test_what_is_live_already_stays(world: World) -> None:
    shop = world.compose(SHOP)
    before = world.engine.put_image("kharness/shop-db:live").id
    done = [name for name, _ in release_untested(shop, shop.catalog.select("web", prefix=False))]
    assert done == ["web"]
    assert world.tagged("kharness/shop-db:live") == before


def test_a_dry_run_only_says_what_would_become_live(world: World) -> None:
    shop = world.compose(SHOP)
    web = shop.catalog.select("web", prefix=False)
    assert [name for name, _ in release_untested(shop, web, dry_run=True)] == ["db", "web"]
    assert [name for name, _ in release_untested(shop, web, needs=False, dry_run=True)] == ["web"]
    assert world.tagged("kharness/shop-web:live") is None
