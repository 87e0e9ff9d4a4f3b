"""Ten small ready-built containers, as container directories of a project; and what is removed at the end."""

from __future__ import annotations

import io
import os
import secrets
import shutil
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from kharness.engine.api import Engine
from kharness.plan import labels
from tests.bench.timing import BenchError, Command
from tests.rootfs import add_file, archive, is_static

SIZE = 10
PORT = 8080
TEXT = "hello\n"
COMMAND = ("httpd", "-f", "-p", str(PORT), "-h", "/www")
HEALTH = ("wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:{PORT}/")
QUIET = ("KTOOLS_", "KHARNESS_", "PYTEST_", "TOX_", "PYTHONDONTWRITEBYTECODE")
"""Variables that would make the processes other than a user's; without byte code each would compile all of kharness."""

SETTINGS = f"""\
image: {{image}}
command: [{", ".join(f'"{word}"' for word in COMMAND)}]
expose: [{PORT}]
healthcheck:
  test: [CMD, {", ".join(f'"{word}"' for word in HEALTH)}]
"""
TEST = f"""\
def test_it_says_hello(http):
    assert http.get("/").text == {TEXT!r}
"""


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The beginning of all names, the image, the project with the directories, and the environment to run things in."""

    name: str
    image: str
    project: Path
    environ: dict[str, str]

    def production(self, engine: Engine, name: str, *, project: str, folder: Path) -> dict[str, str]:
        """Return the labels of a production container of the image."""
        image = engine.image(self.image)
        return labels.production(project, name, folder=str(folder), image=image.id if image else "")

    def pytest(self, *args: str) -> Command:
        """Return pytest over all of them, as a user would type it."""
        return Command(
            argv=(sys.executable, "-m", "pytest", "containers", *args), cwd=self.project, environ=self.environ
        )

    def bare(self) -> Command:
        """Return the script that does the same with the SDK alone."""
        script = Path(__file__).with_name("bare.py")
        argv = (sys.executable, str(script), self.image, str(SIZE), str(PORT))
        return Command(argv=argv, cwd=self.project, environ=self.environ)


@contextmanager
def fleet(engine: Engine) -> Iterator[Fleet]:
    """Give the fleet, and remove everything that has its name afterwards."""
    name = f"kharness-bench-{secrets.token_hex(3)}"
    with TemporaryDirectory(prefix=f"{name}-") as scratch:
        project = Path(scratch, "project")
        image = f"{name}/httpd:1"
        engine.import_image([_root()], image, changes=[f"EXPOSE {PORT}"])
        try:
            for number in range(SIZE):
                directory = project / "containers" / f"{name}-{number}"
                directory.mkdir(parents=True)
                (directory / "settings.yaml").write_text(SETTINGS.format(image=image))
                (directory / "test_web.py").write_text(TEST)
            (project / "pyproject.toml").write_text('[tool.kharness]\nsource_paths = ["containers"]\n')
            (project / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
            yield Fleet(name=name, image=image, project=project, environ=_environ(project, repository=name))
        finally:
            _remove(engine, name)


def _environ(project: Path, *, repository: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(QUIET)}
    return {
        **kept,
        "KHARNESS_REPOSITORY": repository,
        "KHARNESS_STATE_DIR": str(project / "state"),
        "KHARNESS_DV": str(project / "dv"),
        "KHARNESS_START_ENGINE": "no",
    }


def _root() -> bytes:
    program = Path(shutil.which("busybox") or "/bin/busybox")
    if not program.exists() or not is_static(program):
        raise BenchError("a static busybox makes the image: apt-get install -y busybox-static")
    buffer = io.BytesIO(archive(program))
    with tarfile.open(fileobj=buffer, mode="a") as tar:
        add_file(tar, "www/index.html", TEXT.encode())
    return buffer.getvalue()


def _remove(engine: Engine, name: str) -> None:
    # Normally only the images are left; the rest is what a measured process that failed did not get to.
    for container in engine.containers():
        if container.name.startswith(name) or container.labels.get(labels.NAME, "").startswith(name):
            engine.remove(container.id, force=True)
    for network in engine.networks():
        if network.name.startswith(name):
            engine.remove_network(network.id)
    for image in engine.images():
        for tag in image.tags:
            if tag.startswith(f"{name}/"):
                engine.untag(tag)
