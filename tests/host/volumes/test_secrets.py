"""Secret files: read with care, copied to where no other user comes, given to one user."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from kharness.errors import HostError
from kharness.host.volumes.secrets import LARGEST, give_secret, place_secret, read_secret, remove_unused, secret_key

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
VALUE = b"hunter2\n\x00\xff"


def about(path: Path) -> tuple[int, int, int]:
    found = path.lstat()
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


@pytest.mark.parametrize(("mode", "exposed"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_a_secret_is_read_as_it_is_and_who_else_may_read_it_is_told(
    tmp_path: Path, mode: int, *, exposed: bool
) -> None:
    file = tmp_path / "x"
    file.write_bytes(VALUE)
    file.chmod(mode)
    (tmp_path / "link").symlink_to(file)
    assert read_secret(file) == read_secret(tmp_path / "link") == (VALUE, exposed)


def test_the_largest_secret_is_read_and_a_byte_more_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"x" * LARGEST)
    assert len(read_secret(file)[0]) == LARGEST
    file.write_bytes(b"x" * (LARGEST + 1))
    with pytest.raises(HostError) as caught:
        read_secret(file)
    assert str(caught.value) == f"should have at most 1048576 bytes, and {file} has 1048577"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _: None, "should be a file that can be read, not {path}: No such file or directory"),
        (Path.mkdir, "should be a file, not the directory {path}"),
        (os.mkfifo, "should be a regular file, and {path} is not"),
        (
            lambda path: path.symlink_to(path),
            "should be a file that can be read, not {path}: Too many levels of symbolic links",
        ),
        (lambda path: path.symlink_to("/dev/zero"), "should be a regular file, and {path} is not"),
    ],
)
def test_what_is_no_file_is_refused_by_what_it_is(tmp_path: Path, make: object, said: str) -> None:
    path = tmp_path / "x"
    assert callable(make)
    make(path)
    with pytest.raises(HostError) as caught:
        read_secret(path)
    assert str(caught.value) == said.format(path=path)


def test_a_copy_is_its_owner_s_alone_until_it_is_given(tmp_path: Path) -> None:
    copy = tmp_path / "secrets" / "web" / "x"
    before = os.umask(0)
    try:
        place_secret(copy, VALUE, group=os.getegid())
    finally:
        os.umask(before)
    assert copy.read_bytes() == VALUE
    assert about(copy)[2] == 0o600
    assert about(copy.parent)[2] & 0o067 == 0
    assert [path.name for path in copy.parent.iterdir()] == ["x"]


@root_only
def test_a_given_copy_has_owner_and_mode_and_giving_it_again_changes_nothing(tmp_path: Path) -> None:
    copy = tmp_path / "secrets" / "x"
    place_secret(copy, VALUE, group=0)
    for _ in range(2):
        give_secret(copy, owner=(1234, 1235), mode=0o440)
        assert about(copy) == (1234, 1235, 0o440)


@root_only
@pytest.mark.parametrize(("group", "mode"), [(0, 0o700), (231072, 0o710)])
def test_mapped_root_may_pass_to_the_copies_and_list_none(tmp_path: Path, group: int, mode: int) -> None:
    place_secret(tmp_path / "secrets" / "x", VALUE, group=group)
    assert about(tmp_path / "secrets") == (0, group, mode)


def test_a_copy_that_is_there_stays_the_same_file(tmp_path: Path) -> None:
    """A container has it mounted, and would keep the old one."""
    copy = tmp_path / "secrets" / "x"
    place_secret(copy, VALUE, group=os.getegid())
    before = copy.stat()
    place_secret(copy, VALUE, group=os.getegid())
    assert (copy.stat().st_ino, copy.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_copy_that_somebody_changed_is_made_anew(tmp_path: Path) -> None:
    copy = tmp_path / "secrets" / "x"
    place_secret(copy, VALUE, group=os.getegid())
    copy.write_bytes(b"short")
    place_secret(copy, VALUE, group=os.getegid())
    assert copy.read_bytes() == VALUE


def test_no_link_is_followed_when_a_copy_is_written_or_given(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(VALUE)
    before = about(victim)
    copy = tmp_path / "secrets" / "x"
    copy.parent.mkdir()
    copy.symlink_to(victim)
    with pytest.raises(HostError, match="cannot be given to the container's user: Too many levels"):
        give_secret(copy, owner=(1, 1), mode=0o777)
    place_secret(copy, b"new", group=os.getegid())
    assert (copy.is_symlink(), copy.read_bytes(), victim.read_bytes()) == (False, b"new", VALUE)
    assert about(victim) == before


def test_a_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "secrets").symlink_to("elsewhere")
    with pytest.raises(HostError, match="cannot be written as the copy of a secret"):
        place_secret(tmp_path / "secrets" / "x", VALUE, group=os.getegid())
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_copy_that_cannot_be_written_leaves_nothing_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    copy = tmp_path / "secrets" / "x"
    with pytest.raises(HostError, match=f"{copy}: cannot be written as the copy of a secret: No space left on device"):
        place_secret(copy, VALUE, group=os.getegid())
    assert not list(copy.parent.iterdir())


def test_who_cannot_give_files_away_is_told_to_be_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "secrets" / "x"
    place_secret(copy, VALUE, group=os.getegid())
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(HostError, match=f"{copy}: should belong to uid 7 and gid 8 of this host .* run this as root"):
        give_secret(copy, owner=(7, 8), mode=0o400)
    give_secret(copy, owner=(copy.stat().st_uid, copy.stat().st_gid), mode=0o400)
    assert about(copy)[2] == 0o400


def test_a_key_is_made_once_whoever_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "state" / "secret.key"
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(secret_key(path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found)), len(found[0])) == (8, 1, 32)
    assert about(path)[2] == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["secret.key"]
    assert secret_key(tmp_path / "other" / "secret.key") != found[0]


def test_a_key_that_was_cut_short_is_told_and_not_used(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"x")
    with pytest.raises(HostError, match="should be a key of 32 bytes, not 1; remove it to have a new one"):
        secret_key(tmp_path / "key")


def test_only_what_is_not_used_is_removed(tmp_path: Path) -> None:
    directory = tmp_path / "web"
    directory.mkdir()
    for name in ("a", "b", ".left"):
        (directory / name).write_bytes(VALUE)
    assert remove_unused(directory, used=lambda name: name == "a") == (".left", "b")
    assert [path.name for path in directory.iterdir()] == ["a"]
    assert remove_unused(directory, used=lambda _: False) == ("a",)
    assert not directory.exists()
    assert remove_unused(directory, used=lambda _: False) == ()
