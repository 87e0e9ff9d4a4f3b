"""When an image is built, when it is not, and on what."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from kharness.engine.api import BuildRequest
from kharness.errors import BuildError, ConflictError, HostError, ImageMissingError, UsageError
from kharness.ops.image.build import Built, bases_of, build
from kharness.ops.image.recipe import read_recipe
from kharness.plan import labels
from kharness.testing.recording import Call
from tests.ops.world import World


def built(world: World, name: str = "web", *, candidates: Mapping[str, str] | None = None, **how: Any) -> Built:
    harness = world.harness()
    directory = harness.catalog.select(name, prefix=False)
    return build(harness, directory, harness.settings(directory), candidates=candidates, **how)


def builds(world: World) -> int:
    return len(world.engine.called("build"))


def request(world: World) -> BuildRequest:
    found = next(call.args[1] for call in reversed(world.engine.calls) if call.name == "build")
    assert isinstance(found, BuildRequest)
    return found


def age(world: World, ref: str, seconds: float) -> None:
    """Let an image have been made so long ago."""
    store = world.engine.store
    image = store.refs[ref]
    moment = time.strftime("%Y-%m-%dT%H:%M:%S.123456789Z", time.gmtime(time.time() - seconds))
    store.images[image] = replace(store.images[image], created=moment)


def test_what_nobody_built_yet_is_built_labelled_and_recorded(world: World) -> None:
    world.add("web", dockerfile="FROM scratch\nCOPY files/ /\n", files={"etc/x": "1"})
    made = built(world)
    assert (made.fresh, made.built, builds(world)) == (True, True, 1)
    assert world.tagged("ktools/web:latest") == made.image.id
    assert made.image.labels[labels.DIGEST] == made.digest
    assert made.image.labels[labels.NAME] == "web"
    (record,) = world.harness().state.builds("web")
    assert (record.image_id, record.digest, record.base) == (made.image.id, made.digest, "")
    assert "web: building" in world.told


def test_what_did_not_change_is_not_built_again(world: World) -> None:
    world.add("web", files={"x": "1"})
    first = built(world)
    again = built(world)
    assert (again.fresh, again.image.id, again.digest) == (False, first.image.id, first.digest)
    assert builds(world) == 1


CHANGES: list[tuple[str, Mapping[str, Any]]] = [
    ("a file", {"files": {"x": "2"}}),
    ("another file", {"files": {"y": "1"}}),
    ("a private file", {"private": {"x": "2"}}),
    ("the Dockerfile", {"dockerfile": "FROM scratch\nUSER web\n"}),
    ("an argument", {"settings": "build: {args: {A: 2}}"}),
    ("the stage", {"settings": "build: {target: other}"}),
]


@pytest.mark.parametrize(("what", "change"), CHANGES, ids=[what for what, _ in CHANGES])
def test_what_changed_is_built_again(world: World, what: str, change: Mapping[str, Any]) -> None:
    world.add("web", "build: {args: {A: 1}}", files={"x": "1"})
    first = built(world)
    world.add("web", **{"settings": "build: {args: {A: 1}}", **change})
    again = built(world)
    assert again.fresh, what
    assert again.digest != first.digest


@pytest.mark.parametrize(
    "more",
    [
        {"settings": "{user: web, ports: [80:80], test: {user: root}}"},
        {"tests": "def test_it(): ..."},
        {"files": {"__pycache__/x.pyc": "1", "x~": "1"}},
    ],
    ids=["settings of the launch", "tests", "leftovers"],
)
def test_what_does_not_go_into_the_image_does_not_build_it(world: World, more: Mapping[str, Any]) -> None:
    world.add("web", files={"x": "1"})
    built(world)
    world.add("web", **more)
    assert not built(world).fresh


def test_an_image_that_went_back_to_an_earlier_state_is_found_under_live(world: World) -> None:
    world.add("web", files={"x": "1"})
    first = built(world)
    world.engine.tag(first.image.id, "ktools/web:live")
    world.add("web", files={"x": "2"})
    built(world)
    world.add("web", files={"x": "1"})
    again = built(world)
    assert (again.fresh, again.image.id) == (False, first.image.id)
    assert world.tagged("ktools/web:latest") == first.image.id


def test_rebuild_builds_all_the_same_and_without_the_cache(world: World) -> None:
    world.add("web")
    built(world)
    assert not request(world).no_cache
    assert built(world, rebuild=True).fresh
    assert request(world).no_cache


@pytest.mark.parametrize(("max_age", "fresh"), [("1h", True), ("3h", False)])
def test_an_image_is_built_anew_when_it_is_older_than_it_may_be(world: World, max_age: str, *, fresh: bool) -> None:
    world.add("web", f"build: {{max_age: {max_age}}}")
    built(world)
    age(world, "ktools/web:latest", 7200)
    assert built(world).fresh is fresh


def test_a_build_gets_the_arguments_and_the_stage_that_are_said(world: World) -> None:
    world.add("web", "build: {args: {A: 1}, target: runtime}", dockerfile="FROM scratch AS runtime\n")
    built(world)
    assert (request(world).args, request(world).target) == ({"A": "1"}, "runtime")


def test_a_build_that_fails_leaves_what_was_built_before(world: World) -> None:
    world.add("web")
    first = built(world)
    world.add("web", dockerfile="FROM scratch\nRUN false\n")
    with pytest.raises(BuildError, match="last words"):
        built(world)
    assert world.tagged("ktools/web:latest") == first.image.id
    assert len(world.harness().state.builds("web")) == 1


CHILD = "FROM ktools/base:live\nCOPY files/ /\n"


def family(world: World) -> Built:
    """Let there be a base that is live, and a child of it."""
    world.add("base", files={"b": "1"})
    world.add("web", dockerfile=CHILD)
    base = built(world, "base")
    world.engine.tag(base.image.id, "ktools/base:live")
    return base


def test_bases_are_the_container_directories_that_a_dockerfile_names(world: World) -> None:
    world.add("base")
    world.add("other")
    world.add("web", dockerfile="FROM ktools/other:live AS o\nFROM ktools/base\nCOPY --from=o /x /\nFROM debian:12\n")
    world.add("pulled", "image: debian:12")
    harness = world.harness()
    found = {
        directory.name: bases_of(harness, directory, harness.settings(directory))
        for directory in harness.catalog.directories
    }
    assert found == {"web": {"base", "other"}, "base": frozenset(), "other": frozenset(), "pulled": frozenset()}


def test_a_child_is_built_anew_when_its_base_went_live_anew(world: World) -> None:
    family(world)
    first = built(world)
    world.add("base", files={"b": "2"})
    base = built(world, "base")
    assert not built(world).fresh, "a candidate for the base is not its child's business"
    world.engine.tag(base.image.id, "ktools/base:live")
    again = built(world)
    assert again.fresh
    assert again.digest != first.digest
    assert again.image.labels[labels.BASE] == base.image.id
    assert again.bases == {"ktools/base:live": base.image.id}


def test_a_child_of_a_candidate_is_the_same_child_once_the_candidate_is_live(world: World) -> None:
    family(world)
    world.add("base", files={"b": "2"})
    base = built(world, "base")
    candidate = built(world, candidates={"base": base.image.id})
    assert candidate.fresh
    world.engine.tag(base.image.id, "ktools/base:live")
    live = built(world)
    assert (live.fresh, live.image.id, live.digest) == (False, candidate.image.id, candidate.digest)


@pytest.mark.parametrize("dockerfile", [CHILD, "FROM ktools/base\n", "ARG B=ktools/base:live\nFROM ${B}\n"])
def test_a_child_is_built_on_the_candidate_or_on_what_is_live_and_never_on_what_was_built_last(
    world: World, dockerfile: str
) -> None:
    base = family(world)
    world.add("base", files={"b": "2"})
    newer = built(world, "base")
    world.add("web", dockerfile=dockerfile)
    assert list(built(world).bases.values()) == [base.image.id]
    assert any(line.endswith(": FROM ktools/base:live") for line in world.told)
    assert list(built(world, candidates={"base": newer.image.id}).bases.values()) == [newer.image.id]
    assert any(line.endswith(": FROM ktools/base:latest") for line in world.told)


def test_a_base_that_somebody_else_built_meanwhile_leaves_no_child_behind(world: World) -> None:
    base = family(world)

    def meanwhile(call: Call) -> None:
        if call.name == "build":
            world.engine.put_image("ktools/base:latest", user="somebody else's")

    world.engine.before = meanwhile
    with pytest.raises(ConflictError, match="another process built its base base meanwhile"):
        built(world, candidates={"base": base.image.id})
    assert world.tagged("ktools/web:latest") is None


def test_a_base_that_is_not_live_is_told_with_what_to_do(world: World) -> None:
    world.add("base")
    world.add("web", dockerfile=CHILD)
    with pytest.raises(UsageError, match=r"web: its base ktools/base:live does not exist yet; promote base first"):
        built(world)


def test_no_registry_is_asked_for_an_image_of_our_own_repository(world: World) -> None:
    world.engine.put_remote("ktools/nobody:live")
    world.add("web", dockerfile="FROM ktools/nobody:live\n")
    with pytest.raises(UsageError, match="its base ktools/nobody:live is not on the engine"):
        built(world)
    assert "pull" not in {call.name for call in world.engine.calls}


def test_a_foreign_base_is_pulled_once_and_renewed_by_a_rebuild(world: World) -> None:
    world.engine.put_remote("debian:12", user="a")
    world.add("web", dockerfile="FROM debian:12\n")
    first = built(world)
    assert not built(world).fresh
    assert world.engine.called("pull") == ("pull debian:12",)
    world.engine.put_remote("debian:12", user="b")
    again = built(world, rebuild=True)
    assert again.bases != first.bases
    assert len(world.engine.called("pull")) == 2


def test_a_foreign_base_that_no_registry_gives_is_taken_from_the_engine_or_missed(world: World) -> None:
    world.add("web", dockerfile="FROM debian:12\n")
    with pytest.raises(ImageMissingError):
        built(world)
    world.engine.put_image("debian:12")
    assert built(world, rebuild=True).fresh
    assert "web: debian:12 cannot be pulled; the image on the engine is used" in world.told


ROOT = "ARG KHARNESS_BASE\nFROM ${KHARNESS_BASE}\n"


def test_the_root_image_of_this_host_is_chosen_once_and_named_to_the_builder(world: World) -> None:
    world.engine.put_image("ktools/base:alpine-3.23")
    world.add("web", dockerfile=ROOT)
    built(world, rebuild=True)
    assert request(world).args == {"KHARNESS_BASE": "ktools/base:alpine-3.23"}
    assert world.harness().state.engine_fact("base") == "alpine"
    assert "pull" not in {call.name for call in world.engine.calls}
    told = len(world.told)
    built(world)
    assert world.told[told:] == ["web: unchanged, not built again"]


def test_no_registry_is_asked_for_the_root_image_whatever_the_repository(world: World) -> None:
    world.engine.put_image("ktools/base:alpine-3.23")
    world.engine.put_remote("ktools/base:alpine-3.23", user="a stranger's")
    world.add("web", dockerfile=ROOT)
    harness = world.harness(repository="mine")
    directory = harness.catalog.select("web", prefix=False)
    build(harness, directory, harness.settings(directory), rebuild=True)
    assert "pull" not in {call.name for call in world.engine.calls}


def test_an_image_made_elsewhere_is_pulled_and_tagged_and_its_id_is_its_digest(world: World) -> None:
    image = world.engine.put_remote("nginx:1")
    world.add("web", "image: nginx:1")
    made = built(world)
    assert (made.fresh, made.built, made.digest) == (True, False, image.id)
    assert world.tagged("ktools/web:latest") == image.id


def test_an_image_made_elsewhere_that_is_on_the_engine_is_not_pulled(world: World) -> None:
    world.engine.put_image("nginx:1")
    world.add("web", "image: nginx:1")
    assert not built(world).fresh
    assert "pull" not in {call.name for call in world.engine.calls}


def test_a_rebuild_pulls_what_is_there_and_keeps_it_when_no_registry_answers(world: World) -> None:
    old = world.engine.put_image("nginx:1")
    world.add("web", "image: nginx:1")
    assert built(world, rebuild=True).image.id == old.id
    assert "web: nginx:1 cannot be pulled; the image on the engine is used" in world.told
    new = world.engine.put_remote("nginx:1", user="newer")
    made = built(world, rebuild=True)
    assert (made.fresh, made.image.id) == (True, new.id)
    assert world.tagged("ktools/web:latest") == new.id


def test_an_image_is_pulled_and_built_for_the_platform_that_the_settings_say(world: World) -> None:
    world.add("web", "image: nginx:1\nplatform: linux/arm64\n")
    world.engine.put_image("nginx:1", platform="linux/amd64")
    world.engine.put_remote("nginx:1")
    assert built(world).image.platform == "linux/arm64"
    pulls = len(world.engine.called("pull"))
    assert built(world).image.platform == "linux/arm64"
    assert len(world.engine.called("pull")) == pulls == 1

    world.add("own", "platform: linux/arm64\n")
    first = built(world, "own")
    assert request(world).platform == "linux/arm64"
    world.add("own", "{}")
    assert built(world, "own").digest != first.digest


def test_an_image_that_was_built_for_another_platform_is_refused(world: World) -> None:
    world.engine.put_image("ktools/base:live", platform="linux/amd64")
    world.add("base")
    world.add("web", "platform: linux/arm64\n", dockerfile="FROM ktools/base:live\n")
    with pytest.raises(BuildError, match="platform: should be linux/amd64, for which its base and this engine build"):
        built(world)
    assert world.tagged("ktools/web:latest") is None


def test_an_image_made_elsewhere_that_is_nowhere_is_missed(world: World) -> None:
    world.add("web", "image: nginx:1")
    with pytest.raises(ImageMissingError, match="nginx:1 cannot be pulled"):
        built(world)


def test_what_is_copied_comes_from_the_project_and_counts(world: World) -> None:
    service = world.path / "services" / "x"
    service.mkdir(parents=True)
    (service / "main").write_text("1")
    world.add("web", "build: {copy: [services/x:opt/x]}")
    first = built(world)
    assert world.engine.store.files[first.image.id]["/opt/x/main"] == b"1"
    (service / "main").write_text("2")
    assert built(world).fresh


def test_what_is_to_be_copied_and_is_not_there_is_told_at_its_key(world: World) -> None:
    directory = world.add("web", "build: {copy: [services/none]}")
    with pytest.raises(HostError) as caught:
        built(world)
    assert str(caught.value) == (
        f"{directory}/settings.yaml: build.copy: should name something below {world.path}, not 'services/none'"
    )


def test_a_dockerfile_that_cannot_be_read_is_told(world: World) -> None:
    directory = world.add("web")
    (directory / "Dockerfile").write_bytes(b"FROM \xff\n")
    with pytest.raises(HostError, match="Dockerfile: cannot be read"):
        built(world)


def test_a_recipe_is_read_without_building(world: World) -> None:
    world.add("web", files={"x": "1"})
    harness = world.harness()
    directory = harness.catalog.select("web", prefix=False)
    recipe = read_recipe(harness, directory, harness.settings(directory), candidates={})
    assert builds(world) == 0
    assert recipe.digest == built(world).digest
