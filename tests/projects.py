"""Projects of the tests' own: a directory with container directories, and pytest run in it as a user would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

from kharness.plan import labels
from kharness.plan.facts import ImageFacts
from kharness.settings.project import derived
from tests import warm

REPOSITORY = "kharness-test"
"""Images of the tests' own; production's `ktools/...` on the same engine are never touched."""


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    status: int
    output: str

    def outcomes(self) -> dict[str, int]:
        """Return pytest's last line as numbers: `{"passed": 3, "failed": 1}`."""
        last = next(line for line in reversed(self.output.splitlines()) if re.search(r" in [0-9.]+s", line))
        return {word.rstrip("s") if word == "errors" else word: int(count) for count, word in _COUNT.findall(last)}


def said(done: Result, status: int = 0) -> str:
    """Return what a command printed that ended with this status, and with a sentence where it went wrong."""
    assert done.status == status, done.output
    assert "Traceback" not in done.output
    return done.output


_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|deselected|xfailed|warnings?)")


@dataclass
class Project:
    """A project directory; names of containers get a prefix, so that two test runs on one engine do not meet."""

    path: Path
    prefix: str
    environ: dict[str, str] = field(default_factory=dict)

    @classmethod
    def create(cls, path: Path, *, prefix: str) -> Project:
        """Make an empty project with a state directory and a volume root of its own."""
        warm.start()
        (path / "containers").mkdir(parents=True)
        (path / "pyproject.toml").write_text('[tool.kharness]\nsource_paths = ["containers"]\n')
        # The plugin of hypothesis imports all of it to say at the end that there is nothing to say.
        addopts = "--import-mode=importlib -p no:hypothesispytest"
        (path / "pytest.ini").write_text(f"[pytest]\naddopts = {addopts}\nfilterwarnings = error\n")
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("KTOOLS_", "PYTEST_"))}
        environ |= {
            "KHARNESS_REPOSITORY": REPOSITORY,
            "KHARNESS_STATE_DIR": str(path / "state"),
            "KHARNESS_DV": str(path / "dv"),
            "KHARNESS_START_ENGINE": "no",
            "KHARNESS_POLICY": "none",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return cls(path, prefix, environ)

    @property
    def project(self) -> str:
        """The name by which kharness knows it."""
        return derived(self.path.name)

    def production(self, short: str, image: ImageFacts | None) -> dict[str, str]:
        """Return the labels of a production container of an image."""
        assert image is not None
        return labels.production(self.project, self.name(short), folder=str(self.path), image=image.id)

    def name(self, short: str) -> str:
        """Return a container's whole name."""
        return f"{self.prefix}{short}"

    def add(self, short: str, files: Mapping[str, str]) -> Path:
        """Write a container directory; `{name}` in a text is not replaced, names come from the directory."""
        directory = self.path / "containers" / self.name(short)
        for name, text in files.items():
            target = directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(dedent(text))
        return directory

    def pytest(self, *args: str, environ: Mapping[str, str] | None = None, timeout: float = 240) -> Result:
        """Run pytest in the project."""
        return self.run(
            sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *args, environ=environ, timeout=timeout
        )

    def kharness(self, *args: str, environ: Mapping[str, str] | None = None) -> Result:
        """Run the command line in the project."""
        return self.run(sys.executable, "-m", "kharness", *args, environ=environ)

    def run(self, *command: str, environ: Mapping[str, str] | None = None, timeout: float = 240) -> Result:
        """Run a command in the project and return what it printed, both streams together."""
        said = {**self.environ, **(environ or {})}
        if warm.is_warm(command, said):
            return Result(*warm.run(command, cwd=self.path, environ=said, timeout=timeout))
        done = subprocess.run(
            command,
            cwd=self.path,
            env=said,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Result(done.returncode, done.stdout)
