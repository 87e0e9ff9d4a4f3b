"""The same claims about the engine and about the fake that stands for it in other tests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kharness.errors import (
    BuildError,
    ConflictError,
    ImageMissingError,
)
from kharness.host.image.layers import read_layers
from kharness.plan.facts import HealthFacts, PortRef
from tests.engine.bench import Bench


def test_an_image_that_is_not_there_is_none(bench: Bench) -> None:
    assert bench.engine.image("kharness-test/never:1") is None


def test_an_image_is_found_by_reference_and_by_id(bench: Bench) -> None:
    found = bench.engine.image(bench.image)
    assert found is not None
    assert found.id.startswith("sha256:")
    assert bench.image in found.tags
    assert bench.engine.image(found.id) == found


def test_a_tag_names_the_image_until_it_is_removed(bench: Bench) -> None:
    ref = bench.tagged("x")
    assert bench.engine.image(ref) == bench.engine.image(bench.image)
    bench.engine.untag(ref)
    bench.engine.untag(ref)
    assert bench.engine.image(ref) is None
    assert bench.engine.image(bench.image) is not None


def test_a_tag_without_an_image_is_refused(bench: Bench) -> None:
    with pytest.raises(ImageMissingError, match="there is no image kharness-test/never:1"):
        bench.engine.tag("kharness-test/never:1", "kharness-test/never:2")


def test_what_no_registry_has_cannot_be_pulled(bench: Bench) -> None:
    with pytest.raises(ImageMissingError, match="never:1 cannot be pulled"):
        bench.engine.pull("127.0.0.1:1/never:1")


def test_an_image_is_for_the_platform_of_its_base(bench: Bench) -> None:
    base = bench.engine.image(bench.image)
    assert base is not None
    found = bench.engine.image(bench.build(f"FROM {bench.image}\nLABEL a=b\n", platform=base.platform or None))
    assert found is not None
    assert found.platform == base.platform
    assert found.fits(base.platform)


def test_the_last_reference_of_an_image_in_use_stays(bench: Bench) -> None:
    ref = bench.build('FROM scratch\nCMD ["/x"]\nLABEL a=b\n')
    container = bench.create(replace(bench.spec(), image=ref))
    for remove in (bench.engine.untag, bench.engine.remove_image):
        with pytest.raises(ConflictError, match="in use"):
            remove(ref)
    bench.engine.remove(container)
    bench.engine.untag(ref)
    assert bench.engine.image(ref) is None


def test_a_build_says_what_the_dockerfile_and_the_request_say(bench: Bench) -> None:
    lines: list[str] = []
    dockerfile = f"""\
        FROM {bench.image}
        LABEL from=dockerfile
        USER 5
        EXPOSE 80
        HEALTHCHECK CMD true
        COPY files/ /
        """
    ref = bench.build(dockerfile, progress=lines.append, files={"files/a": b"x"})
    built = bench.engine.image(ref)
    assert built is not None
    assert built.labels == {"from": "dockerfile", "by": "request"}
    assert built.user == "5"
    assert built.exposed == (PortRef(80),)
    assert built.health == HealthFacts(test=("CMD-SHELL", "true"))
    assert any("COPY files/ /" in line for line in lines)


def test_a_build_without_changes_is_the_same_image(bench: Bench) -> None:
    refs = [bench.build(f"FROM {bench.image}\nUSER 5\n", name="same") for _ in range(2)]
    assert bench.engine.image(refs[0]) == bench.engine.image(refs[1])


def test_an_image_whose_tag_a_build_has_moved_stays(bench: Bench) -> None:
    first = bench.engine.image(bench.build(f"FROM {bench.image}\nLABEL build=1\n", name="same"))
    assert first is not None
    bench.undo.callback(bench.engine.remove_image, first.id, force=True)
    container = bench.create(replace(bench.spec(), image=first.id))
    second = bench.engine.image(bench.build(f"FROM {bench.image}\nLABEL build=2\n", name="same"))
    assert second is not None
    assert first.id != second.id
    found = bench.engine.image(first.id)
    assert found is not None
    assert (found.tags, found.labels["build"]) == ((), "1")
    assert {image.id for image in bench.engine.images()} >= {first.id, second.id}
    assert bench.facts(container).image_id == first.id


def test_a_failing_step_is_named(bench: Bench) -> None:
    with pytest.raises(BuildError, match='"RUN false" exited with 1'):
        bench.build(f"FROM {bench.image}\nRUN false\n")


def test_a_build_needs_its_base(bench: Bench) -> None:
    with pytest.raises(BuildError, match='"FROM 127'):
        bench.build("FROM 127.0.0.1:1/never:1\n")


def test_an_image_tells_how_it_was_made(bench: Bench) -> None:
    ref = bench.build("FROM scratch\nCOPY files/ /\n", files={"files/a": b"x"})
    assert "COPY" in bench.engine.history(ref)[0]
    with pytest.raises(ImageMissingError, match="there is no image"):
        bench.engine.history("kharness-test/never:1")


def test_an_image_is_saved_with_its_layers_and_a_manifest(bench: Bench) -> None:
    ref = bench.build("FROM scratch\nCOPY files/ /\n", files={"files/a": b"x", "files/d/b": b"y"})
    [layer] = read_layers(bench.engine.save_image(ref))
    assert {entry.path for entry in layer.entries} >= {"/a", "/d/b"}
    with pytest.raises(ImageMissingError, match="there is no image"):
        list(bench.engine.save_image("kharness-test/never:1"))
