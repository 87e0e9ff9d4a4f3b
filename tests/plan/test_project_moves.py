"""What goes with a container: names that kharness gave, and images that nothing else has."""

from __future__ import annotations

import pytest

from kharness.plan.facts import ContainerFacts, ImageFacts
from kharness.plan.project import is_kept_by_us, users_of_images


@pytest.mark.parametrize(
    ("tag", "ours"),
    [
        ("latest", True),
        ("live", True),
        ("prev", True),
        ("release-20260101-120000-000", True),
        ("release-candidate", False),
        ("mine", False),
        ("", False),
    ],
)
def test_only_names_that_kharness_gave_go(tag: str, *, ours: bool) -> None:
    assert is_kept_by_us(tag) is ours


def test_a_container_keeps_an_image_that_would_lose_its_last_name() -> None:
    last = ImageFacts(id="1", tags=("r/web:live", "r/web:prev"))
    other = ImageFacts(id="2", tags=("r/web:latest", "r/web:mine"))
    tags = {"r/web:live": last, "r/web:prev": last, "r/web:latest": other}
    containers = tuple(ContainerFacts(id=f"c{image}", name=f"n{image}", image_id=image) for image in "123")
    assert users_of_images(tags, containers, but=()) == {"n1": "1"}
    assert users_of_images(tags, containers, but=("c1",)) == {}
