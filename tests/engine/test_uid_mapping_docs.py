"""docs/uid-mapping.md is what happens: its commands are given in its order, and print what it shows."""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kharness.engine.start import stop_daemon
from tests.conftest import no_engine
from tests.engine.daemons import PrivateDaemon, private_daemon, why_not
from tests.projects import Project
from tests.rootfs import archive

pytestmark = pytest.mark.engine

TEXT = (Path(__file__).parents[2] / "docs" / "uid-mapping.md").read_text(encoding="utf-8")
SETTINGS = re.compile(r"```yaml\n# containers/web/settings.yaml\n(.*?)```", re.DOTALL)
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
IMAGE = "kharness-test/busybox:docs"
BASE = 231072


def steps() -> list[tuple[str, list[str]]]:
    """Return the page's commands, each with the lines that it shows."""
    found: list[tuple[str, list[str]]] = []
    for block in CONSOLE.findall(TEXT):
        for line in block.splitlines():
            if line.startswith("# "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


@dataclass
class Host:
    """A host whose daemon is the tests' own; `user` has the range that the page shows."""

    daemon: PrivateDaemon
    project: Project
    user: str
    configuration: dict[str, Any] = field(default_factory=dict)

    def do(self, command: str) -> str:
        """Do what a person would type, here."""
        if command == "systemctl stop docker":
            stop_daemon(self.daemon.paths)
            return ""
        if command == "systemctl start docker":
            self.daemon.start(**self.configuration)
            return ""
        if command.endswith("/etc/docker/daemon.json"):
            self.configuration = {"userns-remap": self.user} if "userns-remap" in command else {}
            return ""
        command = self.here(command).replace("kharness ", f"{sys.executable} -m kharness ", 1)
        done = self.project.run("nsenter", f"--net=/run/netns/{self.daemon.namespace}", "sh", "-c", command)
        return done.output

    def here(self, text: str) -> str:
        """Say this host's places for the page's."""
        text = text.replace("/var/lib/docker", str(self.daemon.paths.data_root))
        return text.replace("/rw/dv", str(self.project.path / "dv")).replace("/root/", f"{self.project.path}/")


@pytest.fixture
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    missing = [program for program in ("useradd", "usermod", "userdel", "docker") if shutil.which(program) is None]
    if reason := why_not() or (f"needs {' and '.join(missing)}" if missing else None):
        no_engine(request, reason)
    with ExitStack() as undo:
        user = f"khd-{secrets.token_hex(3)}"
        subprocess.run(["useradd", "--system", "--no-create-home", user], check=True)
        undo.callback(subprocess.run, ["userdel", user], check=True)
        ids = f"{BASE}-{BASE + 65535}"
        subprocess.run(["usermod", "--add-subuids", ids, "--add-subgids", ids, user], check=True)
        daemon = undo.enter_context(private_daemon())
        daemon.root.chmod(0o711)
        daemon.start()
        place = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="khd-")))
        place.chmod(0o711)
        project = Project.create(place / "project", prefix="")
        project.environ |= {"DOCKER_HOST": daemon.url, "KHARNESS_REPOSITORY": "ktools"}
        (project.path / "dv").mkdir()
        yield Host(daemon, project, user)


def prepared(host: Host) -> None:
    """Let the example run before there is a mapping."""
    found = SETTINGS.search(TEXT)
    assert found
    host.project.add("web", {"settings.yaml": found[1].replace("IMAGE", IMAGE)})
    engine = host.daemon.connect()
    engine.import_image([archive(Path(shutil.which("busybox") or "/bin/busybox"))], IMAGE)
    engine.close()
    for command in ("build web", "promote web --untested", "run web"):
        host.do(f"kharness {command}")


def test_the_page_does_what_it_says(host: Host) -> None:
    prepared(host)
    begun: list[str] = []
    for command, shown in steps():
        output = host.do(command)
        begun.append(f"# {command}\n{output}")
        for line in shown:
            head = host.here(line.removesuffix("..."))
            matches = [said for said in output.splitlines() if said.startswith(head.rstrip("\n"))]
            assert matches, f"{line!r} is not in:\n{''.join(begun)}"
    assert len(begun) > 25
