"""What the engine itself puts into a container's layer: pure tables."""

from __future__ import annotations

from typing import Any

import pytest

from kharness.plan.drift.changes import Drifted
from kharness.plan.drift.layers import mount_points, without_init, without_mount_points
from kharness.plan.facts import Change, ContainerFacts, MountFacts

POINTS = {"/data/in", "/etc/site.conf", "/tmp", "/etc/mtab"}


def test_mount_points_are_volumes_tmpfs_the_engine_s_own_and_the_working_directory() -> None:
    mounts = (MountFacts(kind="bind", source="/x", target="/data/in/", writable=True),)
    raw = {"HostConfig": {"Tmpfs": {"/tmp": ""}}, "Config": {"WorkingDir": "/srv/app/"}}
    facts = ContainerFacts(id="1", name="a", image_id="i", mounts=mounts, raw=raw)
    points = mount_points(facts)
    assert {"/data/in", "/tmp", "/etc/resolv.conf", "/sbin/docker-init", "/srv/app"} <= points
    assert mount_points(ContainerFacts(id="1", name="a", image_id="i")) < points


def test_the_engine_s_init_is_expected_where_an_image_s_sbin_is_a_link() -> None:
    points = mount_points(ContainerFacts(id="1", name="a", image_id="i"))
    made = [Drifted(path=f"/usr/{name}/docker-init", kind="added", type="file", size=0) for name in ("sbin", "bin")]
    filled = Drifted(path="/usr/sbin/docker-init", kind="added", type="file", size=9)
    assert list(without_mount_points([*made, filled], points)) == [filled]


@pytest.mark.parametrize(
    ("paths", "left"),
    [
        (("/sbin", "/sbin/docker-init"), ()),
        (("/usr", "/usr/sbin", "/usr/sbin/docker-init"), ()),
        (("/usr", "/usr/bin", "/usr/bin/docker-init", "/usr/lib", "/usr/lib/x"), ("/usr", "/usr/lib", "/usr/lib/x")),
        (("/sbin", "/sbin/docker-init", "/sbin/x"), ("/sbin", "/sbin/x")),
        (("/sbin",), ("/sbin",)),
    ],
)
def test_a_diff_leaves_out_the_engine_s_init(paths: tuple[str, ...], left: tuple[str, ...]) -> None:
    assert tuple(each.path for each in without_init(Change("changed", path) for path in paths)) == left


@pytest.mark.parametrize(
    ("target", "made"),
    [
        ("/sbin/docker-init", "/usr/sbin/docker-init"),
        ("/sbin/docker-init", "/usr/bin/docker-init"),
        ("/bin/tool", "/usr/bin/tool"),
        ("/lib/modules", "/usr/lib/modules"),
        ("/var/run/app", "/run/app"),
    ],
)
def test_a_mount_point_below_a_usual_link_is_made_where_the_link_leads(target: str, made: str) -> None:
    mounts = (MountFacts(kind="bind", source="/x", target=target, writable=True),)
    points = mount_points(ContainerFacts(id="1", name="a", image_id="i", mounts=mounts))
    assert {target, made} <= points
    # Only an empty place is the engine's: a program that stands there is not.
    there = Drifted(path=made, kind="added", type="file", size=0, mode=0o755)
    planted = Drifted(path=made, kind="added", type="file", size=9, mode=0o755)
    assert list(without_mount_points([there, planted], points)) == [planted]


@pytest.mark.parametrize(
    ("more", "left"),
    [
        ({"path": "/data/in", "type": "directory", "mode": 0o755}, False),
        ({"path": "/data/in"}, False),
        ({"path": "/data", "type": "directory", "mode": 0o755}, False),
        ({"path": "/data"}, False),
        ({"path": "/etc/site.conf", "type": "file", "size": 0, "mode": 0o755}, False),
        ({"path": "/etc/mtab", "type": "link"}, False),
        # Whatever else is there is the container's.
        ({"path": "/data/in/x", "type": "file", "size": 0}, True),
        ({"path": "/data/other", "type": "directory", "mode": 0o755}, True),
        ({"path": "/data", "type": "directory", "mode": 0o777}, True),
        ({"path": "/data", "type": "link"}, True),
        ({"path": "/data/in", "type": "link"}, True),
        ({"path": "/etc/site.conf", "type": "file", "size": 1}, True),
        ({"path": "/data/in", "type": "directory", "kind": "mode"}, True),
        ({"path": "/tmp", "kind": "removed", "type": "directory"}, True),
    ],
)
def test_an_empty_mount_point_is_no_drift(more: dict[str, Any], left: bool) -> None:  # noqa: FBT001
    found = Drifted(**{"kind": "added", **more})
    assert list(without_mount_points([found], POINTS)) == ([found] if left else [])
