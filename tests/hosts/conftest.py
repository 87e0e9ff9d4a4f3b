"""The hosts that tests run on: one of each recipe at a time, with this checkout and its environment in it."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import no_engine
from tests.hosts.machine import PATH, Done, Host, host
from tests.hosts.network import Network, network
from tests.hosts.recipe import HostsUnavailableError, Recipe
from tests.hosts.store import Store, cache_directory, pack

ROOT = Path(__file__).parents[2]
PROJECT = "/opt/kharness"
FULL = os.environ.get("KHARNESS_HOSTS") == "full"
"""Whether what takes many minutes is tested, too."""
SUITE = ["-q", "-p", "no:cacheprovider", "--timeout", "300", "--tb=short"]
EVERY = ["--require-engine", *SUITE]


@dataclass(frozen=True)
class Checkout:
    """This checkout on a host."""

    host: Host

    @property
    def recipe(self) -> Recipe:
        return self.host.recipe

    def run(self, *argv: str, status: int | None = 0, timeout: float = 600.0, **environ: str) -> Done:
        return self.host.run(*argv, cwd=PROJECT, status=status, timeout=timeout, environ=environ)

    def typed(self, *argv: str) -> Done:
        """Run what a person types who has activated the environment, as README says."""
        return self.run(*argv, status=None, timeout=1800, PATH=f"{PROJECT}/.venv/bin:{PATH}")

    def kharness(self, *argv: str, status: int | None = 0) -> Done:
        return self.run(".venv/bin/kharness", *argv, status=status)

    def pytest(self, *argv: str, status: int | None = 0, timeout: float = 600.0, **environ: str) -> Done:
        return self.run(".venv/bin/pytest", *argv, status=status, timeout=timeout, **environ)


@pytest.fixture(scope="session")
def store() -> Store:
    return Store(cache_directory(os.environ, Path.home()))


@pytest.fixture(scope="session")
def bridge(request: pytest.FixtureRequest) -> Iterator[Network]:
    if os.geteuid():
        no_engine(request, "hosts need root")
    try:
        with network() as made:
            yield made
    except HostsUnavailableError as error:
        no_engine(request, str(error))


@pytest.fixture(scope="class")
def checkout(request: pytest.FixtureRequest, bridge: Network, store: Store) -> Iterator[Checkout]:
    recipe: Recipe = request.cls.recipe
    with host(recipe, bridge, store, above=layers(recipe, bridge, store)) as machine:
        yield checked_out(machine)


def layers(recipe: Recipe, bridge: Network, store: Store) -> tuple[Path, ...]:
    """Return what lies over a host of this recipe where it is set up, the first at the top; made first if need be.

    The lower one is what `scripts/setup` makes of a bare host, the upper one what locked requirements add.
    """
    packages = _layer(recipe, bridge, store, made_of=("scripts/setup",), below=(), then=_further(recipe))
    return (_layer(recipe, bridge, store, made_of=MADE_OF, below=(packages,), then=TESTS), packages)


MADE_OF = ("pyproject.toml", "scripts/setup", "requirements/run.txt", "requirements/tox.txt", "requirements/test.txt")
"""What decides which Python packages are installed on a host."""
TESTS = (".venv/bin/python -m pip install -q -r requirements/test.txt",)
CLEAN = (
    "apt-get clean; rm -rf /var/lib/apt/lists/* /root/.cache",
    f"find {PROJECT} -mindepth 1 -maxdepth 1 ! -name .venv -exec rm -rf {{}} +",
)
"""What is no part of a layer: what can be fetched again, and the checkout, of which every host gets its own."""


def _further(recipe: Recipe) -> tuple[str, ...]:
    if not recipe.further:
        return ()
    return (f"DEBIAN_FRONTEND=noninteractive apt-get install -y -qq {' '.join(recipe.further)} >/dev/null",)


def _layer(
    recipe: Recipe,
    bridge: Network,
    store: Store,
    *,
    made_of: tuple[str, ...],
    below: tuple[Path, ...],
    then: tuple[str, ...],
) -> Path:
    """Return the directory of what `scripts/setup` and further commands change on a host."""
    parts = [recipe.key, *then, *(each.name for each in below), *((ROOT / name).read_text() for name in made_of)]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]

    def make(archive: Path) -> None:
        with host(recipe, bridge, store, above=below) as machine:
            checkout = checked_out(machine)
            checkout.run("sh", "scripts/setup", "--for-tests")
            for command in (*then, *CLEAN):
                checkout.run("sh", "-c", command)
            pack(machine.changes, archive)

    return store.tree(store.entry(f"{recipe.suite}-{'set-up' if below else 'packages'}-{key}.tar", make))


def checked_out(machine: Host) -> Checkout:
    place = machine.root / PROJECT.lstrip("/")
    place.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=True,
    )
    there = b"\0".join(name for name in listed.stdout.split(b"\0") if (ROOT / os.fsdecode(name)).exists())
    packed = subprocess.run(
        ["tar", "-C", str(ROOT), "--null", "-T", "-", "-cf", "-"], input=there, capture_output=True, check=True
    )
    subprocess.run(["tar", "-C", str(place), "-xf", "-"], input=packed.stdout, check=True)
    return Checkout(machine)
