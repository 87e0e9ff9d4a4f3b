"""What a running container can write to is seen by what the kernel mounted, not by what was planned."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from kharness.errors import LaunchError
from kharness.ops.harness import Harness
from kharness.ops.session.untouched import refuse_writable_reals
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch.mounts import VolumeAction, VolumePlan
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec
from tests.ops.site import Site


@pytest.fixture
def site(tmp_path: Path, engine: Engine, busybox: str, prefix: str) -> Iterator[Site]:
    found = Site(tmp_path / "site", engine, busybox, prefix, place=0)
    found.path.mkdir()
    yield found
    found.remove()


@pytest.fixture
def real(tmp_path: Path) -> Path:
    made = tmp_path / "dv" / "web" / "data"
    (made / "in").mkdir(parents=True)
    return made


def bound(source: Path | str, target: str = "/data", *, read_only: bool = False, shallow: bool = False) -> Mount:
    kind = MountKind.BIND
    return Mount(kind=kind, source=str(source), target=target, read_only=read_only, non_recursive=shallow)


def ran(site: Site, undo: ExitStack, *mounts: Mount) -> tuple[Harness, ContainerFacts, ContainerFacts]:
    """Return the harness, and a container before it is started and after."""
    harness = site.harness()
    spec = RunSpec(name=site.name("box"), image=site.busybox, command=("sleep", "60"), mounts=mounts, read_only=True)
    container = harness.engine.create(spec)
    undo.callback(harness.engine.remove, container, force=True)
    created = harness.engine.container(container)
    harness.engine.start(container)
    started = harness.engine.container(container)
    assert created is not None
    assert started is not None
    return harness, created, started


def unmount(place: Path) -> None:
    subprocess.run(["umount", place], check=True)


@pytest.fixture
def undo() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("other", ["itself", "above", "below", "link", "mounted"])
@pytest.mark.usefixtures("as_root")
def test_whatever_name_production_s_directory_has_it_is_seen(
    site: Site, undo: ExitStack, real: Path, tmp_path: Path, other: str
) -> None:
    names = {"itself": real, "above": real.parent, "below": real / "in", "link": tmp_path / "link"}
    (tmp_path / "link").symlink_to(real)
    names["mounted"] = tmp_path / "mounted"
    names["mounted"].mkdir()
    subprocess.run(["mount", "--bind", real, names["mounted"]], check=True)
    undo.callback(unmount, names["mounted"])
    plan = VolumePlan(mount=bound(real, "/elsewhere", read_only=True), real=str(real))
    harness, *states = ran(site, undo, bound(names[other], "/x"))
    for found in states:
        with pytest.raises(LaunchError, match="could write to production's directory, mounted at /x, and is removed"):
            refuse_writable_reals(harness, found, [plan])


@pytest.mark.usefixtures("as_root")
def test_what_is_mounted_below_a_read_only_bind_stays_writable_and_is_seen(
    site: Site, undo: ExitStack, real: Path
) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", real / "in"], check=True)
    undo.callback(unmount, real / "in")
    plan = VolumePlan(mount=bound(real, read_only=True), real=str(real))
    inner = VolumePlan(mount=bound(real / "in", "/in", read_only=True), real=str(real / "in"))
    harness, created, started = ran(site, undo, plan.mount)
    refuse_writable_reals(harness, created, [plan, inner])
    with pytest.raises(LaunchError, match="mounted at /data/in"):
        refuse_writable_reals(harness, started, [plan, inner])
    undo.pop_all()
    harness.engine.remove(started.id, force=True)
    harness, *states = ran(site, undo, bound(real, read_only=True, shallow=True))
    undo.callback(unmount, real / "in")
    for found in states:
        refuse_writable_reals(harness, found, [plan, inner])


@pytest.mark.usefixtures("as_root")
def test_what_may_be_written_is_not_refused(site: Site, undo: ExitStack, real: Path, tmp_path: Path) -> None:
    own = tmp_path / "state" / "copies" / "0"
    own.mkdir(parents=True)
    copy = VolumePlan(mount=bound(own, "/copy"), real=str(real), action=VolumeAction.COPY)
    whole = VolumePlan(mount=bound("/", "/rootfs", read_only=True, shallow=True), real="/")
    meant = VolumePlan(mount=bound(real, "/meant"), real=str(real), said=True)
    harness, *states = ran(site, undo, copy.mount, whole.mount, meant.mount)
    for found in states:
        refuse_writable_reals(harness, found, [copy, whole, meant])


def test_a_named_volume_of_production_is_seen(site: Site, undo: ExitStack) -> None:
    name = site.name("vol")
    site.engine.create_volume(name)
    undo.callback(site.engine.remove_volume, name)
    plan = VolumePlan(mount=Mount(kind=MountKind.VOLUME, source="other", target="/v"), real=name)
    harness, *states = ran(site, undo, Mount(kind=MountKind.VOLUME, source=name, target="/x"))
    for found in states:
        with pytest.raises(LaunchError, match="mounted at /x"):
            refuse_writable_reals(harness, found, [plan])
