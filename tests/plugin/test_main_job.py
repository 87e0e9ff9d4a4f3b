"""The main job with the project's own containers: base, filewatchdock and dnsdock, from nothing to production."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from kharness.plan import labels
from tests.projects import REPOSITORY, Project

ROOT = Path(__file__).parents[2]
NAMES = ("kcore-baseline", "filewatchdock", "dnsdock")
PRODUCTION = "kharness-test-"
"""In front of production containers' names, so that those of this machine are not met."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Project]:
    """The project's container directories, with other images, other production names and other host ports."""
    project = Project.create(tmp_path_factory.mktemp("main") / "project", prefix="")
    shutil.copytree(ROOT / "services", project.path / "services", ignore=shutil.ignore_patterns("__pycache__"))
    for name in NAMES:
        _copy(ROOT / "containers" / name, project.path / "containers" / name)
    try:
        yield project
    finally:
        _forget(engine)


def _forget(engine: Engine) -> None:
    for container in engine.containers(labels={labels.ROLE: None}):
        if container.name.startswith(PRODUCTION):
            engine.remove(container.id, force=True)
    tags = [tag for image in engine.images() for tag in image.tags]
    # What is built on another first; and the tags that keep releases, too.
    for name in reversed(NAMES):
        for tag in tags:
            if tag.startswith(f"{REPOSITORY}/{name}:"):
                engine.untag(tag)


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    dockerfile = target / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("ktools/", f"{REPOSITORY}/"))
    settings = target / "settings.yaml"
    ports: dict[str, int] = {}
    text = re.sub(
        r"127\.0\.0\.1:(\d+):",
        lambda found: f"127.0.0.1:{ports.setdefault(found[1], _free_port())}:",
        settings.read_text(),
    )
    # What is left to its default there, ten seconds for each, is said shorter here.
    release = "" if "\nrelease:" in text else "release: {verify_for: 1s}\n"
    settings.write_text(f"{text}\ncontainer_name: {PRODUCTION}{source.name}\n{release}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.engine
@pytest.mark.timeout(900)
def test_from_nothing_to_production_and_back_to_the_tests_of_what_runs(fleet: Project, engine: Engine) -> None:
    """One test, because each step stands on the one before, and the images take a minute to build."""
    # A try before this one may have ended in the middle.
    _forget(engine)
    assert engine.image(f"{REPOSITORY}/kcore-baseline:live") is None

    ready = fleet.pytest("containers/filewatchdock", "--ready", timeout=600)
    assert ready.status == 0, ready.output
    assert "its base kcore-baseline has no live image: building, testing and promoting it first" in ready.output
    assert engine.image(f"{REPOSITORY}/kcore-baseline:live") is not None
    assert engine.image(f"{REPOSITORY}/filewatchdock:live") is None

    promoted = fleet.pytest("containers/filewatchdock", "--ready", "--promote")
    assert promoted.status == 0, promoted.output
    assert "unchanged, not built again" in promoted.output
    live = engine.image(f"{REPOSITORY}/filewatchdock:live")
    assert live is not None

    launched = fleet.pytest("containers", "--ready", "--launch", "-n", "2", timeout=600)
    assert launched.status == 0, launched.output
    # The base is promoted, not launched; the waves are 1 for dnsdock and 2 for filewatchdock.
    first, second = (launched.output.index(f"{name}: relaunching production") for name in ("dnsdock", "filewatchdock"))
    assert first < second
    assert engine.container(f"{PRODUCTION}kcore-baseline") is None
    for name in ("dnsdock", "filewatchdock"):
        production = engine.container(f"{PRODUCTION}{name}")
        assert production is not None
        assert production.running

    in_prod = fleet.pytest("containers", "--in-prod")
    assert in_prod.status == 0, in_prod.output
    assert in_prod.outcomes()["passed"] > 0
    # With all checks that hold by themselves, as README's line is typed.
    checked = fleet.pytest("containers", "--in-prod", environ={"KHARNESS_POLICY": ""})
    assert checked.status == 0, checked.output
    assert checked.outcomes()["passed"] > in_prod.outcomes()["passed"] + 50
    scanned = fleet.kharness("cowscan", "dnsdock", "filewatchdock")
    assert scanned.status == 0, scanned.output
    assert "all ok: 2 containers" in scanned.output

    prod_ready = fleet.pytest("containers", "--ready", "-n", "2", environ={"KTOOLS_DRUN_TEST_PROD": "1"})
    assert prod_ready.status == 0, prod_ready.output
    assert "mode prod-ready" in prod_ready.output


@pytest.mark.engine
@pytest.mark.timeout(300)
def test_a_service_that_lies_about_its_health_does_not_reach_production(fleet: Project, engine: Engine) -> None:
    before = engine.container(f"{PRODUCTION}filewatchdock")
    live = engine.image(f"{REPOSITORY}/filewatchdock:live")
    service = fleet.path / "services" / "filewatch" / "filewatch"
    found = [path for path in service.rglob("*.py") if "all ok" in path.read_text()]
    assert found
    for path in found:
        path.write_text(path.read_text().replace("all ok", "all right"))
    result = fleet.pytest("containers/filewatchdock", "--ready", "--launch")
    assert result.status == 1, result.output
    assert "failed" in result.output
    after = engine.container(f"{PRODUCTION}filewatchdock")
    now = engine.image(f"{REPOSITORY}/filewatchdock:live")
    assert before is not None
    assert after is not None
    assert live is not None
    assert now is not None
    assert (after.id, after.running, now.id) == (before.id, True, live.id)
