"""`kharness cowscan`, as a user types it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from kharness.plan import labels
from kharness.plan.runspec import RunSpec
from tests.plugin.conftest import temporary_project
from tests.projects import Project


@pytest.fixture
def project(tmp_path: Path, engine: Engine) -> Iterator[Project]:
    with temporary_project(tmp_path, engine) as found:
        yield found


def test_it_says_all_ok_only_while_nothing_is_left(project: Project, engine: Engine, busybox: str) -> None:
    name = project.name("web")
    project.add("web", {"settings.yaml": f"image: {busybox}\ndrift: {{expect: [/etc/motd]}}\n"})
    spec = RunSpec(name=name, image=busybox, command=("sleep", "600"), labels=labels.of_production(name), init=True)
    container = engine.create(spec)
    engine.start(container)
    engine.write_file(container, "/etc/motd", b"x")
    clean = project.kharness("cowscan", name)
    assert clean.output.splitlines() == [
        f"{name}: unchanged, but for 1 change that is expected",
        "all ok: 1 container",
    ]
    assert clean.status == 0

    engine.write_file(container, "/bin/.x", b"x", mode=0o755)
    dirty = project.kharness("cowscan", name, "--json")
    value = json.loads(dirty.output)
    assert (dirty.status, value["ok"]) == (1, False)
    assert [each["path"] for each in value["containers"][0]["left"]] == ["/bin/.x"]
    removed = project.kharness("cowscan", name, "--rm")
    assert f"{name}: /bin/.x is removed\nwhat put a file there may still run" in removed.output
    assert removed.output.splitlines()[-1] == "all ok: 1 container"
    assert removed.status == 0

    wrong = project.kharness("cowscan", f"{name}x")
    assert (wrong.status, "Traceback" in wrong.output) == (2, False)
    assert f"{name}x: should be a container that runs, and is not there" in wrong.output
