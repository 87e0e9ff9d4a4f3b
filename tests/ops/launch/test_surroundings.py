"""Networks, volumes and files around a service of a Compose project: made if they are missing, and never another's."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.engine.api import NetworkRequest
from kharness.errors import ConflictError
from kharness.ops.launch.surroundings import ensure_surroundings, give_files
from kharness.plan.launch.runspec import RunSpec
from kharness.settings.compose.identity import service_origin
from kharness.settings.compose.load import load_compose
from kharness.settings.compose.origin import ServiceOrigin
from tests.ops.world import World

TEXT = """
name: shop
services: {web: {image: i, networks: [front], volumes: ["data:/d"], secrets: [s]}}
networks: {front: {driver_opts: {a: b}, labels: {c: d}%s}}
volumes: {data: {%s}}
secrets: {s: {environment: S}}
"""
PROJECT = "com.docker.compose.project"


def origin(folder: Path, *, network: str = "", volume: str = "") -> ServiceOrigin:
    (folder / "compose.yaml").write_text(TEXT % (network, volume), encoding="utf-8")
    return service_origin(load_compose(folder, environ={"S": "sesame"}), "web")


def test_networks_and_volumes_are_made_once_with_composes_labels(world: World, tmp_path: Path) -> None:
    found = origin(tmp_path)
    assert ensure_surroundings(world.harness(), found) == ()
    assert ensure_surroundings(world.harness(), found) == ()
    network, volume = world.engine.network("shop_front"), world.engine.volume("shop_data")
    assert network is not None
    assert volume is not None
    assert network.labels[PROJECT] == volume.labels[PROJECT] == "shop"
    assert network.labels["c"] == "d"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [({}, "was not made for a Compose project"), ({PROJECT: "other"}, "belongs to project 'other'")],
)
def test_a_network_of_others_is_refused(world: World, tmp_path: Path, labels: dict[str, str], expected: str) -> None:
    world.engine.create_network(NetworkRequest(name="shop_front", labels=labels))
    with pytest.raises(ConflictError, match=expected):
        ensure_surroundings(world.harness(), origin(tmp_path))


def test_a_volume_of_others_is_used_and_noted(world: World, tmp_path: Path) -> None:
    world.engine.create_volume("shop_data", labels={PROJECT: "other"})
    (note,) = ensure_surroundings(world.harness(), origin(tmp_path))
    assert "was made for project 'other'; it is used as it is" in note


@pytest.mark.parametrize(("network", "volume"), [(", external: true", ""), ("", "external: true")])
def test_what_is_external_must_be_there(world: World, tmp_path: Path, network: str, volume: str) -> None:
    text = TEXT.replace("driver_opts: {a: b}, labels: {c: d}%s", "x-a: 1%s")
    (tmp_path / "compose.yaml").write_text(text % (network, volume), encoding="utf-8")
    found = service_origin(load_compose(tmp_path, environ={}), "web")
    with pytest.raises(ConflictError, match="is external, and there is no"):
        ensure_surroundings(world.harness(), found)


def test_contents_are_put_into_the_container(world: World, tmp_path: Path) -> None:
    image = world.engine.put_image("i")
    container = world.engine.create(RunSpec(name="web", image=image.id))
    give_files(world.engine, origin(tmp_path), container)
    assert world.engine.read_file(container, "/run/secrets/s") == b"sesame"
