from __future__ import annotations

from pathlib import Path

import pytest

from kharness.plan.facts import ImageFacts
from tests.ops.world import World


@pytest.fixture
def data(world: World, image: ImageFacts) -> Path:
    """What production has written."""
    assert image.id
    place = world.volume_root / "web" / "data"
    place.mkdir(parents=True)
    (place / "real").write_text("of customers")
    return place
