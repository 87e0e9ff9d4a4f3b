from __future__ import annotations

import gc
import hashlib
import io
import os
import subprocess
import tarfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from kharness.engine.api import BuildRequest, Engine
from kharness.errors import HostError
from kharness.host.image import context
from kharness.host.image.context import ContextEntry, content_digest, plan_context, stream
from kharness.host.session.owner import current_owner
from kharness.plan.launch.runspec import RunSpec
from tests.host.contexts import digest, write


def unpacked(entries: Sequence[ContextEntry]) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream(entries))), errors="surrogateescape") as archive:
        return {member.name: member for member in archive}


def test_a_rewritten_dockerfile_is_what_is_sent(directory: Path) -> None:
    entries = plan_context(directory, copies=(), downloads=(), dockerfile=b"FROM other\n")
    assert unpacked(entries)["Dockerfile"].size == len(b"FROM other\n")


def test_a_source_tree_is_not_written_to(directory: Path) -> None:
    write(directory, "files/etc/a")
    write(directory, "private.d/etc/a")
    before = {path: path.stat().st_mtime_ns for path in directory.rglob("*")}
    b"".join(stream(plan_context(directory, copies=(), downloads=())))
    assert {path: path.stat().st_mtime_ns for path in directory.rglob("*")} == before


NAMES = ("new\nline", "é" * 120, os.fsdecode(b"latin-\xe9"), "a" * 100, f"{'b' * 200}/{'c' * 200}", "-rf", "with space")


def test_any_name_comes_through(directory: Path) -> None:
    for name in NAMES:
        write(directory, f"files/{name}", "x")
    (directory / "files/link").symlink_to("d" * 300)
    members = unpacked(plan_context(directory, copies=(), downloads=()))
    for name in NAMES:
        assert members[f"files/{name}"].isfile()
    assert members["files/link"].linkname == "d" * 300
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members.values()} == {(0, 0, "", "", 0)}


