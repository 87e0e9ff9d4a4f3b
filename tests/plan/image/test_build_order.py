from __future__ import annotations

import pytest

from kharness.errors import UsageError
from kharness.plan.image.build import (
    base_images,
    build_order,
    local_base,
    needs_buildkit,
    rewrite_bases,
    rewrite_contexts,
    wants_root,
)


@pytest.mark.parametrize(
    ("dockerfile", "found"),
    [
        ("FROM ktools/base:live\n", ("ktools/base:live",)),
        ("from --platform=linux/amd64 a:1 AS build\nFROM b:2\nCOPY --from=build /x /x\n", ("a:1", "b:2")),
        ("FROM a:1\nCOPY --chown=1:1 --from=c:3 /x /x\n", ("a:1", "c:3")),
        ("ARG TAG=7\nFROM a:${TAG}\n", ("a:7",)),
        ("ARG TAG\nFROM a:$TAG\n", ("a:9",)),
        ("FROM a:${MISSING:-5}\n", ("a:5",)),
        ("FROM scratch\nCOPY x /\n", ()),
        ("FROM a:1 AS one\nFROM one\nCOPY --from=0 /x /x\n", ("a:1",)),
        ("# FROM no:1\nFROM a:1\nRUN echo \\\n  FROM\n", ("a:1",)),
    ],
)
def test_every_image_that_a_dockerfile_builds_on_is_found(dockerfile: str, found: tuple[str, ...]) -> None:
    assert base_images(dockerfile, args={"TAG": "9"} if "ARG TAG\n" in dockerfile else {}) == found


def test_the_root_image_is_asked_for_by_an_argument() -> None:
    assert wants_root("ARG KHARNESS_BASE\nFROM ${KHARNESS_BASE}\n")
    assert not wants_root("ARG OTHER\nFROM a:1\n")


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ("ktools/base:live", "base"),
        ("ktools/base", "base"),
        ("ktools/base:latest", None),
        ("ktools/other:live", None),
        ("elsewhere/base:live", None),
        ("base:live", None),
    ],
)
def test_only_the_live_image_of_a_directory_makes_an_edge(ref: str, name: str | None) -> None:
    assert local_base(ref, repository="ktools", names=["base", "web"]) == name


def test_bases_come_first() -> None:
    assert build_order({"web": ["base"], "dns": ["base"], "base": []})[0] == "base"


def test_a_circle_is_named() -> None:
    with pytest.raises(UsageError, match=r"built on each other in a circle: (a -> b -> a|b -> a -> b)"):
        build_order({"a": ["b"], "b": ["a"]})


def test_a_base_of_this_session_replaces_the_live_one_in_every_instruction() -> None:
    text = "ARG B=ktools/base:live\nFROM $B AS one\nFROM other:1\nCOPY --from=ktools/base:live /x /x\n"
    assert rewrite_bases(text, {"ktools/base:live": "ktools/base:latest"}, args={}) == (
        "ARG B=ktools/base:live\nFROM ktools/base:latest AS one\nFROM other:1\nCOPY --from=ktools/base:latest /x /x\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "RUN --mount=type=cache,target=/x make",
        "run --network=none \\\n  --mount=from=x make",
        "COPY --chmod=755 a b",
        "COPY --from=x --link a b",
        "RUN <<EOF\necho\nEOF",
        "RUN cat <<-'END' > /x\nEND",
        "COPY <<FILE /etc/x\nFILE",
        "ARG TARGETARCH",
        "FROM --platform=$BUILDPLATFORM alpine",
    ],
)
def test_a_dockerfile_that_the_classic_builder_cannot_read_needs_buildkit(text: str) -> None:
    assert needs_buildkit(f"FROM alpine\n{text}\n")


@pytest.mark.parametrize("text", ["RUN echo $((1<<2))", "COPY --chown=1 --from=x a b", "ARG ARCH", "# RUN --mount=x"])
def test_other_dockerfiles_do_not(text: str) -> None:
    assert not needs_buildkit(f"FROM alpine\n{text}\n")


def test_an_image_that_is_mounted_is_a_base_and_a_stage_is_not() -> None:
    text = "FROM a AS one\nRUN --mount=type=bind,from=b,target=/b --mount=from=one,target=/c make\n"
    assert base_images(text, args={}) == ("a", "b")
    assert rewrite_bases(text, {"b": "c:live"}, args={}).count("from=c:live,target=/b") == 1


def test_a_context_s_name_becomes_its_image_wherever_a_builder_looks_for_one() -> None:
    text = "FROM Alpine:latest AS x\nCOPY --from=src a b\nRUN --mount=from=src,target=/s --mount=from=x true\n"
    assert rewrite_contexts(text, {"alpine": "k/a:1", "src": "k/s:1"}) == (
        "FROM k/a:1 AS x\nCOPY --from=k/s:1 a b\nRUN --mount=from=k/s:1,target=/s --mount=from=x true\n"
    )


def test_a_service_s_image_is_known_by_the_project_s_prefix() -> None:
    names = ["web", "db"]
    assert local_base("kharness/shop-web:live", repository="kharness", names=names, prefix="shop-") == "web"
    assert local_base("kharness/other-web:live", repository="kharness", names=names, prefix="shop-") is None
