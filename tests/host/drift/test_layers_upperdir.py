"""An upper directory beside several lower ones, made by hand as the kernel makes them."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.drift.layers import TRUSTED, USER, UnclearError, hold, walk_upper

pytestmark = pytest.mark.usefixtures("as_root")


def layer(top: Path, **entries: str) -> Path:
    """Make a layer; `/` is a directory, `//` an opaque one, `-` a whiteout, `->` a link, else a file's content."""
    top.mkdir()
    for name, what in entries.items():
        path = top / name.replace("__", "/")
        match what:
            case "/" | "//":
                path.mkdir()
                if what == "//":
                    os.setxattr(path, f"{TRUSTED}opaque", b"y")
            case "-":
                os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(0, 0))
            case "->":
                path.symlink_to("/etc")
            case _:
                path.write_text(what)
    return top


def seen(upper: Path, below: Sequence[Path], *, prefix: str = TRUSTED) -> set[str]:
    """Return `+path` for what is new, `-path` for what is hidden, `=path: content` for what lies over something."""
    found = set()
    with ExitStack() as stack:
        for pair in walk_upper(hold(stack, upper), [hold(stack, each) for each in below], prefix=prefix):
            if pair.old is None:
                found.add(f"+{pair.path}")
            elif pair.new is None:
                found.add(f"-{pair.path}")
            elif stat.S_ISREG(pair.old.found.st_mode):
                old = os.open(pair.name, os.O_RDONLY, dir_fd=pair.old.at)
                found.add(f"={pair.path}: {os.read(old, 99).decode()}")
                os.close(old)
            else:
                found.add(f"={pair.path}")
    return found


@pytest.mark.parametrize(
    ("upper", "middle", "lowest", "expected"),
    [
        # The uppermost of the lower ones has a name.
        ({"a": "new"}, {"a": "2"}, {"a": "1"}, {"=a: 2"}),
        ({"a": "new"}, {}, {"a": "1"}, {"=a: 1"}),
        ({"a": "new"}, {"a": "-"}, {"a": "1"}, {"+a"}),
        ({"a": "-"}, {"a": "-"}, {"a": "1"}, set()),
        ({"a": "-"}, {}, {"a": "1"}, {"-a"}),
        ({"a": "-"}, {}, {}, set()),
        # Directories merge, down to what hides those below.
        ({"d": "/", "d__x": "-"}, {"d": "/"}, {"d": "/", "d__x": "1"}, {"=d", "-d/x"}),
        ({"d": "/", "d__x": "n"}, {"d": "//"}, {"d": "/", "d__x": "1"}, {"=d", "+d/x"}),
        ({"d": "/", "d__x": "n"}, {"d": "file"}, {"d": "/", "d__x": "1"}, {"=d: file", "+d/x"}),
        ({"d": "/", "d__x": "n"}, {"d": "-"}, {"d": "/", "d__x": "1"}, {"+d", "+d/x"}),
        ({"d": "/", "d__x": "n"}, {"d": "->"}, {"d": "/", "d__x": "1"}, {"=d", "+d/x"}),
        # One that takes another's place hides all of it, and nothing that was hidden before.
        (
            {"d": "//", "d__x": "n", "d__y": "n"},
            {"d": "/", "d__x": "2", "d__gone": "-"},
            {"d": "/", "d__gone": "1", "d__z": "1"},
            {"=d", "=d/x: 2", "+d/y", "-d/z"},
        ),
        ({"d": "//"}, {"d": "->"}, {"d": "/", "d__x": "1"}, {"=d"}),
        # What is in a directory that is hidden is not told.
        ({"d": "-"}, {}, {"d": "/", "d__x": "1"}, {"-d"}),
        ({"d": "->"}, {}, {"d": "/", "d__x": "1"}, {"=d"}),
    ],
)
def test_layers_are_read_as_the_kernel_reads_them(
    tmp_path: Path, upper: dict[str, str], middle: dict[str, str], lowest: dict[str, str], expected: set[str]
) -> None:
    below = (layer(tmp_path / "2", **middle), layer(tmp_path / "1", **lowest))
    assert seen(layer(tmp_path / "3", **upper), below) == expected


def test_the_attributes_of_a_mount_without_root_have_another_name(tmp_path: Path) -> None:
    upper, below = layer(tmp_path / "2", d="/"), [layer(tmp_path / "1", d="/", d__x="1")]
    os.setxattr(upper / "d", f"{USER}opaque", b"y")
    assert seen(upper, below, prefix=USER) == {"=d", "-d/x"}
    # Anybody can write such attributes: to root's own mounts they say nothing.
    assert seen(upper, below) == {"=d"}


@pytest.mark.parametrize("attribute", ["opaque", "redirect", "metacopy"])
def test_entries_whose_content_is_elsewhere_are_unclear(tmp_path: Path, attribute: str) -> None:
    upper = layer(tmp_path / "2", d="/", f="")
    with (upper / "f").open("wb") as file:
        file.truncate(4096)
    os.setxattr(upper / ("f" if attribute == "metacopy" else "d"), f"{TRUSTED}{attribute}", b"x")
    with pytest.raises(UnclearError):
        seen(upper, [layer(tmp_path / "1")])


def test_a_tree_that_is_too_deep_is_refused_and_names_where(tmp_path: Path) -> None:
    upper = layer(tmp_path / "2")
    (upper / "/".join("d" * 202)).mkdir(parents=True)
    with pytest.raises(HostError, match=r"d/d/d.*\.\.\.: should not be deeper than 200 directories"):
        seen(upper, [layer(tmp_path / "1")])


def test_a_link_below_is_not_followed(tmp_path: Path) -> None:
    elsewhere = layer(tmp_path / "elsewhere", x="secret")
    below = layer(tmp_path / "1")
    (below / "d").symlink_to(elsewhere)
    assert seen(layer(tmp_path / "2", d="/", d__x="n"), [below]) == {"=d", "+d/x"}
