"""What was changed through an overlay of the kernel's own, as it is read from its directories."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.drift.layers import UnclearError, read_layers, why_blind
from kharness.host.session.overlay import unmount_overlays
from kharness.plan.drift.changes import Drifted
from kharness.plan.drift.layers import Layers, layers_of, mounted_layers
from kharness.plan.facts import ContainerFacts

pytestmark = pytest.mark.usefixtures("as_root")
OLD = "2001-01-01"
CAPABILITY = bytes.fromhex("0100000200100000000000000000000000000000")
"""vfs_cap_data of linux/capability.h: revision 2, effective, CAP_NET_ADMIN."""


@pytest.fixture
def layers(tmp_path: Path) -> Iterator[Layers]:
    """An overlay of two layers below, mounted at `merged` as Docker mounts one."""
    names = ("1", "2", "upper", "work", "merged")
    first, second, upper, work, merged = (tmp_path / name for name in names)
    for directory in (first, second, upper, work, merged):
        directory.mkdir()
    script = f"""
        mkdir -p 1/dir/sub 1/replaced; cd 1
        for f in file gone dir/a dir/sub/b replaced/x replaced/y tool; do echo $f >$f; touch -d {OLD} $f; done
        ln -s file link; ln -s /nowhere broken; mkfifo pipe; chmod 755 tool; rm gone
        cd ../2; mkdir dir; mknod dir/a c 0 0; echo second >second; touch -d {OLD} second
    """
    subprocess.run(["bash", "-ec", script], cwd=tmp_path, check=True)
    options = f"lowerdir={second}:{first},upperdir={upper},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, merged], check=True)
    yield Layers(upper=str(upper), lower=(str(second), str(first)))
    unmount_overlays(merged)


def changed(layers: Layers, command: str) -> list[Drifted]:
    subprocess.run(["bash", "-ec", command], cwd=Path(layers.upper).parent / "merged", check=True)
    return sorted(read_layers(layers), key=lambda found: found.path)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("true", []),
        ("cat file dir/sub/* >/dev/null; : >>file", []),
        ("exec 3<>second", []),
        ("echo x >new; rm new; touch dir", []),
        ("echo x >new", ["added /new"]),
        ("echo x >dir/a", ["added /dir/a"]),
        ("echo more >>file", ["changed /file"]),
        ("echo elif >file", ["changed /file"]),
        ("touch file", ["changed /file"]),
        # Who is careful puts size and time back.
        (f"echo elif >file; touch -d {OLD} file", ["changed /file"]),
        ("chmod 600 file", ["mode /file: mode 644 -> 600"]),
        ("chown 5:6 second", ["owner /second: owner 0:0 -> 5:6"]),
        ("chmod 4755 tool; chown 5 tool; chmod u+s tool", ["mode /tool: mode 755 -> 4755, owner 0:0 -> 5:0"]),
        ("chmod 700 dir; echo x >dir/new", ["mode /dir: mode 755 -> 700", "added /dir/new"]),
        ("rm file", ["removed /file"]),
        ("rm file; echo file >file", ["changed /file"]),
        ("mv file renamed", ["removed /file", "added /renamed"]),
        ("rm -r dir", ["removed /dir"]),
        ("rm file; ln -s /etc/passwd file", ["changed /file: file -> link"]),
        ("rm -r dir; ln -s /etc dir", ["changed /dir: directory -> link"]),
        ("rm link; echo x >link", ["changed /link: link -> file"]),
        ("rm broken; mkdir broken; echo x >broken/y", ["changed /broken: link -> directory", "added /broken/y"]),
        ("ln -sfn /elsewhere link", ["changed /link"]),
        (
            f"rm -r replaced; mkdir replaced; cd replaced; echo replaced/x >x; touch -d {OLD} x; echo z >z",
            ["removed /replaced/y", "added /replaced/z"],
        ),
        ("rm -r replaced; mkdir -m 777 replaced", ["mode /replaced: mode 755 -> 777", "removed /replaced/x",
         "removed /replaced/y"]),
        ("mkdir -p a/b; echo x >a/b/.c", ["added /a", "added /a/b", "added /a/b/.c"]),
        ("printf x >'new\nline'", ["added /new\nline"]),
        ("printf x >\"$(printf 'odd\\377')\"", ["added /odd\udcff"]),
        ("rm pipe; mkfifo pipe", ["changed /pipe"]),
        ("chgrp 3 pipe; chgrp -h 3 link", ["owner /link: owner 0:0 -> 0:3", "owner /pipe: owner 0:0 -> 0:3"]),
    ],
)  # fmt: skip
def test_each_change_is_reported_and_nothing_else(layers: Layers, command: str, expected: list[str]) -> None:
    found = changed(layers, command)
    assert [f"{each.kind} {each.path}{f': {each.what}' if each.what else ''}" for each in found] == expected


def test_an_entry_describes_the_file(layers: Layers) -> None:
    command = "printf 12345 >new; chmod 6711 new; chown 7:8 new; chmod 6711 new; mkdir d; rm tool"
    directory, new, tool = changed(layers, command)
    assert new == Drifted(path="/new", kind="added", type="file", mode=0o6711, uid=7, gid=8, size=5)
    assert directory == Drifted(path="/d", kind="added", type="directory", mode=0o755, uid=0, gid=0)
    assert tool == Drifted(path="/tool", kind="removed", type="file", mode=0o755, uid=0, gid=0, size=5)


def test_attributes_and_capabilities_of_new_files_are_seen(layers: Layers) -> None:
    merged = Path(layers.upper).parent / "merged"
    (merged / "mine").write_text("x")
    for name in ("mine", "tool"):
        os.setxattr(merged / name, "security.capability", CAPABILITY)
    os.setxattr(merged / "dir", "user.note", b"x")
    found = changed(layers, "true")
    assert [(each.path, each.kind, each.capabilities, each.what) for each in found] == [
        ("/dir", "mode", False, "attributes user.note"),
        ("/mine", "added", True, ""),
        ("/tool", "mode", True, "attributes security.capability"),
    ]


def test_ten_thousand_files_are_seen_and_none_is_invented(layers: Layers) -> None:
    found = changed(layers, "mkdir many; cd many; seq 1 10000 | xargs touch; cd ../dir; seq 1 100 | xargs touch")
    assert {each.path for each in found} == {
        "/many",
        *(f"/many/{number}" for number in range(1, 10001)),
        *(f"/dir/{number}" for number in range(1, 101)),
    }


def test_a_directory_whose_content_is_elsewhere_is_unclear(layers: Layers) -> None:
    (Path(layers.upper) / "moved").mkdir()
    os.setxattr(Path(layers.upper) / "moved", "trusted.overlay.redirect", b"/dir")
    with pytest.raises(UnclearError, match="moved: what it was, or its content, is elsewhere in the overlay"):
        read_layers(layers)


def test_a_missing_layer_is_an_error(tmp_path: Path, layers: Layers) -> None:
    gone = str(tmp_path / "gone")
    for bad in (Layers(upper=gone, lower=layers.lower), Layers(upper=layers.upper, lower=(*layers.lower, gone))):
        with pytest.raises(HostError, match=r"gone: cannot be read: No such file"):
            read_layers(bad)


def test_a_link_is_no_layer(tmp_path: Path, layers: Layers) -> None:
    (tmp_path / "link").symlink_to(layers.upper)
    with pytest.raises(HostError, match="link: cannot be read"):
        read_layers(Layers(upper=str(tmp_path / "link"), lower=layers.lower))


def test_only_root_with_its_capabilities_sees_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_blind() == ""
    inside = subprocess.run(
        ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", sys.executable, "-c",
         "from kharness.host.drift.layers import why_blind; print(why_blind())"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert inside.stdout == "root here lacks capabilities, or is another user outside\n"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert why_blind() == "only root sees a layer's directory"


@pytest.mark.parametrize(
    ("driver", "expected"),
    [
        (
            {"Name": "overlay2", "Data": {"UpperDir": "/u", "LowerDir": "/i:/l"}},
            Layers(upper="/u", lower=("/i", "/l")),
        ),
        ({"Name": "btrfs", "Data": None}, None),
        ({"Name": "fuse-overlayfs", "Data": {"UpperDir": "/u", "LowerDir": "/l"}}, None),
        ({"Name": "overlay2", "Data": {"UpperDir": "/u"}}, None),
        (None, None),
    ],
)
def test_layers_are_known_from_the_engine(driver: object, expected: Layers | None) -> None:
    assert layers_of(ContainerFacts(id="1", name="a", image_id="i", raw={"GraphDriver": driver})) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            "rw,lowerdir=/s/3/fs:/s/1/fs,upperdir=/s/4/fs,workdir=/s/4/work",
            Layers(upper="/s/4/fs", lower=("/s/3/fs", "/s/1/fs")),
        ),
        # With many layers their paths are shortened, or given one by one.
        ("rw,lowerdir=3/fs:1/fs,upperdir=/s/4/fs", Layers(upper="/s/4/fs", lower=("/s/3/fs", "/s/1/fs"))),
        (
            "rw,lowerdir+=/s/3/fs,lowerdir+=/s/1/fs,upperdir=/s/4/fs",
            Layers(upper="/s/4/fs", lower=("/s/3/fs", "/s/1/fs")),
        ),
        ("ro,lowerdir=/s/3/fs:/s/1/fs", None),
        ("rw,upperdir=/s/4/fs", None),
        ("rw,lowerdir=/s/3/fs::/s/1/fs,upperdir=/s/4/fs", None),
        (r"rw,lowerdir=/s\:x/3/fs,upperdir=/s/4/fs", None),
        ("rw,size=1", None),
    ],
)
def test_layers_are_known_from_what_is_mounted(options: str, expected: Layers | None) -> None:
    assert mounted_layers(options.split(",")) == expected
