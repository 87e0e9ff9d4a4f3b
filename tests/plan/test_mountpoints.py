"""What the engine itself puts into a container's layer: pure tables."""

from __future__ import annotations

from typing import Any

import pytest

from kharness.plan.drift import Drifted
from kharness.plan.facts import ContainerFacts, MountFacts
from kharness.plan.mountpoints import mount_points, without_mount_points

POINTS = {"/data/in", "/etc/site.conf", "/tmp", "/etc/mtab"}


def test_they_are_those_of_volumes_of_tmpfs_the_engine_s_own_and_the_working_directory() -> None:
    mounts = (MountFacts(kind="bind", source="/x", target="/data/in/", writable=True),)
    raw = {"HostConfig": {"Tmpfs": {"/tmp": ""}}, "Config": {"WorkingDir": "/srv/app/"}}
    facts = ContainerFacts(id="1", name="a", image_id="i", mounts=mounts, raw=raw)
    points = mount_points(facts)
    assert {"/data/in", "/tmp", "/etc/resolv.conf", "/sbin/docker-init", "/srv/app"} <= points
    assert mount_points(ContainerFacts(id="1", name="a", image_id="i")) < points


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
def test_an_empty_place_to_mount_on_is_nobody_s_drift(more: dict[str, Any], left: bool) -> None:  # noqa: FBT001
    found = Drifted(**{"kind": "added", **more})
    assert list(without_mount_points([found], POINTS)) == ([found] if left else [])
