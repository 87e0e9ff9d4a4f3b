"""Data around an upgrade on a real engine: migrated by a version that is not fit, and there again with the old one."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from kharness.errors import HostError
from kharness.host.volumes.snapshots import Snapshots
from kharness.ops.release.rollback import choose_data, roll_back
from kharness.plan.facts import ImageFacts
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec
from kharness.plan.release.operation import Released
from kharness.settings.catalog import ContainerDir
from tests.ops.site import Site

SETTINGS = """\
restart: always
init: true
stop_grace_period: 1s
volumes: [./data:/data]
release: {verify_for: 300ms, data: snapshot}
"""
MIGRATES = """\
LABEL v={version}
CMD f=/data/format; [ "$(cat $f 2>/dev/null || echo 0)" -le {version} ] || exit 4; \
    [ "$(cat $f 2>/dev/null)" = {version} ] || {{ echo {version} > $f; echo rows > /data/made-by-{version}; }}; \
    {then}
"""
SERVES = "exec sleep 600"


def mounted(place: Path, *make: str) -> Iterator[Path]:
    image = place.with_name(f"{place.name}.img")
    with image.open("wb") as file:
        file.truncate(400 << 20)
    subprocess.run([*make, str(image)], check=True)
    place.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture(params=["plain", "btrfs", "xfs"])
def site(request: pytest.FixtureRequest, tmp_path: Path, engine: Engine, busybox: str, prefix: str) -> Iterator[Site]:
    """A site whose volume root is on a file system of its own, or on the machine's."""
    found = Site(tmp_path / "site", engine, busybox, prefix, place=secrets.randbelow(256))
    found.path.mkdir()
    kind = str(request.param)
    if kind == "plain":
        yield found
        found.remove()
        return
    if os.geteuid() or not shutil.which(f"mkfs.{kind}"):
        pytest.skip(f"needs root and mkfs.{kind}")
    more = ("-m", "reflink=1") if kind == "xfs" else ()
    disk = mounted(found.path / "dv", f"mkfs.{kind}", "-q", *more)
    try:
        next(disk)
        yield found
    finally:
        for container in engine.containers():
            if prefix in container.name:
                engine.remove(container.id, force=True)
        next(disk, None)
        found.remove()


@pytest.fixture
def directory(site: Site) -> ContainerDir:
    return site.add("web", SETTINGS, dockerfile="FROM scratch\n")


def version(site: Site, number: int, then: str = SERVES) -> ImageFacts:
    return site.image(f"{number}-{len(then)}", MIGRATES.format(version=number, then=then))


def data(site: Site, directory: ContainerDir) -> Path:
    return site.path / "dv" / directory.name / "data"


def contents(site: Site, directory: ContainerDir) -> dict[str, str]:
    return {path.name: path.read_text().strip() for path in data(site, directory).iterdir()}


def launched(site: Site, directory: ContainerDir, image: ImageFacts) -> None:
    done = site.launch(directory, image)
    assert done.kind == "launched", done.reasons


def runs(site: Site, directory: ContainerDir, image: ImageFacts) -> bool:
    """Whether an image runs, and goes on to: an old version that finds newer data exits at once."""
    time.sleep(0.5)
    found = site.engine.container(directory.name)
    return found is not None and found.running and found.image_id == image.id and found.restart_count == 0


def test_a_version_that_migrates_and_is_not_fit_leaves_the_old_one_with_its_data(
    site: Site, directory: ContainerDir
) -> None:
    one, bad = version(site, 1), version(site, 2, "echo no database >&2; exit 3")
    launched(site, directory, one)
    (data(site, directory) / "customers").write_text("as they are")
    before = contents(site, directory)
    done = site.launch(directory, bad)
    assert done.kind == "undone"
    assert "no database" in done.reasons[0]
    assert contents(site, directory) == before == {"format": "1", "made-by-1": "rows", "customers": "as they are"}
    assert runs(site, directory, one)
    (note,) = done.notes
    assert note.startswith("discarded 2 files (7 bytes), the newest from ")
    assert "data/made-by-2" in note


def test_what_the_tests_say_of_production_puts_the_data_back_as_well(site: Site, directory: ContainerDir) -> None:
    one, two = version(site, 1), version(site, 2)
    launched(site, directory, one)
    before = contents(site, directory)

    def verify() -> tuple[str, ...]:
        assert contents(site, directory)["format"] == "2"
        return ("it lost half of the rows",)

    assert site.launch(directory, two, verify=verify).kind == "undone"
    assert contents(site, directory) == before
    assert runs(site, directory, one)
    launched(site, directory, two)
    assert contents(site, directory)["format"] == "2"


def test_a_way_back_takes_the_data_along_and_is_undone_with_them(site: Site, directory: ContainerDir) -> None:
    one, two = version(site, 1), version(site, 2)
    launched(site, directory, one)
    old = contents(site, directory)
    launched(site, directory, two)
    (data(site, directory) / "customers").write_text("more of them")
    new = contents(site, directory)
    # Without its data the old version cannot run.
    assert back(site, directory, with_data=False).kind == "undone"
    assert contents(site, directory) == new
    assert back(site, directory, with_data=True, reasons=("no",)).kind == "undone"
    assert contents(site, directory) == new
    assert runs(site, directory, two)
    assert back(site, directory, with_data=True).kind == "launched"
    assert contents(site, directory) == old
    assert runs(site, directory, one)
    (taken, moved) = Snapshots(site.path / "dv", directory.name).kept()[-2:]
    assert (taken.strategy, moved.strategy) == (cheapest(site), "moved")


def cheapest(site: Site) -> str:
    shown = subprocess.run(["stat", "-f", "-c", "%T", str(site.path / "dv")], capture_output=True, check=True)
    return {b"btrfs": "btrfs", b"xfs": "reflink"}.get(shown.stdout.strip(), "real")


def back(site: Site, directory: ContainerDir, *, with_data: bool, reasons: tuple[str, ...] = ()) -> Released:
    harness = site.harness()
    chosen = choose_data(harness, directory.name, None) if with_data else None
    return roll_back(harness, directory, verify=lambda: reasons, data=chosen)


@pytest.mark.parametrize("site", ["plain"], indirect=True)
def test_another_container_that_could_write_to_the_data_is_named_even_when_it_is_stopped(
    site: Site, directory: ContainerDir
) -> None:
    one, two = version(site, 1), version(site, 2)
    launched(site, directory, one)
    mount = Mount(kind=MountKind.BIND, source=str(data(site, directory)), target="/in")
    site.engine.create(RunSpec(name=site.name("backup"), image=one.id, mounts=(mount,)))
    done = site.launch(directory, two)
    assert done.kind == "refused"
    assert f"the container {site.name('backup')} can write to {data(site, directory)}" in done.reasons[0]
    assert runs(site, directory, one)


@pytest.mark.parametrize("site", ["btrfs"], indirect=True)
def test_a_root_that_is_unmounted_is_refused_and_nothing_is_made_in_it(site: Site, directory: ContainerDir) -> None:
    one, two = version(site, 1), version(site, 2)
    launched(site, directory, one)
    site.engine.stop(directory.name)
    root = site.path / "dv"
    subprocess.run(["umount", str(root)], check=True)
    try:
        with pytest.raises(HostError, match=r"is an empty directory on .* now: the disk is probably not mounted"):
            site.launch(directory, two)
        assert list(root.iterdir()) == []
    finally:
        subprocess.run(["mount", "-o", "loop", str(site.path / "dv.img"), str(root)], check=True)
    launched(site, directory, two)
    assert contents(site, directory)["made-by-1"] == "rows"
