from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kharness.plan.image.tags import KEPT, TagMove, Tags, expired, plan_promotion, plan_revert, release_time

MAY, JUNE, JULY = "release-20260501-120000-000", "release-20260601-120000-000", "release-20260601-120000-001"


@pytest.mark.parametrize(
    ("tags", "keep", "gone"),
    [
        ({}, 1, ()),
        ({MAY: "1", JUNE: "2", JULY: "3"}, 1, (MAY, JUNE)),
        ({MAY: "1", JUNE: "2", JULY: "3"}, 2, (MAY,)),
        ({MAY: "1", JUNE: "2", JULY: "3"}, 9, ()),
        # A roll-back names an old image anew: it counts as what was released last.
        ({MAY: "1", JUNE: "2", JULY: "1"}, 1, (JUNE,)),
        ({MAY: "1", JUNE: "2", JULY: "3", "live": "3", "prev": "1"}, 1, (JUNE,)),
        ({MAY: "1", JUNE: "2", "latest": "1", "theirs": "0"}, 1, ()),
    ],
)
def test_the_last_releases_and_what_has_a_name_of_ours_are_kept(
    tags: dict[str, str], keep: int, gone: tuple[str, ...]
) -> None:
    assert expired(tags, keep=keep) == gone


def test_what_a_container_uses_is_kept() -> None:
    assert expired({MAY: "1", JUNE: "2"}, keep=1, in_use=["1"]) == ()


TAGS = st.dictionaries(st.sampled_from([MAY, JUNE, JULY, *sorted(KEPT), "theirs"]), st.sampled_from("1234"))


@given(tags=TAGS, keep=st.integers(1, 4), in_use=st.sets(st.sampled_from("1234")))
def test_no_image_that_is_needed_loses_a_name(tags: dict[str, str], keep: int, in_use: set[str]) -> None:
    gone = expired(tags, keep=keep, in_use=in_use)
    lost = {tags[tag] for tag in gone}
    assert not lost & {tags[tag] for tag in KEPT & tags.keys()}
    assert not lost & in_use
    assert all(tag.startswith("release-") for tag in gone)
    left = {image for tag, image in tags.items() if tag.startswith("release-") and tag not in gone}
    assert len(left) >= min(keep, len({image for tag, image in tags.items() if tag.startswith("release-")}))


WEB = Tags("ktools", "web")


def test_promotion_keeps_the_old_image_before_it_moves_live() -> None:
    moves = plan_promotion(WEB, tested="sha256:new", live="sha256:old")
    assert moves == (TagMove("ktools/web:prev", "sha256:old"), TagMove("ktools/web:live", "sha256:new"))


def test_a_first_promotion_has_no_old_image() -> None:
    assert plan_promotion(WEB, tested="sha256:new", live=None) == (TagMove("ktools/web:live", "sha256:new"),)


def test_promoting_what_is_live_changes_nothing() -> None:
    assert plan_promotion(WEB, tested="sha256:new", live="sha256:new") == ()


def test_a_revert_of_a_first_promotion_removes_the_tags() -> None:
    assert plan_revert(WEB, live=None, prev=None) == (
        TagMove("ktools/web:live", None),
        TagMove("ktools/web:prev", None),
    )


@pytest.mark.parametrize("at", [0.0, 1795271507.25, 1795271507.999])
def test_the_name_of_a_release_tells_its_time(at: float) -> None:
    tag = Tags("ktools", "web").release(at).rpartition(":")[2]
    assert release_time(tag) == pytest.approx(at, abs=0.001)


@pytest.mark.parametrize("tag", ["live", "release-", "release-1", "release-20260501-120000-x", "20260501-120000-001"])
def test_any_other_tag_tells_none(tag: str) -> None:
    assert release_time(tag) is None
