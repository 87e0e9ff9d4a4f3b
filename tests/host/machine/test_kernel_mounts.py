"""Where a path's content is, whatever it is called."""

from __future__ import annotations

import subprocess
from pathlib import Path, PurePosixPath

import pytest

from kharness.errors import HostError
from kharness.host.machine.kernel import Location, Mounted, locate, mounts_below, parse_mounts, read_mounts

TEXT = rb"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /tmp rw,nosuid - tmpfs tmpfs rw
31 22 254:0 /srv/data /mnt/a\040b ro,relatime - ext4 /dev/vda rw
32 31 0:50 /vol /mnt/a\040b/in rw - nfs4 server:/vol rw,addr=192.0.2.1
33 22 254:0 /over /tmp rw - ext4 /dev/vda rw
"""


def at(device: str, path: str) -> Location:
    return Location(device, PurePosixPath(path))


def test_a_line_is_read_with_its_odd_characters() -> None:
    assert parse_mounts(TEXT)[2:4] == (
        Mounted(
            device="254:0",
            root=PurePosixPath("/srv/data"),
            place=PurePosixPath("/mnt/a b"),
            writable=False,
            kind="ext4",
            source="/dev/vda",
            options=("rw",),
        ),
        Mounted(
            device="0:50",
            root=PurePosixPath("/vol"),
            place=PurePosixPath("/mnt/a b/in"),
            writable=True,
            kind="nfs4",
            source="server:/vol",
            options=("rw", "addr=192.0.2.1"),
        ),
    )


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/nowhere/x", at("254:0", "/nowhere/x")),
        ("/mnt/a b/x", at("254:0", "/srv/data/x")),
        ("/mnt/a b/in/x/y", at("0:50", "/vol/x/y")),
        ("/tmp/x", at("254:0", "/over/x")),
        ("/mnt/a bc", at("254:0", "/mnt/a bc")),
    ],
)
def test_the_last_mount_of_the_deepest_place_has_the_content(path: str, location: Location) -> None:
    assert locate(Path(path), parse_mounts(TEXT)) == location


def test_what_no_mount_has_is_said() -> None:
    with pytest.raises(HostError, match="should be on a file system that is mounted"):
        locate(Path("/x"), parse_mounts(TEXT.splitlines()[1]))


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        (at("1:1", "/a"), at("1:1", "/a"), True),
        (at("1:1", "/a"), at("1:1", "/a/b"), True),
        (at("1:1", "/a/b"), at("1:1", "/a"), True),
        (at("1:1", "/a"), at("1:1", "/ab"), False),
        (at("1:1", "/a"), at("1:2", "/a"), False),
    ],
)
def test_two_places_meet_where_one_contains_the_other(one: Location, other: Location, *, meet: bool) -> None:
    assert one.meets(other) is meet


@pytest.mark.usefixtures("as_root")
def test_a_directory_s_content_is_found_under_each_of_its_names(tmp_path: Path) -> None:
    real, other = tmp_path / "real", tmp_path / "o th\ner"
    (real / "in").mkdir(parents=True)
    other.mkdir()
    subprocess.run(["mount", "--bind", real, other], check=True)
    try:
        assert locate(other / "in", read_mounts()) == locate(real / "in", read_mounts())
        assert [str(mounted.place) for mounted in mounts_below(tmp_path)] == [str(other)]
    finally:
        subprocess.run(["umount", other], check=True)
    assert mounts_below(tmp_path) == ()
