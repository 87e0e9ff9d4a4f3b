"""Volumes inside one another."""

from __future__ import annotations

from pathlib import PurePosixPath

from kharness.plan.launch.mounts import VolumeAction, VolumePlan, lacking, nested
from kharness.plan.launch.runspec import Mount, MountKind


def plan(target: str, *, read_only: bool = False, action: VolumeAction = VolumeAction.NONE) -> VolumePlan:
    mount = Mount(kind=MountKind.BIND, source=f"/dv{target}", target=target, read_only=read_only)
    return VolumePlan(mount=mount, action=action)


def test_the_nearest_volume_around_counts() -> None:
    top, middle, inner, beside = plan("/a"), plan("/a/b"), plan("/a/b/c/d"), plan("/ab")
    found = [(each.inner, each.outer, each.point) for each in nested((inner, top, middle, beside))]
    assert found == [(inner, middle, PurePosixPath("c/d")), (middle, top, PurePosixPath("b"))]


def test_only_a_real_directory_that_is_read_only_may_lack_the_place() -> None:
    inner = plan("/a/b")
    assert [each.inner for each in lacking((inner, plan("/a", read_only=True)))] == [inner]
    assert not list(lacking((inner, plan("/a"))))
    assert not list(lacking((inner, plan("/a", read_only=True, action=VolumeAction.EMPTY))))
