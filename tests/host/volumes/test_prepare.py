"""Directories and files are made whole or not at all, compared, and mended only when that is asked for."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import pytest

from kharness.errors import HostError
from kharness.host.volumes import prepare
from kharness.host.volumes.prepare import prepare_item, unfinished
from kharness.plan.volumes.prepare import Item, ItemKind, Prepared, PreparedState
from kharness.settings.prepare import Contents
from tests.host.trees import picture

ME = (os.geteuid(), os.getegid())
TEXT = Contents(text="first\n")
MEND = "run 'sudo kharness prep web'"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "dv"
    made.mkdir()
    return made


def item(root: Path, relative: str = "web/data", **said: Any) -> Item:
    values: dict[str, Any] = {
        "said": relative.removeprefix("web/"),
        "kind": ItemKind.DIRECTORY,
        "owner": ME,
        "inside": ME,
        "mode": 0o750,
        "root_owner": ME,
        **said,
    }
    return Item(root=PurePosixPath(root), relative=relative, **values)


def file(root: Path, relative: str = "web/conf/app.conf", **said: Any) -> Item:
    return item(root, relative, **{"kind": ItemKind.FILE, "mode": 0o640, "contents": TEXT, **said})


def done(what: Item, **how: Any) -> Prepared:
    return prepare_item(what, lambda: b"first\n", **how)


def never() -> NoReturn:
    raise AssertionError("contents are asked for")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_directory_is_made_with_its_parents(root: Path) -> None:
    old = os.umask(0o077)
    try:
        assert done(item(root, "web/a/b", mode=0o2770)).state is PreparedState.CREATED
    finally:
        os.umask(old)
    assert [mode(root / name) for name in ("web", "web/a", "web/a/b")] == [0o755, 0o755, 0o2770]
    assert done(item(root, "web/a/b", mode=0o2770)).state is PreparedState.AS_DECLARED


@pytest.mark.usefixtures("as_root")
def test_owners_are_given_and_parents_belong_to_the_container_s_root(root: Path) -> None:
    done(file(root, owner=(231173, 231174), root_owner=(231072, 231073), mode=0o6711))
    owners = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in root.rglob("*")}
    assert owners == {"web": (231072, 231073), "conf": (231072, 231073), "app.conf": (231173, 231174)}
    assert mode(root / "web/conf/app.conf") == 0o6711


def test_a_file_begins_with_its_contents_and_keeps_what_it_has(root: Path) -> None:
    what = file(root)
    assert done(what).state is PreparedState.CREATED
    path = root / "web/conf/app.conf"
    assert (path.read_text(), mode(path)) == ("first\n", 0o640)
    path.write_text("by the service")
    assert prepare_item(what, never, fix=True).state is PreparedState.AS_DECLARED
    path.chmod(0o600)
    assert prepare_item(what, never, fix=True).state is PreparedState.FIXED
    assert (path.read_text(), mode(path)) == ("by the service", 0o640)


@pytest.mark.usefixtures("as_root")
def test_what_differs_is_said_and_left_as_it_is(root: Path) -> None:
    what = item(root, owner=(232072, 232073), inside=(1000, 1001))
    (root / "web/data").mkdir(parents=True, mode=0o755)
    before = picture(root)
    found = done(what)
    assert (found.state, found.good) == (PreparedState.DIFFERS, False)
    assert found.notes == (
        "owner is 0:0, should be 232072:232073 (1000:1001 in the container)",
        "mode is 0755, should be 0750",
    )
    assert done(what, dry_run=True, fix=True).state is PreparedState.FIXED
    assert picture(root) == before


@pytest.mark.usefixtures("as_root")
def test_fix_changes_owner_and_mode_of_the_declared_item_alone(root: Path) -> None:
    inner = root / "web/data/inner"
    inner.mkdir(parents=True)
    (inner / "file").write_text("x")
    before = picture(inner)
    found = done(item(root, owner=(7, 8), mode=0o3750), fix=True)
    assert (found.state, found.good) == (PreparedState.FIXED, True)
    there = (root / "web/data").stat()
    assert (there.st_uid, there.st_gid, stat.S_IMODE(there.st_mode)) == (7, 8, 0o3750)
    assert picture(inner) == before
    assert (root / "web").stat().st_uid == 0


@pytest.mark.usefixtures("as_root")
def test_a_mode_with_set_id_bits_survives_the_change_of_owner(root: Path) -> None:
    what = file(root, "web/tool", mode=0o4755)
    done(what)
    done(replace(what, owner=(7, 8)), fix=True)
    assert mode(root / "web/tool") == 0o4755


def test_a_dry_run_makes_nothing(root: Path) -> None:
    for what in (item(root), file(root), item(root, "web")):
        assert prepare_item(what, never, dry_run=True).state is PreparedState.CREATED
    assert list(root.iterdir()) == []


def test_the_directory_itself_can_be_declared(root: Path) -> None:
    root.chmod(0o700)
    assert done(item(root, ".", mode=0o711)).notes == ("mode is 0700, should be 0711",)
    assert done(item(root, ".", mode=0o711), fix=True).state is PreparedState.FIXED
    assert mode(root) == 0o711


def test_an_implied_directory_is_right_as_it_is(root: Path) -> None:
    (root / "web/data").mkdir(parents=True, mode=0o700)
    assert done(item(root, implied=True, mode=0o755), fix=True).state is PreparedState.AS_DECLARED
    assert mode(root / "web/data") == 0o700


@pytest.mark.parametrize("fix", [False, True])
def test_no_link_is_followed(root: Path, tmp_path: Path, *, fix: bool) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (elsewhere / "secret").write_text("x")
    (root / "web").mkdir()
    (root / "web/link").symlink_to(elsewhere)
    (root / "web/file").symlink_to(elsewhere / "secret")
    (root / "web/nowhere").symlink_to("nothing")
    before = picture(tmp_path)
    refused = [
        done(item(root, "web/link"), fix=fix),
        done(item(root, "web/link/sub"), fix=fix),
        done(file(root, "web/link/secret"), fix=fix),
        done(file(root, "web/file"), fix=fix),
        done(file(root, "web/nowhere"), fix=fix),
        done(item(root, "web/nowhere/sub"), fix=fix),
    ]
    assert {found.state for found in refused} == {PreparedState.REFUSED}
    assert refused[0].notes == (f"should be a directory, not a symbolic link (to '{elsewhere}')",)
    assert refused[1].notes == (f"'link' on the way should be a directory, not a symbolic link (to '{elsewhere}')",)
    assert picture(tmp_path) == before


def test_the_root_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert done(item(tmp_path / "link")).state is PreparedState.CREATED
    assert (root / "web/data").is_dir()


@pytest.mark.parametrize("kind", ["file", "directory", "fifo"])
def test_another_kind_is_refused_by_name(root: Path, kind: str) -> None:
    (root / "web").mkdir()
    path = root / "web/thing"
    make: dict[str, Callable[[Path], None]] = {"file": Path.touch, "directory": Path.mkdir, "fifo": os.mkfifo}
    make[kind](path)
    what = file(root, "web/thing") if kind == "directory" else item(root, "web/thing")
    assert done(what, fix=True).notes == (f"should be a {what.kind}, not a {kind}",)
    if kind != "directory":
        assert done(item(root, "web/thing/sub")).notes == ("'thing' on the way should be a directory, not a file",)


def test_a_missing_root_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(HostError) as caught:
        done(item(tmp_path / "dv"))
    assert str(caught.value) == (
        f"{tmp_path}/dv: should be a directory, and is not there; mount it, or 'mkdir -p {tmp_path}/dv'"
    )
    assert not (tmp_path / "dv").exists()


def test_contents_that_cannot_be_had_leave_nothing(root: Path) -> None:
    def fails() -> bytes:
        raise HostError("no key today")

    with pytest.raises(HostError, match="no key today"):
        prepare_item(file(root, "web.conf"), fails)
    assert list(root.iterdir()) == []


@pytest.mark.usefixtures("as_root")
def test_a_read_only_file_system_is_one_clear_error(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(HostError) as caught:
        done(item(small_disk), mend=MEND)
    assert str(caught.value) == (
        f"{small_disk}/web/data: cannot be prepared: the directory 'web' cannot be made: Read-only file system"
    )


@pytest.mark.usefixtures("as_root")
def test_a_full_disk_leaves_nothing_half_made(small_disk: Path) -> None:
    with pytest.raises(HostError, match="the file 'big' cannot be made: No space left on device"):
        prepare_item(file(small_disk, "big"), lambda: b"x" * 2_000_000)
    assert list(small_disk.iterdir()) == []


@pytest.mark.usefixtures("as_root")
def test_a_user_who_may_not_is_told_the_command(home: Path) -> None:
    home.chmod(0o777)
    program = (
        "import sys; from tests.host.volumes.test_prepare import *\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: done(item(Path(sys.argv[1]), sys.argv[2], owner=(1234, 1234)), mend=MEND)\n"
        "except HostError as error: print(error)\n"
    )
    said = []
    (home / "closed").mkdir(mode=0o755)
    for relative in ("mine", "closed/data"):
        command = [sys.executable, "-c", program, str(home), relative]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        said.append(ran.stdout + ran.stderr)
    assert said == [
        f"{home}/mine: cannot be prepared: the directory 'mine' cannot be made: Operation not permitted; {MEND}\n",
        f"{home}/closed/data: cannot be prepared: the directory 'data' cannot be made: Permission denied; {MEND}\n",
    ]
    assert [path.name for path in home.iterdir()] == ["closed"]


@pytest.mark.parametrize("what", [item, file])
def test_a_kill_leaves_nothing_half_made_and_the_next_time_cleans_up(
    root: Path, monkeypatch: pytest.MonkeyPatch, what: Any
) -> None:
    child = os.fork()
    if not child:
        monkeypatch.setattr(prepare, "_rename", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        done(what(root, "thing"))
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert [path.name for path in root.iterdir()] == [unfinished("thing")]
    other = file if what is item else item
    assert done(other(root, "thing")).state is PreparedState.CREATED
    assert [path.name for path in root.iterdir()] == ["thing"]


def test_what_somebody_makes_at_the_same_moment_is_not_replaced(root: Path) -> None:
    def contents() -> bytes:
        (root / "thing").write_text("theirs")
        return b"ours"

    with pytest.raises(HostError, match="another process made 'thing' at this moment"):
        prepare_item(file(root, "thing"), contents)
    assert [(path.name, path.read_text()) for path in root.iterdir()] == [("thing", "theirs")]


def test_a_file_system_that_cannot_promise_it_is_good_enough(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "_NOREPLACE", 1 << 30)
    assert done(item(root)).state is PreparedState.CREATED
    (root / "there").mkdir()
    (root / "new").mkdir()
    at = os.open(root, os.O_RDONLY)
    with pytest.raises(FileExistsError):
        prepare._rename(at, "new", "there")
    os.close(at)


def test_no_open_file_is_left(root: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are counted
    (root / "web").mkdir()
    (root / "web/link").symlink_to("/")
    for relative in ("web/data", "web/link/x", "web/a/b/c"):
        for fix in (False, True):
            done(item(root, relative, mode=0o711 if fix else 0o700), fix=fix)
            done(file(root, f"{relative}.conf"), fix=fix)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_many_containers_are_prepared_at_once(root: Path) -> None:
    items = [item(root, f"c{number}/data/sub") for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert {found.state for found in pool.map(done, items)} == {PreparedState.CREATED}
    assert sorted(path.name for path in root.iterdir()) == sorted(f"c{number}" for number in range(40))


def test_the_longest_name_can_be_made(root: Path) -> None:
    assert done(file(root, "x" * 255)).state is PreparedState.CREATED
    with pytest.raises(HostError, match="File name too long"):
        done(file(root, "x" * 256))
