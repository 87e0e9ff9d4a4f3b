from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.contexts import write


@pytest.fixture
def own() -> str:
    """A name for a test's objects on the engine; with this process's labels, others see that somebody owns them."""
    return f"kh-host-{secrets.token_hex(4)}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory that other users may enter, as pytest's own is not."""
    place = tmp_path
    while place.stat().st_uid == os.geteuid() and place != place.parent:
        place.chmod(place.stat().st_mode | 0o011)
        place = place.parent
    return tmp_path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A container directory with a Dockerfile and nothing else."""
    made = tmp_path / "containers" / "web"
    write(made, "Dockerfile", "FROM scratch\nCOPY files/ /\n")
    return made


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 800 kB, without most attributes' support."""
    yield from _mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=800k", "tmpfs")


@pytest.fixture(params=["mkfs.xfs -q -m reflink=1", "mkfs.btrfs -q"], ids=["xfs", "btrfs"])
def reflink_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of its own whose files can share blocks."""
    maker = str(request.param).split()
    if not shutil.which(maker[0]):
        pytest.skip(f"needs {maker[0]}")
    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(400 << 20)
    subprocess.run([*maker, image], check=True)
    yield from _mounted(tmp_path / "reflink", "-o", "loop", str(image))


def _mounted(place: Path, *how: str) -> Iterator[Path]:
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", *how, place], check=False).returncode:
        pytest.skip("needs the right to mount")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
