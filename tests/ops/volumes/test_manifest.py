"""Volumes that are watched: recorded, compared, and never taken for seen when they are not."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from kharness.errors import HostError, UsageError
from kharness.ops.drift.scan import accept_volumes, chosen, drift_of, scan
from kharness.plan.drift.changes import ScanResult
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec
from tests.ops.world import World

TODAY = date(2027, 3, 1)
SETTINGS = "volumes: [./data:/data, cache:/cache]\ndrift: {watch: [/data/plugins], expect: [/data/plugins/cache/**]}"


@pytest.fixture
def plugins(world: World) -> Path:
    """A watched directory of production that runs."""
    made = world.volume_root / "web/data/plugins"
    (made / "cache").mkdir(parents=True)
    (made / "one.so").write_text("one")
    world.add("web", SETTINGS)
    world.engine.put_image("web:1", files={"/x": b""})
    mounts = (
        Mount(kind=MountKind.BIND, source=str(made.parent), target="/data"),
        Mount(kind=MountKind.VOLUME, source="cache", target="/cache"),
    )
    container = world.engine.create(
        RunSpec(name="web", image="web:1", labels=world.production("web", "web:1"), mounts=mounts)
    )
    world.engine.start(container)
    return made


def accepted(world: World) -> list[tuple[str, str, int]]:
    harness = world.harness()
    return list(accept_volumes(harness, chosen(harness, ["web"])))


def scanned(world: World) -> ScanResult:
    harness = world.harness()
    [found] = scan(harness, chosen(harness, ()))
    return found


@pytest.mark.usefixtures("plugins")
def test_what_is_not_recorded_is_not_ok_until_somebody_accepts_it(world: World) -> None:
    found = scanned(world)
    assert not found.ok
    assert found.problem == (
        "drift.watch: nothing is recorded of /data/plugins yet: "
        "'kharness cowscan --accept web' records what is there now"
    )
    assert accepted(world) == [("web", "/data/plugins", 3)]
    assert scanned(world).ok
    # Only a part of it is watched.
    assert scanned(world).volumes == ("/cache", "/data")


def test_what_differs_is_drift_unless_it_is_expected(world: World, plugins: Path) -> None:
    accepted(world)
    before = (plugins / "one.so").stat()
    (plugins / "one.so").write_text("two")
    os.utime(plugins / "one.so", ns=(before.st_atime_ns, before.st_mtime_ns))
    (plugins / "cache/x").write_text("x")
    (plugins / ".two.so").write_text("x")
    (plugins / ".two.so").chmod(0o755)
    found = scanned(world)
    assert [each.path for each in found.verdict.left] == ["/data/plugins/.two.so", "/data/plugins/one.so"]
    assert [each.path for each in found.verdict.expected] == ["/data/plugins/cache/x"]
    harness = world.harness()
    [target] = chosen(harness, ())
    settings = harness.settings(world.directory("web"))
    assert drift_of(harness, "web", settings, target.container, today=TODAY) == tuple(map(str, found.verdict.left))


@pytest.mark.parametrize("where", ["plugins", "above"])
def test_a_link_leads_nobody_out_of_the_volume(world: World, plugins: Path, where: str) -> None:
    accepted(world)
    place = plugins if where == "plugins" else plugins.parent
    place.rename(place.with_name("moved"))
    place.symlink_to("/etc")
    found = scanned(world)
    assert not found.ok
    if where == "plugins":
        assert found.problem == (
            f"drift.watch: /data/plugins could not be seen: /data/plugins: {plugins} should be no link: "
            "what it leads to is not in the volume"
        )


def test_a_path_that_is_gone_is_drift(world: World, plugins: Path) -> None:
    accepted(world)
    plugins.rename(plugins.with_name("moved"))
    assert {each.kind for each in scanned(world).verdict.left} == {"removed"}


@pytest.mark.usefixtures("plugins")
def test_a_damaged_record_is_an_error_that_names_the_file(world: World) -> None:
    accepted(world)
    file = world.path / "state/manifests/web.json"
    file.write_text("{}")
    found = scanned(world)
    assert not found.ok
    assert found.problem.startswith(f"{file}: should be what 'kharness cowscan --accept' wrote: ")


def test_what_cannot_be_accepted_is_told(world: World, plugins: Path) -> None:
    (world.path / "state").mkdir()
    (world.path / "state/manifests").write_text("in the way")
    with pytest.raises(HostError, match=r"web.json: cannot be written: "):
        accepted(world)
    plugins.parent.rename(plugins.parent.with_name("moved"))
    world.add("web", "volumes: [./data:/data]")
    with pytest.raises(UsageError, match="web: nothing of its volumes is watched"):
        accepted(world)
