from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kharness.plan.retention import KEPT, expired

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
