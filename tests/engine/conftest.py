"""Claims that ask for `bench` are tried on the fake and on the engine, so that the fake cannot drift."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from kharness.engine.api import Engine
from kharness.testing import FakeEngine
from tests.engine import podman
from tests.engine.bench import Bench


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.engine)])
def bench(request: pytest.FixtureRequest, prefix: str) -> Iterator[Bench]:
    engine: Engine
    if request.param == "fake":
        engine = FakeEngine()
        image = engine.put_image(f"{prefix}/busybox:1", files={"/etc/passwd": b"root:x:0:0\n"}).tags[0]
    else:
        engine, image = request.getfixturevalue("engine"), request.getfixturevalue("busybox")
        podman.expect_difference(request, engine)
    with ExitStack() as undo:
        yield Bench(engine, image, prefix, undo)
