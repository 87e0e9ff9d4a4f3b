"""A fingerprint sees every change of a tree, none where there is none, and touches nothing."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kharness.host.trees import MAX_DEPTH
from kharness.host.volumes.fingerprint import fingerprint
from kharness.plan.session.untouched import PathChange, differences
from tests.host.trees import NAMES, grow

FILES = 10_000
PER_DIRECTORY = 100
ROOT = os.geteuid() == 0
MEGABYTE = 1 << 20


def unlike(top: Path, change: Callable[[Path], object], *, contents: bool = False) -> tuple[PathChange, ...]:
    before = fingerprint(top, contents=contents)
    change(top)
    return differences(before, fingerprint(top, contents=contents))


def named(found: tuple[PathChange, ...]) -> dict[str, set[str]]:
    """Return what is said of each path, without values."""
    return {each.path: {part.split(" ")[0] for part in (each.what or each.kind).split(", ")} for each in found}


def restoring(change: Callable[[Path], object], path: str) -> Callable[[Path], None]:
    """Let a change give a path its times back."""

    def work(top: Path) -> None:
        found = (top / path).lstat()
        change(top)
        os.utime(top / path, ns=(found.st_atime_ns, found.st_mtime_ns), follow_symlinks=False)

    return work


@pytest.fixture
def small(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    (top / "sub").mkdir(parents=True)
    (top / "file").write_text("abc")
    (top / "sub/inner").write_text("def")
    (top / "link").symlink_to("file")
    return top


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (lambda top: (top / "new").mkdir(), {".": {"mtime"}, "new": {"added"}}),
        (lambda top: (top / "sub/new").touch(), {"sub": {"mtime"}, "sub/new": {"added"}}),
        (lambda top: (top / "sub/inner").unlink(), {"sub": {"mtime"}, "sub/inner": {"removed"}}),
        (lambda top: (top / "file").rename(top / "gone"), {".": {"mtime"}, "file": {"removed"}, "gone": {"added"}}),
        (lambda top: (top / "file").write_text("abcd"), {"file": {"size", "mtime"}}),
        (lambda top: (top / "file").write_text("xyz"), {"file": {"mtime"}}),
        (lambda top: (top / "file").chmod(0o4755), {"file": {"mode"}}),
        (lambda top: (top / "sub").chmod(0o1777), {"sub": {"mode"}}),
        (lambda top: top.chmod(0o700), {".": {"mode"}}),
        (lambda top: os.utime(top / "link", ns=(1, 1), follow_symlinks=False), {"link": {"mtime"}}),
        (lambda top: (top.parent / "elsewhere").hardlink_to(top / "file"), {"file": {"links"}}),
        (lambda top: (top / "file").touch(), {"file": {"mtime"}}),
    ],
)
def test_each_kind_of_change_is_seen_and_nothing_else(
    small: Path, change: Callable[[Path], object], seen: dict[str, set[str]]
) -> None:
    assert named(unlike(small, change)) == seen


@pytest.mark.skipif(not ROOT, reason="root gives files away")
@pytest.mark.parametrize("path", ["file", "sub", "link", "."])
def test_an_owner_is_seen_of_links_too(small: Path, path: str) -> None:
    found = unlike(small, lambda top: os.chown(top / path, 12, 34, follow_symlinks=False))
    assert found == (PathChange(path, "changed", "owner 0:0 -> 12:34"),)


def test_a_file_that_was_replaced_by_its_equal_is_seen_by_its_inode(small: Path) -> None:
    def swap(top: Path) -> None:
        found = (top / "file").stat()
        (top / "other").write_text("abc")
        os.utime(top / "other", ns=(found.st_atime_ns, found.st_mtime_ns))
        (top / "other").replace(top / "file")

    assert named(unlike(small, restoring(swap, "."))) == {"file": {"inode"}}


def test_a_file_that_became_a_directory_or_a_link_is_seen(small: Path) -> None:
    def swap(top: Path) -> None:
        (top / "file").unlink()
        (top / "file").mkdir()

    assert "file -> directory" in {each.path: each.what for each in unlike(small, swap)}["file"]


def test_reading_renaming_a_parent_and_looking_change_nothing(small: Path) -> None:
    before = fingerprint(small, contents=True)
    os.utime(small / "file", ns=(1, (small / "file").stat().st_mtime_ns))
    (small / "file").read_text()
    small.parent.rename(small.parent.with_name("elsewhere"))
    moved = small.parent.with_name("elsewhere") / "top"
    assert differences(before, fingerprint(moved, contents=True)) == ()


def test_access_times_are_left_alone(small: Path) -> None:
    everything = (small, small / "file", small / "sub", small / "sub/inner")
    for path in everything:
        os.utime(path, ns=(1, 2))
    fingerprint(small, contents=True)
    assert [path.stat().st_atime_ns for path in everything] == [1] * 4


def test_a_same_size_change_with_its_time_restored_is_seen_in_contents_alone(small: Path) -> None:
    assert unlike(small, restoring(lambda top: (top / "file").write_text("xyz"), "file")) == ()
    assert unlike(small, restoring(lambda top: (top / "file").write_text("123"), "file"), contents=True) == (
        PathChange("file", "changed", "content"),
    )


@pytest.mark.parametrize("place", [0, MEGABYTE - 1, MEGABYTE, 5 * MEGABYTE + 17, 9 * MEGABYTE - 1])
def test_one_byte_of_a_large_file_is_seen(tmp_path: Path, place: int) -> None:
    file = tmp_path / "large"
    file.write_bytes(random.Random(1).randbytes(4 * MEGABYTE))
    os.truncate(file, 9 * MEGABYTE)

    def write(_top: Path) -> None:
        with file.open("r+b") as opened:
            opened.seek(place)
            old = opened.read(1)
            opened.seek(place)
            opened.write(bytes([old[0] ^ 1]))

    assert unlike(tmp_path, restoring(write, "large"), contents=True) == (PathChange("large", "changed", "content"),)


def test_holes_are_zeros_and_cost_no_time(tmp_path: Path) -> None:
    file = tmp_path / "holes"
    with file.open("wb") as opened:
        opened.truncate(1 << 34)
        opened.seek(3 * MEGABYTE)
        opened.write(b"data")
    # To read 16 GiB of zeros takes longer.
    began = time.process_time()
    before = fingerprint(tmp_path, contents=True)
    assert time.process_time() - began < 2
    found = file.stat()
    with file.open("r+b") as opened:
        opened.seek(100 * MEGABYTE)
        opened.write(bytes(4096))
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert differences(before, fingerprint(tmp_path, contents=True)) == ()


def test_a_link_s_text_is_content_even_where_its_inode_is_used_again(small: Path) -> None:
    found = fingerprint(small, contents=True)
    assert found.digests["link"] == b"file"
    other = replace(found, digests={**found.digests, "link": b"elsewhere"})
    assert differences(found, other) == (PathChange("link", "changed", "content"),)


def test_a_single_file_is_a_tree_of_one(tmp_path: Path) -> None:
    file = tmp_path / "app.conf"
    file.write_text("abc")
    assert fingerprint(file).entries == 1
    assert named(unlike(file, lambda top: top.write_text("abcd"))) == {".": {"size", "mtime"}}
    change = restoring(lambda top: top.write_text("dcba"), ".")
    assert unlike(file, change) == ()
    change = restoring(lambda top: top.write_text("abcd"), ".")
    assert unlike(file, change, contents=True) == (PathChange(".", "changed", "content"),)


def test_a_link_to_the_top_is_followed_and_links_below_are_not(small: Path) -> None:
    link = small.parent / "link"
    link.symlink_to(small)
    outside = small.parent / "outside"
    outside.mkdir()
    (small / "out").symlink_to(outside)
    assert differences(fingerprint(small), fingerprint(link)) == ()
    assert unlike(small, lambda _: (outside / "new").touch()) == ()


def test_a_top_that_is_gone_is_no_error(small: Path) -> None:
    assert fingerprint(small / "missing").entries == 0
    found = unlike(small, lambda top: top.rename(top.with_name("gone")))
    assert {each.kind for each in found} == {"removed"}
    assert [each.path for each in found] == [".", "file", "link", "sub", "sub/inner"]


def test_what_is_mounted_below_is_part_of_it(small: Path) -> None:
    if not ROOT or subprocess.run(["mount", "-t", "tmpfs", "none", small / "sub"], check=False).returncode:
        pytest.skip("mounting is root's")
    try:
        (small / "sub/there").touch()
        assert named(unlike(small, lambda top: (top / "sub/there").write_text("x")))["sub/there"] == {"size", "mtime"}
        before = fingerprint(small)
    finally:
        subprocess.run(["umount", small / "sub"], check=True)
    assert "device" in named(differences(before, fingerprint(small)))["sub"]


def test_a_tree_may_change_while_it_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = tmp_path / "top"
    for name in ("a", "b"):
        (top / name).mkdir(parents=True)
        (top / name / "file").touch()
    original = os.open

    def opens(path: str, flags: int, *args: int, dir_fd: int | None = None) -> int:
        if path in {"a", "b"}:
            (top / path).rename(tmp_path / path)
            (top / path).symlink_to(tmp_path / path)
        return original(path, flags, *args, dir_fd=dir_fd)

    monkeypatch.setattr("kharness.host.volumes.fingerprint.os.open", opens)
    found = fingerprint(top)
    assert set(found.listings) == {""}
    assert found.unread == {}


def test_a_tree_that_is_too_deep_is_looked_at_as_far_as_it_can_be_copied(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(MAX_DEPTH + 5):
        deep /= "d"
    deep.mkdir(parents=True)
    found = fingerprint(tmp_path)
    assert list(found.unread.values()) == [f"deeper than {MAX_DEPTH} directories"]


@pytest.mark.usefixtures("home")
@pytest.mark.skipif(not ROOT, reason="root becomes a user who may not read")
def test_what_may_not_be_read_is_named_and_hides_nothing_else(small: Path) -> None:
    (small / "sub").chmod(0o700)
    (small / "file").chmod(0o600)
    small.chmod(0o755)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(4321)
            os.setuid(4321)
            plain, read = fingerprint(small), fingerprint(small, contents=True)
            same = plain.unread == {"sub": "Permission denied"}
            status = 0 if same and set(read.unread) == {"sub", "file"} and plain.entries == 4 else 1
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


MUTATIONS = ("touch", "mode", "owner", "grow", "rewrite", "remove", "add", "link", "rename", "retime")


def _mutate(path: Path, how: str, chance: random.Random) -> bool:
    """Change one thing; False where that cannot be done to this entry."""
    kind = stat.S_IFMT(path.lstat().st_mode)
    match how:
        case "touch" | "retime":
            os.utime(path, ns=(5, chance.randrange(10**18)), follow_symlinks=False)
        case "mode" if kind != stat.S_IFLNK:
            path.chmod(stat.S_IMODE(path.stat().st_mode) ^ (1 << chance.randrange(12)))
        case "owner" if ROOT:
            found = path.lstat()
            os.chown(path, found.st_uid + 1, found.st_gid, follow_symlinks=False)
        case "grow" if kind == stat.S_IFREG:
            os.truncate(path, path.stat().st_size + 1)
        case "rewrite" if kind == stat.S_IFREG and path.stat().st_size:
            found = path.stat()
            with path.open("r+b") as file:
                first = file.read(1)
                file.seek(0)
                file.write(bytes([first[0] ^ 0xFF]))
            os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
        case "remove" if kind != stat.S_IFDIR:
            path.unlink()
        case "add" if kind == stat.S_IFDIR:
            (path / "an added one").touch()
        case "link" if kind == stat.S_IFREG:
            path.with_name("another name").hardlink_to(path)
        case "rename":
            path.rename(path.with_name("another name"))
        case _:
            return False
    return True


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6), how=st.sampled_from(MUTATIONS), at=st.integers(0, 10**6))
def test_any_single_change_of_any_tree_is_seen_and_none_where_there_is_none(seed: int, how: str, at: int) -> None:
    with tempfile.TemporaryDirectory(prefix="kt-") as directory:
        top = Path(directory) / "top"
        top.mkdir()
        grow(top, seed=seed, entries=25)
        before = fingerprint(top, contents=True)
        assert before.unread == {}
        assert differences(before, fingerprint(top, contents=True)) == ()
        entries = sorted(top.rglob("*"))
        if not entries:
            return
        path = entries[at % len(entries)]
        if not _mutate(path, how, random.Random(at)):
            return
        found = differences(before, fingerprint(top, contents=True))
        below = {each.path for each in found}
        where = str(path.relative_to(top))
        assert where in below or f"{where}/an added one" in below


def test_odd_names_are_told_apart(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).touch()
    before = fingerprint(tmp_path)
    for name in NAMES:
        (tmp_path / name).chmod(0o600)
    assert {each.path for each in differences(before, fingerprint(tmp_path))} == set(NAMES)


def test_ten_thousand_files_take_no_time_and_little_memory(tmp_path: Path) -> None:
    for number in range(FILES):
        directory = tmp_path / f"directory-{number // PER_DIRECTORY:03}"
        if number % PER_DIRECTORY == 0:
            directory.mkdir()
        (directory / f"file-{number % PER_DIRECTORY:03}.dat").touch()
    times = []
    for _ in range(7):
        # Of this thread alone: neighbours may be at work.
        began = time.thread_time()
        found = fingerprint(tmp_path)
        times.append(time.thread_time() - began)
    assert found.entries == FILES + FILES // PER_DIRECTORY + 1
    # 0.04 s where nothing else runs; the bound is for machines that are slow or busy.
    assert min(times) < 0.6, times
    assert sum(len(names) + len(records) for names, records in found.listings.values()) < 70 * FILES