def test_a_stream_comes_in_pieces_and_is_not_held(directory: Path) -> None:
    with (directory / "big").open("wb") as file:
        file.truncate(60 << 20)
    for number in range(300):
        write(directory, f"small/{number}", "x" * number)
    entries = plan_context(directory, copies=[(directory / "big", "big"), (directory / "small", "small")], downloads=())
    gc.collect()
    tracemalloc.start()
    sizes = [len(piece) for piece in stream(entries)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert all(1 << 16 <= size <= 1 << 20 for size in sizes[:-1])
    assert sum(sizes) > 60 << 20
    assert peak < 3 << 20


def test_a_file_that_changes_its_size_is_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(directory, "files/log", "x" * 1_000_000)
    pieces = stream(plan_context(directory, copies=(), downloads=()))
    monkeypatch.setattr(context, "_CHUNK", 1000)
    next(pieces)
    path.write_text("short")
    with pytest.raises(HostError, match="files/log: changed while it was read"):
        list(pieces)


def test_a_file_that_goes_after_the_plan_is_named(directory: Path) -> None:
    path = write(directory, "files/a")
    entries = plan_context(directory, copies=(), downloads=())
    path.unlink()
    with pytest.raises(HostError, match="files/a: cannot be read: No such file"):
        list(stream(entries))
    path.symlink_to("/etc/passwd")
    with pytest.raises(HostError, match="files/a: cannot be read"):
        content_digest(entries, {})


def change_content(directory: Path) -> None:
    (directory / "files/a").write_text("other")


def change_name(directory: Path) -> None:
    (directory / "files/a").rename(directory / "files/b")


def change_mode(directory: Path) -> None:
    (directory / "files/a").chmod(0o755)


def change_dockerfile(directory: Path) -> None:
    write(directory, "Dockerfile", "FROM scratch\nCOPY files/ /\nUSER 1\n")


def change_link(directory: Path) -> None:
    (directory / "files/link").unlink()
    (directory / "files/link").symlink_to("b")


def add_directory(directory: Path) -> None:
    (directory / "files/empty").mkdir()


@pytest.mark.parametrize(
    "change", [change_content, change_name, change_mode, change_dockerfile, change_link, add_directory]
)
def test_every_change_changes_the_digest(directory: Path, change: Callable[[Path], None]) -> None:
    write(directory, "files/a", "a text")
    (directory / "files/link").symlink_to("a")
    before = digest(directory)
    assert digest(directory) == before
    change(directory)
    assert digest(directory) != before


def test_a_digest_is_the_same_elsewhere_and_later(directory: Path, tmp_path: Path) -> None:
    write(directory, "files/etc/a", "x")
    before = digest(directory)
    subprocess.run(["cp", "-r", directory, tmp_path / "clone"], check=True)
    os.utime(tmp_path / "clone/files/etc/a", (0, 0))
    assert digest(tmp_path / "clone") == before


def test_the_extras_are_part_of_a_digest_and_do_not_run_together(directory: Path) -> None:
    found = {digest(directory), digest(directory, a="b"), digest(directory, a="b", c=""), digest(directory, ab="")}
    assert len(found) == 4
    assert digest(directory, a="1", b="2") == digest(directory, b="2", a="1")


def test_two_contents_of_one_size_within_a_tick_have_two_digests(directory: Path) -> None:
    seen = set()
    for number in range(10, 60):
        write(directory, "files/a", str(number))
        seen.add(digest(directory))
    assert len(seen) == 50


def test_unchanged_files_are_read_once(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(directory, "files/a", "x")
    monkeypatch.setattr(context, "_SETTLED", 0)
    first = digest(directory)
    read: list[object] = []
    real = hashlib.file_digest

    def count(file: Any, kind: str) -> Any:
        read.append(file)
        return real(file, kind)

    monkeypatch.setattr(hashlib, "file_digest", count)
    assert digest(directory) == first
    assert read == []
    time.sleep(0.02)
    path.write_text("y")
    assert digest(directory) != first
    assert len(read) == 1


@pytest.fixture(params=["classic", "BuildKit"])
def builder(request: pytest.FixtureRequest, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The engine, with one of its builders."""
    monkeypatch.setattr(engine, "_buildkit", request.param == "BuildKit")
    return engine


@pytest.fixture
def image(builder: Engine, directory: Path, busybox: str, own: str) -> Iterator[str]:
    """An image of the directory, with all the names in /x."""
    for name in NAMES:
        write(directory, f"files/x/{name}", "x")
    write(directory, "files/x/tool", "#!/bin/sh\necho hello\n", mode=0o755)
    write(directory, "private.d/x/key", "key", mode=0o600)
    (directory / "files/x/link").symlink_to("tool")
    write(directory, "Dockerfile", f"FROM {busybox}\nCOPY files/ /\n")
    tag = f"{own}:latest"
    builder.build(stream(plan_context(directory, copies=(), downloads=())), BuildRequest(tag=tag))
    yield tag
    builder.remove_image(tag, force=True)


def test_both_builders_read_every_entry(builder: Engine, image: str, own: str) -> None:
    container = builder.create(
        RunSpec(name=own, image=image, command=("sleep", "60"), init=True, labels=current_owner().labels())
    )
    try:
        builder.start(container)
        _, listed, _ = builder.exec_raw(container, ["find", "/x", "-type", "f", "-print0"])
        assert {os.fsdecode(name) for name in listed.split(b"\0") if name} == {
            f"/x/{name}" for name in (*NAMES, "tool", "key")
        }
        stats = builder.exec(container, ["stat", "-c", "%a %u %g %n", "/x", "/x/tool", "/x/key", "/x/-rf"]).stdout
        assert stats == "755 0 0 /x\n755 0 0 /x/tool\n600 0 0 /x/key\n644 0 0 /x/-rf\n"
        assert builder.exec(container, ["/x/link"]).stdout == "hello\n"
    finally:
        builder.remove(container, force=True)
