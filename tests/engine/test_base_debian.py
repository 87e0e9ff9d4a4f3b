"""The root image of a host that no registry answers: made for real, which takes as long as it takes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from kharness.engine.api import Engine
from kharness.host.image.base import BaseImage, ensure_base, host_suite
from kharness.plan.launch.runspec import RunSpec
from tests.conftest import no_engine

LARGEST = 120_000_000
REPOSITORY = f"kharness-test-base-{os.getpid()}"


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def base(request: pytest.FixtureRequest, engine: Engine, said: list[str]) -> Iterator[BaseImage]:
    if not shutil.which("mmdebstrap") and not shutil.which("debootstrap"):
        no_engine(request, "a Debian base is made by mmdebstrap: apt-get install -y mmdebstrap")
    made = ensure_base(engine, family="debian", progress=said.append, repository=REPOSITORY)
    yield made
    engine.remove_image(made.ref, force=True)


@pytest.fixture(scope="module")
def listing(engine: Engine, base: BaseImage) -> Iterator[str]:
    """Every path of the image, one a line."""
    container = engine.create(RunSpec(name=REPOSITORY, image=base.id, command=("find", "/", "-xdev")))
    engine.start(container)
    assert engine.wait(container, timeout=60.0) == 0
    yield engine.logs(container)
    engine.remove(container, force=True)


def test_it_is_the_hosts_own_release(base: BaseImage) -> None:
    suite = host_suite()

    assert base.ref == f"{REPOSITORY}/base:{suite.distribution}-{suite.codename}"


def test_the_long_steps_are_told(base: BaseImage, said: list[str]) -> None:
    assert base.ref in said[0]
    assert said[-1] == "importing the image"
    assert 4 <= len(said) <= 15


def test_the_second_time_it_is_there(engine: Engine, base: BaseImage) -> None:
    told: list[str] = []

    again = ensure_base(engine, family=None, progress=told.append, repository=REPOSITORY)

    assert again == base
    assert told == []


def test_it_is_small_and_has_what_pkg_needs(engine: Engine, base: BaseImage, listing: str) -> None:
    image = engine.image(base.ref)
    lines = set(listing.splitlines())

    assert image is not None
    assert image.size < LARGEST
    assert {"/usr/bin/apt-get", "/usr/bin/dpkg", "/etc/apt/sources.list"} <= lines


def test_it_carries_no_lists_no_documentation_and_nothing_of_this_host(listing: str) -> None:
    lines = listing.splitlines()

    assert [line for line in lines if line.startswith("/var/lib/apt/lists/") and line.endswith("_Packages")] == []
    assert [line for line in lines if line.startswith("/usr/share/man/")] == []
    assert "/usr/share/doc/dpkg/copyright" in lines
    assert "/etc/machine-id" not in lines
