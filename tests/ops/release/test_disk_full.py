"""A disk that is full, the engine's or the state's: said before anything changed, or production is what it was."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kharness.engine.api import Engine
from kharness.errors import KharnessError, StateError
from kharness.ops.release.recover import recover
from kharness.plan.facts import ContainerFacts
from tests.engine.daemons import private_daemon, why_not
from tests.ops.site import Site
from tests.rootfs import archive

SETTINGS = "restart: always\ninit: true\nstop_grace_period: 1s\nrelease: {verify_for: 0s}\n"
SLEEPS = "LABEL v={}\nCMD sleep 600"


def mount_small_disk(place: Path, *, megabytes: int) -> Path:
    """Mount a file system of that size; whoever asked for it unmounts it."""
    image = place.with_name(f"{place.name}.img")
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
    return place


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("needs root and mkfs.ext4")
    place = mount_small_disk(tmp_path / "small", megabytes=2)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Take all the space that is left, to the last block."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 512):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return filler


def production(site: Site) -> list[tuple[str, str, str]]:
    def told(found: ContainerFacts) -> tuple[str, str, str]:
        return (found.name, found.state, found.image_id)

    return sorted(told(found) for found in site.engine.containers() if site.prefix in found.name)


@pytest.fixture
def site(tmp_path: Path, engine: Engine, busybox: str, prefix: str) -> Iterator[Site]:
    found = Site(tmp_path / "site", engine, busybox, prefix, place=secrets.randbelow(256))
    found.path.mkdir()
    yield found
    found.remove()


def test_a_full_disk_of_the_state_is_said_before_anything_is_changed(site: Site, small_disk: Path) -> None:
    directory = site.add("web", SETTINGS, dockerfile="FROM scratch\n")
    one, two = (site.image(version, SLEEPS.format(version)) for version in "12")
    host: dict[str, Any] = {"state_dir": small_disk / "state"}
    assert site.launch(directory, one, **host).kind == "launched"
    before = production(site)
    filler = fill(small_disk)
    with pytest.raises(StateError, match="the disk is full"):
        site.launch(directory, two, **host)
    assert production(site) == before
    filler.unlink()
    assert site.launch(directory, two, **host).kind == "launched"
    assert [row.kind for row in site.harness(**host).state.releases(directory.name)] == ["launch", "promote"] * 2


@pytest.mark.usefixtures("engine")
def test_a_full_disk_of_the_engine_leaves_production_as_it_was(tmp_path: Path, prefix: str) -> None:
    if reason := why_not():
        pytest.skip(reason)
    with private_daemon() as daemon:
        # It is unmounted with everything below the daemon's root.
        disk = mount_small_disk(daemon.paths.data_root, megabytes=64)
        daemon.start()
        found = daemon.connect()
        busybox = f"{prefix}/busybox:1"
        program = Path(shutil.which("busybox") or "/bin/busybox")
        found.import_image([archive(program)], busybox, changes=['CMD ["sh"]'])
        site = Site(tmp_path / "site", found, busybox, prefix, place=secrets.randbelow(256))
        site.path.mkdir()
        release_on_a_full_disk(site, disk)
        found.close()


def release_on_a_full_disk(site: Site, disk: Path) -> None:
    directory = site.add("web", SETTINGS, dockerfile="FROM scratch\n")
    one, two = (site.image(version, SLEEPS.format(version)) for version in "12")
    assert site.launch(directory, one).kind == "launched"
    before = production(site)
    filler = fill(disk)
    try:
        why = "\n".join(site.launch(directory, two).reasons)
    except KharnessError as error:
        why = str(error)
    filler.unlink()
    recover(site.harness())
    assert "no space left on device" in why
    assert production(site) == before
    assert site.launch(directory, two).kind == "launched"
    site.remove()
