"""The suite notices when a test touches what was on the engine before it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent

import pytest

from kharness.engine.api import Engine, NetworkRequest
from kharness.plan import labels
from kharness.plan.facts import short_id
from kharness.plan.launch.runspec import Attachment, RunSpec
from kharness.testing import FakeEngine
from tests.bystanders import Bystanders, is_tests

ROOT = Path(__file__).parent.parent
HOOKS = """\
import tests.bystanders

tests.bystanders.is_tests = lambda name, said: not name.startswith({name!r})

from tests.conftest import *
"""
"""Hooks of the suite that look at nothing but one test's bystanders: other runs' objects come and go."""
HARMLESS = """\
def test_it_looks_at_them(engine):
    assert engine.containers()
"""
HARMFUL = """\
def test_it_removes_what_it_did_not_make(engine):
    engine.remove("{name}-gone", force=True)
    engine.restart("{name}-restarted")
    engine.pause("{name}-paused")
    engine.untag("{name}/image:1")
    engine.remove_volume("{name}-volume")
    engine.remove_network("{name}-network")
"""


def test_whatever_happens_to_what_was_there_is_named() -> None:
    engine = FakeEngine()
    engine.put_image("shop:1")
    engine.put_image("shop:2")
    for name in ("gone", "restarted", "stopped", "renamed", "again", "kept", "moved"):
        engine.start(engine.create(RunSpec(name=name, image="shop:1")))
    engine.create_volume("data")
    engine.create_network(NetworkRequest(name="lan", subnet="192.0.2.0/24"))
    engine.create_network(NetworkRequest(name="wan"))
    old = {each.name: short_id(each.id) for each in engine.containers()}
    before = Bystanders.look(engine)
    assert list(before.harmed(Bystanders.look(engine))) == []

    engine.remove("gone", force=True)
    engine.restart("restarted")
    engine.stop("stopped")
    engine.rename("renamed", "other")
    engine.set_restart("again", "always")
    engine.connect(Attachment(network="lan", ipv4_address="192.0.2.7"), "moved")
    engine.create(RunSpec(name="added", image="shop:1"))
    engine.tag("shop:1", "shop:2")
    engine.remove_volume("data")
    engine.remove_network("wan")
    found = list(before.harmed(Bystanders.look(engine)))
    assert [line.partition(": its start was")[0] for line in found] == [
        f"container gone ({old['gone']}) is gone",
        f"container restarted ({old['restarted']})",
        f"container stopped ({old['stopped']}): its state was running, is exited",
        f"container renamed ({old['renamed']}): its name was renamed, is other",
        f"container again ({old['again']}): its restart policy was no, is always",
        f"container moved ({old['moved']}): its place was no network, is lan 192.0.2.7",
        next(line for line in found if line.startswith("image shop:2 is another one: was sha256:")),
        "volume data is gone",
        "network wan is gone",
    ]


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("filewatchdock", {labels.NAME: "filewatchdock", labels.FOLDER: "/srv/shop"}, False),
        ("postgres", {}, False),
        ("kharness-test-0a1b2c3d-web", {}, True),
        ("kt0a1b2c-web", {labels.NAME: "kt0a1b2c-web"}, True),
        ("ktools/web:live", {}, False),
        ("web", {labels.NAME: "web", labels.FOLDER: "/tmp/pytest-0/project"}, True),
    ],
)
def test_what_tests_made_is_no_bystander(name: str, said: dict[str, str], *, expected: bool) -> None:
    assert is_tests(name, said) is expected


@pytest.fixture
def bystanders(engine: Engine, busybox: str, prefix: str) -> Iterator[str]:
    """Three containers, an image, a volume and a network; gives what their names begin with."""
    with ExitStack() as undo:
        for short in ("gone", "restarted", "paused"):
            undo.callback(engine.remove, f"{prefix}-{short}", force=True)
            spec = RunSpec(name=f"{prefix}-{short}", image=busybox, command=("sleep", "600"), init=True)
            engine.start(engine.create(spec))
        engine.tag(busybox, f"{prefix}/image:1")
        undo.callback(engine.untag, f"{prefix}/image:1")
        engine.create_volume(f"{prefix}-volume")
        undo.callback(engine.remove_volume, f"{prefix}-volume")
        engine.create_network(NetworkRequest(name=f"{prefix}-network", internal=True))
        undo.callback(engine.remove_network, f"{prefix}-network")
        yield prefix


def run_suite(path: Path, name: str, test: str) -> tuple[int, str]:
    """Run a test with the suite's own hooks; returns the exit status and the output."""
    (path / "conftest.py").write_text(HOOKS.format(name=name))
    (path / "test_it.py").write_text(dedent(test.format(name=name)))
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "no:cacheprovider", "-n", "1", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def test_steps_of_a_build_and_what_it_replaces_are_no_bystanders(engine: Engine, busybox: str, prefix: str) -> None:
    """Another worker, or a person, may build at any time."""
    command = ["docker", "build", "--no-cache", "--tag", f"{prefix}/built:1", "-"]
    # By the classic builder, whose steps are containers.
    environ = {**os.environ, "DOCKER_BUILDKIT": "0"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"FROM {busybox}\nRUN echo begun; sleep 2\nRUN true\n")
        process.stdin.close()
        assert "begun\n" in iter(process.stdout.readline, "")
        before = Bystanders.look(engine, alone=False)
        assert "Successfully built" in process.stdout.read()
    engine.remove_image(f"{prefix}/built:1", force=True)
    assert list(before.harmed(Bystanders.look(engine, alone=False))) == []


def test_a_run_that_touches_nothing_passes(bystanders: str, tmp_path: Path) -> None:
    status, output = run_suite(tmp_path, bystanders, HARMLESS)
    assert status == 0, output
    assert "on the engine" not in output


def test_a_run_that_touches_what_was_there_fails_though_its_tests_pass(
    bystanders: str, engine: Engine, tmp_path: Path
) -> None:
    gone = engine.container(f"{bystanders}-gone")
    assert gone is not None
    status, output = run_suite(tmp_path, bystanders, HARMFUL)
    assert (status, "1 passed" in output) == (1, True), output
    touched = "the tests touched what was on the engine before them:"
    for line in (
        f"{touched} container {bystanders}-gone ({short_id(gone.id)}) is gone",
        f"{touched} image {bystanders}/image:1 is gone",
        f"{touched} volume {bystanders}-volume is gone",
        f"{touched} network {bystanders}-network is gone",
    ):
        assert line in output.splitlines(), output
    assert f"container {bystanders}-restarted" in output
    assert ": its start was 2" in output
    assert ": its state was running, is paused" in output
