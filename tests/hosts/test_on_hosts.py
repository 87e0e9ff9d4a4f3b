"""The main job, what README lists, and what depends on the engine's behaviour, on each host that people have."""

from __future__ import annotations

import json

import pytest

from tests.hosts.conftest import EVERY, FULL, SUITE, Checkout
from tests.hosts.readme import LISTED, listed
from tests.hosts.recipe import BOOKWORM, FORKY, TRIXIE, Recipe

pytestmark = pytest.mark.hosts

CONTRACT = (*(f"tests/engine/test_contract_{name}.py" for name in ("containers", "images", "networks")),)
NEWER = ("tests/engine/test_requests_newer.py", "tests/ops/launch/test_newer_on_engine.py")
LAYERS = ("tests/ops/drift/test_scan_on_engine.py",)
COMMANDS = ("tests/cli/commands/test_release.py",)
RELEASES = (
    "tests/ops/release/test_on_engine.py",
    "tests/ops/launch/test_forms_on_engine.py",
    *(COMMANDS if FULL else ()),
)
ENGINELESS = ("tests", "services") if FULL else ("tests/settings", "tests/engine", "tests/report")
"""All that needs no engine takes minutes, on each host; these need seconds, and use most of the language."""
LONG = 3600
"""Seconds for what builds, tests and launches all that there is, on a busy machine."""
PODMAN = "unix:///run/podman/podman.sock"
PODMAN_CONFIGURATION = """
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
default_ulimits = ["nofile=1024:20000"]
"""
"""For a host without systemd, whose root may not raise its own limits."""


def test_every_command_that_readme_lists_is_typed() -> None:
    assert tuple(LISTED) == listed()


class Readme:
    """What README says, on a machine that was bare before; each class has a host of its own, and goes to one worker."""

    recipe: Recipe

    def test_it_is_the_host_that_is_meant(self, checkout: Checkout) -> None:
        checkout.kharness("engine", "start")
        version = json.loads(checkout.run("docker", "version", "--format", "{{json .Server}}").output)
        python = checkout.run(".venv/bin/python", "--version").output
        assert version["Version"].startswith(checkout.recipe.engine)
        assert version["ApiVersion"] == checkout.recipe.api
        assert python.startswith(f"Python {checkout.recipe.python}.")

    @pytest.mark.timeout(LONG)
    def test_the_main_job_and_each_command_end_as_readme_says(self, checkout: Checkout) -> None:
        done = checkout.run("sh", "scripts/try", timeout=LONG)
        assert "is live, and production runs it" in done.output
        wrong = []
        for typed in (each for line in LISTED.values() for each in line if FULL or not each.session):
            done = checkout.typed(*typed.argv)
            if done.status != typed.status or typed.says not in done.output:
                wrong.append(f"should have ended with {typed.status} and said {typed.says!r}: {done}")
        assert wrong == [], "\n\n".join(wrong)


class Engine(Readme):
    """What depends on the engine's behaviour, beside that."""

    def test_the_engine_keeps_the_contract(self, checkout: Checkout) -> None:
        checkout.pytest(*EVERY, "-m", "engine", *CONTRACT, *NEWER, *LAYERS)

    def test_releases_are_launched_rolled_back_recovered_and_pruned(self, checkout: Checkout) -> None:
        checkout.pytest(*EVERY, "-m", "engine", *RELEASES)

    def test_processes_are_listed_where_the_host_has_no_ps(self, checkout: Checkout) -> None:
        checkout.run("mv", "/usr/bin/ps", "/usr/bin/ps.away")
        try:
            checkout.pytest(*EVERY, "-m", "engine", "tests/engine/test_contract_containers.py", "-k", "process")
        finally:
            checkout.run("mv", "/usr/bin/ps.away", "/usr/bin/ps")

    @pytest.mark.timeout(LONG)
    def test_what_needs_no_engine_holds_with_its_python(self, checkout: Checkout) -> None:
        checkout.pytest(*SUITE, "-m", "not engine and not hosts", "-n", "2", *ENGINELESS, timeout=LONG)


class TestBookworm(Readme):
    # All other tests run on the engine and the Python of Debian 12, and so does the main job at every change.
    __test__ = FULL
    recipe = BOOKWORM


class TestTrixie(Engine):
    recipe = TRIXIE


class TestForky(Engine):
    recipe = FORKY


class TestContainerd:
    """The image store of containerd."""

    recipe = FORKY

    def test_it_keeps_the_contract(self, checkout: Checkout) -> None:
        checkout.host.write("/etc/docker/daemon.json", json.dumps({"features": {"containerd-snapshotter": True}}))
        checkout.kharness("engine", "start")
        assert "io.containerd.snapshotter.v1" in checkout.run("docker", "info").output
        checkout.pytest(*EVERY, "-m", "engine", *CONTRACT, *LAYERS, *COMMANDS)


class TestPodman:
    """Podman's Docker-compatible socket; see tests/engine/podman.py for what it does otherwise."""

    recipe = TRIXIE

    def test_it_keeps_the_contract_but_for_known_differences(self, checkout: Checkout) -> None:
        checkout.host.write("/etc/containers/containers.conf", PODMAN_CONFIGURATION)
        checkout.run("sh", "-c", f"mkdir -p /run/podman; podman system service --time=0 {PODMAN} >/dev/null 2>&1 &")
        checkout.pytest(*EVERY, "-m", "engine", *CONTRACT, "tests/engine/test_requests_newer.py", DOCKER_HOST=PODMAN)

    def test_production_is_swapped_and_comes_back(self, checkout: Checkout) -> None:
        chosen = "swapped or crashes or job or copied or killed"
        checkout.pytest(*EVERY, "tests/ops/release/test_on_engine.py", "-k", chosen, DOCKER_HOST=PODMAN)
