"""Which programs there are, and whether they are new enough."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from kharness.ops.finding import Finding
from kharness.plan.facts import EngineFacts

OLDEST = {"engine": (20, 10), "python": (3, 11), "pytest": (9, 1)}
"""What this was written for."""
TIMEOUT = 10.0
CLIENT = "apt-get install -y docker-cli"


def version_findings() -> Iterator[Finding]:
    """Say what runs here."""
    python, pytest = platform.python_version(), _version("pytest")
    yield Finding("kharness", _version("kharness") or "is not installed, only there")
    yield _judged("python", python, mend="apt-get install -y python3.11, and install kharness with it")
    yield _judged("pytest", pytest, mend="python -m pip install --upgrade 'pytest>=9.1'")
    yield _client()


def engine_version(facts: EngineFacts) -> Finding:
    """Say which engine answers, and whether it can do what it will be asked."""
    said = f"{facts.version}, API {facts.api_version}, at {facts.endpoint}"
    if facts.podman or _is_enough("engine", facts.version):
        return Finding("engine", said)
    return Finding("engine", f"{said}; should be 20.10 or newer", good=False, mend="apt-get install -y docker.io")


def _judged(what: str, found: str, *, mend: str) -> Finding:
    if _is_enough(what, found):
        return Finding(what, found)
    oldest = ".".join(map(str, OLDEST[what]))
    return Finding(what, f"should be {oldest} or newer, is {found or 'not installed'}", good=False, mend=mend)


def _is_enough(what: str, found: str) -> bool:
    numbers = tuple(int(number) for number in re.findall(r"\d+", found)[:2])
    return numbers >= OLDEST[what]


def _client() -> Finding:
    program = shutil.which("docker")
    if program is None:
        said = "the docker client is not installed: enter, exec, shell and attach need it, nothing else does"
        return Finding("client", said, mend=CLIENT)
    try:
        done = subprocess.run(  # noqa: S603 - as found, and without a shell
            [program, "--version"], capture_output=True, text=True, timeout=TIMEOUT, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("client", f"{program}: cannot be run: {error}", good=False, mend=CLIENT)
    return Finding("client", done.stdout.strip())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
