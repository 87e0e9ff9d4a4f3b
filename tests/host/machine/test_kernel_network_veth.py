"""The other ends of a container's interfaces, in a tree as sysfs has one."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.machine.kernel import host_interfaces

PID = 42


def interface(root: Path, name: str, number: str, other: str) -> None:
    place = root / "sys/class/net" / name
    place.mkdir(parents=True)
    (place / "ifindex").write_text(f"{number}\n")
    (place / "iflink").write_text(f"{other}\n")


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    for name, number in (("lo", "1"), ("eth0", "2"), ("vetha", "7"), ("vethb", "9")):
        interface(tmp_path, name, number, number)
    (tmp_path / "sys/class/net/bonding_masters").touch()
    return tmp_path / f"proc/{PID}/root"


def test_each_of_its_interfaces_has_its_other_end_here(tmp_path: Path, inside: Path) -> None:
    interface(inside, "lo", "1", "1")
    interface(inside, "eth1", "8", "9")
    interface(inside, "eth0", "6", "7")
    interface(inside, "elsewhere", "3", "4711")
    assert host_interfaces(PID, root=tmp_path) == {"eth0": "vetha", "eth1": "vethb"}


def test_what_is_no_number_is_no_interface(tmp_path: Path, inside: Path) -> None:
    interface(inside, "eth0", "6", "evil")
    assert host_interfaces(PID, root=tmp_path) == {}


def test_what_cannot_be_seen_is_told_with_its_place(tmp_path: Path, inside: Path) -> None:
    with pytest.raises(HostError, match=rf"{inside}/sys/class/net: No such file or directory"):
        host_interfaces(PID, root=tmp_path)
