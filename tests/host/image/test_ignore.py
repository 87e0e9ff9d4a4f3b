"""What a service's folder brings into a build, held against `docker build` where an engine is there."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from kharness.errors import HostError
from kharness.host.image.context import content_digest, stream
from kharness.host.image.ignore import Ignored, ignored_by, read_folder, read_patterns
from tests.conftest import no_engine

FILES = (
    *("Dockerfile", "a.txt", "b.md", "README.md", "#x", " y", "dir/a.txt", "dir/b.md", "dir/sub/a.txt", "dir/sub/k.go"),
    *(
        "node_modules/x/index.js",
        "node_modules/keep/index.js",
        "src/node_modules/y.js",
        ".git/config",
        ".env",
        "a+b.txt",
    ),
    *("docs/one.md", "docs/deep/two.md", "x/y/z/file", "foo/bar/baz", "foobar", "[odd]/file", "deep/dir/sub/a.txt"),
)
CASES = {
    "nothing": "",
    "name": "a.txt\n",
    "everywhere": "**/a.txt\n",
    "suffix": "*.md\n!README.md\n",
    "order": "!README.md\n*.md\n",
    "directory": "node_modules\n",
    "directory with a slash": "/node_modules/\n",
    "taken back below": "node_modules\n!node_modules/keep\n",
    "all but": "*\n!src\n!dir/sub/*.go\n",
    "two stars in the middle": "foo/**/baz\n**/deep/two.md\n",
    "two stars at the end": "x/**\n",
    "comments and blanks": "# a\n\n  a.txt  \n #x\n",
    "question": "?.txt\n",
    "set": "[a-b].*\n",
    "complement": "[^a].md\n",
    "escaped": "\\[odd\\]\n\\#x\n",
    "dots": "./a.txt\nfoo/../foobar\n",
    "literal plus": "a+b.txt\n",
    "one level": "*/a.txt\n*/*/k.go\n",
    "again and again": "dir\n!dir/sub\ndir/sub/k.go\n",
    "the file itself": ".dockerignore\n.env\n.git\n",
    "space after bang": "*.md\n! README.md\n",
    "the context": ".\n/\n",
}


def tree(top: Path, *files: str) -> Path:
    for name in files:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)
    return top


def names(top: Path, *, directories: bool = False) -> set[str]:
    entries = read_folder(top, ignored_by(top, top / "Dockerfile"))
    return {entry.arcname for entry in entries if directories or entry.kind != "dir"}


@pytest.mark.engine
@pytest.mark.parametrize("case", CASES)
def test_the_same_files_arrive_as_with_docker_build(
    engine: Engine, busybox: str, tmp_path: Path, request: pytest.FixtureRequest, case: str
) -> None:
    del engine
    docker = shutil.which("docker")
    if docker is None:
        no_engine(request, "needs the docker command")
    top = tree(tmp_path / "context", *FILES)
    (top / ".dockerignore").write_text(CASES[case])
    # The classic client sends what its ignore file leaves, plus the two files that the builder itself needs.
    (top / "Dockerfile").write_text(
        f"FROM {busybox}\nCOPY . /kharness-context\nRUN cd /kharness-context && find . -type f\n"
    )
    found = subprocess.run(
        [docker, "build", "--no-cache", "--force-rm", "-q=false", "."],
        cwd=top,
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    image = found.stdout.split("Successfully built ")[1].split()[0]
    subprocess.run([docker, "rmi", image], check=True, capture_output=True)
    arrived = {line[2:] for line in found.stdout.splitlines() if line.startswith("./")}
    assert names(top) == arrived


def test_an_ignore_file_named_after_the_dockerfile_stands_in_for_the_other(tmp_path: Path) -> None:
    top = tree(tmp_path, "Dockerfile", "a", "b")
    (top / ".dockerignore").write_text("a\n")
    (top / "Dockerfile.dockerignore").write_text("b\n")
    assert names(top) == {"Dockerfile", "a", ".dockerignore", "Dockerfile.dockerignore"}


def test_an_ignored_directory_is_not_walked_unless_something_in_it_could_come_back() -> None:
    ignored = Ignored(read_patterns("node_modules\nsrc\n!src/*.c\n!**/x/keep"))
    assert ignored.may_return_below("src")
    assert ignored.may_return_below("node_modules")
    plain = Ignored(read_patterns("node_modules\nsrc\n!src/*.c"))
    assert not plain.may_return_below("node_modules")
    assert not plain.may_return_below("src/deep")


def test_what_a_wildcard_takes_back_is_found_at_any_depth(tmp_path: Path) -> None:
    top = tree(tmp_path, "a.txt", "b", "dir/a.txt", "deep/dir/sub/a.txt")
    # As BuildKit does; the classic client does not look into directories for it.
    (top / ".dockerignore").write_text("**\n!**/a.txt\n")
    assert names(top) == {"a.txt", "dir/a.txt", "deep/dir/sub/a.txt"}


def test_a_directory_that_is_left_out_comes_along_with_what_is_taken_back(tmp_path: Path) -> None:
    top = tree(tmp_path, "dir/sub/a", "dir/b", "other/c")
    (top / ".dockerignore").write_text("*\n!dir/sub\n")
    assert names(top, directories=True) == {"dir", "dir/sub", "dir/sub/a"}


def test_modes_times_and_links_are_as_they_are_and_sockets_stay_away(tmp_path: Path) -> None:
    top = tree(tmp_path, "run", "plain")
    (top / "run").chmod(0o4751)
    os.utime(top / "plain", (5, 1_000_000_000))
    (top / "out").symlink_to("/etc/passwd")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(top / "s"))
        found = {entry.arcname: entry for entry in read_folder(top, Ignored())}
    assert set(found) == {"run", "plain", "out"}
    assert (found["run"].mode, found["plain"].mtime) == (0o4751, 1_000_000_000)
    assert (found["out"].kind, found["out"].link) == ("link", "/etc/passwd")


def test_a_time_that_changed_changes_no_digest(tmp_path: Path) -> None:
    top = tree(tmp_path, "a")
    first = content_digest(read_folder(top, Ignored()), {})
    os.utime(top / "a", (5, 1_000_000_000))
    assert content_digest(read_folder(top, Ignored()), {}) == first


def test_a_folder_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="nowhere: cannot be read: No such file"):
        list(read_folder(tmp_path / "nowhere", Ignored()))


def test_two_thousand_files_are_streamed_a_megabyte_at_a_time(tmp_path: Path) -> None:
    for number in range(2000):
        (tmp_path / f"f{number}").write_bytes(bytes(4096))
    pieces = [len(piece) for piece in stream(read_folder(tmp_path, Ignored()))]
    assert max(pieces) <= 1 << 20
    assert sum(pieces) > 2000 * 4096
