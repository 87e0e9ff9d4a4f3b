from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from kharness.host.session.overlay import unmount_overlays
from kharness.host.volumes.directories import remove_tree
from tests.projects import REPOSITORY, Project

HTTPD = """\
    image: {busybox}
    command: [sh, -c, "mkdir -p /tmp/www && echo hello > /tmp/www/index.html && exec httpd -f -p {port} -h /tmp/www"]
    expose: [8080]
    healthcheck:
      test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1:8080/"]
      interval: 1s
    restart: unless-stopped
    init: true
    release: {{verify_for: 300ms}}
"""
TESTS = """\
    import pytest

    def test_it_says_hello(http):
        assert http.get("/").text == "hello\\n"

    @pytest.mark.in_prod
    def test_production_says_hello(http):
        assert http.get("/").text == "hello\\n"
"""


@contextmanager
def temporary_project(path: Path, engine: Engine) -> Iterator[Project]:
    """Give a project whose containers, images and networks are removed at the end."""
    found = Project.create(path / "project", prefix=f"kt{secrets.token_hex(3)}-")
    # What a session puts into the temporary directory can be counted there.
    scratch = found.path / "tmp"
    scratch.mkdir()
    found.environ["TMPDIR"] = str(scratch)
    try:
        yield found
    finally:
        for container in engine.containers(labels={"kharness.name": None}):
            if container.labels["kharness.name"].startswith(found.prefix):
                engine.remove(container.id, force=True)
        for network in engine.networks(labels={"kharness.name": None}):
            if network.labels["kharness.name"].startswith(found.prefix):
                engine.remove_network(network.id)
        for image in engine.images():
            for tag in image.tags:
                if tag.startswith(f"{REPOSITORY}/{found.prefix}"):
                    engine.untag(tag)
            if not image.tags and image.labels.get("kharness.name", "").startswith(found.prefix):
                engine.remove_image(image.id, force=True)
        unmount_overlays(found.path)
        remove_tree(found.path)


@pytest.fixture
def project(tmp_path: Path, engine: Engine) -> Iterator[Project]:
    """A project of this test's own."""
    with temporary_project(tmp_path, engine) as found:
        yield found


@pytest.fixture(scope="module")
def shared_project(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Project]:
    """A project for all tests of a module: a session in it costs two seconds, and its claims are many."""
    with temporary_project(tmp_path_factory.mktemp("shared"), engine) as found:
        yield found


@pytest.fixture
def web(project: Project, busybox: str) -> Project:
    """A project with one container, `web`, that passes all its tests."""
    add_web(project, busybox)
    return project


def add_web(project: Project, busybox: str, *, name: str = "web", port: int = 8080, tests: str = TESTS) -> Path:
    """Add a small web server."""
    settings = HTTPD.format(busybox=busybox, port=port)
    return project.add(name, {"settings.yaml": settings, "test_web.py": tests})
