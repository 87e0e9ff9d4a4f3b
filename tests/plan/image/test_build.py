"""What a build does follows from what is there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kharness.errors import UsageError
from kharness.plan import labels
from kharness.plan.facts import ImageFacts
from kharness.plan.image.build import BaseKind, BuildBase, BuildFacts, bases_in, plan_build
from kharness.plan.image.tags import Tags

TAGS = Tags("ktools", "web")
FOREIGN = BuildBase(ref="debian:12", kind=BaseKind.FOREIGN, tag="debian:12")
DEBIAN = ImageFacts(id="sha256:debian", tags=("debian:12",))
MADE = ImageFacts(
    id="sha256:made", tags=(TAGS.latest,), labels={labels.DIGEST: "d"}, created="2026-01-01T00:00:00.000000000Z"
)
BORN = 1767225600.0
FACTS = BuildFacts(name="web", tags=TAGS, images={"debian:12": DEBIAN}, bases=(FOREIGN,))
READ = replace(
    FACTS, images={"debian:12": DEBIAN, TAGS.latest: MADE}, digest="d", recorded=frozenset({MADE.id}), now=BORN + 60
)


def test_each_image_that_a_dockerfile_names_is_of_one_kind() -> None:
    text = (
        "ARG KHARNESS_BASE\nFROM ${KHARNESS_BASE}\nCOPY --from=ktools/new:live / /\nCOPY --from=ktools/old / /\n"
        "COPY --from=ktools/never:1 / /\nCOPY --from=debian:12 / /\n"
    )
    args = {"KHARNESS_BASE": "root:1"}
    found = bases_in(text, args=args, repository="ktools", names=["new", "old"], candidates=["new"])
    assert [(base.ref, base.kind, base.tag) for base in found] == [
        ("root:1", BaseKind.ROOT, "root:1"),
        ("ktools/new:live", BaseKind.CANDIDATE, "ktools/new:latest"),
        ("ktools/old", BaseKind.LIVE, "ktools/old:live"),
        ("ktools/never:1", BaseKind.OWN, "ktools/never:1"),
        ("debian:12", BaseKind.FOREIGN, "debian:12"),
    ]


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (FACTS, "would be built"),
        (READ, "made is unchanged"),
        (replace(READ, rebuild=True), "would be built again without the cache, on base images that are pulled again"),
        (replace(READ, digest="other"), "would be built"),
        (replace(READ, recorded=frozenset()), "would be built"),
        (replace(READ, max_age=61), "made is unchanged"),
        (replace(READ, max_age=59), "would be built"),
        (replace(READ, images={**READ.images, TAGS.latest: None, TAGS.live: replace(MADE, tags=())}),
         "made would be tagged"),
        (replace(FACTS, images={}), "would be built, after debian:12 was pulled"),
        (replace(FACTS, root=False, missing=("https://x/y",)),
         "would be built, after its root image was made or pulled and https://x/y was downloaded"),
        (replace(FACTS, pulls="nginx:1", images={}), "nginx:1 would be pulled"),
        (replace(FACTS, pulls="debian:12"), "debian would be tagged"),
        (replace(FACTS, pulls="debian:12", rebuild=True), "debian:12 would be pulled"),
    ],
)  # fmt: skip
def test_what_is_done_is_told_by_the_plan(facts: BuildFacts, told: str) -> None:
    assert str(plan_build(facts)) == told


def test_a_rebuild_renews_foreign_images_and_neither_ours_nor_the_root() -> None:
    root = BuildBase(ref="root:1", kind=BaseKind.ROOT, tag="root:1")
    live = BuildBase(ref="ktools/a", kind=BaseKind.LIVE, tag="ktools/a:live", directory="a")
    facts = replace(FACTS, bases=(FOREIGN, root, live), images=dict.fromkeys(("debian:12", "root:1", live.tag), DEBIAN))
    assert plan_build(facts).pulls == ()
    assert plan_build(replace(facts, rebuild=True)).pulls == ("debian:12",)


@pytest.mark.parametrize(
    ("base", "why"),
    [
        (BuildBase(ref="ktools/a", kind=BaseKind.LIVE, tag="ktools/a:live", directory="a"),
         "web: its base ktools/a:live does not exist yet; promote a first"),
        (BuildBase(ref="ktools/b:1", kind=BaseKind.OWN, tag="ktools/b:1"),
         "web: its base ktools/b:1 is not on the engine, and images of ktools are made here"),
    ],
)  # fmt: skip
def test_a_base_of_ours_that_is_missing_is_refused(base: BuildBase, why: str) -> None:
    for rebuild in (False, True):
        with pytest.raises(UsageError) as caught:
            plan_build(replace(FACTS, bases=(base,), rebuild=rebuild))
        assert str(caught.value) == why
