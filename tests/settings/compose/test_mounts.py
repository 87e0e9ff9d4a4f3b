"""Volumes, devices, secrets and configs: each short form as its long one."""

from __future__ import annotations

from typing import Any

import pytest

from kharness.settings.compose.mounts import devices, given, volumes
from kharness.settings.compose.scalars import Faults

BIND = {"create_host_path": True}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("/a/", {"type": "volume", "target": "/a", "volume": {}}),
        ("data:/d", {"type": "volume", "source": "data", "target": "/d", "volume": {}}),
        ("data:/d:ro,U", {"type": "volume", "source": "data", "target": "/d", "read_only": True, "volume": {}}),
        ("data:/d:nocopy", {"type": "volume", "source": "data", "target": "/d", "volume": {"nocopy": True}}),
        ("./x:/x:rw,z", {"type": "bind", "source": "./x", "target": "/x", "bind": {"selinux": "z", **BIND}}),
        ("/x:/x:rslave", {"type": "bind", "source": "/x", "target": "/x", "bind": {"propagation": "rslave", **BIND}}),
        (
            {"type": "bind", "source": "/y", "target": "/y", "bind": {"create_host_path": False}},
            {"type": "bind", "source": "/y", "target": "/y", "bind": {}},
        ),
        (
            {"type": "tmpfs", "target": "/t", "tmpfs": {"size": "10m", "mode": 0o755}},
            {"type": "tmpfs", "target": "/t", "tmpfs": {"size": "10485760", "mode": 493}},
        ),
    ],
)
def test_a_volume_is_read_in_all_its_forms(said: Any, expected: dict[str, Any]) -> None:
    faults: Faults = []
    assert volumes([said], (), faults) == [expected]
    assert not faults


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("d:/d", "at least two characters"),
        ("aa:/b:c:d", "should be [SOURCE:]TARGET[:OPTIONS]"),
        ({"type": "disk", "target": "/x"}, "should be one of bind"),
        ({"type": "bind", "target": "/x"}, "is required"),
        ({"type": "volume", "target": "/x", "volumes": {}}, "unknown key"),
        (5, "should be [SOURCE:]TARGET[:OPTIONS]"),
    ],
)
def test_what_is_no_volume_is_a_fault(said: Any, expected: str) -> None:
    faults: Faults = []
    volumes([said], (), faults)
    assert expected in faults[0][1]


def test_devices_have_source_target_and_permissions() -> None:
    faults: Faults = []
    assert devices(["/dev/a", "/dev/b:/dev/c:rw", "vendor.com/gpu=all"], (), faults) == [
        {"source": "/dev/a", "target": "/dev/a", "permissions": "rwm"},
        {"source": "/dev/b", "target": "/dev/c", "permissions": "rw"},
        {"source": "vendor.com/gpu=all", "target": "vendor.com/gpu=all", "permissions": "rwm"},
    ]
    assert not faults


def test_the_mode_of_a_secret_is_octal() -> None:
    faults: Faults = []
    assert given(["a", {"source": "b", "mode": "0440"}], (), faults) == [
        {"source": "a"},
        {"source": "b", "mode": "0440"},
    ]
    given([{"source": "b", "owner": "x"}, 5], ("secrets",), faults)
    assert [loc for loc, _ in faults] == [("secrets", 0, "owner"), ("secrets", 1)]
