"""`kharness hardening`, as a user types it, on the engine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from tests.plugin.conftest import temporary_project
from tests.projects import REPOSITORY, Project

PREP = Path(__file__).parents[3] / "containers" / "kcore-baseline" / "files" / "prep"
DOCKERFILE = """\
    FROM {busybox}
    COPY files/ /
    RUN echo 3 >/etc/alpine-release && sh /prep
    ENV VERSION={version}
"""


@pytest.fixture
def project(tmp_path: Path, engine: Engine, busybox: str) -> Iterator[Project]:
    with temporary_project(tmp_path, engine) as found:
        found.add("web", {"settings.yaml": "{}\n", "files/etc/app.conf~": ""})
        shutil.copy(PREP, found.path / "containers" / found.name("web") / "files")
        found.add("plain", {"settings.yaml": f"image: {busybox}\n"})
        yield found


def build(project: Project, busybox: str, version: int) -> str:
    project.add("web", {"Dockerfile": DOCKERFILE.format(busybox=busybox, version=version)})
    done = project.kharness("build", project.name("web"))
    assert done.status == 0, done.output
    assert "prep+" not in done.output
    return done.output.split()[-1]


def test_what_prep_took_from_an_image_is_known_also_when_its_step_was_cached(project: Project, busybox: str) -> None:
    name = project.name("web")
    image = build(project, busybox, 1)
    shown = project.kharness("hardening", name)
    heading, *lines = shown.output.splitlines()
    assert shown.status == 0
    assert heading.startswith(f"{REPOSITORY}/{name}:latest, image {image[7:19]}: hardened (alpine, ")
    assert "  root-home       1 removed: /root/" in lines
    assert any(line.startswith("  dangerous       8 removed: /bin/") and line.endswith(", ...") for line in lines)

    other = build(project, busybox, 2)
    assert other != image
    again = project.kharness("hardening", name, "--json")
    value = json.loads(again.output)
    assert (value["image"], value["hardened"]["image"], value["whole"], value["off"]) == (other, image, True, [])

    assert project.kharness("build", name, "--rebuild").status == 0
    renewed = json.loads(project.kharness("hardening", name, "--json").output)
    assert renewed["hardened"]["image"] == renewed["image"] != other
    assert renewed["steps"] == value["steps"]


def test_of_an_image_that_was_pulled_nothing_is_known(project: Project, engine: Engine, busybox: str) -> None:
    ref = f"{REPOSITORY}/{project.name('plain')}:live"
    engine.tag(busybox, ref)
    shown = project.kharness("hardening", project.name("plain"), "--live")
    assert shown.status == 1
    assert f"what was taken from {ref} is not known: it was pulled, not built here" in shown.output
