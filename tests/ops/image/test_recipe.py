"""What stands for a service's image, and when it is built again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from kharness.engine.api import BuildRequest
from kharness.ops.harness import Harness
from tests.ops.image.services import built, services
from tests.ops.world import World

Project = Callable[..., Harness]
WEB = {"web/Dockerfile": "FROM scratch\nCOPY . /\n", "web/a": "1"}


@pytest.fixture
def project(world: World, tmp_path: Path) -> Project:
    def make(text: str, files: Mapping[str, str] = WEB) -> Harness:
        said = lambda who, what: world.told.append(f"{who}: {what}")  # noqa: E731
        return services(world.harness(), tmp_path / "shop", text, files, report=said)

    return make


def requests(world: World) -> list[BuildRequest]:
    return [call.args[1] for call in world.engine.calls if call.name == "build"]


def test_an_unchanged_service_is_not_built_again(project: Project, world: World) -> None:
    harness = project("services: {web: {build: ./web}}")
    first = built(harness, "web")
    assert (built(harness, "web").fresh, len(requests(world))) == (False, 1)
    assert built(project("services: {web: {build: ./web}}", {**WEB, "web/a": "2"}), "web").digest != first.digest


def test_two_services_with_the_same_build_share_one_image(project: Project, world: World) -> None:
    harness = project("services: {web: {build: ./web}, worker: {build: ./web, command: work}}")
    first, second = built(harness, "web"), built(harness, "worker")
    assert (first.image.id, len(requests(world))) == (second.image.id, 1)
    assert not built(harness, "worker").fresh
    assert world.tagged(harness.tags("worker").latest) == first.image.id


def test_the_name_in_image_is_not_moved(project: Project, world: World) -> None:
    harness = project("services: {web: {image: acme/web, build: ./web}}")
    assert built(harness, "web").built
    assert world.engine.image("acme/web:latest") is None


def test_the_options_of_a_build_reach_the_engine_and_change_the_digest(project: Project, world: World) -> None:
    plain = built(project("services: {web: {build: ./web}}"), "web")
    text = """
    services:
      web:
        build: {context: ./web, labels: {a: b}, network: host, shm_size: 64m, extra_hosts: ["x=192.0.2.1"],
                ulimits: {nofile: {soft: 1, hard: 2}}, no_cache: true, args: {A: "1", B: null}}
    """
    assert built(project(text), "web").digest != plain.digest
    asked = requests(world)[-1]
    assert (asked.network, asked.shm_size, asked.no_cache, asked.args) == ("host", 64 << 20, True, {"A": "1"})
    assert (asked.extra_hosts, asked.ulimits) == ((("x", "192.0.2.1"),), {"nofile": (1, 2)})
    assert asked.labels["a"] == "b"


@pytest.mark.parametrize("said", ["dockerfile: Dockerfile.prod", 'dockerfile_inline: "FROM scratch\\nENV A=prod\\n"'])
def test_a_container_directory_may_have_another_dockerfile(world: World, said: str) -> None:
    folder = world.add("web", f"build: {{{said}, labels: {{a: b}}}}")
    (folder / "Dockerfile.prod").write_text("FROM scratch\nENV A=prod\n")
    image = built(world.harness(), "web").image
    assert "A=prod" in image.environment
    assert image.labels["a"] == "b"


def test_bases_are_asked_of_the_registry_at_each_build_that_says_pull(world: World) -> None:
    world.engine.put_remote("acme/base:1")
    world.add("web", "build: {pull: true}", dockerfile="FROM acme/base:1\n")
    first = built(world.harness(), "web")
    assert not built(world.harness(), "web").fresh
    assert len(world.engine.called("pull")) == 2
    world.engine.put_remote("acme/base:1", environment=("NEW=1",))
    assert built(world.harness(), "web").digest != first.digest
